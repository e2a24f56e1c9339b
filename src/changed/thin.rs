//! `thin_delta`: what differs between two thin devices of one pool (thin-provisioning-tools 0.9 to 1.3).
//!
//! Its XML is small words in one shape, and can be long (a line for each run of blocks): it is read tag by tag, without a tree.
//!
//! ```xml
//! <superblock uuid="" time="3" transaction="4" data_block_size="128" nr_data_blocks="0">
//!   <diff left="4" right="1">
//!     <same begin="0" length="2"/>
//!     <different begin="2" length="1"/>
//!     <left_only begin="9" length="1"/>
//!     <right_only begin="200" length="3"/>
//!   </diff>
//! </superblock>
//! ```
//!
//! `begin` and `length` are blocks of `data_block_size` sectors. `different` means another block of the pool, not necessarily other bytes;
//! `left_only` reads as zeros now; what is in neither device is not named, and reads as zeros in both.

use super::Unusable;
use crate::model::BlockSet;

const SECTOR: u64 = 512;
/// 64 KiB to 1 GiB, dm-thin's own limits (`DATA_DEV_BLOCK_SIZE_MIN_SECTORS` and `_MAX_`).
const LEAST_BLOCK: u64 = 128;
const MOST_BLOCK: u64 = 2_097_152;

/// The blocks in which the thin devices `old` and `new` differ, of a disk of so many bytes.
pub fn parse(xml: &[u8], old: u64, new: u64, bytes: u64) -> Result<BlockSet, Unusable> {
    let mut changed = BlockSet::none(bytes);
    let mut at = Place::Before;
    let mut unit = 0_u64;
    let mut end = 0_u64;
    for tag in Tags(xml) {
        let tag = tag?;
        match (at, tag.name, tag.shape) {
            (Place::Before, b"superblock", Shape::Opens) => {
                let sectors = tag.number(b"data_block_size")?;
                if !(LEAST_BLOCK..=MOST_BLOCK).contains(&sectors) {
                    return Err(Unusable::new(format!("a pool with blocks of {sectors} sectors is not possible")));
                }
                unit = sectors.saturating_mul(SECTOR);
                at = Place::Superblock;
            }
            (Place::Superblock, b"diff", Shape::Opens) => {
                let told = (tag.number(b"left")?, tag.number(b"right")?);
                if told != (old, new) {
                    return Err(Unusable::new(format!("it compared the devices {} and {}, not {old} and {new}", told.0, told.1)));
                }
                at = Place::Diff;
            }
            (Place::Diff, name @ (b"same" | b"different" | b"left_only" | b"right_only"), Shape::Whole) => {
                let (begin, length) = (tag.number(b"begin")?, tag.number(b"length")?);
                let past = begin.checked_add(length).ok_or_else(|| Unusable::new("a range lies beyond all disks"))?;
                if length == 0 || begin < end {
                    return Err(Unusable::new(format!("the range of {length} blocks at {begin} is empty or not in its order")));
                }
                end = past;
                if name != b"same" {
                    changed.insert_bytes(begin.saturating_mul(unit)..past.saturating_mul(unit));
                }
            }
            (Place::Diff, b"diff", Shape::Closes) => at = Place::Compared,
            (Place::Compared, b"superblock", Shape::Closes) => at = Place::After,
            (_, name, _) => {
                let name: String = String::from_utf8_lossy(name).chars().take(40).collect();
                return Err(Unusable::new(format!("`{}` stands where it is not known", crate::model::shown::text(&name))));
            }
        }
    }
    // The end of a tool that was killed is no end.
    if at == Place::After { Ok(changed) } else { Err(Unusable::new("it breaks off before its end")) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Superblock,
    Diff,
    Compared,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Opens,
    Closes,
    Whole,
}

struct Tag<'a> {
    name: &'a [u8],
    shape: Shape,
    attributes: &'a [u8],
}

impl Tag<'_> {
    /// The value of an attribute that must be there: a whole number in digits.
    fn number(&self, key: &[u8]) -> Result<u64, Unusable> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_ascii_start();
            let equals = rest.iter().position(|byte| *byte == b'=');
            let Some((name, after)) = equals.and_then(|at| rest.split_at_checked(at)) else { break };
            let Some(value) = after.strip_prefix(b"=\"") else { break };
            let Some((value, after)) = value.iter().position(|byte| *byte == b'"').and_then(|at| value.split_at_checked(at)) else { break };
            if name.trim_ascii() == key {
                let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                return text
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| Unusable::new(format!("`{}` is no number", String::from_utf8_lossy(key))));
            }
            rest = after.get(1..).unwrap_or_default();
        }
        Err(Unusable::new(format!("`{}` is missing", String::from_utf8_lossy(key))))
    }
}

