//! Snapshots and thin pools that are full, or nearly.

use super::{Explanation, Rule, Scene};
use crate::model::bytes::human_or_unknown;
use crate::model::cmd::shell_word;
use crate::model::fuse::span;
use crate::model::{Evidence, Finding, Forecast, Fuse, FusePart, LogicalVolume, Severity, Subject};

/// Who fills so fast is near its end, whatever its fill.
const DANGER_SECONDS: u64 = 15 * 60;
const WARNING_SECONDS: u64 = 2 * 3600;

const LVS: &str = "lvs -a -o lv_name,vg_name,lv_attr,origin,data_percent,metadata_percent";

pub(super) static OVERFLOWED: Rule = Rule {
    explanation: Explanation {
        code: "snapshot-overflowed",
        title: "A snapshot overflowed: it is lost for ever.",
        what: "A classic snapshot keeps the old content of every block that is overwritten in its origin, in a store of its own. The store was full, \
               so LVM gave the snapshot up (`I` in the fifth place of its attributes). Lost is the snapshot: the state that it kept, and all that was \
               written to it; every read of it fails from then on, and nothing brings it back (a larger store or a merge do not). Not lost is the \
               origin: its data is whole, as if there had never been a snapshot.",
        how_it_comes: "The snapshot was made too small for what was written to the origin, or it was forgotten: it fills as long as it exists.",
        looked_at: "lvs: the attributes, lv_snapshot_invalid, and the fill of the store.",
        mend: &[
            "Only removing it helps; `lvextend` seems to work on it and changes nothing:",
            "  lvremove VG/SNAPSHOT",
            "If a domain has it as its disk, shut that domain down first; its writes are gone.",
        ],
        proves_not: "That a backup which was made of it before is bad: only what was read after the overflow.",
    },
    why: "Whatever was counted on from this snapshot, a backup in the making or a domain's disk, is gone. A backup that was still being read from it is worthless.",
    look: look_overflowed,
};

pub(super) static NEARLY_FULL: Rule = Rule {
    explanation: Explanation {
        code: "snapshot-nearly-full",
        title: "A snapshot's store is nearly full.",
        what: "The store of a classic snapshot fills with every block that is written to the origin (and to the snapshot) for the first time. When it is \
               full, the snapshot is lost, at once and for ever.",
        how_it_comes: "A snapshot for a backup was not removed afterwards, or it was made too small.",
        looked_at: "lvs: data_percent. From which fill on it is a warning or a danger stands in the settings (snapshot_warning_percent, snapshot_danger_percent). \
                    One that will be full within 2 hours at the present pace is a warning at any fill, within 15 minutes a danger.",
        mend: &[
            "Give it more room, if the group has some:",
            "  lvextend -L +1G VG/SNAPSHOT",
            "or remove it, if it is not needed any more:",
            "  lvremove VG/SNAPSHOT",
            "`domkeep guard` does the first by itself, in time, as long as the group has room.",
        ],
        proves_not: "How soon it is full: the pace of the last looks is shown, and guests may write faster in the next minute.",
    },
    why: "The moment the store is full, LVM drops the snapshot and all that is in it. That happens while the guests work, without any further word.",
    look: look_nearly_full,
};

pub(super) static POOL_NEARLY_FULL: Rule = Rule {
    explanation: Explanation {
        code: "thin-pool-nearly-full",
        title: "A thin pool is nearly full.",
        what: "Thin volumes take their blocks from a pool, and together may be larger than it. The pool has two parts that can each run full: data and \
               metadata. A pool without room for data makes writes wait and then fail; one without room for metadata turns read-only and may need a repair.",
        how_it_comes: "More was promised than there is, and the guests use it. Deleted files in a guest do not come back to the pool unless the guest sends discards.",
        looked_at: "lvs: data_percent and metadata_percent of the pool.",
        mend: &[
            "Give it more room:",
            "  lvextend -L +10G VG/POOL",
            "  lvextend --poolmetadatasize +128M VG/POOL",
            "See thin_pool_autoextend_threshold in /etc/lvm/lvm.conf: 100 means that LVM never does this by itself.",
        ],
        proves_not: "How soon it is full.",
    },
    why: "When the pool is full, all guests on it get write errors at the same moment; when its metadata is full, the whole pool may be damaged.",
    look: look_pool,
};

fn severity(scene: &Scene<'_>, percent: f64) -> Option<Severity> {
    if percent >= f64::from(scene.limits.snapshot_danger_percent) {
        Some(Severity::Danger)
    } else if percent >= f64::from(scene.limits.snapshot_warning_percent) {
        Some(Severity::Warning)
    } else {
        None
    }
}

/// How near its end is by the clock.
fn soon(fuse: Option<&Fuse>) -> Option<Severity> {
    match fuse?.full_in()? {
        0..DANGER_SECONDS => Some(Severity::Danger),
        DANGER_SECONDS..WARNING_SECONDS => Some(Severity::Warning),
        _ => None,
    }
}

fn worst(one: Option<Severity>, other: Option<Severity>) -> Option<Severity> {
    one.into_iter().chain(other).min()
}

fn fuse<'a>(scene: &Scene<'a>, volume: &'a LogicalVolume, part: FusePart) -> Option<&'a Fuse> {
    scene.inventory.fuses_of(volume).find(|fuse| fuse.part == part)
}

