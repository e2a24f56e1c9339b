//! `manifest.toml`: the words are in [`crate::model::bundle`].
//!
//! Under the TOML stand two comments: the blake3 of RESTORE.txt, and the blake3 of all bytes before itself. So a manifest in which a bit
//! fell over, or that somebody edited, is not taken for what was written.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

pub use crate::model::bundle::{HASH_BLOCK, LeftOut, MANIFEST_VERSION, Manifest, Piece};
use crate::model::bundle_names::{check_piece, hashes_name, segments_name};
use crate::model::hashes::is_digest;
use crate::model::shown;

/// Larger manifests are refused unread.
pub const LARGEST: usize = 4 << 20;
/// A domain has a few dozen disks at most.
const MOST_PIECES: usize = 1_000;

/// Segments that a piece has at most.
const MOST_SEGMENTS: u64 = 100_000;

const HEAD: &str = "# A backup of a domain. RESTORE.txt says how to bring it back, with domkeep and without.\n\n";
const OF_RESTORE_TXT: &str = "# blake3 of RESTORE.txt: ";
const OF_THIS: &str = "# blake3 of all lines above: ";

/// Why a manifest is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A newer domkeep wrote it.
    Newer { version: u64 },
    /// It is understood and not yet possible: a compression that this domkeep does not know.
    Unknown { why: String },
    /// It is not what was written, or never was a manifest.
    Damaged {
        /// Line and column, counted from 1, where that is known.
        at: Option<(usize, usize)>,
        why: String,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { version } => write!(
                f,
                "a newer domkeep wrote it: its manifest has version {version}, and this domkeep knows up to {MANIFEST_VERSION}. RESTORE.txt in it \
                 says how to restore it by hand"
            ),
            Self::Damaged { at: Some((line, column)), why } => write!(f, "line {line}, column {column}: {why}"),
            Self::Damaged { at: None, why } | Self::Unknown { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for Wrong {}

fn damaged(why: impl Into<String>) -> Wrong {
    Wrong::Damaged { at: None, why: why.into() }
}

/// A manifest as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub manifest: Manifest,
    /// blake3 of the RESTORE.txt that was written with it: 64 hexadecimal digits.
    pub restore_txt: String,
}

/// Reads a manifest and believes nothing in it: names stay inside the bundle, sizes add up, nothing is there twice.
pub fn parse(bytes: &[u8]) -> Result<Read, Wrong> {
    if bytes.len() > LARGEST {
        return Err(damaged("it is larger than any manifest"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Wrong::Damaged {
        at: Some(position(bytes, error.valid_up_to())),
        why: "what stands there is no UTF-8".to_owned(),
    })?;
    // The version first: of a newer form nothing else may be understood.
    let version = toml::from_str::<Version>(text).map_err(|error| in_toml(bytes, &error))?.version;
    if version > u64::from(MANIFEST_VERSION) {
        return Err(Wrong::Newer { version });
    }
    let restore_txt = intact(text)?;
    let manifest: Manifest = toml::from_str(text).map_err(|error| in_toml(bytes, &error))?;
    check(&manifest)?;
    Ok(Read { manifest, restore_txt })
}

/// The manifest as a file. One that could not be read again is not written.
pub fn write(manifest: &Manifest, restore_txt: &str) -> Result<String, Wrong> {
    check(manifest)?;
    let body = toml::to_string(manifest).map_err(|error| damaged(error.to_string()))?;
    let mut text = format!("{HEAD}{body}\n{OF_RESTORE_TXT}{}\n", blake3::hash(restore_txt.as_bytes()).to_hex());
    let hash = blake3::hash(text.as_bytes()).to_hex();
    text.push_str(&format!("{OF_THIS}{hash}\n"));
    if text.len() > LARGEST {
        return Err(damaged("it would be larger than any manifest that is read: too many ranges could not be read"));
    }
    Ok(text)
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// The two comments at its end, of which the last covers all before it. Gives what the first says of RESTORE.txt.
fn intact(text: &str) -> Result<String, Wrong> {
    let changed = |why: &str| damaged(format!("{why}: it is not as it was written"));
    let end = text.rfind(OF_THIS).ok_or_else(|| changed("its last line with its own hash is missing"))?;
    let (above, last) = text.split_at_checked(end).ok_or_else(|| changed("its last line is broken"))?;
    if last != format!("{OF_THIS}{}\n", blake3::hash(above.as_bytes()).to_hex()) {
        return Err(changed("it does not have the hash that stands in its last line"));
    }
    let restore = above.lines().last().and_then(|line| line.strip_prefix(OF_RESTORE_TXT)).unwrap_or_default();
    if restore.len() != 64 {
        return Err(changed("the hash of RESTORE.txt is missing"));
    }
    Ok(restore.to_owned())
}

/// What a manifest must fulfil, read or written.
fn check(manifest: &Manifest) -> Result<(), Wrong> {
    if manifest.version == 0 || manifest.version > MANIFEST_VERSION {
        return Err(damaged(format!("there is no version {} of manifests", manifest.version)));
    }
    let id = &manifest.id;
    if id.len() != 16 || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(damaged(format!("the id `{}` is not 16 hexadecimal digits", start_of(id))));
    }
    if manifest.pieces.len() > MOST_PIECES {
        return Err(damaged(format!("{} pieces are more than the {MOST_PIECES} that are read", manifest.pieces.len())));
    }
    let mut names = BTreeSet::new();
    let mut sum = 0_u64;
    for (at, piece) in manifest.pieces.iter().enumerate() {
        let of = |why: String| damaged(format!("piece {}: {why}", at + 1));
        check_piece(&piece.name).map_err(of)?;
        // Two names that a file system could take for one.
        if !names.insert(piece.name.to_lowercase()) {
            return Err(of(format!("the name `{}` is there twice", start_of(&piece.name))));
        }
        check_numbers(piece).map_err(of)?;
        sum = sum.checked_add(piece.bytes).ok_or_else(|| of("the sizes add up to more than 16 EiB".to_owned()))?;
        if piece.compression != "none" {
            return Err(Wrong::Unknown {
                why: format!(
                    "piece {}: `{}` is compressed with `{}`, which this domkeep cannot read; a newer one may",
                    at + 1,
                    start_of(&piece.name),
                    start_of(&piece.compression)
                ),
            });
        }
    }
    if let Some(clash) = manifest.pieces.iter().find(|piece| names.contains(&segments_name(&piece.name).to_lowercase())) {
        return Err(damaged(format!("the directory of segments of `{}` is the name of another piece", start_of(&clash.name))));
    }
    if let Some(clash) = manifest.pieces.iter().find(|piece| names.contains(&hashes_name(&piece.name).to_lowercase())) {
        return Err(damaged(format!("the list of hashes of `{}` is the name of another piece", start_of(&clash.name))));
    }
    Ok(())
}

fn check_numbers(piece: &Piece) -> Result<(), String> {
    if i64::try_from(piece.bytes).is_err() {
        return Err(format!("{} bytes are more than any file has", piece.bytes));
    }
    if !is_digest(&piece.digest) {
        return Err(format!("the digest `{}` is not `blake3:` and 64 hexadecimal digits", start_of(&piece.digest)));
    }
    if let Some(segment) = piece.segment_bytes {
        let few = segment >= HASH_BLOCK && piece.bytes.div_ceil(segment) <= MOST_SEGMENTS;
        if !segment.is_power_of_two() || !few {
            return Err(format!("{} bytes in segments of {segment} are not possible", piece.bytes));
        }
    }
    let mut after = 0;
    for (start, length) in &piece.unreadable {
        let end = start.checked_add(*length).filter(|end| *length > 0 && *start >= after && *end <= piece.bytes);
        after = end.ok_or_else(|| format!("the unreadable range of {length} bytes at {start} is empty, outside, or not in its order"))?;
    }
    Ok(())
}

/// As much of a stranger's text as an error shows.
fn start_of(text: &str) -> String {
    shown::text(&text.chars().take(60).collect::<String>())
}

fn in_toml(bytes: &[u8], error: &toml::de::Error) -> Wrong {
    let why = shown::text(&error.message().lines().next().unwrap_or_default().chars().take(200).collect::<String>());
    Wrong::Damaged { at: error.span().map(|span| position(bytes, span.start)), why }
}

/// Line and column of a byte, counted from 1, columns in characters.
fn position(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at.min(bytes.len())).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed.saturating_add(1));
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count().saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bundle::testing::{disk, manifest};

    /// A manifest that somebody wrote by hand, with the right hash under it.
    fn sealed(body: &str) -> String {
        let mut text = format!("{body}\n{OF_RESTORE_TXT}{}\n", "0".repeat(64));
        let hash = blake3::hash(text.as_bytes()).to_hex();
        text.push_str(&format!("{OF_THIS}{hash}\n"));
        text
    }

    fn refused(change: impl Fn(&mut Manifest)) -> String {
        let mut manifest = manifest(vec![disk("xvda.img", 1 << 30), disk("xvdb.img", 4096)]);
        change(&mut manifest);
        let read = parse(sealed(&toml::to_string(&manifest).unwrap()).as_bytes());
        let written = write(&manifest, "");
        assert!(written.is_err(), "a manifest was written that nobody could read back");
        read.map_or_else(|wrong| wrong.to_string(), |_| String::new())
    }

    #[test]
    fn a_manifest_survives_its_file() {
        let mut manifest = manifest(vec![disk("xvda.img", 1 << 30), Piece { kind: "firmware-of-tomorrow".into(), ..disk("odd", 7) }]);
        manifest.pieces[0].unreadable = vec![(4096, 512), (8192, 1)];
        manifest.pieces[1].source = crate::model::HostPath::from_bytes(b"/srv/\xff\n");
        manifest.torn = Some("xvda was written\nmeanwhile".into());
        manifest.left_out = vec![LeftOut { what: "xvdc".into(), why: "rbd".into() }];
        let text = write(&manifest, "how to").unwrap();
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!(read.manifest, manifest, "a backup could not be read back:\n{text}");
        assert_eq!(read.restore_txt, blake3::hash(b"how to").to_hex().as_str());
    }

    #[test]
    fn a_hostile_manifest_is_refused_with_the_place() {
        for name in ["../../../etc/shadow", "/etc/shadow", "..", "a\0", "a\nb", "manifest.toml"] {
            let why = refused(|manifest| manifest.pieces[1].name = name.into());
            assert!(why.starts_with("piece 2: the name"), "{name:?}: {why}");
        }
        assert!(refused(|m| m.pieces[1].name = "XVDA.img".into()).contains("twice"));
        assert!(refused(|m| m.pieces[0].unreadable = vec![(u64::MAX >> 1, u64::MAX >> 1)]).contains("unreadable range"));
        assert!(refused(|m| m.pieces[0].unreadable = vec![(4096, 512), (4100, 512)]).contains("not in its order"));
        assert!(refused(|m| m.pieces[0].digest = "sha256:00".into()).contains("digest"));
        assert!(refused(|m| m.id = "../x".into()).contains("16 hexadecimal digits"));
        assert!(refused(|m| m.pieces = vec![disk("x", 1); 1001]).contains("1001 pieces"));
        for segment in [0, 3, 4096, (1 << 20) + 1, 1 << 63] {
            assert!(segment == 1 << 63 || refused(|m| m.pieces[0].segment_bytes = Some(segment)).contains("segments"), "{segment}");
        }
        assert!(refused(|m| (m.pieces[0].bytes, m.pieces[0].segment_bytes) = (1 << 50, Some(1 << 20))).contains("segments"));
        assert!(refused(|m| m.pieces[1].name = "xvda.img.d".into()).contains("directory of segments"));
        assert!(refused(|m| m.pieces[0].compression = "zstd".into()).contains("compressed with `zstd`"));
    }

    #[test]
    fn sizes_beyond_all_files_are_refused() {
        let mut huge = manifest(vec![disk("a", i64::MAX as u64), disk("b", i64::MAX as u64), disk("c", 2)]);
        assert!(write(&huge, "").unwrap_err().to_string().contains("add up"));
        huge.pieces[0].bytes = u64::MAX;
        assert!(write(&huge, "").unwrap_err().to_string().contains("more than any file"));
        let body = toml::to_string(&manifest(vec![disk("a", 77)])).unwrap();
        for wrong in ["-1", "18446744073709551616", "1e3", "\"77\""] {
            let text = sealed(&body.replace("bytes = 77", &format!("bytes = {wrong}")));
            assert!(matches!(parse(text.as_bytes()), Err(Wrong::Damaged { at: Some(_), .. })), "{wrong} was taken for a size");
        }
    }

    #[test]
    fn a_newer_version_is_named_before_anything_else_is_read() {
        let wrong = parse(b"version = 3\npieces = 'all new'\n").unwrap_err();
        assert_eq!(wrong, Wrong::Newer { version: 3 });
        assert!(wrong.to_string().contains("version 3") && wrong.to_string().contains("RESTORE.txt"));
        assert!(parse(b"version = -1").is_err() && parse(b"version = 0").is_err() && parse(b"").is_err());
    }

    #[test]
    fn what_is_no_toml_is_named_with_line_and_column() {
        let wrong = parse("version = 1\n\u{e9} = 2\n".as_bytes()).unwrap_err();
        assert!(matches!(wrong, Wrong::Damaged { at: Some((2, 1)), .. }), "{wrong:?}");
        let wrong = parse(b"version = 1\nid = \"\xff\"\n").unwrap_err();
        assert!(wrong.to_string().starts_with("line 2, column 7: "), "{wrong}");
        let deep = format!("version = 1\nx = {}", "[".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err(), "a manifest of brackets must not end domkeep");
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_manifest_is_found() {
        let text = write(&manifest(vec![disk("xvda.img", 1 << 30)]), "how to").unwrap().into_bytes();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                assert!(parse(&flipped).is_err(), "bit {bit} of byte {at} fell over and nobody saw it");
            }
        }
        for cut in 0..text.len() {
            assert!(parse(&text[..cut]).is_err(), "a manifest of only {cut} bytes passed for whole");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn any_words_survive(domain in any::<String>(), source in any::<Vec<u8>>(), torn in any::<Option<String>>()) {
            let mut manifest = manifest(vec![disk("xvda.img", 1)]);
            manifest.domain = domain;
            manifest.torn = torn;
            manifest.pieces[0].source = crate::model::HostPath::from_bytes(&source.iter().copied().filter(|byte| *byte != 0).collect::<Vec<_>>());
            let text = write(&manifest, "").unwrap();
            prop_assert_eq!(parse(text.as_bytes()).unwrap().manifest, manifest);
        }
    }
}
