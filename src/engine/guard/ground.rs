//! Which fuses there are, and how large each may become.

use std::path::Path;

use crate::config::Settings;
use crate::host::Look;
use crate::model::{Cmd, Fuse, FusePart, HostPath, Inventory, LogicalVolume, Output, VolumeGroup};
use crate::probe::lvm;

/// Thin metadata cannot be larger (dm-thin: 15.81 GiB); LVM's own limit is a little below.
const MOST_METADATA: u64 = 15 << 30;
const GIB: u64 = 1 << 30;

/// The volumes and groups of the host: as much of an inventory as plans of the guard need.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    pub inventory: Inventory,
    /// device-mapper's names, with their device numbers.
    numbers: Vec<(String, u32, u32)>,
}

/// One fuse, where its counters are, and its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Ward {
    /// As LVM told it; the guard's own looks are newer.
    pub fuse: Fuse,
    /// Tells a volume from one that is made later under its name.
    pub uuid: String,
    /// device-mapper's name of the device whose status tells the fill.
    pub device: String,
    /// `/sys/dev/block/MAJ:MIN/stat` of what is written to when it fills.
    pub counter: Option<HostPath>,
    pub most: u64,
    pub enough: Option<u64>,
    pub extent: u64,
}

impl Ground {
    /// Asks LVM and device-mapper. The error says what did not answer.
    pub fn look(host: &dyn Look) -> Result<Self, String> {
        let volumes = lvm::parse_lvs(&ask(host, &lvm::lvs())?)?;
        let volume_groups = lvm::parse_vgs(&ask(host, &lvm::vgs())?)?;
        let numbers = numbers(&host.run(&devices()).ok().filter(Output::ok).map(|output| output.stdout).unwrap_or_default());
        Ok(Self { inventory: Inventory { volume_groups, volumes, ..Inventory::default() }, numbers })
    }

    /// An extension was made: what is left in the group is less from this moment on, whenever LVM is asked again.
    pub fn extended(&mut self, ward: &Ward, from: u64, to: u64) {
        let (fuse, more) = (&ward.fuse, to.saturating_sub(from));
        // The spare copy of metadata grows with it.
        let taken = if fuse.part == FusePart::Metadata { more.saturating_mul(2) } else { more };
        if let Some(group) = self.inventory.volume_groups.iter_mut().find(|group| group.name == fuse.vg) {
            group.free = group.free.saturating_sub(taken);
        }
        let name = if fuse.part == FusePart::Metadata { format!("{}_tmeta", fuse.lv) } else { fuse.lv.clone() };
        if let Some(volume) = self.inventory.volumes.iter_mut().find(|volume| volume.vg == fuse.vg && volume.name == name) {
            match fuse.part {
                FusePart::Store => volume.store_bytes = Some(to),
                FusePart::Data | FusePart::Metadata => volume.bytes = to,
            }
        }
    }

    pub fn wards(&self, settings: &Settings) -> Vec<Ward> {
        let volumes = self.inventory.volumes.iter().filter(|volume| volume.active && !volume.merging);
        volumes
            .flat_map(|volume| Fuse::of(volume, &self.inventory).into_iter().filter_map(|fuse| self.ward(volume, fuse, settings)))
            .collect()
    }

    fn ward(&self, volume: &LogicalVolume, fuse: Fuse, settings: &Settings) -> Option<Ward> {
        let group = self.inventory.volume_groups.iter().find(|group| group.name == volume.vg)?;
        let mapper = lvm::dm_name(&volume.vg, &volume.name);
        let (device, written) = match fuse.part {
            FusePart::Store => (mapper.clone(), format!("{mapper}-cow")),
            FusePart::Data => (format!("{mapper}-tpool"), format!("{mapper}_tdata")),
            FusePart::Metadata => (format!("{mapper}-tpool"), format!("{mapper}_tmeta")),
        };
        let number = self.numbers.iter().find(|(name, ..)| *name == written);
        let counter = number.map(|(_, major, minor)| HostPath::from(Path::new(&format!("/sys/dev/block/{major}:{minor}/stat"))));
        let extent = group.extent_bytes.max(512);
        let enough = (fuse.part == FusePart::Store).then(|| whole_origin(volume.bytes, extent));
        let most = most(&fuse, volume, group, settings);
        Some(Ward { uuid: volume.uuid.clone(), device, counter, most, enough, extent, fuse })
    }
}

fn ask(host: &dyn Look, cmd: &Cmd) -> Result<Vec<u8>, String> {
    let output = host.run(cmd).map_err(|error| format!("`{cmd}`: {error}"))?;
    if output.ok() { Ok(output.stdout) } else { Err(format!("`{cmd}`: {}", output.complaint())) }
}

