//! Which connections of libvirt are asked, decided without starting anything. With systemd's sockets a question starts the daemon, and a
//! daemon that starts for the first time since the host's boot starts all domains that are marked so: looking would change the host.

use std::path::{Path, PathBuf};

use crate::config::AUTOMATIC;
use crate::host::Look;
use crate::model::Toolstack;
use crate::probe::ask::Asker;

/// Files of /proc and /etc that are read whole.
const MAX_FILE: usize = 4 << 20;
const MAX_NAMES: usize = 5_000;

/// One connection that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub uri: String,
    pub toolstack: Toolstack,
    /// Where its driver keeps things; nothing for a driver whose directories are not known here.
    pub dirs: Option<Dirs>,
    /// A person named it in the settings, or it has domains in its directory: that it does not answer is worth a word.
    pub expected: bool,
    /// Why it must not be asked, though it has domains.
    pub stopped: Option<String>,
    /// Further environment for virsh.
    pub env: Vec<(String, String)>,
}

/// Directories of one driver (qemu_conf.c, libxl_conf.c).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// Stored definitions, with `autostart` below.
    pub config: PathBuf,
    /// Running instances.
    pub runtime: PathBuf,
    /// `save`, `snapshot`, `checkpoint` lie below.
    pub state: PathBuf,
    /// `UUID` of each emulated TPM.
    pub tpm: PathBuf,
}

impl Dirs {
    fn of_system(driver: &str) -> Self {
        Self {
            config: Path::new("/etc/libvirt").join(driver),
            runtime: Path::new("/run/libvirt").join(driver),
            state: Path::new("/var/lib/libvirt").join(driver),
            tpm: "/var/lib/libvirt/swtpm".into(),
        }
    }

    fn of_session(home: &Path, runtime: &Path) -> Self {
        let config = home.join(".config/libvirt/qemu");
        Self { runtime: runtime.join("libvirt/qemu/run"), state: config.join("lib"), tpm: config.join("swtpm"), config }
    }
}

const QEMU_SYSTEM: &str = "qemu:///system";
const XEN_SYSTEM: &str = "xen:///system";
const QEMU_SESSION: &str = "qemu:///session";

/// The connections to ask: those of the settings, where `auto` stands for the ones that are here.
pub fn of(asker: &Asker, settings: &[String]) -> Vec<Connection> {
    let mut connections: Vec<Connection> = Vec::new();
    for word in settings {
        let more = if word == AUTOMATIC { automatic(asker) } else { vec![named(asker.host, word)] };
        for connection in more {
            if !connections.iter().any(|known| known.uri == connection.uri) {
                connections.push(connection);
            }
        }
    }
    connections
}

fn automatic(asker: &Asker) -> Vec<Connection> {
    let host = asker.host;
    let mut found = Vec::new();
    for (uri, driver, daemon) in [(QEMU_SYSTEM, "qemu", "virtqemud"), (XEN_SYSTEM, "libxl", "virtxend")] {
        let expected = has_domains(asker, driver);
        let stopped = (!may_be_asked(host, driver, daemon)).then(|| {
            format!(
                "libvirtd or {daemon} is not running, and was not started to be asked: that could start domains (virsh -c {uri} list --all)"
            )
        });
        if expected || stopped.is_none() {
            found.push(Connection { expected, stopped, ..named(host, uri) });
        }
    }
    found.extend(session(host));
    found
}

/// The driver's daemon runs; or it ran since the host's boot and went to sleep, so that a question wakes it and starts nothing else.
fn may_be_asked(host: &dyn Look, driver: &str, daemon: &str) -> bool {
    let runtime = Path::new("/run/libvirt").join(driver);
    let pid = host.read_at(&runtime.join("driver.pid"), 0, 32).ok().map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    let runs = pid.filter(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).is_some_and(|pid| {
        let name = host.read_at(&Path::new("/proc").join(pid).join("comm"), 0, 64);
        name.is_ok_and(|name| [b"libvirtd".as_slice(), daemon.as_bytes()].iter().any(|known| name.starts_with(known)))
    });
    let socket = |name: &str| host.stat(&Path::new("/run/libvirt").join(name), true).is_ok();
    let sleeps = || {
        let started_once = host.stat(&runtime.join("autostarted"), true).is_ok();
        started_once && (socket("libvirt-sock") || socket(&format!("{daemon}-sock")))
    };
    runs || sleeps()
}

