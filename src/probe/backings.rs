//! Finds out what a disk's target really is: symbolic links, device-mapper names, loop devices and numbers lead to one backing each.

mod layers;

use std::collections::BTreeMap;
use std::path::Path;

use super::ask::Asker;
use super::bytes_at::HostFile;
use super::devices::{Device, Devices, LoopDevice};
use super::lvm::dm_name;
use super::mounts::Mount;
use super::{image, superblock};
use layers::{device_name, device_word, layer, share};

use crate::host::{FileType, HostError, Stat};
use crate::model::{Backing, DiskKind, Holder, HostPath, LibvirtImage, LogicalVolume, PhysicalVolume, VolumeGroup};

const MISSING: &str = "size, times and content of a disk";
/// Backing files below backing files; a loop of headers ends here.
const MAX_CHAIN: usize = 16;

/// What is known of dom0's storage before disks are looked at.
#[derive(Default)]
pub struct Ground {
    pub volumes: Vec<LogicalVolume>,
    /// Whether the list of volumes is whole: only then is an unlisted volume missing.
    pub volumes_known: bool,
    pub volume_groups: Vec<VolumeGroup>,
    pub physical_volumes: Vec<PhysicalVolume>,
    pub devices: Devices,
    pub loops: Vec<LoopDevice>,
    pub mounts: Vec<Mount>,
}

/// What xenstore knows of an attached disk, for hosts where its file cannot be asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attached {
    pub device: Option<(u32, u32)>,
    pub bytes: Option<u64>,
}

/// Resolves targets to backings, each looked at once.
pub struct Backings<'a, 'h> {
    asker: &'a Asker<'h>,
    ground: &'a Ground,
    known: BTreeMap<String, Backing>,
    by_path: BTreeMap<HostPath, String>,
    by_inode: BTreeMap<(u64, u64), String>,
    /// Image headers of files, until somebody declares the file to be an image.
    headers: BTreeMap<String, image::ImageSeen>,
    /// Volumes by each of their names in /dev.
    volumes: BTreeMap<HostPath, &'a LogicalVolume>,
}

impl<'a, 'h> Backings<'a, 'h> {
    pub fn new(asker: &'a Asker<'h>, ground: &'a Ground) -> Self {
        let mut volumes = BTreeMap::new();
        for volume in ground.volumes.iter().filter(|volume| !volume.hidden) {
            let mapped = HostPath::from(format!("/dev/mapper/{}", dm_name(&volume.vg, &volume.name)));
            for name in [volume.path.clone(), mapped] {
                volumes.entry(name).or_insert(volume);
            }
        }
        Self {
            asker,
            ground,
            known: BTreeMap::new(),
            by_path: BTreeMap::new(),
            by_inode: BTreeMap::new(),
            headers: BTreeMap::new(),
            volumes,
        }
    }

    pub fn into_map(self) -> BTreeMap<String, Backing> {
        self.known
    }

    pub fn get(&self, key: &str) -> Option<&Backing> {
        self.known.get(key)
    }

    /// Adds what xenstore tells to what is not known otherwise.
    pub fn learn(&mut self, key: &str, attached: Attached) {
        if let Some(backing) = self.known.get_mut(key) {
            backing.bytes = backing.bytes.or(attached.bytes);
        }
    }

    /// A target that is managed elsewhere: named, never opened. The same path in two backend domains is two backings.
    pub fn elsewhere(&mut self, kind: DiskKind, backend_domain: Option<&str>, target: &HostPath) -> String {
        let whose = backend_domain.map_or_else(|| kind.as_str().to_owned(), |name| format!("in {name}"));
        let key = format!("{whose}:{}", target.as_path().to_string_lossy());
        self.known.entry(key.clone()).or_insert_with(|| Backing {
            key: key.clone(),
            path: target.clone(),
            kind,
            layers: vec![layer("network", target.to_string(), None)],
            ..Backing::default()
        });
        key
    }

    /// The key of the backing behind a path in dom0.
    pub fn resolve(&mut self, path: &HostPath, attached: Attached) -> String {
        if let Some(key) = self.by_path.get(path) {
            return key.clone();
        }
        let key = self.identify(path, attached);
        if let Some(backing) = self.known.get_mut(&key)
            && &backing.path != path
            && !backing.aliases.contains(path)
        {
            backing.aliases.push(path.clone());
        }
        self.by_path.insert(path.clone(), key.clone());
        key
    }