/// `MAJ/MIN/NAME` lines; no name of device-mapper's has a slash.
fn devices() -> Cmd {
    Cmd::reads("dmsetup", ["info", "-c", "--noheadings", "--separator", "/", "-o", "major,minor,name"])
}

fn numbers(text: &[u8]) -> Vec<(String, u32, u32)> {
    let line = |line: &str| {
        let mut parts = line.trim().splitn(3, '/');
        let (major, minor, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name.to_owned(), major.trim().parse().ok()?, minor.trim().parse().ok()?))
    };
    String::from_utf8_lossy(text).lines().filter_map(line).collect()
}

/// A classic store that can hold every chunk of its origin never overflows: the data, 16 bytes for each chunk of 4 KiB, its areas and header.
fn whole_origin(origin: u64, extent: u64) -> u64 {
    let needed = origin.saturating_add(origin / 256).saturating_add(origin / 65_536).saturating_add(1 << 20);
    needed.checked_next_multiple_of(extent).unwrap_or(needed)
}

/// The size that a fuse may reach: the settings, and the room in its group less what they keep free. Whole extents.
fn most(fuse: &Fuse, volume: &LogicalVolume, group: &VolumeGroup, settings: &Settings) -> u64 {
    let extent = group.extent_bytes.max(512);
    let kept = group.bytes / 100 * u64::from(settings.guard_keep_free_percent);
    let room = group.free.saturating_sub(kept);
    // LVM makes the spare copy of metadata as large as the largest metadata.
    let room = if fuse.part == FusePart::Metadata { room / 2 } else { room };
    let limit = match fuse.part {
        FusePart::Store => {
            let share = u128::from(volume.bytes) * u128::from(settings.guard_snapshot_most_percent) / 100;
            // All of the origin means what all of it needs, bookkeeping included.
            let share = u64::try_from(share).unwrap_or(u64::MAX);
            if settings.guard_snapshot_most_percent >= 100 { share.max(whole_origin(volume.bytes, extent)) } else { share }
        }
        FusePart::Data if settings.guard_pool_most_gib > 0 => settings.guard_pool_most_gib.saturating_mul(GIB),
        FusePart::Data => u64::MAX,
        FusePart::Metadata => MOST_METADATA,
    };
    let by_room = fuse.bytes.saturating_add(room / extent * extent);
    by_room.min(limit / extent * extent).max(fuse.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(free: u64) -> Ground {
        let snapshot = LogicalVolume {
            vg: "v-g".into(),
            name: "snap".into(),
            attr: "swi-a-s---".into(),
            active: true,
            bytes: 64 << 20,
            store_bytes: Some(8 << 20),
            data_percent: Some(10.0),
            ..LogicalVolume::default()
        };
        let group = VolumeGroup { name: "v-g".into(), bytes: 1 << 30, free, extent_bytes: 4 << 20, ..VolumeGroup::default() };
        let inventory = Inventory { volumes: vec![snapshot], volume_groups: vec![group], ..Inventory::default() };
        Ground { inventory, numbers: numbers(b"253/7/v--g-snap-cow\n254/1/other\nnonsense\n") }
    }

    #[test]
    fn a_store_grows_no_further_than_settings_and_group_allow() {
        let most = |free: u64, settings: &Settings| host(free).wards(settings)[0].most;
        let settings = Settings::default();
        assert_eq!(most(1 << 30, &settings), 68 << 20, "a store is never larger than what its whole origin needs");
        let half = Settings { guard_snapshot_most_percent: 50, ..settings.clone() };
        assert_eq!(most(1 << 30, &half), 32 << 20, "the limit of the settings is not kept");
        let reserve = (1 << 30) / 100 * 5;
        assert_eq!(most(reserve + (9 << 20), &settings), 16 << 20, "what the settings keep free in the group was given away");
        assert_eq!(most(0, &settings), 8 << 20, "a full group is no reason to make a store smaller");
    }

    #[test]
    fn what_one_extension_took_the_next_does_not_count_on() {
        let mut ground = host(200 << 20);
        let ward = ground.wards(&Settings::default()).remove(0);
        ground.extended(&ward, 8 << 20, 40 << 20);
        assert_eq!(ground.inventory.volume_groups[0].free, 168 << 20, "two stores would count on the same room");
        let again = ground.wards(&Settings::default()).remove(0);
        assert_eq!(again.fuse.bytes, 40 << 20);
        assert!(again.most <= (40 << 20) + (168 << 20));
    }

    #[test]
    fn the_counter_of_a_snapshot_is_its_stores() {
        let ward = &host(0).wards(&Settings::default())[0];
        assert_eq!(ward.device, "v--g-snap");
        assert_eq!(
            ward.counter,
            Some(HostPath::from("/sys/dev/block/253:7/stat")),
            "the guard would watch another device than the one that fills"
        );
    }
}
