//! `xl list -v`, `xl list -l`, `xl info`: what the hypervisor and libxl know (xl(1)).

use serde_json::Value;

use super::libxl_json::{self, LibxlConfig};
use crate::model::{Cmd, Power};

pub fn list_verbose() -> Cmd {
    Cmd::reads("xl", ["list", "-v"]).within(20)
}

pub fn list_long() -> Cmd {
    Cmd::reads("xl", ["list", "-l"]).within(30)
}

pub fn info() -> Cmd {
    Cmd::reads("xl", ["info"]).within(20)
}

/// One row of `xl list -v`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub domid: u32,
    /// Bytes that the hypervisor gave it: the Mem column.
    pub memory_bytes: u64,
    pub vcpus: u32,
    /// Six characters, see [`power`].
    pub state: String,
    pub uuid: Option<String>,
}

/// The rows of `xl list -v` without Domain-0, and how many lines could not be understood.
///
/// A name may hold blanks, look like a column, or hold a line end; so rows are split from the right, and a line that is no row is the
/// first part of the next row's name.
pub fn parse_verbose(text: &str) -> (Vec<Row>, usize) {
    let mut rows = Vec::new();
    let mut pending = String::new();
    for line in text.split('\n').skip_while(|line| !line.starts_with("Name")).skip(1) {
        match row(line) {
            Some(mut row) => {
                if !pending.is_empty() {
                    row.name = format!("{pending}{}", row.name);
                    pending.clear();
                }
                if row.domid != 0 {
                    rows.push(row);
                }
            }
            None if line.is_empty() && pending.is_empty() => {}
            None => {
                pending.push_str(line);
                pending.push('\n');
            }
        }
    }
    let lost = pending.lines().filter(|line| !line.trim().is_empty()).count();
    (rows, lost)
}

fn row(line: &str) -> Option<Row> {
    // Name ID Mem VCPUs State Time(s) [UUID Reason-Code Security-Label]
    let mut words = line.rsplit(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let last: Vec<&str> = words.by_ref().take(8).collect();
    let [_label, _reason, uuid, time, state, vcpus, memory, domid] = last[..] else { return None };
    time.parse::<f64>().ok()?;
    if state.len() != 6 || !state.bytes().all(|b| b"rbpscwSd?-".contains(&b)) {
        return None;
    }
    let domid_number: u32 = domid.parse().ok()?;
    // The name is what stands before the domid's column, with its own blanks.
    let head = line.len() - trailing(line, 8)?;
    let name = line.get(..head)?.trim_end_matches(' ');
    Some(Row {
        name: name.to_owned(),
        domid: domid_number,
        memory_bytes: memory.parse::<u64>().ok()?.checked_mul(1 << 20)?,
        vcpus: vcpus.parse().ok()?,
        state: state.to_owned(),
        uuid: is_uuid(uuid).then(|| uuid.to_owned()),
    })
}

/// Bytes that the last `count` words of a line take, with the blanks between them.
fn trailing(line: &str, count: usize) -> Option<usize> {
    let mut rest = line;
    for _ in 0..count {
        rest = rest.trim_end_matches(|c: char| c.is_ascii_whitespace());
        let cut = rest.rfind(|c: char| c.is_ascii_whitespace())?;
        rest = rest.get(..=cut)?;
    }
    Some(line.len() - rest.len())
}

pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// What the six state characters and the name say, and a note where the word alone would mislead.
pub fn power(state: &str, name: &str) -> (Power, Option<String>) {
    let flags: Vec<char> = state.chars().collect();
    let is = |at: usize, flag: char| flags.get(at) == Some(&flag);
    if name.ends_with("--incoming") || name.ends_with("--migratedaway") || name.starts_with("migrating-") {
        return (Power::Migrating, None);
    }
    if is(5, 'd') {
        return (Power::Dying, None);
    }
    if is(3, 's') {
        return match flags.get(4) {
            Some('s') => (Power::Suspended, None),
            Some('c') => (Power::Crashed, None),
            Some('w') => (Power::Crashed, Some("its watchdog ran out".into())),
            Some('r') => (Power::Preserved, Some("shut down to reboot, and not started again yet".into())),
            Some('S') => (Power::Preserved, Some("shut down for a soft reset".into())),
            _ => (
                Power::Preserved,
                Some("shut down, and not gone: it holds its memory and its disks; if it stays so, `xl destroy` ends it".into()),
            ),
        };
    }
    if is(2, 'p') { (Power::Paused, None) } else { (Power::Running, None) }
}

/// One domain of `xl list -l`.
#[derive(Clone, Debug)]
pub struct Long {
    pub domid: u32,
    pub config: LibxlConfig,
}

/// The domains of `xl list -l` without Domain-0. `output_format="sxp"` in xl.conf makes xl print S-expressions: that is an error here.
pub fn parse_long(bytes: &[u8]) -> Result<Vec<Long>, String> {
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'(') {
        return Err("xl prints S-expressions because of output_format=\"sxp\" in /etc/xen/xl.conf; set it to \"json\"".into());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("not the JSON that xl prints: {error}"))?;
    let Value::Array(items) = value else { return Err("not the list of domains that xl prints".into()) };
    let mut domains = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let domid = item.get("domid").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        let (Some(domid), Some(config)) = (domid, item.get("config")) else {
            return Err(format!("entry {} of the list has no domid or no config", at + 1));
        };
        if domid != 0 {
            domains.push(Long { domid, config: libxl_json::config(config) });
        }
    }
    Ok(domains)
}

/// A value of `xl info` (`key : value` lines).
pub fn info_value(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned()).filter(|value| !value.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label\n";

    fn line(name: &str, id: u32, state: &str) -> String {
        format!("{name:<40} {id:5}    96     1     {state}       5.8 94b8a69a-85ce-4013-ba93-08d7c3ada5a8        -                -\n")
    }

    #[test]
    fn rows_survive_long_odd_and_split_names() {
        let names = ["web1", "a name with blanks", &"x".repeat(60), "evil\n7 96 1 r----- 1.0", "  lead"];
        let text: String = HEAD.to_owned() + &names.iter().zip(1..).map(|(name, id)| line(name, id, "-b----")).collect::<String>();
        let (rows, lost) = parse_verbose(&text);
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), names, "a domain would be missing or under a wrong name");
        assert_eq!(lost, 0);
        assert_eq!(rows[0].memory_bytes, 96 << 20);
    }

    #[test]
    fn state_letters_are_read_in_their_order() {
        for (state, word) in [
            ("r-----", Power::Running),
            ("------", Power::Running),
            ("-b----", Power::Running),
            ("--p---", Power::Paused),
            ("-bp---", Power::Paused),
            ("---ss-", Power::Suspended),
            ("--pss-", Power::Suspended),
            ("---sc-", Power::Crashed),
            ("---s--", Power::Preserved),
            ("-----d", Power::Dying),
            ("---s-d", Power::Dying),
        ] {
            assert_eq!(power(state, "web1").0, word, "a person would be told that a domain in state {state} does something else");
        }
        assert_eq!(power("--p---", "web1--incoming").0, Power::Migrating);
    }

    #[test]
    fn sxp_output_is_named_and_not_taken_for_no_domains() {
        assert!(
            parse_long(b"(domain (domid 1))").unwrap_err().contains("output_format"),
            "an admin with sxp output would see no disks and no reason"
        );
        assert!(parse_long(b"[{}]").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_output_can_panic_the_reader(text in "\\PC{0,200}", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse_verbose(&(HEAD.to_owned() + &text));
            let _ = parse_verbose(&text);
            let _ = parse_long(&bytes);
        }
    }
}
