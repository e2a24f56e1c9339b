//! More room for a store that is about to be full: what the guard does. One step, and as little as possible before it: every look costs time
//! in which the store fills, and nothing may be written to a disk, for that disk may lie in this very store.

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, lvm};
use crate::model::fuse::Relief;
use crate::model::{Cmd, FusePart, LogicalVolume, Plan, Request, Risk, Undo, bytes};

pub(super) fn plan(wanted: &Relief, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let name = format!("{}/{}", wanted.vg, wanted.lv);
    let inventory = facts.inventory();
    let Some(volume) = inventory.volumes.iter().find(|volume| volume.vg == wanted.vg && volume.name == wanted.lv) else {
        return no("no-volume", format!("there is no volume {name}"), "look again: it may have been removed");
    };
    let now = size(wanted.part, volume, facts)?;
    look(wanted, volume, &name, now)?;
    let group = inventory.volume_groups.iter().find(|group| group.name == wanted.vg);
    let Some(group) = group else {
        return no("vg-missing", format!("nothing is known of the volume group {}", wanted.vg), "`vgs` must answer first");
    };
    if group.missing_pvs > 0 {
        return no("vg-partial", format!("devices of {} are missing", group.name), "bring them back: LVM changes nothing in such a group");
    }
    let more = wanted.to_bytes.saturating_sub(now);
    if more > group.free {
        return no(
            "vg-no-room",
            format!("{name} wants {} more, and {} has {} free", bytes::human(more), group.name, bytes::human(group.free)),
            format!("add a disk (`vgextend {}`), or remove what nobody needs", crate::model::cmd::shell_word(&group.name)),
        );
    }
    let request = Request::Relieve(wanted.clone());
    let mut draft =
        Draft::new(format!("Extend the {} of {name} to {}", wanted.part.as_str(), bytes::human(wanted.to_bytes)), &request, setting);
    draft.risk(Risk::Touches);
    draft.lock(format!("fuse {name} {}", wanted.part.as_str()));
    let (option, field) = match wanted.part {
        FusePart::Store | FusePart::Data => ("-L", "lv_size"),
        FusePart::Metadata => ("--poolmetadatasize", "lv_metadata_size"),
    };
    let size = format!("{}b", wanted.to_bytes);
    let step = draft.run(
        format!("Extend the {} of {name} from {} to {}", wanted.part.as_str(), bytes::human(now), bytes::human(wanted.to_bytes)),
        "-An: LVM keeps a copy of its metadata in /etc/lvm, and that disk may be the one that is filling; the next change of the group writes it.",
        Cmd::changes("lvextend", ["-y", "-An", option, &size, &name]),
    );
    draft.undo(step, Undo::Impossible { why: "a store that is in use cannot be made smaller".into() });
    draft.done(step, lvm::is_at_least(&name, field, wanted.to_bytes));
    draft.saw(format!("{} free in {}", bytes::human(group.free), group.name), "vgs");
    Ok(draft.finish())
}

fn size(part: FusePart, volume: &LogicalVolume, facts: &Facts<'_>) -> Go<u64> {
    let size = match part {
        FusePart::Store => volume.store_bytes,
        FusePart::Data => volume.is_thin_pool().then_some(volume.bytes),
        FusePart::Metadata => {
            let part = format!("{}_tmeta", volume.name);
            let found = facts.inventory().volumes.iter().find(|other| other.vg == volume.vg && other.name == part);
            found.filter(|_| volume.is_thin_pool()).map(|part| part.bytes)
        }
    };
    let says = format!("{} has no {}", volume.full_name(), part.as_str());
    match (size, part) {
        (Some(size), _) => Ok(size),
        (None, FusePart::Store) => no("not-a-snapshot", says, "name a classic snapshot"),
        (None, FusePart::Data | FusePart::Metadata) => no("not-a-pool", says, "name a thin pool"),
    }
}