/// A definition or a running instance of the driver is there.
fn has_domains(asker: &Asker, driver: &str) -> bool {
    let dirs = Dirs::of_system(driver);
    [dirs.config, dirs.runtime].iter().any(|dir| {
        let Ok(listing) = asker.host.list(dir, MAX_NAMES) else { return false };
        listing.entries.iter().any(|entry| crate::probe::config_dirs::ends_in_xml(&entry.name.to_string()))
    })
}

/// The host's kernel says that it controls a Xen host.
pub fn is_dom0(host: &dyn Look) -> bool {
    host.read_at(Path::new("/proc/xen/capabilities"), 0, 64).is_ok_and(|text| text.starts_with(b"control_d"))
}

/// The session of whoever looks, when its daemon runs: to ask would start one otherwise. Root has none of its own: the system's daemon
/// answers for root's session, with the system's domains.
fn session(host: &dyn Look) -> Option<Connection> {
    let user = user(host).filter(|user| user.id != 0)?;
    let runtime = PathBuf::from(format!("/run/user/{}", user.id));
    let runs = ["libvirt-sock", "virtqemud-sock"].iter().any(|name| host.stat(&runtime.join("libvirt").join(name), true).is_ok());
    runs.then(|| session_of(&user))
}

fn session_of(user: &User) -> Connection {
    let runtime = PathBuf::from(format!("/run/user/{}", user.id));
    let mut env = vec![("XDG_RUNTIME_DIR".to_owned(), runtime.display().to_string()), ("LIBVIRT_AUTOSTART".to_owned(), "0".to_owned())];
    env.extend(user.home.as_ref().map(|home| ("HOME".to_owned(), home.display().to_string())));
    Connection {
        uri: QEMU_SESSION.to_owned(),
        toolstack: Toolstack::LibvirtQemu,
        dirs: user.home.as_deref().map(|home| Dirs::of_session(home, &runtime)),
        expected: true,
        stopped: None,
        env,
    }
}

/// A connection by its URI.
fn named(host: &dyn Look, uri: &str) -> Connection {
    if uri == QEMU_SESSION
        && let Some(user) = user(host).filter(|user| user.id != 0)
    {
        return session_of(&user);
    }
    let (toolstack, driver) = match uri.split(':').next().unwrap_or_default() {
        "qemu" => (Toolstack::LibvirtQemu, "qemu"),
        "xen" => (Toolstack::LibvirtXen, "libxl"),
        _ => (Toolstack::Libvirt, ""),
    };
    let here = uri == QEMU_SYSTEM || uri == XEN_SYSTEM;
    Connection {
        uri: uri.to_owned(),
        toolstack,
        dirs: here.then(|| Dirs::of_system(driver)),
        expected: true,
        stopped: None,
        env: Vec::new(),
    }
}

struct User {
    id: u32,
    home: Option<PathBuf>,
}

/// Who looks, by /proc/self/status and /etc/passwd.
fn user(host: &dyn Look) -> Option<User> {
    let read = |path: &str| host.read_at(Path::new(path), 0, MAX_FILE).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let status = read("/proc/self/status")?;
    let id: u32 = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()?;
    let home = read("/etc/passwd").and_then(|text| {
        text.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [_, _, uid, _, _, home, ..] = fields.as_slice() else { return None };
            (uid.parse() == Ok(id) && home.starts_with('/')).then(|| PathBuf::from(home))
        })
    });
    Some(User { id, home })
}
