//! The thin pool of a new thin volume: one that is there, or one that is made first, with metadata of a size that lasts.

use super::known;
use crate::model::volumes::NewVolume;
use crate::model::{GroupNow, LogicalVolume, Lvm, bytes};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::lvm::{self, Name};
use crate::plan::{Setting, lvm_names, lvm_now};

/// What a pool gives out at once.
const SMALLEST_CHUNK: u64 = 64 << 10;
/// dm-thin keeps about so much for each chunk that a volume has mapped.
const PER_CHUNK: u64 = 64;
/// Snapshots map the same chunks again.
const ROOM_FOR_SNAPSHOTS: u64 = 2;
const LEAST_METADATA: u64 = 4 << 20;
const MOST_METADATA: u64 = 15 << 30;

pub(super) struct Pool {
    name: String,
    make: Option<Made>,
    warnings: Vec<String>,
}

struct Made {
    data: u64,
    metadata: u64,
    chunk: u64,
}

pub(super) fn look(request: &NewVolume, now: &Lvm, group: &GroupNow, bytes: u64, facts: &Facts<'_>) -> Go<Option<Pool>> {
    let Some(wanted) = &request.pool else { return Ok(None) };
    thin_tools(facts)?;
    match wanted.make {
        Some(data) => new(request, now, group, &wanted.name, data, bytes).map(Some),
        None => existing(request, now, &wanted.name, bytes).map(Some),
    }
}

/// A thin pool needs a program that looks at it whenever it is activated.
fn thin_tools(facts: &Facts<'_>) -> Go<()> {
    if facts.has_tool("thin_check")? {
        return Ok(());
    }
    no(
        "tool-missing",
        "the program thin_check is not on this host, and LVM activates no thin pool without it",
        "install it; Debian's package is thin-provisioning-tools. Or take a linear volume",
    )
}

fn existing(request: &NewVolume, now: &Lvm, name: &str, bytes: u64) -> Go<Pool> {
    let pool = usable(now, &request.group, name)?;
    let full = pool.full_name();
    let mut warnings = Vec::new();
    let given: u64 =
        now.volumes.iter().filter(|one| one.vg == request.group && one.pool.as_deref() == Some(name)).map(|one| one.bytes).sum();
    overcommitted(&full, pool.bytes, given, bytes, &mut warnings);
    for (what, percent) in [("data", pool.data_percent), ("metadata", pool.metadata_percent)] {
        if let Some(percent) = percent.filter(|percent| *percent >= 80.0) {
            warnings
                .push(format!("The {what} of {full} is {percent:.1} % full already. When it is full, every guest in it stops writing."));
        }
    }
    Ok(Pool { name: name.to_owned(), make: None, warnings })
}

/// A thin pool that new volumes can be made in.
pub(crate) fn usable<'a>(now: &'a Lvm, vg: &'a str, name: &str) -> Go<&'a LogicalVolume> {
    let full = format!("{vg}/{name}");
    let Some(pool) = known(now, vg).find(|volume| volume.name == name && volume.is_thin_pool()) else {
        let pools: Vec<&str> = known(now, vg).filter(|one| one.is_thin_pool()).map(|one| one.name.as_str()).collect();
        let there = if pools.is_empty() { "it has none".to_owned() } else { format!("it has: {}", pools.join(", ")) };
        return no(
            "no-pool",
            format!("there is no thin pool {name} in the volume group {vg}; {there}"),
            "name one that is there, or give the size of a new one",
        );
    };
    lvm_now::volume(now, &full)?;
    let at = |index: usize| pool.attr.as_bytes().get(index).copied().unwrap_or(b'-');
    if matches!(at(8), b'F' | b'D' | b'M') || at(4) == b'c' {
        return no(
            "pool-ill",
            format!("the thin pool {full} is not well ({})", pool.attr),
            "give it more room when it is full (`domkeep grow`), or repair it: lvconvert --repair",
        );
    }
    if at(7) != b'z' {
        return no(
            "pool-does-not-zero",
            format!("the thin pool {full} gives out blocks as they are: a new guest could read what an old one wrote"),
            format!("lvchange -Zy {full}"),
        );
    }
    Ok(pool)
}

fn new(request: &NewVolume, now: &Lvm, group: &GroupNow, name: &str, data: u64, bytes: u64) -> Go<Pool> {
    lvm_names::new_name(now, &request.group, name)?;
    if name == request.name {
        return no("name-twice", format!("the pool and its volume cannot both be called {name}"), "give one of them another name");
    }
    let data = group.rounded(data);
    let (chunk, metadata) = metadata(group, data);
    let spare = metadata.saturating_sub(now.spare_of(&request.group));
    lvm_now::room(group, data.saturating_add(metadata).saturating_add(spare))?;
    let mut warnings = Vec::new();
    overcommitted(&format!("{}/{name}", request.group), data, 0, bytes, &mut warnings);
    Ok(Pool { name: name.to_owned(), make: Some(Made { data, metadata, chunk }), warnings })
}

/// The chunk, and the metadata that every chunk of the pool needs, twice.
fn metadata(group: &GroupNow, data: u64) -> (u64, u64) {
    let needed = |chunk: u64| (data / chunk).saturating_mul(PER_CHUNK * ROOM_FOR_SNAPSHOTS);
    let mut chunk = SMALLEST_CHUNK;
    while needed(chunk) > MOST_METADATA {
        chunk = chunk.saturating_mul(2);
    }
    (chunk, group.rounded(needed(chunk).max(LEAST_METADATA)))
}

fn overcommitted(pool: &str, has: u64, given: u64, bytes: u64, warnings: &mut Vec<String>) {
    let all = given.saturating_add(bytes);
    if all > has {
        warnings.push(format!(
            "The volumes of {pool} may grow to {} together, and it has {}. That is what a thin pool is for; but when it is full, every guest in \
             it stops writing. Watch it, or let `domkeep guard` extend it.",
            bytes::human(all),
            bytes::human(has)
        ));
    }
}

impl Pool {
    pub fn steps(&self, draft: &mut Draft, request: &NewVolume, bytes: u64, setting: &Setting) {
        let pool = Name { vg: &request.group, lv: &self.name };
        for warning in &self.warnings {
            draft.warn(warning.clone());
        }
        if let Some(made) = &self.make {
            let why = format!(
                "Its volumes take their blocks from it as they are written. {} of metadata are {} for each chunk of {}, twice, so that there is \
                 room for snapshots; as much again is kept aside for a repair. When the metadata is full the pool stops, though data is free.",
                bytes::human(made.metadata),
                bytes::human(PER_CHUNK),
                bytes::human(made.chunk)
            );
            let (size, metadata, chunk) = (format!("{}b", made.data), format!("{}b", made.metadata), format!("{}b", made.chunk));
            lvm::create(
                draft,
                &setting.id,
                format!("Make the thin pool {} of {}", pool.full(), bytes::human(made.data)),
                &why,
                pool,
                &["--type", "thin-pool", "-L", &size, "--poolmetadatasize", &metadata, "-c", &chunk, "-Zy", pool.vg],
            );
        }
        let name = Name { vg: &request.group, lv: &request.name };
        let size = format!("{bytes}b");
        lvm::create(
            draft,
            &setting.id,
            format!("Make the thin volume {}", name.full()),
            "It takes blocks of the pool only when they are written, and the pool gives them out as zeros: nothing of an old guest shows through.",
            name,
            &["-V", &size, "--thinpool", &self.name, pool.vg],
        );
    }
}