    fn identify(&mut self, path: &HostPath, attached: Attached) -> String {
        if let Some(volume) = self.volumes.get(path).copied() {
            return self.volume(volume);
        }
        let host = self.asker.host;
        let real = host.resolve(path.as_path()).map_or_else(|_| path.clone(), HostPath::from);
        if let Some(volume) = self.volumes.get(&real).copied() {
            return self.volume(volume);
        }
        let stat = host.stat(real.as_path(), true);
        let number = match &stat {
            Ok(stat) if stat.kind == FileType::Block => Some(stat.rdev),
            _ => attached.device.filter(|_| !path.is_absolute() || path.starts_with("/dev")).or_else(|| self.number_named(&real)),
        };
        if let Some(number) = number {
            if let Some(file) = self.loop_file(number) {
                return self.resolve(&file, Attached::default());
            }
            if let Some(volume) = self.ground.volumes.iter().find(|volume| volume.device == Some(number)) {
                return self.volume(&volume.clone());
            }
            return self.device(path, &real, number, &stat);
        }
        self.file(path, &real, stat)
    }

    fn number_named(&self, path: &HostPath) -> Option<(u32, u32)> {
        let name = path.as_path().strip_prefix("/dev").ok()?.to_str()?;
        self.ground
            .devices
            .by_kname(name)
            .map(|device| device.number)
            .or_else(|| self.ground.loops.iter().find(|bound| &bound.path == path).and_then(|bound| bound.number))
    }

    fn loop_file(&self, number: (u32, u32)) -> Option<HostPath> {
        self.ground.loops.iter().find(|bound| bound.number == Some(number)).map(|bound| bound.file.clone())
    }

    fn volume(&mut self, volume: &LogicalVolume) -> String {
        let key = volume.path.as_path().to_string_lossy().into_owned();
        if self.known.contains_key(&key) {
            return key;
        }
        let mut backing = Backing {
            key: key.clone(),
            path: volume.path.clone(),
            kind: DiskKind::Lvm,
            exists: Some(true),
            bytes: Some(volume.bytes),
            allocated: match volume.data_percent {
                Some(percent) if volume.pool.is_some() => Some(share(volume.bytes, percent)),
                None if volume.pool.is_some() => None,
                _ => Some(volume.store_bytes.unwrap_or(volume.bytes)),
            },
            device: volume.device,
            lies_on: volume
                .device
                .map(|number| self.ground.devices.below(number).iter().map(|device| device.number).collect())
                .unwrap_or_default(),
            volume: Some(volume.full_name()),
            layers: self.volume_layers(volume),
            ..Backing::default()
        };
        if volume.active {
            self.content(&mut backing, &volume.path, volume.bytes);
        } else {
            backing.trouble.push("the volume is not active: its content cannot be read".into());
        }
        if let Some(number) = volume.device {
            self.users(&mut backing, number);
        }
        self.known.insert(key.clone(), backing);
        key
    }

    fn device(&mut self, path: &HostPath, real: &HostPath, number: (u32, u32), stat: &Result<Stat, HostError>) -> String {
        let device = self.ground.devices.by_number.get(&number);
        let key = device.map_or_else(|| real.as_path().to_string_lossy().into_owned(), |device| format!("/dev/{}", device.kname));
        if self.known.contains_key(&key) {
            return key;
        }
        let bytes = device.and_then(|device| device.bytes).or_else(|| self.asker.host.device(real.as_path()).ok().map(|facts| facts.bytes));
        let mut backing = Backing {
            key: key.clone(),
            path: path.clone(),
            kind: device_kind(device, real),
            exists: if stat.is_ok() || device.is_some() { Some(true) } else { None },
            bytes,
            allocated: bytes,
            device: Some(number),
            ..Backing::default()
        };
        if real != path {
            backing.aliases.push(real.clone());
        }
        let below = self.ground.devices.below(number);
        backing.lies_on = below.iter().map(|device| device.number).collect();
        for device in device.into_iter().chain(below) {
            backing.layers.push(layer(device_word(device), device_name(device), device.bytes));
        }
        if let Some(bytes) = bytes {
            self.content(&mut backing, real, bytes);
        }
        self.users(&mut backing, number);
        self.known.insert(key.clone(), backing);
        key
    }

