//! Settings to a configuration: what the toolstack makes of the keys, and what their author may have meant instead.
//!
//! Source: Xen's tools/xl/xl_parse.c and xl.cfg(5); for xm, Xen 4.1's tools/python/xen/xm/create.py.

use crate::model::{Config, HostPath, shown};

use super::super::xl_config::{NumberTrouble, Parsed, Position, Value};
use super::super::xm_config::Evaluated;
use super::nfs_root::{NfsRoot, nfsroot_of};
use super::{Grammar, MAX_TROUBLE, blank, disks, secrets, trouble};

const MIB: u64 = 1 << 20;
/// What a domain gets that asks for no memory.
const XL_DEFAULT_MIB: u64 = 32;
const XM_DEFAULT_MIB: u64 = 128;
const MAX_SETTINGS: usize = 200;
const MAX_SETTING_CHARS: usize = 2000;

/// Keys that xm knew and xl ignores without a word.
const IGNORED_BY_XL: [&str; 20] = [
    "ip",
    "netmask",
    "gateway",
    "hostname",
    "interface",
    "dhcp",
    "restart",
    "bootargs",
    "bootentry",
    "vcpu_avail",
    "cpu",
    "loader",
    "on_xend_start",
    "on_xend_stop",
    "access_control",
    "features",
    "description",
    "fda",
    "fdb",
    "vif2",
];
const STRINGS: [&str; 16] = [
    "name",
    "uuid",
    "type",
    "builder",
    "kernel",
    "ramdisk",
    "cmdline",
    "root",
    "extra",
    "bootloader",
    "firmware",
    "on_poweroff",
    "on_reboot",
    "on_crash",
    "on_watchdog",
    "on_soft_reset",
];
const NUMBERS: [&str; 5] = ["memory", "maxmem", "vcpus", "maxvcpus", "nomigrate"];
const LISTS: [&str; 4] = ["disk", "vif", "pci", "vfb"];
const ACTIONS: [&str; 7] = ["destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart", "soft-reset"];

/// Whether a key means something to a toolstack (variables of a Python file do not).
pub(super) fn is_known_key(key: &str) -> bool {
    STRINGS.contains(&key) || NUMBERS.contains(&key) || LISTS.contains(&key) || IGNORED_BY_XL.contains(&key) || key.starts_with("nfs_")
}

struct Reader<'a> {
    parsed: &'a Parsed,
    grammar: Grammar,
    config: Config,
}

/// The configuration that a file's settings amount to. `evaluated` tells for Python files what is not known.
pub(super) fn config(path: &HostPath, parsed: &Parsed, grammar: Grammar, evaluated: Option<&Evaluated>) -> Config {
    let mut reader = Reader { parsed, grammar, config: blank(path, grammar) };
    let unknown =
        |key: &str| evaluated.is_some_and(|e| e.why_not_read(key).is_some() || (e.anything.is_some() && parsed.get(key).is_none()));
    reader.shapes();
    reader.name(path, unknown("name"));
    reader.uuid();
    reader.guest_type(unknown("builder") || unknown("type"));
    reader.memory(unknown("memory") || unknown("maxmem"));
    reader.vcpus();
    reader.actions();
    reader.kernel_paths();
    if let Some(items) = parsed.list("disk") {
        let (found, troubles) = disks::of_list(items, grammar);
        reader.config.disks = found;
        reader.config.trouble.extend(troubles);
    }
    reader.command_line();
    reader.settings();
    let mut config = reader.config;
    config.trouble.sort_by_key(|trouble| !trouble.fatal);
    config.trouble.truncate(MAX_TROUBLE);
    config
}

