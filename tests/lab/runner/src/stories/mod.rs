//! The stories, by what they are about.

mod attach;
mod changes;
mod clones;
mod configs;
mod disks;
mod guard;
mod hostile;
mod increments;
mod power;
mod refused;
mod saves;
mod screen;
mod sharing;
mod storage;
mod strategies;
mod volumes;

use crate::scenario::Scenario;

/// Every scenario, those that need the same guests side by side.
pub fn all() -> Vec<Scenario> {
    let mut all = configs::scenarios();
    all.extend(disks::scenarios());
    all.extend(sharing::scenarios());
    all.extend(storage::scenarios());
    all.extend(power::scenarios());
    all.extend(saves::scenarios());
    all.extend(hostile::scenarios());
    all.extend(screen::scenarios());
    all.extend(changes::scenarios());
    all.extend(volumes::scenarios());
    all.extend(clones::scenarios());
    all.extend(attach::scenarios());
    all.extend(refused::scenarios());
    all.extend(guard::scenarios());
    all.extend(strategies::scenarios());
    all.extend(increments::scenarios());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_scenario_has_a_name_of_its_own() {
        let all = all();
        let names: HashSet<_> = all.iter().map(|scenario| scenario.name).collect();
        let slugs: HashSet<_> = all.iter().map(Scenario::slug).collect();
        assert_eq!((names.len(), slugs.len()), (all.len(), all.len()), "two scenarios would keep their failures in one folder");
    }
}
