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
const EXTENDED: u32 = 1 << 28;

/// The number of a name; nothing when libxl says `Invalid or unsupported virtual disk identifier`.
pub fn parse(name: &str) -> Option<Vdev> {
    let xvd = lettered(name, "xvd", (1 << 20) - 1, 255).or_else(|| numbered(name));
    if let Some((disk, partition)) = xvd {
        let number = if disk <= 15 && partition <= 15 { (XVD << 8) | (disk << 4) | partition } else { EXTENDED | (disk << 8) | partition };
        return Some(Vdev { number, place: Some((disk, partition)) });
    }
    if let Ok(number) = super::xl_config::number::whole(name.as_bytes()) {
        return u32::try_from(number).ok().filter(|n| i32::try_from(*n).is_ok()).map(|number| Vdev { number, place: None });
    }
    if let Some((disk, partition)) = lettered(name, "hd", 3, 63) {
        let major = if disk < 2 { IDE_FIRST } else { IDE_SECOND };
        return Some(Vdev { number: (major << 8) | ((disk & 1) << 6) | partition, place: Some((disk, partition)) });
    }
    lettered(name, "sd", 15, 15)
        .map(|(disk, partition)| Vdev { number: (SCSI << 8) | (disk << 4) | partition, place: Some((disk, partition)) })
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

/// `d5p1`; the whole disk is `d5p0`.
fn numbered(name: &str) -> Option<(u32, u32)> {
    let (disk, partition) = name.strip_prefix('d')?.split_once('p')?;
    let (disk, partition) = (based(disk)?, based(partition)?);
    (disk < 1 << 20 && partition < 256).then_some((disk, partition))
}

fn plain(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// A number in C's notation, without a sign.
fn based(digits: &str) -> Option<u32> {
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    super::xl_config::number::whole(digits.as_bytes()).ok().and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_have_the_numbers_of_the_xen_manual() {
        for (name, number) in [
            ("xvda", 51712),
            ("xvda1", 51713),
            ("xvdb", 51728),
            ("xvdp", 51952),
            ("d0p1", 51713),
            ("d0p0", 51712),
            ("xvdq", 268_439_552),
            ("xvda16", 268_435_472),
            ("xvdaa", 268_442_112),
            ("xvdtq37", 268_572_709),
            ("d536p37", 268_572_709),
            ("hda", 768),
            ("hda1", 769),
            ("hdb", 832),
            ("hdc", 5632),
            ("hdd", 5696),
            ("sda", 2048),
            ("sda1", 2049),
            ("sdp", 2288),
            ("51712", 51712),
            ("0x800", 2048),
        ] {
            assert_eq!(parse(name).map(|v| v.number), Some(number), "{name} would be looked for at the wrong place in xenstore");
        }
    }

    #[test]
    fn names_that_libxl_refuses_are_refused() {
        for name in ["", "vda", "hde", "sdq", "d0", "xvd", "xvdA", "xvda01", "sda16", "hda64", "xvda256", "-1", "xvda ", "2147483648", "dp"]
        {
            assert_eq!(parse(name), None, "{name:?} was taken though libxl calls it an invalid identifier");
        }
    }

    #[test]
    fn a_partition_tells_that_there_is_no_partition_table() {
        assert_eq!(parse("sda1").and_then(Vdev::is_partition), Some(true));
        assert_eq!(parse("xvda").and_then(Vdev::is_partition), Some(false));
        assert_eq!(parse("51713").and_then(Vdev::is_partition), None);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(name in ".{0,40}") {
            let _ = parse(&name);
        }

        #[test]
        fn every_name_of_a_number_leads_back_to_it(number in 0_u32..=0x3fff_ffff) {
            if let Some(text) = name(number) {
                // Small disks have a short number; the long form of the same disk has the same name.
                let back = parse(&text).map(|v| v.number);
                prop_assert!(back == Some(number) || number >= EXTENDED, "{text} of {number} leads to {back:?}");
            }
        }
    }
}
