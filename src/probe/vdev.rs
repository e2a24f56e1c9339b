//! What libxl takes for a guest's disk: a name, `dDpP`, or a plain number.

pub use crate::model::vdev::{Vdev, name};
use crate::model::vdev::{of_letters, of_xvd};

/// The number of a name; nothing when libxl says `Invalid or unsupported virtual disk identifier`.
pub fn parse(name: &str) -> Option<Vdev> {
    if let Some((disk, partition)) = numbered(name) {
        return Some(of_xvd(disk, partition));
    }
    if let Ok(number) = super::xl_config::number::whole(name.as_bytes()) {
        return u32::try_from(number).ok().filter(|n| i32::try_from(*n).is_ok()).map(|number| Vdev { number, place: None });
    }
    of_letters(name)
}

/// `d5p1`; the whole disk is `d5p0`.
fn numbered(name: &str) -> Option<(u32, u32)> {
    let (disk, partition) = name.strip_prefix('d')?.split_once('p')?;
    let (disk, partition) = (based(disk)?, based(partition)?);
    (disk < 1 << 20 && partition < 256).then_some((disk, partition))
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
    use crate::model::vdev::EXTENDED;
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