    fn file(&mut self, path: &HostPath, real: &HostPath, stat: Result<Stat, HostError>) -> String {
        if let Ok(stat) = &stat
            && let Some(key) = self.by_inode.get(&(stat.dev, stat.ino))
        {
            return key.clone();
        }
        let key = real.as_path().to_string_lossy().into_owned();
        if self.known.contains_key(&key) {
            return key;
        }
        let loops: Vec<&LoopDevice> = self.ground.loops.iter().filter(|bound| Self::binds(bound, real, stat.as_ref().ok())).collect();
        let mut backing = Backing {
            key: key.clone(),
            path: path.clone(),
            kind: if path.starts_with("/dev") { DiskKind::Unknown } else { DiskKind::File },
            loops: loops.iter().map(|bound| bound.path.clone()).collect(),
            ..Backing::default()
        };
        // The loop device knows the size of a file that cannot be asked itself.
        let numbers: Vec<(u32, u32)> = loops.iter().filter_map(|bound| bound.number).collect();
        backing.loop_devices.clone_from(&numbers);
        let loop_bytes = numbers.iter().find_map(|number| self.ground.devices.by_number.get(number)?.bytes);
        match stat {
            Ok(stat) if stat.kind == FileType::Regular => {
                self.by_inode.insert((stat.dev, stat.ino), key.clone());
                backing.exists = Some(true);
                backing.bytes = Some(stat.size);
                backing.file_bytes = Some(stat.size);
                backing.allocated = Some(stat.allocated());
                backing.modified = Some(stat.modified);
                backing.inode = Some((stat.dev, stat.ino));
                backing.no_disk = (stat.size == 0).then(|| "an empty file".to_owned());
                self.content(&mut backing, real, stat.size);
                self.image(&mut backing, real, stat.size);
            }
            Ok(stat) => {
                backing.exists = Some(true);
                backing.no_disk = Some(format!("a {}", file_word(stat.kind)));
                backing.trouble.push(format!("it is a {}, which is no disk", file_word(stat.kind)));
            }
            Err(HostError::NotFound) => backing.exists = Some(false),
            Err(error) => {
                backing.exists = loops.iter().any(|bound| !bound.deleted).then_some(true);
                backing.bytes = loop_bytes;
                if backing.exists.is_none() && self.missing_volume(path) {
                    backing.exists = Some(false);
                } else {
                    backing.trouble.push(format!("{MISSING} cannot be known: {error}"));
                    self.asker.gap_of(path.to_string(), MISSING, &error);
                }
            }
        }
        if loops.iter().any(|bound| bound.deleted) {
            backing.trouble.push("a loop device still uses a file of this name that was deleted".into());
        }
        backing.layers = self.file_layers(&backing, real);
        for number in numbers {
            self.users(&mut backing, number);
        }
        self.known.insert(key.clone(), backing);
        key
    }

    fn binds(bound: &LoopDevice, real: &HostPath, stat: Option<&Stat>) -> bool {
        // By number and inode where both are known: a path may have been renamed since.
        match (stat, bound.file_inode, bound.file_device) {
            (Some(stat), Some(inode), Some((major, minor))) => stat.ino == inode && rustix::fs::makedev(major, minor) == stat.dev,
            _ => &bound.file == real,
        }
    }

    /// `/dev/VG/LV` of a group that LVM listed, without such a volume.
    fn missing_volume(&self, path: &HostPath) -> bool {
        let Ok(rest) = path.as_path().strip_prefix("/dev") else { return false };
        let group = rest.parent().and_then(Path::to_str).unwrap_or_default();
        self.ground.volumes_known && self.ground.volume_groups.iter().any(|known| known.name == group)
    }

    /// File systems and other signatures in the bytes.
    fn content(&self, backing: &mut Backing, path: &HostPath, bytes: u64) {
        match superblock::signatures(&HostFile { host: self.asker.host, path: path.as_path(), size: bytes }, true) {
            Ok(signatures) => backing.signatures = signatures,
            Err(HostError::NotFound) => {}
            Err(error) => {
                backing.trouble.push(format!("its content cannot be read: {error}"));
                self.asker.gap_of(path.to_string(), "what is on the disk", &error);
            }
        }
    }

    /// Image format by header. What the header says is believed only by [`Backings::as_image`].
    fn image(&mut self, backing: &mut Backing, path: &HostPath, bytes: u64) {
        let Ok(seen) = image::recognise(&HostFile { host: self.asker.host, path: path.as_path(), size: bytes }) else { return };
        backing.format_seen.clone_from(&seen.format.clone().map(|format| if format == "vpc" { "vhd".to_owned() } else { format }));
        self.headers.insert(backing.key.clone(), seen);
    }

    /// A disk that its config declares to be an image: the header's virtual size and backing file count.
    ///
    /// A disk declared raw is never read this way: its guest can write any header into it, and name any file of dom0 there.
    ///
    /// `follow`: look into its backing file too. Not for an image that nobody declares: a former guest may have written its header.
    pub fn as_image(&mut self, key: &str, follow: bool) {
        let mut key = key.to_owned();
        for _ in 0..MAX_CHAIN {
            let Some(header) = self.headers.remove(&key) else { return };
            let Some(backing) = self.known.get_mut(&key) else { return };
            if header.format.as_deref() == Some("raw") {
                return;
            }
            // What stands at the front of such a file is its header, not the guest's first blocks.
            backing.signatures.clear();
            backing.bytes = header.virtual_bytes.or(backing.bytes);
            backing.trouble.extend(header.trouble);
            let Some(written) = header.backing_file else { return };
            let text = written.as_path().to_string_lossy();
            let is_path = !text.starts_with("json:") && !text.split('/').next().unwrap_or_default().contains(':');
            let directory = HostPath::from(Path::new(&key).parent().unwrap_or(Path::new("/")));
            let below = if is_path && follow {
                self.resolve(&directory.join(&written), Attached::default())
            } else {
                self.elsewhere(DiskKind::Unknown, None, &written)
            };
            if let Some(backing) = self.known.get_mut(&key) {
                backing.layers.insert(1.min(backing.layers.len()), layer("backing file", written.to_string(), None));
                backing.backing_file = Some((written, below.clone()));
            }
            if header.backing_format.as_deref() == Some("raw") || !is_path || !follow {
                return;
            }
            key = below;
        }
    }

