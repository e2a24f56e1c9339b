//! The stories, by what they are about.

mod attach;
mod changes;
mod clones;
mod configs;
mod disks;
mod growth;
mod guard;
mod hostile;
mod increments;
mod measures;
mod power;
mod refused;
mod saves;
mod screen;
mod sharing;
mod storage;
mod strategies;
mod volumes;

use crate::scenario::Scenario;

/// What domkeep shows of a host. Those that need the same guests stand side by side.
pub fn seeing() -> Vec<Scenario> {
    let mut seeing = configs::scenarios();
    seeing.extend(disks::scenarios());
    seeing.extend(sharing::scenarios());
    seeing.extend(storage::scenarios());
    seeing.extend(power::scenarios());
    seeing.extend(saves::scenarios());
    seeing.extend(hostile::scenarios());
    seeing.extend(screen::scenarios());
    seeing
}

/// What domkeep does to a host.
pub fn changing() -> Vec<Scenario> {
    let mut changing = changes::scenarios();
    changing.extend(volumes::scenarios());
    changing.extend(growth::scenarios());
    changing.extend(clones::scenarios());
    changing.extend(attach::scenarios());
    changing.extend(refused::scenarios());
    changing.extend(guard::scenarios());
    changing.extend(strategies::scenarios());
    changing.extend(increments::scenarios());
    changing
}

/// What is measured on a host: by hand, while the machine does nothing else.
pub fn measuring() -> Vec<Scenario> {
    measures::scenarios()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_scenario_has_a_name_of_its_own() {
        let all: Vec<Scenario> = seeing().into_iter().chain(changing()).chain(measuring()).collect();
        let names: HashSet<_> = all.iter().map(|scenario| scenario.name).collect();
        let slugs: HashSet<_> = all.iter().map(Scenario::slug).collect();
        assert_eq!((names.len(), slugs.len()), (all.len(), all.len()), "two scenarios would keep their failures in one folder");
    }
}
