//! Asks libvirt's connections for their domains. Nothing is asked where there is no libvirt; what does not answer is a gap in clear words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::connections::{self, Connection};
use super::virsh::{self, Moments, Wanted};
use super::{DomainXml, moments};
use crate::host::HostError;
use crate::model::{Cmd, GapReason, HostPath, Inventory, Libvirt, LibvirtPaths, Output, Toolstack};
use crate::probe::ask::Asker;

/// virsh processes at a time.
const AT_ONCE: usize = 4;
/// More domains than any host has.
const MOST_DOMAINS: usize = 5_000;
/// Status files are a few times as long as a definition.
const MAX_STATUS: usize = 4 << 20;
const MOST_MOMENTS: usize = 1_000;

/// What libvirt said.
#[derive(Debug, Default)]
pub struct Seen {
    pub domains: Vec<SeenDomain>,
    /// Connections that listed their domains.
    pub answered: Vec<Connection>,
    /// Where volumes of storage pools lie, by connection, and by what [`super::disk_xml::volume_words`] makes of them.
    pub volumes: BTreeMap<(String, String), HostPath>,
}

/// One domain as its connection told.
#[derive(Clone, Debug)]
pub struct SeenDomain {
    pub name: String,
    pub uuid: String,
    pub toolstack: Toolstack,
    pub facts: Libvirt,
    /// The running instance.
    pub live: Option<DomainXml>,
    /// The stored definition, which the next start takes.
    pub stored: Option<DomainXml>,
    /// What a person should know of how this was found out.
    pub note: Option<String>,
    /// When its process was started.
    pub started: Option<chrono::DateTime<chrono::Utc>>,
}

/// Asks the connections that the settings name (`libvirt_uris`).
pub fn look(asker: &Asker, uris: &[String]) -> Seen {
    let connections = connections::of(asker, uris);
    let mut seen = Seen::default();
    let parts: Vec<Option<Vec<SeenDomain>>> = thread::scope(|scope| {
        let asked: Vec<_> = connections.iter().map(|connection| scope.spawn(|| one(asker, connection))).collect();
        asked
            .into_iter()
            .zip(&connections)
            .map(|(part, connection)| {
                part.join().unwrap_or_else(|_| {
                    crate::probe::fell_over(asker, &missing(connection));
                    None
                })
            })
            .collect()
    });
    for (connection, domains) in connections.iter().zip(parts) {
        let Some(domains) = domains else {
            seen.domains.extend(left_running(asker, connection));
            continue;
        };
        seen.answered.push(connection.clone());
        volumes(asker, connection, &domains, &mut seen.volumes);
        seen.domains.extend(domains);
    }
    seen
}

fn missing(connection: &Connection) -> String {
    format!("{} of libvirt ({})", Inventory::WHICH_RUN, connection.uri)
}

