//! What a stranger wrote, made safe to show: names, paths and values come from guests, configs and archives.
//!
//! Control characters, escape bytes, right-to-left and invisible marks are shown as `\xHH` or `\u{...}`; nothing that is shown can
//! move the cursor, change a colour or turn the reading direction. Every text that reaches a screen or a pipe comes through here.

/// A text as it may be shown on one line.
pub fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for character in raw.chars() {
        push(&mut out, character);
    }
    out
}

/// Bytes as they may be shown on one line: what is not UTF-8 as `\xHH`.
pub fn bytes(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut out, character);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Several lines of a stranger's text: line ends stay, everything else as [`text`].
pub fn lines(raw: &str) -> Vec<String> {
    raw.lines().map(text).collect()
}

/// Whether a character could do anything but stand where it is shown.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}'                    // soft hyphen: invisible
            | '\u{061c}'                  // Arabic letter mark
            | '\u{115f}'..='\u{1160}'     // Hangul fillers: invisible
            | '\u{17b4}'..='\u{17b5}'     // Khmer inherent vowels: invisible
            | '\u{180b}'..='\u{180f}'     // Mongolian selectors
            | '\u{200b}'..='\u{200f}'     // zero width, left-to-right and right-to-left marks
            | '\u{2028}'..='\u{202e}'     // line and paragraph separators, direction embeddings and overrides
            | '\u{2060}'..='\u{206f}'     // word joiner, direction isolates
            | '\u{3164}' | '\u{ffa0}'     // Hangul fillers
            | '\u{fe00}'..='\u{fe0f}'     // variation selectors
            | '\u{feff}'                  // byte order mark
            | '\u{fff9}'..='\u{fffb}'     // interlinear annotation
            | '\u{1d173}'..='\u{1d17a}'   // musical format controls
            | '\u{e0000}'..='\u{e0fff}') // tags
}

fn push(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if (c as u32) < 0x100 && is_unsafe(c) => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if is_unsafe(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        c => out.push(c),
    }
}

/// JSON text in which every character that [`is_unsafe`] stands as `\uXXXX`: the same value for a program, safe for a terminal.
pub fn json(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for character in raw.chars() {
        if character != '\n' && is_unsafe(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shown_can_steer_a_terminal() {
        assert_eq!(text("a\x1b[31mb\nc\u{202e}d"), "a\\x1b[31mb\\nc\\u{202e}d", "a domain's name could repaint the admin's screen");
        assert_eq!(bytes(b"/a\xff\x00"), "/a\\xff\\x00");
        assert_eq!(text("naïve 漢字"), "naïve 漢字");
    }

    #[test]
    fn json_keeps_the_value_and_loses_the_mark() {
        let value = serde_json::json!({"name": "x\u{202e}\u{e0001}\u{9b}31my"});
        let safe = json(&serde_json::to_string(&value).unwrap());
        assert!(!safe.chars().any(is_unsafe), "a script's log would show a hidden mark: {safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
