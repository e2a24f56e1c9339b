//! The names inside and around a bundle: made here, and checked here wherever one is read.

use chrono::{DateTime, Utc};

use super::shown;

pub const MANIFEST: &str = "manifest.toml";
pub const RESTORE_TXT: &str = "RESTORE.txt";
/// What a piece's list of block hashes is called: the piece's name with this behind it.
pub const HASHES: &str = ".hashes";

/// What the directory of a piece's segments is called: the piece's name with this behind it.
pub const SEGMENTS: &str = ".d";

/// Bytes of the longest name that is taken for a piece: its list's name must fit a file system too (255).
const LONGEST: usize = 200;
const PARTIAL: &str = ".partial";

/// The list of hashes of a piece.
pub fn hashes_name(piece: &str) -> String {
    format!("{piece}{HASHES}")
}

/// The directory of a piece's segments.
pub fn segments_name(piece: &str) -> String {
    format!("{piece}{SEGMENTS}")
}

/// A segment of a piece, from the bundle's directory.
pub fn segment_path(piece: &str, number: u64) -> String {
    format!("{}/{number:06}", segments_name(piece))
}

/// A bundle's directory: `20261121-144501-0123456789abcdef`, the time in UTC.
pub fn directory_name(at: DateTime<Utc>, id: &str) -> String {
    format!("{}-{id}", at.format("%Y%m%d-%H%M%S"))
}

/// What a bundle is called until it is whole.
pub fn partial_name(name: &str) -> String {
    format!(".{name}{PARTIAL}")
}

/// Whether a directory's name says that what lies in it is not whole: whoever wrote it was interrupted, or is still at work.
pub fn is_partial(name: &[u8]) -> bool {
    name.starts_with(b".") && name.ends_with(PARTIAL.as_bytes())
}

/// Whether a manifest may call a piece so; the error says what is wrong with the name. It must be one component that stays inside the bundle,
/// can be typed and shown, and is none of the bundle's own files.
pub fn check_piece(name: &str) -> Result<(), String> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST {
        "it is longer than 200 bytes"
    } else if name.contains('/') {
        "it has a `/`: it would lead out of the bundle"
    } else if name.starts_with('.') {
        "it begins with a dot"
    } else if name.chars().any(shown::is_unsafe) {
        "it has a character that cannot be seen"
    } else if name.eq_ignore_ascii_case(MANIFEST) || name.eq_ignore_ascii_case(RESTORE_TXT) {
        "the bundle's own file is called so"
    } else if name.ends_with(HASHES) {
        "lists of hashes are called so"
    } else {
        return Ok(());
    };
    let cut: String = name.chars().take(60).collect();
    Err(format!("the name `{}` is no name for a piece: {why}", shown::text(&cut)))
}

/// A text as one component of a path, for a host's or a domain's directory and for a piece's name. What is no letter, digit or one of
/// `-_.+@` stands as `%` and its bytes in hexadecimal, so that two names never share one directory; a leading dot too. Too long a text
/// ends in the hash of its whole.
pub fn component(text: &str) -> String {
    let mut out = String::new();
    for (at, character) in text.char_indices() {
        let plain = character.is_alphanumeric() && !shown::is_unsafe(character) || "-_+@".contains(character) || character == '.' && at > 0;
        if plain {
            out.push(character);
        } else {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02x}")));
        }
    }
    match out.len() {
        // The empty name has no bytes to write.
        0 => "%".to_owned(),
        long if long > LONGEST - HASHES.len() => {
            let cut: String = out.chars().scan(0, |used, c| (*used += c.len_utf8(), (*used <= 150).then_some(c)).1).collect();
            format!("{cut}%{}", blake3::hash(text.as_bytes()).to_hex().get(..16).unwrap_or_default())
        }
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_name_leads_out_of_the_bundle() {
        for wrong in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/shadow",
            ".hidden",
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            "manifest.toml",
            "Manifest.TOML",
            "x.hashes",
        ] {
            assert!(check_piece(wrong).is_err(), "a manifest could make domkeep read {wrong:?}");
        }
        assert!(check_piece(&"x".repeat(201)).is_err());
        for right in ["xvda.img", "config", "a b'c$(id)", "-n", "漢字"] {
            check_piece(right).unwrap();
        }
    }

    #[test]
    fn a_partial_name_is_known_as_one() {
        let name = directory_name(DateTime::from_timestamp(1_790_000_000, 0).unwrap(), "0123456789abcdef");
        assert!(is_partial(partial_name(&name).as_bytes()) && !is_partial(name.as_bytes()), "half a backup would pass for a whole one");
    }

    proptest! {
        #[test]
        fn every_domain_has_a_directory_of_its_own(a in any::<String>(), b in any::<String>()) {
            for name in [&a, &b] {
                let component = component(name);
                prop_assert!(check_piece(&component).is_ok() || component.ends_with(HASHES) || component.eq_ignore_ascii_case(MANIFEST)
                    || component.eq_ignore_ascii_case(RESTORE_TXT), "{:?} becomes {:?}", name, component);
                prop_assert!(component.len() <= LONGEST && !component.contains('/') && component != ".." );
            }
            prop_assert!(a == b || component(&a) != component(&b), "two domains would share a directory");
        }
    }

    #[test]
    fn usual_names_stay_as_they_are() {
        assert_eq!(component("web01.example.com"), "web01.example.com");
        assert_eq!(component("../../etc"), "%2e.%2f..%2fetc");
        assert_eq!(component(""), "%");
        assert_ne!(component(&"x".repeat(500)), component(&"x".repeat(501)));
    }
}
