//! Shell words, for a host that has no shell.

use anyhow::{Result, bail};

/// One word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The words of a simple command line: blanks, both quotes, backslash. Anything that needs a real shell is refused.
pub fn split(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some('$' | '`') if c == '"' => bail!("needs a shell: {line}"),
                        Some(inside) => word.push(inside),
                        None => bail!("an open quote: {line}"),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '|' | '&' | ';' | '<' | '>' | '$' | '`' | '*' | '(' | ')' => bail!("needs a shell: {line}"),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_being_quoted_and_split() {
        for word in ["plain", "two words", "", "it's", "a$b`c", "phy:/dev/vg/lv,xvda,w!", "back\\slash"] {
            let line = format!("xl {} end", quoted(word));
            assert_eq!(split(&line).unwrap(), ["xl", word, "end"], "{line}");
        }
    }

    #[test]
    fn what_needs_a_shell_is_refused_rather_than_done_wrongly() {
        for line in ["xl list | grep x", "a; b", "echo $HOME", "ls *.cfg", "echo \"$x\"", "open 'quote"] {
            assert!(split(line).is_err(), "{line} was taken for a simple command");
        }
    }
}