impl Reader<'_> {
    fn at(&self, key: &str) -> Option<Position> {
        self.parsed.get(key).map(|setting| setting.at)
    }

    fn warn(&mut self, key: &str, what: impl Into<String>) {
        let at = self.at(key);
        self.config.trouble.push(trouble(false, at, what));
    }

    fn refuse(&mut self, key: &str, what: impl Into<String>) {
        // What xm took without complaint is no reason to call its file bad; that xl's grammar refuses it is said elsewhere.
        let at = self.at(key);
        self.config.trouble.push(trouble(self.grammar == Grammar::Xl, at, what));
    }

    fn is_set(&self, key: &str) -> bool {
        self.parsed.get(key).is_some()
    }

    /// Values of the wrong shape, which xl takes as not set; keys that it does not know; keys that are set twice.
    fn shapes(&mut self) {
        for setting in &self.parsed.settings {
            let key = setting.key.as_str();
            let is_list = matches!(setting.value, Value::List(_));
            let what = if key == "disk" && !is_list {
                Some("`disk` is not a list: xl starts the domain without any disk; put `[` and `]` around it".to_owned())
            } else if LISTS.contains(&key) && !is_list {
                Some(format!("`{key}` is not a list: xl takes it as not set; put `[` and `]` around it"))
            } else if (STRINGS.contains(&key) || NUMBERS.contains(&key)) && is_list {
                Some(format!("`{key}` is a list: xl takes it as not set"))
            } else if self.grammar == Grammar::Xl && IGNORED_BY_XL.contains(&key) {
                Some(format!("xl ignores `{key}` (xm knew it)"))
            } else {
                None
            };
            if let Some(what) = what {
                self.config.trouble.push(trouble(false, Some(setting.at), what));
            }
            if let Some(line) = setting.overrules.filter(|_| self.grammar == Grammar::Xl && is_known_key(key)) {
                let what = format!("`{key}` is set twice: this one counts, the one on line {line} does not");
                self.config.trouble.push(trouble(false, Some(setting.at), what));
            }
        }
    }

    fn name(&mut self, path: &HostPath, unknown: bool) {
        self.config.name = self.parsed.string("name").filter(|name| !name.is_empty());
        if self.config.name.is_some() || unknown {
            return;
        }
        match self.grammar {
            Grammar::Xm => self.config.name = path.file_name(),
            Grammar::Xl => self.refuse("name", "the domain has no name, and xl demands one (xm took the file's)"),
        }
    }

    fn uuid(&mut self) {
        let Some(uuid) = self.parsed.string("uuid") else { return };
        if is_uuid(&uuid) {
            self.config.uuid = Some(uuid.to_ascii_lowercase());
        } else {
            self.refuse("uuid", format!("`{}` is no uuid", shown::text(&uuid)));
        }
    }

    /// xl compares only as many letters as are written, so that `h` and even nothing means hvm.
    fn guest_type(&mut self, unknown: bool) {
        let typed = self.parsed.string("type");
        let built = self.parsed.string("builder");
        let by_type = typed.as_deref().map(|text| ["hvm", "pv", "pvh"].into_iter().find(|known| known.starts_with(text)));
        let by_builder = built.as_deref().map(|text| match self.grammar {
            Grammar::Xl => [("hvm", "hvm"), ("generic", "pv")].into_iter().find(|(word, _)| word.starts_with(text)).map(|(_, kind)| kind),
            Grammar::Xm => Some(if text == "hvm" { "hvm" } else { "pv" }),
        });
        if let (Some(None), Some(text)) = (by_type, &typed) {
            self.refuse("type", format!("xl does not know the type `{}`; it is pv, pvh or hvm", shown::text(text)));
        }
        if let (Some(None), Some(text)) = (by_builder, &built) {
            let text = shown::text(text);
            self.refuse("builder", format!("xl does not know the builder `{text}`; write `type = \"pv\"` instead (pvh, hvm)"));
        }
        if let (Some(Some(one)), Some(Some(other))) = (by_type, by_builder)
            && one != other
        {
            self.refuse("builder", format!("`type` says {one}, `builder` says {other}: xl wants them to agree"));
        }
        let found = match (by_type, by_builder) {
            (Some(kind), _) | (None, Some(kind)) => kind,
            (None, None) if unknown => None,
            (None, None) => Some("pv"),
        };
        self.config.guest_type = found.map(str::to_owned);
    }

    fn memory(&mut self, unknown: bool) {
        let memory = self.mib("memory");
        let maxmem = self.mib("maxmem");
        let default = match self.grammar {
            Grammar::Xl => XL_DEFAULT_MIB,
            Grammar::Xm => XM_DEFAULT_MIB,
        };
        let mib = memory.or(match self.grammar {
            Grammar::Xl => maxmem,
            Grammar::Xm => None,
        });
        if mib.is_none() && !unknown {
            self.warn("memory", format!("no `memory`: the domain gets {default} MiB"));
        }
        self.config.memory_bytes = match mib {
            None if unknown => None,
            mib => mib.unwrap_or(default).checked_mul(MIB),
        };
    }

    /// A size in MiB; says why when the key is set and gives none.
    fn mib(&mut self, key: &str) -> Option<u64> {
        let number = self.number(key)?;
        let mib = u64::try_from(number).ok();
        if mib.is_none() {
            self.warn(key, format!("`{key}` is negative"));
        }
        mib
    }

    fn number(&mut self, key: &str) -> Option<i64> {
        let written = self.parsed.string(key).unwrap_or_default();
        let number = match (self.grammar, self.parsed.number(key)) {
            // Python's int() knows no octal texts.
            (Grammar::Xm, Ok(_) | Err(NumberTrouble::Invalid)) => written.trim().parse().map_err(|_| NumberTrouble::Invalid),
            (_, number) => number,
        };
        match number {
            Ok(value) => {
                let digits = written.trim_start_matches(|c: char| c.is_ascii_whitespace());
                let octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|c| c.is_ascii_digit());
                if octal && self.grammar == Grammar::Xl {
                    self.warn(
                        key,
                        format!(
                            "`{key}` is {value}: a number that begins with 0 is octal, so {digits} is not {}",
                            digits.trim_start_matches('0')
                        ),
                    );
                }
                Some(value)
            }
            Err(NumberTrouble::NotSet | NumberTrouble::List) => None,
            Err(why) => {
                let words = why.words().unwrap_or("not a number");
                self.warn(key, format!("`{key}`: `{}` is {words}; xl takes it as not set", shown::text(&written)));
                None
            }
        }
    }

    fn vcpus(&mut self) {
        let (vcpus, max) = (self.number("vcpus"), self.number("maxvcpus"));
        if let (Some(vcpus), Some(max)) = (vcpus, max)
            && max < vcpus
        {
            self.refuse("maxvcpus", format!("`maxvcpus` ({max}) is less than `vcpus` ({vcpus})"));
        }
    }

    fn actions(&mut self) {
        for key in ["on_poweroff", "on_reboot", "on_crash", "on_watchdog", "on_soft_reset"] {
            if let Some(action) = self.parsed.string(key).filter(|action| !ACTIONS.contains(&action.as_str())) {
                self.refuse(key, format!("`{key}`: xl does not know `{}`; it knows {}", shown::text(&action), ACTIONS.join(", ")));
            }
        }
    }

    fn kernel_paths(&mut self) {
        for key in ["kernel", "ramdisk"] {
            if let Some(path) = self.parsed.string(key).filter(|path| !path.is_empty() && !path.starts_with('/')) {
                let path = shown::text(&path);
                self.warn(
                    key,
                    format!("`{key}` is the relative path `{path}`: it depends on where xl is started, and fails when the guest reboots"),
                );
            }
        }
        let typed = self.config.guest_type.as_deref() == Some("pv");
        if self.grammar == Grammar::Xl && typed && !self.is_set("kernel") && !self.is_set("bootloader") {
            self.warn("kernel", "neither `kernel` nor `bootloader`: xl does not start this PV domain");
        }
    }

    /// The kernel's command line, and the NFS root that it asks for.
    fn command_line(&mut self) {
        let (root, extra) = (self.parsed.string("root"), self.parsed.string("extra"));
        let line = match self.parsed.string("cmdline") {
            Some(line) if self.grammar == Grammar::Xl => {
                if root.is_some() || extra.is_some() {
                    self.warn("cmdline", "`cmdline` is set, so xl ignores `root` and `extra`");
                }
                line
            }
            _ => match (root, extra) {
                (Some(root), Some(extra)) => format!("root={root} {extra}"),
                (Some(root), None) => format!("root={root}"),
                (None, extra) => extra.unwrap_or_default(),
            },
        };
        let (server, dir) = (self.parsed.string("nfs_server"), self.parsed.string("nfs_root"));
        let found = nfsroot_of(&line);
        if self.grammar == Grammar::Xl && (server.is_some() || dir.is_some()) {
            let key = if dir.is_some() { "nfs_root" } else { "nfs_server" };
            let write = match (&server, &dir) {
                (Some(server), Some(dir)) => format!("nfsroot={server}:{dir}"),
                _ => "nfsroot=SERVER:PATH".to_owned(),
            };
            self.warn(
                key,
                format!("xl ignores `nfs_server` and `nfs_root` (xm knew them); write `extra = \"{write},vers=3 ip=dhcp\"` besides `root = \"/dev/nfs\"`"),
            );
        }
        let Some(mut nfs) = found else { return };
        if nfs.dir.is_none() {
            nfs = NfsRoot { server: server.or(nfs.server), dir, options: nfs.options };
        }
        if nfs.source().is_none() {
            let key = if self.is_set("cmdline") { "cmdline" } else { "root" };
            self.warn(key, "the root is on NFS, but which server and directory is not in the command line (`nfsroot=SERVER:PATH`)");
        }
        self.config.disks.push(nfs.disk());
    }

    fn settings(&mut self) {
        for setting in self.parsed.settings.iter().take(MAX_SETTINGS) {
            if self.grammar == Grammar::Xm && !is_known_key(&setting.key) && !secrets::is_secret(&setting.key) {
                continue;
            }
            let mut value =
                if secrets::is_secret(&setting.key) { secrets::MASK.to_owned() } else { secrets::masked(&plain(&setting.value)) };
            if let Some((cut, _)) = value.char_indices().nth(MAX_SETTING_CHARS) {
                value.truncate(cut);
                value.push('…');
            }
            self.config.settings.push((setting.key.clone(), value));
        }
    }
}

/// A value on one line; lists with `, ` between their items. Lists in lists are few levels deep: the grammar sees to that.
fn plain(value: &Value) -> String {
    match value {
        Value::Str(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Num(digits) => digits.clone(),
        Value::List(items) => {
            let mut out = String::new();
            for item in items {
                if out.len() > MAX_SETTING_CHARS * 4 {
                    break;
                }
                if !out.is_empty() {
                    out.push_str(", ");
                }
                out.push_str(&plain(&item.value));
            }
            out
        }
    }
}

/// 8-4-4-4-12 hexadecimal digits, as libuuid wants them.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, c)| if matches!(at, 8 | 13 | 18 | 23) { c == b'-' } else { c.is_ascii_hexdigit() })
}
