//! Commands of debugfs(8) that a borrowed one may carry out. Some of its commands read and write files of the machine it runs on
//! (`write`, `dump`, `rdump`, `lcd`): of these only `write` is known, with the file taken from the demo machine.

/// A part of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A word as it stands in the script, its quotes too.
    Word(String),
    /// A file of the demo machine.
    HostFile(String),
}

const READING: [&str; 10] = ["ls", "stat", "cat", "pwd", "cd", "stats", "show_super_stats", "testi", "icheck", "ncheck"];
const WRITING: [&str; 13] =
    ["cd", "mkdir", "rm", "rmdir", "unlink", "link", "symlink", "mknod", "sif", "set_inode_field", "ea_set", "quit", "modify_inode"];

/// One line, with its comment or nothing left empty. The error is a sentence.
pub fn line(text: &str, may_write: bool) -> Result<Vec<Part>, String> {
    let unknown = || format!("the demo machine's debugfs does not know: {text}");
    if text.trim_start().starts_with('#') || text.trim().is_empty() {
        return Ok(Vec::new());
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(unknown());
    }
    let words = words(text).ok_or_else(unknown)?;
    let command = words.first().map(|(_, bare)| bare.as_str()).unwrap_or_default();
    let parts = |words: &[(String, String)]| words.iter().map(|(raw, _)| Part::Word(raw.clone())).collect::<Vec<_>>();
    match (command, words.as_slice()) {
        ("write", [verb, (_, from), to]) if may_write => {
            Ok(vec![Part::Word(verb.0.clone()), Part::HostFile(from.clone()), Part::Word(to.0.clone())])
        }
        // Its options could name a file to write to.
        (command, words) if READING.contains(&command) && words.iter().all(|(_, bare)| !bare.contains('>')) => Ok(parts(words)),
        (command, words) if may_write && WRITING.contains(&command) && !words.iter().any(|(_, bare)| bare == "-f") => Ok(parts(words)),
        _ => Err(unknown()),
    }
}

/// Words as ss_parse of e2fsprogs takes them apart: blanks between, double quotes around, two of them inside for one. With each its
/// text without the quotes.
fn words(text: &str) -> Option<Vec<(String, String)>> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        while chars.peek().is_some_and(|c| matches!(c, ' ' | '\t')) {
            chars.next();
        }
        let (mut raw, mut bare, mut quoted) = (String::new(), String::new(), false);
        while let Some(c) = chars.peek().copied() {
            if !quoted && matches!(c, ' ' | '\t') {
                break;
            }
            chars.next();
            raw.push(c);
            if c != '"' {
                bare.push(c);
            } else if quoted && chars.peek() == Some(&'"') {
                chars.next();
                raw.push('"');
                bare.push('"');
            } else {
                quoted = !quoted;
            }
        }
        if quoted {
            return None;
        }
        if !raw.is_empty() {
            words.push((raw, bare));
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_demo_machine_is_told_from_words() {
        let parts = line("write \"/srv/a b\" fstab", true).unwrap();
        assert_eq!(parts, [Part::Word("write".into()), Part::HostFile("/srv/a b".into()), Part::Word("fstab".into())]);
        assert!(line("sif etc/fstab mode 0100644", true).is_ok() && line("", true) == Ok(Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn no_script_can_panic_the_reader(text in "\\PC{0,80}") {
            let _ = line(&text, true);
        }

        #[test]
        fn a_path_to_write_from_is_always_the_demo_machines(from in "[a-z/ \"]{0,20}", to in "[a-z]{1,5}") {
            for part in line(&format!("write {from} {to}"), true).unwrap_or_default().iter().skip(1).take(1) {
                proptest::prop_assert!(matches!(part, Part::HostFile(_)), "debugfs would read {part:?} of the real machine");
            }
        }
    }

    #[test]
    fn no_command_reaches_the_real_machine() {
        for text in [
            "dump /etc/shadow /tmp/x",
            "rdump / /tmp",
            "lcd /etc",
            "open /dev/sda",
            "write a",
            "!sh",
            "logdump -f /x",
            "dump_unused",
            "ea_set -f /etc/shadow a b",
            "\"ls",
            "run x",
        ] {
            assert!(line(text, true).is_err(), "{text} would read or write a file of the real machine");
        }
        assert!(line("rm /etc/fstab", false).is_err() && line("write /a b", false).is_err(), "a look would change the image");
        assert!(line("ea_get -f /etc/shadow a", true).is_err());
    }
}
