//! The scanner: every rule says how much it would take, the one that takes most is carried out.

use super::{DiskSpec, FORMATS};

/// The first thing that xl complains about.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    pub(super) what: &'static str,
    pub(super) near: Option<Vec<u8>>,
    pub(super) offset: usize,
}

impl Wrong {
    pub(super) fn whole(what: &'static str) -> Self {
        Self { what, near: None, offset: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    Cdrom,
    DirectIoSafe,
    Discard(bool),
    Colo(bool),
    Trusted(bool),
    GrantUsage(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Blanks,
    /// `key=VALUE`, and the key's length.
    Named(Key),
    Flag(Flag),
    Target,
    UnknownParameter,
    FormatPrefix,
    ScriptPrefix,
    OldPrefix,
    UnknownPrefix,
    Positional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Format,
    DevType,
    Access,
    Backend,
    BackendType,
    Specification,
    Vdev,
    Script,
    ColoHost,
    ColoPort,
    ColoExport,
    ActiveDisk,
    HiddenDisk,
}

const NAMED: [(&[u8], Key); 13] = [
    (b"format=", Key::Format),
    (b"devtype=", Key::DevType),
    (b"access=", Key::Access),
    (b"backend=", Key::Backend),
    (b"backendtype=", Key::BackendType),
    (b"specification=", Key::Specification),
    (b"vdev=", Key::Vdev),
    (b"script=", Key::Script),
    (b"colo-host=", Key::ColoHost),
    (b"colo-port=", Key::ColoPort),
    (b"colo-export=", Key::ColoExport),
    (b"active-disk=", Key::ActiveDisk),
    (b"hidden-disk=", Key::HiddenDisk),
];

const FLAGS: [(&[u8], Flag); 10] = [
    (b"cdrom", Flag::Cdrom),
    (b"direct-io-safe", Flag::DirectIoSafe),
    (b"discard", Flag::Discard(true)),
    (b"no-discard", Flag::Discard(false)),
    (b"colo", Flag::Colo(true)),
    (b"no-colo", Flag::Colo(false)),
    (b"trusted", Flag::Trusted(true)),
    (b"untrusted", Flag::Trusted(false)),
    (b"grant_usage=1", Flag::GrantUsage(true)),
    (b"grant_usage=0", Flag::GrantUsage(false)),
];

const FORMAT_PREFIXES: [&[u8]; 4] = [b"raw:", b"qcow:", b"qcow2:", b"vhd:"];
const SCRIPT_PREFIXES: [&[u8]; 4] = [b"iscsi:", b"nbd:", b"enbd:", b"drbd:"];
const OLD_PREFIXES: [&[u8]; 7] = [b"tapdisk:", b"tap:", b"tap2:", b"aio:", b"ioemu:", b"file:", b"phy:"];

/// What a rule takes: bytes that it matches (what it is judged by) and bytes that it uses up.
#[derive(Clone, Copy)]
struct Match {
    rule: Rule,
    matched: usize,
    used: usize,
}

struct Scanner {
    disk: DiskSpec,
    error: Option<Wrong>,
    had_prefix: bool,
    access_set: bool,
    colo: [Option<Vec<u8>>; 4],
}

/// Reads a specification to its end or to the error at which xl stops, and keeps the first error.
pub(super) fn scan(spec: &[u8]) -> (DiskSpec, Option<Wrong>) {
    let mut scanner = Scanner { disk: DiskSpec::default(), error: None, had_prefix: false, access_set: false, colo: [const { None }; 4] };
    if let Some(at) = spec.iter().position(|c| *c == 0) {
        scanner.wrong("bad disk syntax", b"\0", at);
        return (scanner.disk, scanner.error);
    }
    let mut at = 0;
    let mut line_end = until(spec, |c| c == b'\n');
    while let Some(rest) = spec.get(at..).filter(|rest| !rest.is_empty()) {
        if at > line_end {
            line_end = at + until(rest, |c| c == b'\n');
        }
        let line = line_end - at;
        let Some(found) = longest(rest, line) else {
            scanner.wrong("bad disk syntax", rest.get(..line).unwrap_or_default(), at);
            break;
        };
        let text = rest.get(..found.used).unwrap_or_default();
        if !scanner.carry_out(found.rule, text, at) {
            break;
        }
        // Every rule uses up something; the guard is against an endless loop all the same.
        at = at.saturating_add(found.used.max(1));
    }
    (scanner.disk, scanner.error)
}

fn until(bytes: &[u8], stop: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|c| stop(*c)).unwrap_or(bytes.len())
}

/// The length of a text and of the one comma that may follow it.
fn with_comma(rest: &[u8], length: usize) -> usize {
    if rest.get(length) == Some(&b',') { length + 1 } else { length }
}

/// The rule that matches most of `rest`, whose line has `line` bytes; the first among equals, in the order in which they are tried here.
fn longest(rest: &[u8], line: usize) -> Option<Match> {
    let mut best: Option<Match> = None;
    let mut offer = |rule, matched: usize, used: usize| {
        if matched > best.map_or(0, |b| b.matched) {
            best = Some(Match { rule, matched, used });
        }
    };
    let blanks = until(rest, |c| !matches!(c, b' ' | b'\t' | b'\n'));
    if blanks > 0 {
        let after = rest.get(blanks..).unwrap_or_default();
        offer(Rule::Blanks, blanks + until(after, |c| c == b'\n'), blanks);
    }
    for (name, key) in NAMED {
        if rest.starts_with(name) {
            let length = with_comma(rest, until(rest, |c| c == b','));
            offer(Rule::Named(key), length, length);
        }
    }
    for (name, flag) in FLAGS {
        if rest.starts_with(name) {
            let length = with_comma(rest, name.len());
            offer(Rule::Flag(flag), length, length);
        }
    }
    if rest.starts_with(b"target=") {
        offer(Rule::Target, line, line);
    }
    if let Some(length) = unknown_parameter(rest) {
        offer(Rule::UnknownParameter, length, length);
    }
    for (rule, prefixes) in
        [(Rule::FormatPrefix, FORMAT_PREFIXES.as_slice()), (Rule::ScriptPrefix, &SCRIPT_PREFIXES), (Rule::OldPrefix, &OLD_PREFIXES)]
    {
        for prefix in prefixes {
            if rest.starts_with(prefix) {
                offer(rule, line, prefix.len());
            }
        }
    }
    if let Some((matched, used)) = unknown_prefix(rest, line) {
        offer(Rule::UnknownPrefix, matched, used);
    }
    let text = until(rest, |c| matches!(c, b'=' | b','));
    let positional = with_comma(rest, text);
    if positional > 0 {
        offer(Rule::Positional, positional, positional);
    }
    best
}

/// `[a-z][-a-z0-9]*=` and one character of its value.
fn unknown_parameter(rest: &[u8]) -> Option<usize> {
    let name = until(rest, |c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-'));
    let begins_well = rest.first().is_some_and(u8::is_ascii_lowercase);
    let value = rest.get(name + 1).is_some_and(|c| *c != b',');
    (begins_well && rest.get(name) == Some(&b'=') && value).then(|| with_comma(rest, name + 2))
}

/// `[a-z][a-z0-9]*:` and, unless a letter or digit follows, the rest of the line: how much that matches, and how much is the prefix.
fn unknown_prefix(rest: &[u8], line: usize) -> Option<(usize, usize)> {
    let name = until(rest, |c| !(c.is_ascii_lowercase() || c.is_ascii_digit()));
    if !rest.first().is_some_and(u8::is_ascii_lowercase) || rest.get(name) != Some(&b':') {
        return None;
    }
    let used = name + 1;
    let matched = match rest.get(used) {
        Some(b'\n') => used + 1 + until(rest.get(used + 1..).unwrap_or_default(), |c| c == b'\n'),
        Some(c) if !(c.is_ascii_lowercase() || c.is_ascii_digit()) => line,
        _ => used,
    };
    Some((matched, used))
}

fn without(text: &[u8], end: u8) -> &[u8] {
    text.strip_suffix(&[end]).unwrap_or(text)
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Scanner {
    fn wrong(&mut self, what: &'static str, near: &[u8], offset: usize) {
        if self.error.is_none() {
            self.error = Some(Wrong { what, near: Some(near.to_vec()), offset });
        }
    }

    /// False when xl stops there.
    fn carry_out(&mut self, rule: Rule, text: &[u8], at: usize) -> bool {
        match rule {
            Rule::Blanks => {}
            Rule::Named(key) => {
                let text = without(text, b',');
                let name = until(text, |c| c == b'=').saturating_add(1);
                self.named(key, text, text.get(name..).unwrap_or_default(), at.saturating_add(name));
            }
            Rule::Flag(flag) => self.flag(flag),
            Rule::Target => {
                let value = without(text, b',').get(b"target=".len()..).unwrap_or_default();
                self.target(value, at);
            }
            Rule::UnknownParameter => self.wrong("unknown parameter", text, at),
            Rule::FormatPrefix => {
                self.prefix(text);
                self.format(without(text, b':'), at);
            }
            Rule::ScriptPrefix => {
                self.prefix(text);
                let script = format!("block-{}", string(without(text, b':')));
                self.script(&script, at);
            }
            Rule::OldPrefix => self.prefix(text),
            Rule::UnknownPrefix => {
                self.wrong("unknown deprecated disk prefix", text, at);
                return false;
            }
            Rule::Positional => return self.positional(without(text, b','), at),
        }
        true
    }

    fn prefix(&mut self, text: &[u8]) {
        self.had_prefix = true;
        self.disk.prefixes.push(string(without(text, b':')));
    }

    fn flag(&mut self, flag: Flag) {
        match flag {
            Flag::Cdrom => self.disk.is_cdrom = true,
            Flag::DirectIoSafe => self.disk.direct_io_safe = true,
            Flag::Discard(on) => self.disk.discard = Some(on),
            Flag::Colo(on) => self.disk.colo = Some(on),
            Flag::Trusted(on) => self.disk.trusted = Some(on),
            Flag::GrantUsage(on) => self.disk.grant_usage = Some(on),
        }
    }

    fn named(&mut self, key: Key, text: &[u8], value: &[u8], at: usize) {
        match key {
            Key::Format => self.format(value, at),
            Key::DevType => match value {
                b"cdrom" => self.disk.is_cdrom = true,
                b"disk" => self.disk.is_cdrom = false,
                _ => self.wrong("unknown value for type", text, at),
            },
            Key::Access => self.access(value, at),
            Key::Backend => {
                if self.disk.backend_domname.as_ref().is_some_and(|old| !old.is_empty()) {
                    self.wrong("backend respecified", value, at);
                } else {
                    self.disk.backend_domname = Some(string(value));
                }
            }
            Key::BackendType => {
                let known = ["phy", "tap", "qdisk", "standalone"];
                let found = known.into_iter().find(|name| name.as_bytes() == value);
                match (found, self.disk.backend) {
                    (None, _) => self.wrong("unknown value for backendtype", value, at),
                    (Some(new), Some(old)) if new != old => self.wrong("backend respecified", value, at),
                    (Some(new), _) => self.disk.backend = Some(new),
                }
            }
            Key::Specification => {
                let found = ["xen", "virtio"].into_iter().find(|name| name.as_bytes() == value);
                match (found, self.disk.specification) {
                    (None, _) => self.wrong("unknown value for specification", value, at),
                    (Some(new), Some(old)) if new != old => self.wrong("specification respecified", value, at),
                    (Some(new), _) => self.disk.specification = Some(new),
                }
            }
            Key::Vdev => self.vdev(value, at),
            Key::Script => self.script(&string(value), at),
            Key::ColoPort => {
                if super::super::xl_config::number::strtol(value).value == 0 {
                    self.wrong("unknown value for colo_port", value, at);
                }
            }
            Key::ColoHost => self.once(0, "colo-host respecified", value, at),
            Key::ColoExport => self.once(1, "colo-export respecified", value, at),
            Key::ActiveDisk => self.once(2, "active-disk respecified", value, at),
            Key::HiddenDisk => self.once(3, "hidden-disk respecified", value, at),
        }
    }

    fn once(&mut self, slot: usize, twice: &'static str, value: &[u8], at: usize) {
        match self.colo.get_mut(slot) {
            Some(Some(old)) if !old.is_empty() => self.wrong(twice, value, at),
            Some(slot) => *slot = Some(value.to_vec()),
            None => {}
        }
    }

    fn target(&mut self, value: &[u8], at: usize) {
        if self.disk.target.as_ref().is_some_and(|old| !old.is_empty()) {
            self.wrong("target respecified", value, at);
        } else {
            self.disk.target = Some(value.to_vec());
        }
    }

    fn vdev(&mut self, value: &[u8], at: usize) {
        if self.disk.vdev.as_ref().is_some_and(|old| !old.is_empty()) {
            self.wrong("vdev respecified", value, at);
        } else {
            self.disk.vdev = Some(string(value));
        }
    }

    fn script(&mut self, value: &str, at: usize) {
        if self.disk.script.as_ref().is_some_and(|old| !old.is_empty()) {
            self.wrong("script respecified", value.as_bytes(), at);
        } else {
            self.disk.script = Some(value.to_owned());
        }
    }

    fn access(&mut self, value: &[u8], at: usize) {
        match value {
            b"r" | b"ro" => self.disk.readwrite = false,
            b"w" | b"rw" | b"" => self.disk.readwrite = true,
            _ => self.wrong("unknown value for access", value, at),
        }
    }

    fn format(&mut self, value: &[u8], at: usize) {
        let found = if value.is_empty() { Some("raw") } else { FORMATS.into_iter().find(|name| name.as_bytes() == value) };
        match (found, self.disk.format) {
            (None, _) => self.wrong("unknown value for format", value, at),
            (Some(new), Some(old)) if new != old => self.wrong("format respecified", value, at),
            (Some(new), _) => self.disk.format = Some(new),
        }
    }

    /// `VDEV:cdrom`; false, and nothing done, when there is no colon.
    fn vdev_and_type(&mut self, text: &[u8], at: usize) -> bool {
        let Some(colon) = text.iter().rposition(|c| *c == b':') else { return false };
        self.vdev(text.get(..colon).unwrap_or_default(), at);
        match text.get(colon + 1..).unwrap_or_default() {
            b"cdrom" => self.disk.is_cdrom = true,
            b"disk" => self.disk.is_cdrom = false,
            other => self.wrong("unknown deprecated type", other, at.saturating_add(colon + 1)),
        }
        true
    }

    fn positional(&mut self, text: &[u8], at: usize) -> bool {
        if self.error.is_some() {
            return true;
        }
        match &self.disk.target {
            None => self.disk.target = Some(text.to_vec()),
            Some(target) if !self.had_prefix && self.disk.format.is_none() => {
                if target.is_empty() && self.vdev_and_type(text, at) {
                    self.disk.format = Some("empty");
                } else {
                    self.format(text, at);
                }
            }
            Some(_) if self.disk.vdev.is_none() => {
                if !self.vdev_and_type(text, at) {
                    self.vdev(text, at);
                }
            }
            Some(_) if !self.access_set => {
                self.access_set = true;
                self.access(text, at);
            }
            Some(_) => {
                self.wrong("too many positional parameters", text, at);
                return false;
            }
        }
        true
    }
}