    /// What libvirt told of the images below one whose header could not be read: a running QEMU has opened them.
    pub fn chain(&mut self, key: &str, images: &[LibvirtImage]) {
        let mut key = key.to_owned();
        for image in images.iter().take(MAX_CHAIN) {
            let unread = self.known.get(&key).is_some_and(|backing| backing.backing_file.is_none() && backing.format_seen.is_none());
            let Some(path) = image.source.as_deref().map(HostPath::from).filter(HostPath::is_absolute) else { return };
            let below = self.resolve(&path, Attached::default());
            if unread && let Some(backing) = self.known.get_mut(&key) {
                backing.layers.insert(1.min(backing.layers.len()), layer("backing file", path.to_string(), None));
                backing.backing_file = Some((path, below.clone()));
            }
            key = below;
        }
    }

    /// Mounts and other users in dom0 of a device and of everything that stands on it.
    fn users(&self, backing: &mut Backing, number: (u32, u32)) {
        let above = self.ground.devices.above(number);
        let mut numbers = vec![number];
        numbers.extend(above.iter().map(|device| device.number));
        let loop_numbers: Vec<(u32, u32)> =
            self.ground.loops.iter().filter(|bound| backing.loops.contains(&bound.path)).filter_map(|bound| bound.number).collect();
        for loop_number in &loop_numbers {
            numbers.push(*loop_number);
            numbers.extend(self.ground.devices.above(*loop_number).iter().map(|device| device.number));
        }
        for mount in &self.ground.mounts {
            let by_number = mount.number.is_some_and(|mounted| mounted.0 != 0 && numbers.contains(&mounted));
            let source = HostPath::from(mount.mount.source.as_str());
            let by_name = source == backing.path
                || backing.aliases.contains(&source)
                || backing.volume.as_deref().is_some_and(|name| is_mapper_of(&source, name))
                || self.number_named(&source).is_some_and(|named| numbers.contains(&named));
            if (by_number || by_name) && !backing.mounts.contains(&mount.mount) {
                backing.mounts.push(mount.mount.clone());
            }
        }
        for device in above {
            // Partitions and the parts of LVM's own stack hold nothing by themselves.
            if !matches!(device.kind.as_str(), "part" | "loop") {
                let holder = Holder { name: format!("/dev/{}", device.kname), what: device.kind.clone() };
                if !backing.holders.contains(&holder) {
                    backing.holders.push(holder);
                }
            }
            if device.mounted_at.as_deref() == Some("[SWAP]") {
                backing.holders.push(Holder { name: format!("/dev/{}", device.kname), what: "swap".into() });
            }
        }
    }
}

fn is_mapper_of(source: &HostPath, volume: &str) -> bool {
    volume.split_once('/').is_some_and(|(vg, lv)| source == &HostPath::from(format!("/dev/mapper/{}", dm_name(vg, lv))))
}

fn device_kind(device: Option<&Device>, path: &HostPath) -> DiskKind {
    let name = path.as_path().strip_prefix("/dev").ok().and_then(Path::to_str).unwrap_or_default();
    let transport = device.and_then(|device| device.transport.as_deref());
    match device.map(|device| device.kind.as_str()) {
        _ if name.starts_with("rbd") => DiskKind::Rbd,
        _ if name.starts_with("nbd") => DiskKind::Nbd,
        _ if name.starts_with("drbd") => DiskKind::Drbd,
        _ if transport == Some("iscsi") => DiskKind::Iscsi,
        Some("part") => DiskKind::Partition,
        Some("loop") => DiskKind::Loop,
        Some("lvm") => DiskKind::Lvm,
        Some(_) => DiskKind::Disk,
        None => DiskKind::Unknown,
    }
}

fn file_word(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "directory",
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        FileType::Character => "character device",
        FileType::Symlink => "symbolic link",
        FileType::Block => "block device",
        FileType::Regular | FileType::Unknown => "file",
    }
}