/// The tags of a text, without what stands between them, which must be blank.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Result<Tag<'a>, Unusable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.0.trim_ascii_start();
            if rest.is_empty() {
                return None;
            }
            let split = rest.strip_prefix(b"<").and_then(|rest| rest.split_at_checked(rest.iter().position(|byte| *byte == b'>')?));
            let Some((inside, after)) = split else {
                self.0 = &[];
                return Some(Err(Unusable::new("it is not of the form that thin_delta writes")));
            };
            self.0 = after.get(1..).unwrap_or_default();
            // `<?xml ...?>` says nothing.
            if inside.starts_with(b"?") {
                continue;
            }
            let (shape, inside) = match (inside.strip_prefix(b"/"), inside.strip_suffix(b"/")) {
                (Some(inside), _) => (Shape::Closes, inside),
                (None, Some(inside)) => (Shape::Whole, inside),
                (None, None) => (Shape::Opens, inside),
            };
            let name_end = inside.iter().position(u8::is_ascii_whitespace).unwrap_or(inside.len());
            let (name, attributes) = inside.split_at_checked(name_end).unwrap_or((inside, &[]));
            return Some(Ok(Tag { name, shape, attributes }));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As thin_delta 0.9.0 printed it on Debian 12.
    const REAL: &str = "<superblock uuid=\"\" time=\"3\" transaction=\"4\" data_block_size=\"128\" nr_data_blocks=\"0\">\n  <diff left=\"4\" right=\"1\">\n    <same begin=\"0\" length=\"2\"/>\n    <different begin=\"2\" length=\"1\"/>\n    <left_only begin=\"40\" length=\"1\"/>\n    <right_only begin=\"200\" length=\"3\"/>\n  </diff>\n</superblock>\n";

    fn runs(xml: &str) -> Result<Vec<std::ops::Range<u64>>, Unusable> {
        parse(xml.as_bytes(), 4, 1, 300 << 20).map(|set| set.runs().collect())
    }

    #[test]
    fn what_differs_is_found_in_real_output() {
        // Blocks of 64 KiB: 2 lies in the first MiB, 40 in the third, 200 to 202 in the thirteenth.
        assert_eq!(runs(REAL).unwrap(), [0..1, 2..3, 12..13], "a change would be left out of a backup");
        assert_eq!(runs(&REAL.replace("<diff", "<?xml version=\"1.0\"?><diff")).unwrap(), [0..1, 2..3, 12..13]);
    }

    #[test]
    fn what_is_not_understood_as_a_whole_is_not_used() {
        let wrong = |from: &str, to: &str| {
            assert!(REAL.contains(from));
            runs(&REAL.replace(from, to)).expect_err("a half-understood list of changes would be believed").0
        };
        assert!(wrong("</superblock>", "").contains("breaks off"));
        assert!(wrong("</diff>", "").contains("superblock"));
        assert!(wrong("different", "unheard_of").contains("unheard_of"));
        assert!(wrong("right=\"1\"", "right=\"2\"").contains("not 4 and 1"));
        assert!(wrong("begin=\"2\"", "begin=\"1\"").contains("order"));
        assert!(wrong("begin=\"200\"", "begin=\"18446744073709551615\"").contains("beyond"));
        assert!(wrong("begin=\"200\"", "begin=\"-1\"").contains("no number"));
        assert!(wrong("begin=\"200\" ", "").contains("missing"));
        assert!(wrong("data_block_size=\"128\"", "data_block_size=\"0\"").contains("not possible"));
        assert!(runs("").is_err() && runs("no current metadata snap\n").is_err());
        for cut in 0..REAL.trim_end().len() {
            assert!(runs(&REAL[..cut]).is_err(), "the first {cut} bytes passed for all changes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse(&bytes, 0, 1, 1 << 30).is_err());
        }

        #[test]
        fn every_change_is_in_the_set(unit in 128_u64..4096, ranges in prop::collection::vec((1_u64..50, 1_u64..50, 0_usize..4), 0..30)) {
            let mut xml = format!("<superblock data_block_size=\"{unit}\">\n<diff left=\"7\" right=\"9\">\n");
            let mut at = 0;
            let mut changed = Vec::new();
            for (gap, length, kind) in ranges {
                at += gap;
                let name = ["same", "different", "left_only", "right_only"][kind];
                xml.push_str(&format!("<{name} begin=\"{at}\" length=\"{length}\"/>\n"));
                if kind > 0 {
                    changed.push(at * unit * 512..(at + length) * unit * 512);
                }
                at += length;
            }
            xml.push_str("</diff></superblock>");
            let set = parse(xml.as_bytes(), 7, 9, 1 << 40).unwrap();
            let mut expected = BlockSet::none(1 << 40);
            for range in changed {
                expected.insert_bytes(range);
            }
            prop_assert_eq!(set, expected);
        }
    }
}
