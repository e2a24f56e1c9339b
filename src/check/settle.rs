//! Saved or off? A domain with nothing but stale save images is off: its memory went on without them.

use crate::model::{Inventory, MemoryState, Power, Stale, Verdicts};

/// Corrects the power of domains whose every usable save image is stale. Tells whether anything changed.
pub fn settle(inventory: &mut Inventory, verdicts: &Verdicts) -> bool {
    let stale = |path| verdicts.stale.get(path).is_some_and(|verdict| verdict.stale == Stale::Yes);
    let mut changed = false;
    for domain in inventory.domains.iter_mut().filter(|domain| domain.power == Power::Saved) {
        let usable = inventory.saves.iter().filter(|save| domain.saves.contains(&save.path) && save.complete != Some(false));
        // libvirt told of one that could not be read: nothing is known of it, and nothing against it.
        let unread = domain.saves.iter().any(|path| inventory.saves.iter().all(|save| &save.path != path));
        if !unread && usable.into_iter().all(|save| stale(&save.path)) {
            domain.power = Power::Off;
            domain.memory.state = MemoryState::None;
            domain.memory.bytes = None;
            domain.notes.push("its save images are stale: it was booted, or its disks were changed, after they were made".into());
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Domain, HostPath, Save, SaveFormat, StaleVerdict};

    fn saved(stale: Stale) -> (Inventory, Verdicts) {
        let path = HostPath::from("/srv/web.save");
        let save = Save {
            path: path.clone(),
            format: SaveFormat::Xl,
            bytes: 1,
            complete: Some(true),
            cut: None,
            created: None,
            domain: None,
            uuid: None,
            memory_bytes: None,
            resumed_at_boot: false,
            readable_by_others: None,
            inode: None,
            notes: vec![],
        };
        let domain = Domain { power: Power::Saved, saves: vec![path.clone()], ..Domain::default() };
        let inventory = Inventory { domains: vec![domain], saves: vec![save], ..Inventory::default() };
        let stale = [(path, StaleVerdict { stale, evidence: vec![] })].into();
        (inventory, Verdicts { stale, ..Verdicts::default() })
    }

    #[test]
    fn a_domain_with_only_stale_images_is_off() {
        let (mut inventory, verdicts) = saved(Stale::Yes);
        assert!(settle(&mut inventory, &verdicts));
        assert_eq!(
            inventory.domains[0].power,
            Power::Off,
            "a person would be told that the domain can be resumed, and resuming ruins its disk"
        );
        let (mut inventory, verdicts) = saved(Stale::Unknown);
        assert!(!settle(&mut inventory, &verdicts));
        assert_eq!(
            inventory.domains[0].power,
            Power::Saved,
            "a saved domain would look switched off, and booting it throws its memory away"
        );
    }
}
