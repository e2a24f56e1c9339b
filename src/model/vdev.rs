//! The guest's names of disks (`xvda1`) and the numbers under which xenstore keeps them (51713).
//!
//! Source: xen-vbd-interface(7), and libxl_device.c where the two differ in what is taken.

/// A virtual device that libxl takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vdev {
    /// The directory in xenstore's `device/vbd`.
    pub number: u32,
    /// Disk from 0 and partition (0: the whole disk); unknown for a plain number.
    pub place: Option<(u32, u32)>,
}

impl Vdev {
    /// The backing is one partition's file system, without a partition table; unknown for a plain number.
    pub fn is_partition(self) -> Option<bool> {
        self.place.map(|(_, partition)| partition != 0)
    }
}

const XVD: u32 = 202;
const IDE_FIRST: u32 = 3;
const IDE_SECOND: u32 = 22;
const SCSI: u32 = 8;
/// Numbers of disks and partitions that the old scheme has no room for.
pub const EXTENDED: u32 = 1 << 28;

/// The number of `xvda1`, `hda`, `sdb2`; nothing for any other name.
pub fn of_letters(name: &str) -> Option<Vdev> {
    if let Some((disk, partition)) = lettered(name, "xvd", (1 << 20) - 1, 255) {
        return Some(of_xvd(disk, partition));
    }
    if let Some((disk, partition)) = lettered(name, "hd", 3, 63) {
        let major = if disk < 2 { IDE_FIRST } else { IDE_SECOND };
        return Some(Vdev { number: (major << 8) | ((disk & 1) << 6) | partition, place: Some((disk, partition)) });
    }
    lettered(name, "sd", 15, 15)
        .map(|(disk, partition)| Vdev { number: (SCSI << 8) | (disk << 4) | partition, place: Some((disk, partition)) })
}

/// The number of an `xvd` disk, counted from 0, and partition (0: the whole disk): disks below 2^20, partitions below 256.
pub fn of_xvd(disk: u32, partition: u32) -> Vdev {
    let number = if disk <= 15 && partition <= 15 { (XVD << 8) | (disk << 4) | partition } else { EXTENDED | (disk << 8) | partition };
    Vdev { number, place: Some((disk, partition)) }
}

/// The usual name of a number; nothing when no guest has a name for it.
pub fn name(number: u32) -> Option<String> {
    if number & EXTENDED != 0 && number < EXTENDED << 1 {
        return Some(named("xvd", (number >> 8) & 0xf_ffff, number & 0xff));
    }
    let minor = number & 0xff;
    match number >> 8 {
        XVD => Some(named("xvd", minor >> 4, minor & 15)),
        IDE_FIRST if minor < 128 => Some(named("hd", minor >> 6, minor & 63)),
        IDE_SECOND if minor < 128 => Some(named("hd", 2 + (minor >> 6), minor & 63)),
        SCSI => Some(named("sd", minor >> 4, minor & 15)),
        _ => None,
    }
}

fn named(prefix: &str, disk: u32, partition: u32) -> String {
    let mut letters = Vec::new();
    let mut left = disk.saturating_add(1);
    while left > 0 {
        left -= 1;
        letters.push(char::from(b'a' + u8::try_from(left % 26).unwrap_or_default()));
        left /= 26;
    }
    let letters: String = letters.into_iter().rev().collect();
    if partition == 0 { format!("{prefix}{letters}") } else { format!("{prefix}{letters}{partition}") }
}

/// `xvdtq37`: letters count like the columns of a spreadsheet.
fn lettered(name: &str, prefix: &str, max_disk: u32, max_partition: u32) -> Option<(u32, u32)> {
    let rest = name.strip_prefix(prefix)?;
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = rest.get(..rest.len() - digits.len()).filter(|letters| !letters.is_empty())?;
    let mut disk: u32 = 0;
    for letter in letters.bytes() {
        disk = disk.checked_mul(26)?.checked_add(u32::from(letter - b'a') + 1)?;
        if disk > max_disk.saturating_add(1) {
            return None;
        }
    }
    let disk = disk.checked_sub(1)?;
    let partition = if digits.is_empty() { 0 } else { plain(digits).filter(|_| !digits.starts_with('0'))? };
    (disk <= max_disk && partition <= max_partition).then_some((disk, partition))
}

fn plain(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