fn look(wanted: &Relief, volume: &LogicalVolume, name: &str, now: u64) -> Go<()> {
    if volume.invalid {
        return no(
            "snapshot-lost",
            format!("{name} has overflowed: it is lost, and more room does not bring it back"),
            format!("remove it: `lvremove {}`; its origin is whole", crate::model::cmd::shell_word(name)),
        );
    }
    if volume.merging {
        return no("lv-merging", format!("{name} is being merged into its origin"), "wait for its end: it empties by itself");
    }
    if wanted.to_bytes <= now || !wanted.to_bytes.is_multiple_of(512) {
        return no("not-larger", format!("{name} has {} already", bytes::exact(now)), "ask for a larger size, in whole sectors");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Action, Fact, Inventory, JobId, Verdicts, VolumeGroup};
    use crate::plan::{Known, make};

    fn host() -> Inventory {
        let snapshot = LogicalVolume {
            vg: "vg".into(),
            name: "snap".into(),
            attr: "swi-a-s---".into(),
            store_bytes: Some(8 << 20),
            bytes: 64 << 20,
            ..LogicalVolume::default()
        };
        let pool =
            LogicalVolume { vg: "vg".into(), name: "pool".into(), attr: "twi-aotz--".into(), bytes: 64 << 20, ..LogicalVolume::default() };
        let metadata = LogicalVolume { name: "pool_tmeta".into(), bytes: 4 << 20, hidden: true, ..snapshot.clone() };
        let group = VolumeGroup { name: "vg".into(), free: 100 << 20, ..VolumeGroup::default() };
        Inventory { volumes: vec![snapshot, pool, metadata], volume_groups: vec![group], ..Inventory::default() }
    }

    fn planned(inventory: &Inventory, lv: &str, part: FusePart, to_bytes: u64) -> Result<Plan, String> {
        let at = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let id = JobId::new(at, 1);
        let setting = Setting {
            id,
            job_dir: "/run/x".into(),
            now: at,
            host_id: "host".into(),
            can_mount: false,
            figures: crate::model::Figures::default(),
            hooks: crate::plan::Hooks::default(),
        };
        let facts: &[Fact] = &[];
        let known = Known { inventory, verdicts: &Verdicts::default(), facts };
        let request = Request::Relieve(Relief { vg: "vg".into(), lv: lv.into(), part, to_bytes });
        make(&request, known, &setting).map_err(|refusal| refusal.rule)
    }

    #[test]
    fn one_command_without_a_look_or_a_write_before_it() {
        let words = |part, lv| {
            let plan = planned(&host(), lv, part, 16 << 20).unwrap();
            assert!(plan.assumptions.is_empty() && plan.steps.len() == 1, "the store fills while something else is looked at");
            assert!(plan.steps.iter().all(|step| step.done.is_some()), "a guard that was killed could not tell whether it had extended");
            plan.steps
                .iter()
                .filter_map(|step| if let Action::Run { cmd } = &step.action { Some(cmd.to_string()) } else { None })
                .collect::<String>()
        };
        assert_eq!(words(FusePart::Store, "snap"), "lvextend -y -An -L 16777216b vg/snap");
        assert_eq!(words(FusePart::Metadata, "pool"), "lvextend -y -An --poolmetadatasize 16777216b vg/pool");
    }

    #[test]
    fn what_cannot_help_is_refused() {
        let rule = |inventory: &Inventory, lv, part, to| planned(inventory, lv, part, to).unwrap_err();
        assert_eq!(rule(&host(), "snap", FusePart::Store, 4 << 20), "not-larger", "a store would be made smaller");
        assert_eq!(rule(&host(), "snap", FusePart::Store, 1 << 30), "vg-no-room");
        assert_eq!(rule(&host(), "gone", FusePart::Store, 16 << 20), "no-volume");
        assert_eq!(rule(&host(), "snap", FusePart::Data, 16 << 20), "not-a-pool");
        let mut lost = host();
        lost.volumes[0].invalid = true;
        assert_eq!(rule(&lost, "snap", FusePart::Store, 16 << 20), "snapshot-lost", "room was given to a snapshot that is lost");
        let mut partial = host();
        partial.volume_groups[0].missing_pvs = 1;
        assert_eq!(rule(&partial, "snap", FusePart::Store, 16 << 20), "vg-partial");
    }
}
