//! Keys written as text: `"/web<enter>j<c-d><esc>"`.

use std::fmt;

/// One key as a terminal sends it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    pub bytes: Vec<u8>,
    /// Escape by itself: whoever sends it waits a moment before the next key, or the two arrive together and read as Alt.
    pub lone_escape: bool,
}

/// A name in angle brackets that is no key, or a bracket that never closes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyError {
    pub name: String,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} is not a key; known: {NAMES}; `<lt>` is a plain `<`", self.name)
    }
}

impl std::error::Error for KeyError {}

const NAMES: &str = "enter esc tab s-tab space bs del ins up down left right home end pgup pgdn f1..f12 c-x (Ctrl) a-x (Alt) lt";

/// Reads a string of keys. Every character stands for itself, except `<name>`.
pub fn parse(text: &str) -> Result<Vec<Key>, KeyError> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        if first == '<' {
            let Some((name, tail)) = after.split_once('>') else {
                return Err(KeyError { name: after.to_owned() });
            };
            let bytes = named(&name.to_ascii_lowercase()).ok_or_else(|| KeyError { name: format!("{name}>") })?;
            let lone_escape = bytes == [0x1b];
            keys.push(Key { bytes, lone_escape });
            rest = tail;
        } else {
            let mut buffer = [0; 4];
            keys.push(Key { bytes: first.encode_utf8(&mut buffer).as_bytes().to_vec(), lone_escape: false });
            rest = after;
        }
    }
    Ok(keys)
}

/// The bytes xterm sends in its normal cursor and keypad modes (xterm's ctlseqs, "PC-Style Function Keys").
fn named(name: &str) -> Option<Vec<u8>> {
    let fixed: &[u8] = match name {
        "enter" | "cr" => b"\r",
        "esc" => b"\x1b",
        "tab" => b"\t",
        "s-tab" => b"\x1b[Z",
        "space" => b" ",
        "lt" => b"<",
        "bs" => b"\x7f",
        "del" => b"\x1b[3~",
        "ins" => b"\x1b[2~",
        "up" => b"\x1b[A",
        "down" => b"\x1b[B",
        "right" => b"\x1b[C",
        "left" => b"\x1b[D",
        "home" => b"\x1b[H",
        "end" => b"\x1b[F",
        "pgup" => b"\x1b[5~",
        "pgdn" => b"\x1b[6~",
        "f1" => b"\x1bOP",
        "f2" => b"\x1bOQ",
        "f3" => b"\x1bOR",
        "f4" => b"\x1bOS",
        "f5" => b"\x1b[15~",
        "f6" => b"\x1b[17~",
        "f7" => b"\x1b[18~",
        "f8" => b"\x1b[19~",
        "f9" => b"\x1b[20~",
        "f10" => b"\x1b[21~",
        "f11" => b"\x1b[23~",
        "f12" => b"\x1b[24~",
        "c-space" => b"\0",
        _ => return with_modifier(name),
    };
    Some(fixed.to_vec())
}

fn with_modifier(name: &str) -> Option<Vec<u8>> {
    let (modifier, key) = name.split_once('-')?;
    let mut chars = key.chars();
    let (character, None) = (chars.next()?, chars.next()) else { return None };
    let byte = u8::try_from(character).ok().filter(u8::is_ascii)?;
    match modifier {
        "c" if matches!(byte, b'a'..=b'z' | b'[' | b'\\' | b']' | b'^' | b'_') => Some(vec![byte & 0x1f]),
        "a" => Some(vec![0x1b, byte]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        parse(text).unwrap().into_iter().flat_map(|key| key.bytes).collect()
    }

    #[test]
    fn plain_characters_stand_for_themselves() {
        assert_eq!(bytes("/wéb"), "/wéb".as_bytes());
        assert_eq!(parse("/wéb").unwrap().len(), 4, "each character is a key of its own");
    }

    #[test]
    fn named_keys_are_what_xterm_sends() {
        assert_eq!(bytes("<enter>j<c-d><f1><tab><s-tab><pgdn><c-z><lt>"), b"\rj\x04\x1bOP\t\x1b[Z\x1b[6~\x1a<");
        assert_eq!(bytes("<c-c><C-L><a-x>"), b"\x03\x0c\x1bx");
    }

    #[test]
    fn only_escape_by_itself_asks_for_a_pause() {
        let keys = parse("<esc><up><a-x>x").unwrap();
        assert_eq!(keys.iter().map(|key| key.lone_escape).collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[test]
    fn a_misspelt_key_is_an_error_not_typed_text() {
        for wrong in ["<entr>", "<", "a<b", "<>", "<c->", "<c-ab>", "<c-é>", "<s-x>"] {
            assert!(parse(wrong).is_err(), "{wrong} must be refused: a test that types it by mistake would test nothing");
        }
        assert!(parse("<entr>").unwrap_err().to_string().contains("<entr> is not a key"));
    }
}