/// The domains of one connection; nothing when it could not be asked.
fn one(asker: &Asker, connection: &Connection) -> Option<Vec<SeenDomain>> {
    if let Some(why) = &connection.stopped {
        asker.gap(source(connection), &missing(connection), GapReason::Failed, why);
        return None;
    }
    let list = list(asker, connection)?;
    let names: Vec<(String, String)> = list.all();
    if names.len() > MOST_DOMAINS {
        asker.gap(&connection.uri, "some of its domains", GapReason::Refused, format!("the first {MOST_DOMAINS} were looked at"));
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some((uuid, name)) =
            names.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| next.load(Ordering::Relaxed) <= MOST_DOMAINS)
        {
            let domain = domain(asker, connection, &list, uuid, name);
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(domain);
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(names.len()) {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by(|a, b| (&a.name, &a.uuid).cmp(&(&b.name, &b.uuid)));
    Some(found)
}

/// Domains that ran when the daemon wrote its status files last: QEMU runs on without it. Whether they run now, nobody says.
fn left_running(asker: &Asker, connection: &Connection) -> Vec<SeenDomain> {
    let Some(dirs) = &connection.dirs else { return Vec::new() };
    let missing = "domains that run without libvirt's daemon";
    // That nobody knows which run is said already.
    let Ok(listing) = asker.host.list(&dirs.runtime, MOST_DOMAINS) else { return Vec::new() };
    let files = listing.entries.iter().filter(|entry| crate::probe::config_dirs::ends_in_xml(&entry.name.to_string()));
    files.filter_map(|entry| status_file(asker, connection, &dirs.runtime.join(&entry.name), missing)).collect()
}

fn status_file(asker: &Asker, connection: &Connection, path: &Path, missing: &str) -> Option<SeenDomain> {
    let bytes = crate::host::read_whole(asker.host, path, MAX_STATUS).ok()?;
    let xml = crate::probe::understood(asker, &crate::probe::ask::shown(path), missing, super::read(&bytes))?;
    let (state, pid) = xml.status.clone()?;
    let alive = pid.is_some_and(|pid| {
        let comm = asker.host.read_at(Path::new(&format!("/proc/{pid}/comm")), 0, 64);
        comm.is_ok_and(|name| name.starts_with(b"qemu"))
    });
    let process = match pid {
        Some(pid) if alive => format!("its QEMU, process {pid}, is there"),
        Some(pid) => format!("its QEMU, process {pid}, was not found"),
        None => "its process is not known".to_owned(),
    };
    let runtime = HostPath::from(path);
    Some(SeenDomain {
        name: xml.config.name.clone()?,
        uuid: xml.config.uuid.clone()?,
        toolstack: connection.toolstack,
        note: Some(format!("libvirt's daemon does not answer; its last word was {}, and {process}", crate::model::shown::text(&state))),
        started: started(asker, &runtime),
        facts: Libvirt {
            uri: connection.uri.clone(),
            title: xml.title.clone(),
            paths: LibvirtPaths { runtime: Some(runtime), nvram: xml.nvram.clone(), ..LibvirtPaths::default() },
            ..Libvirt::default()
        },
        live: Some(xml),
        stored: None,
    })
}

/// The answer to [`virsh::list`]: lines by part; a part that is empty while virsh complained is not known.
struct List {
    parts: BTreeMap<&'static str, Option<Vec<String>>>,
}

impl List {
    /// uuid and name of each domain.
    fn all(&self) -> Vec<(String, String)> {
        let lines = self.parts.get("all").cloned().flatten().unwrap_or_default();
        let pairs = lines.iter().filter_map(|line| line.split_once(' '));
        pairs.filter(|(uuid, _)| virsh::is_uuid(uuid)).map(|(uuid, name)| (uuid.to_owned(), name.to_owned())).collect()
    }

    fn has(&self, part: &str, uuid: &str) -> Option<bool> {
        let lines = self.parts.get(part)?.as_ref()?;
        Some(lines.iter().any(|line| line.trim() == uuid))
    }

    fn state(&self, uuid: &str) -> Option<&'static str> {
        [("running", "running"), ("paused", "paused"), ("shut-off", "shut off")]
            .into_iter()
            .find(|(part, _)| self.has(part, uuid) == Some(true))
            .map(|(_, state)| state)
    }
}

fn with_env(connection: &Connection, cmd: Cmd) -> Cmd {
    connection.env.iter().fold(cmd, |cmd, (key, value)| cmd.with_env(key, value))
}

fn list(asker: &Asker, connection: &Connection) -> Option<List> {
    let cmd = with_env(connection, virsh::list(&connection.uri));
    let missing = missing(connection);
    let output = match asker.host.run(&cmd) {
        Ok(output) => output,
        Err(error) => {
            let why = match &error {
                HostError::NoTool { .. } => "there is no virsh on this host (package libvirt-clients), though libvirt is in use".to_owned(),
                HostError::TimedOut { seconds } => format!("libvirt's daemon did not answer in {seconds} s"),
                other => other.to_string(),
            };
            // A missing virsh hides domains here: it must count as more than a tool that nobody needs.
            let reason = if matches!(error, HostError::NoTool { .. }) { GapReason::Failed } else { error.reason() };
            asker.gap(source(connection), &missing, reason, why);
            return None;
        }
    };
    if !output.ok() {
        refused(asker, connection, &missing, &output);
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<&str> = virsh::LIST_PARTS.iter().map(|(name, _)| *name).collect();
    let answers = match virsh::split(&text, &names) {
        Ok(answers) => answers,
        Err(why) => {
            asker.gap(source(connection), &missing, GapReason::Unreadable, why);
            return None;
        }
    };
    let complained = String::from_utf8_lossy(&output.stderr).contains("error:");
    let known = |answer: &str| {
        let lines = virsh::lines(answer);
        (!lines.is_empty() || !complained).then_some(lines)
    };
    let parts: BTreeMap<_, _> = names_of_parts().zip(answers.into_iter().map(known)).collect();
    if complained {
        let why = virsh::complaint(&output.stderr, output.exit);
        if parts.get("all").is_some_and(Option::is_none) {
            asker.gap(source(connection), &missing, GapReason::Failed, why);
            return None;
        }
        asker.gap(source(connection), "some properties of libvirt's domains", GapReason::Failed, why);
    }
    Some(List { parts })
}

fn names_of_parts() -> impl Iterator<Item = &'static str> {
    virsh::LIST_PARTS.iter().map(|(name, _)| *name)
}

/// The command that a person would repeat.
fn source(connection: &Connection) -> String {
    Cmd::reads("virsh", ["-r", "-c", &connection.uri, "list", "--all"]).to_string()
}

/// A connection that could not be made, in words that say what to do.
fn refused(asker: &Asker, connection: &Connection, missing: &str, output: &Output) {
    let cause = virsh::complaint(&output.stderr, output.exit);
    let daemon = match connection.toolstack {
        Toolstack::LibvirtQemu => "libvirtd or virtqemud",
        Toolstack::LibvirtXen => "libvirtd or virtxend",
        _ => "libvirt's daemon",
    };
    // The daemon that is here has no such driver: there is nothing to be seen, unless it has domains.
    if !connection.expected && cause.contains("no connection driver available") {
        return;
    }
    let (reason, why) = if cause.contains("ermission denied") || cause.contains("authentication") || cause.contains("not authorized") {
        (GapReason::PermissionDenied, format!("{cause}; run domkeep as root, or join the group libvirt"))
    } else if cause.contains("No such file or directory") || cause.contains("Connection refused") {
        (GapReason::Failed, format!("{daemon} is not running: {cause}"))
    } else {
        (GapReason::Failed, cause)
    };
    asker.gap(source(connection), missing, reason, why);
}

fn domain(asker: &Asker, connection: &Connection, list: &List, uuid: &str, name: &str) -> Option<SeenDomain> {
    let mut facts = Libvirt {
        uri: connection.uri.clone(),
        state: list.state(uuid).map(str::to_owned),
        persistent: list.has("persistent", uuid),
        autostart: list.has("autostart", uuid),
        managed_save: list.has("managed-save", uuid),
        snapshots: (list.has("snapshot", uuid) == Some(false)).then(Vec::new),
        checkpoints: (list.has("checkpoint", uuid) == Some(false)).then(Vec::new),
        ..Libvirt::default()
    };
    let wanted = Wanted {
        active: facts.state.as_deref() != Some("shut off"),
        snapshots: list.has("snapshot", uuid) == Some(true),
        checkpoints: list.has("checkpoint", uuid) == Some(true),
    };
    let shown = crate::model::shown::text(name);
    let cmd = with_env(connection, virsh::domain(&connection.uri, uuid, wanted));
    let missing = format!("disks and configuration of {shown}");
    let mut seen = SeenDomain {
        name: name.to_owned(),
        uuid: uuid.to_owned(),
        toolstack: connection.toolstack,
        facts: facts.clone(),
        live: None,
        stored: None,
        note: None,
        started: None,
    };
    let parts = virsh::domain_parts(wanted);
    let gap = |reason, why: String| asker.gap(virsh::typed(&connection.uri, "dumpxml", name), &missing, reason, why);
    let output = match asker.host.run(&cmd) {
        Ok(output) => output,
        Err(error) => {
            gap(error.reason(), error.to_string());
            seen.facts.paths = paths(asker, connection, &seen);
            return Some(seen);
        }
    };
    let cause = || virsh::complaint(&output.stderr, output.exit);
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: BTreeMap<&str, &str> = match virsh::split(&text, &parts) {
        Ok(answers) => parts.iter().copied().zip(answers).collect(),
        Err(why) => {
            gap(GapReason::Unreadable, if output.ok() { why } else { cause() });
            BTreeMap::new()
        }
    };
    let answer = |part: &str| answers.get(part).copied().unwrap_or_default();
    // It went away between the list and this question.
    if !answers.is_empty() && answers.values().all(|answer| answer.is_empty()) && cause().contains("failed to get domain") {
        return None;
    }
    let (state, reason) = virsh::state(answer("state"));
    facts.state = state.or(facts.state);
    facts.reason = reason;
    let active = facts.is_active() != Some(false);
    let xml = |part: &str| {
        let text = answer(part);
        if text.is_empty() {
            if answers.contains_key(part) {
                gap(GapReason::Failed, cause());
            }
            return None;
        }
        super::read(text.as_bytes()).map_err(|why| gap(GapReason::Unreadable, why)).ok()
    };
    // The definition of a domain without one is made up from its running instance.
    seen.stored = (facts.persistent != Some(false)).then(|| xml("stored")).flatten();
    seen.live = (active && wanted.active).then(|| xml("live")).flatten();
    facts.id = seen.live.as_ref().and_then(|xml| xml.id);
    facts.job = virsh::job(answer("job"));
    let told = seen.live.as_ref().or(seen.stored.as_ref());
    facts.title = told.and_then(|xml| xml.title.clone());
    facts.agent_channel = seen.live.as_ref().and_then(|xml| xml.agent_channel.clone());
    seen.facts = facts;
    seen.facts.paths = paths(asker, connection, &seen);
    seen.facts.nvram_there = seen.facts.paths.nvram.as_ref().and_then(|path| match asker.host.stat(path.as_path(), true) {
        Ok(_) => Some(true),
        Err(HostError::NotFound) => Some(false),
        Err(_) => None,
    });
    moments_of(asker, connection, &mut seen, wanted, &answers);
    seen.started = seen.facts.paths.runtime.as_ref().and_then(|path| started(asker, path));
    Some(seen)
}

/// QEMU's pid file is written when it starts and never again.
fn started(asker: &Asker, runtime: &HostPath) -> Option<chrono::DateTime<chrono::Utc>> {
    asker.host.stat(&runtime.as_path().with_extension("pid"), true).ok().map(|stat| stat.modified)
}

/// Where the driver keeps a domain's parts. What is certainly not there is left out; what may not be looked at is named.
fn paths(asker: &Asker, connection: &Connection, seen: &SeenDomain) -> LibvirtPaths {
    let xml = seen.live.as_ref().or(seen.stored.as_ref());
    let nvram = xml.and_then(|xml| xml.nvram.clone());
    let Some(dirs) = &connection.dirs else { return LibvirtPaths { nvram, ..LibvirtPaths::default() } };
    // A name of libvirt's has no slash: it is one component.
    let plain = !seen.name.contains('/') && !matches!(seen.name.as_str(), "" | "." | "..");
    let file = |dir: &Path, ending: &str| dir.join(format!("{}.{ending}", seen.name));
    let at = |wanted: bool, path: std::path::PathBuf| {
        let gone = || matches!(asker.host.stat(&path, false), Err(HostError::NotFound));
        (wanted && plain && !gone()).then(|| HostPath::from(path.as_path()))
    };
    let facts = &seen.facts;
    let tpm = xml.is_some_and(|xml| xml.tpm_emulated);
    LibvirtPaths {
        config: at(facts.persistent == Some(true), file(&dirs.config, "xml")),
        autostart_link: at(facts.autostart == Some(true), file(&dirs.config.join("autostart"), "xml")),
        runtime: at(facts.is_active() == Some(true), file(&dirs.runtime, "xml")),
        managed_save: at(facts.managed_save == Some(true), file(&dirs.state.join("save"), "save")),
        nvram,
        tpm_state: at(tpm, dirs.tpm.join(&seen.uuid)),
    }
}

fn moments_of(asker: &Asker, connection: &Connection, seen: &mut SeenDomain, wanted: Wanted, answers: &BTreeMap<&str, &str>) {
    let state = connection.dirs.as_ref().map(|dirs| dirs.state.clone());
    let metadata = |kind: &str, name: &str| {
        let plain = !name.contains('/') && !seen.name.contains('/');
        state.as_ref().filter(|_| plain).map(|state| HostPath::from(state.join(kind).join(&seen.name).join(format!("{name}.xml"))))
    };
    let names = |part: &str| {
        let mut names = virsh::lines(answers.get(part).copied().unwrap_or_default());
        names.truncate(MOST_MOMENTS);
        names
    };
    let ask = |which: Moments, names: &[String]| -> Option<Vec<String>> {
        let cmd = with_env(connection, virsh::moments(&connection.uri, &seen.uuid, which, names));
        let what = if which == Moments::Snapshots { "snapshots" } else { "checkpoints" };
        let missing = format!("{what} of {}", crate::model::shown::text(&seen.name));
        let output = asker.run(&cmd, &missing)?;
        let numbers: Vec<String> = (0..names.len()).map(|number| number.to_string()).collect();
        let parts: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let text = String::from_utf8_lossy(&output.stdout);
        let answers = virsh::split(&text, &parts).map_err(|why| asker.gap(cmd.to_string(), &missing, GapReason::Unreadable, why)).ok()?;
        if answers.iter().any(|answer| answer.is_empty()) {
            asker.gap(cmd.to_string(), &missing, GapReason::Failed, virsh::complaint(&output.stderr, output.exit));
        }
        Some(answers.into_iter().filter(|answer| !answer.is_empty()).map(str::to_owned).collect())
    };
    if wanted.snapshots {
        let read = |xml: &String| moments::snapshot(xml.as_bytes()).ok();
        seen.facts.snapshots = ask(Moments::Snapshots, &names("snapshots")).map(|xml| {
            let mut all: Vec<_> = xml.iter().filter_map(read).collect();
            for snapshot in &mut all {
                snapshot.metadata = metadata("snapshot", &snapshot.name);
            }
            all
        });
    }
    if wanted.checkpoints {
        let read = |xml: &String| moments::checkpoint(xml.as_bytes()).ok();
        seen.facts.checkpoints = ask(Moments::Checkpoints, &names("checkpoints")).map(|xml| {
            let mut all: Vec<_> = xml.iter().filter_map(read).collect();
            for checkpoint in &mut all {
                checkpoint.metadata = metadata("checkpoint", &checkpoint.name);
            }
            all
        });
    }
}

/// Paths of the volumes of storage pools that disks name.
fn volumes(asker: &Asker, connection: &Connection, domains: &[SeenDomain], known: &mut BTreeMap<(String, String), HostPath>) {
    let all = domains.iter().flat_map(|domain| domain.live.iter().chain(&domain.stored)).flat_map(|xml| &xml.config.disks);
    let named: BTreeSet<&String> = all
        .filter(|disk| disk.libvirt.as_ref().is_some_and(|xml| xml.kind == "volume"))
        .filter_map(|disk| disk.written_as.as_ref())
        .collect();
    for words in named {
        let Some((volume, pool)) = words.strip_prefix("volume ").and_then(|rest| rest.rsplit_once(" of pool ")) else { continue };
        let cmd = with_env(connection, virsh::volume_path(&connection.uri, pool, volume));
        let missing = format!("where {} lies", crate::model::shown::text(words));
        let path = match asker.host.run(&cmd) {
            Ok(output) if output.ok() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            Ok(output) => {
                asker.gap(cmd.to_string(), &missing, GapReason::Failed, virsh::complaint(&output.stderr, output.exit));
                continue;
            }
            Err(error) => {
                asker.gap_of(cmd.to_string(), &missing, &error);
                continue;
            }
        };
        if !path.is_empty() {
            known.insert((connection.uri.clone(), words.clone()), HostPath::from(path));
        }
    }
}

#[cfg(test)]
mod tests;