/// How fast it fills, as evidence.
fn pace(fuse: &Fuse) -> Evidence {
    let source = match fuse.forecast() {
        Forecast::Unknown => "one look",
        _ => "the fill at successive looks",
    };
    Evidence::new(format!("{}: {}", fuse.part.as_str(), fuse.forecast()), source)
}

/// The domains whose disks are this volume, or lie in it or on it: the snapshot itself, its origin, the pool's volumes.
fn domains_on(scene: &Scene<'_>, volumes: &[String]) -> Vec<String> {
    let mut ids = Vec::new();
    for (key, users) in &scene.uses {
        let Some(volume) = scene.inventory.backings.get(key).and_then(|backing| backing.volume.as_ref()) else { continue };
        if volumes.contains(volume) {
            ids.extend(users.iter().map(|user| user.domain.id.clone()));
        }
    }
    ids.sort();
    ids.dedup();
    ids
}

fn of_snapshot(rule: &Rule, scene: &Scene<'_>, volume: &LogicalVolume, severity: Severity, title: String) -> Finding {
    let mut finding = rule.finding(severity, Subject::Volume { name: volume.full_name() }, title);
    let origin = volume.origin.as_ref().map(|origin| format!("{}/{origin}", volume.vg));
    let mut volumes = vec![volume.full_name()];
    volumes.extend(origin.clone());
    finding.domains = domains_on(scene, &volumes);
    let percent = volume.data_percent.map_or_else(|| "?".to_owned(), |percent| format!("{percent:.1}"));
    finding.evidence.push(Evidence::new(
        format!("store of {}, {percent} % full; attributes {}", human_or_unknown(volume.store_bytes), volume.attr),
        LVS,
    ));
    if let Some(origin) = origin {
        finding.evidence.push(Evidence::new(format!("snapshot of {origin}"), LVS));
    }
    finding
}

fn look_overflowed(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for volume in scene.inventory.volumes.iter().filter(|volume| volume.invalid) {
        let name = volume.full_name();
        let mut finding =
            of_snapshot(&OVERFLOWED, scene, volume, Severity::Danger, format!("Snapshot {name} overflowed: what was in it is lost."));
        if let Some(origin) = &volume.origin {
            let whole = format!("Not lost: its origin {}/{origin}, which is whole and goes on as before.", volume.vg);
            finding.evidence.push(Evidence::new(whole, "how device-mapper drops a snapshot: its origin is not touched"));
        }
        finding.advice = vec![
            "Do not use anything that was read from it after it overflowed.".to_owned(),
            format!("Only removing it helps, once nothing has it open: `lvremove {}`", shell_word(&name)),
        ];
        findings.push(finding);
    }
}

fn look_nearly_full(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for volume in scene.inventory.volumes.iter().filter(|volume| volume.is_classic_snapshot() && !volume.invalid) {
        let fuse = fuse(scene, volume, FusePart::Store);
        let near = volume.data_percent.and_then(|percent| Some((percent, worst(severity(scene, percent), soon(fuse))?)));
        let Some((percent, severity)) = near else { continue };
        let name = volume.full_name();
        let when = fuse.and_then(Fuse::full_in).map_or_else(String::new, |seconds| format!(", and full in {}", span(seconds)));
        let title = format!("Snapshot {name} is {percent:.1} % full{when}; when it is full, it is lost.");
        let mut finding = of_snapshot(&NEARLY_FULL, scene, volume, severity, title);
        finding.evidence.extend(fuse.map(pace));
        finding.advice = vec![
            format!("Give it more room: `lvextend -L +1G {}`", shell_word(&name)),
            format!("or remove it, if nobody needs it any more: `lvremove {}`", shell_word(&name)),
        ];
        findings.push(finding);
    }
}

fn look_pool(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for pool in scene.inventory.volumes.iter().filter(|volume| volume.is_thin_pool()) {
        let name = pool.full_name();
        let fuse = |part| fuse(scene, pool, part);
        let parts = [
            ("data", pool.data_percent, "-L +10G", fuse(FusePart::Data)),
            ("metadata", pool.metadata_percent, "--poolmetadatasize +128M", fuse(FusePart::Metadata)),
        ];
        let near: Vec<_> = parts
            .into_iter()
            .filter_map(|(part, percent, grow, fuse)| Some((part, percent?, worst(severity(scene, percent?), soon(fuse))?, grow)))
            .collect();
        let Some(worst) = near.iter().map(|(_, _, severity, _)| *severity).min() else { continue };
        let fill = near.iter().map(|(part, percent, _, _)| format!("{part} {percent:.1} %")).collect::<Vec<_>>().join(", ");
        let mut finding =
            POOL_NEARLY_FULL.finding(worst, Subject::Volume { name: name.clone() }, format!("Thin pool {name} is nearly full: {fill}."));
        let inside: Vec<String> = scene
            .inventory
            .volumes
            .iter()
            .filter(|volume| volume.vg == pool.vg && volume.pool.as_deref() == Some(pool.name.as_str()))
            .map(LogicalVolume::full_name)
            .collect();
        finding.domains = domains_on(scene, &inside);
        finding.evidence.push(Evidence::new(fill, LVS));
        finding.evidence.extend([FusePart::Data, FusePart::Metadata].into_iter().filter_map(fuse).map(pace));
        if !pool.health.is_empty() {
            finding.evidence.push(Evidence::new(format!("health: {}", pool.health), "lvs -o lv_health_status"));
        }
        finding.advice =
            near.iter().map(|(part, _, _, grow)| format!("More room for {part}: `lvextend {grow} {}`", shell_word(&name))).collect();
        findings.push(finding);
    }
}
