//! `virsh` on the demo machine: a few guests of libvirt's QEMU driver, with the words of libvirt 9.0. A guest writes nothing while it runs, so that
//! what QEMU offers of one instant is what its images hold.

mod nbd;
mod overlays;
mod saves;

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::reply::Reply;
use super::tree::Tree;
use crate::host::{Answer, HostError};
use crate::model::Cmd;
use crate::model::begin_backup::BeginBackup;

const DEFINITIONS: &str = "/etc/libvirt/qemu";
const URI: &str = "qemu:///system";

/// A guest; its definition is the file in [`DEFINITIONS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kvm {
    pub name: String,
    pub uuid: String,
    #[serde(default)]
    pub running: bool,
    /// An agent answers in it while it runs.
    #[serde(default)]
    pub agent: bool,
    #[serde(default)]
    pub frozen: bool,
    /// The XML of the backup job that is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// What it writes to since a snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Overlay>,
}

/// One disk on an overlay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    pub vdev: String,
    pub base: String,
    /// `raw`, `qcow2`.
    pub format: String,
    pub file: String,
}

impl Kvm {
    fn definition(&self) -> String {
        format!("{DEFINITIONS}/{}.xml", self.name)
    }

    fn xml(&self, tree: &Tree, live: bool) -> String {
        let text = String::from_utf8_lossy(&tree.read(Path::new(&self.definition())).unwrap_or_default()).into_owned();
        if !live || !self.running {
            return text;
        }
        let state = if self.agent { "connected" } else { "disconnected" };
        text.replacen("<domain type='kvm'>", "<domain type='kvm' id='1'>", 1)
            .replace("name='org.qemu.guest_agent.0'/>", &format!("name='org.qemu.guest_agent.0' state='{state}'/>"))
    }
}

/// What `virsh` is told before the command, taken off.
fn command_of(words: &[String]) -> Option<&[String]> {
    let mut rest = words;
    loop {
        match rest.split_first()? {
            (word, tail) if word == "-r" || word == "-q" => rest = tail,
            (word, tail) if word == "-c" => {
                let (uri, tail) = tail.split_first()?;
                if uri != URI {
                    return None;
                }
                rest = tail;
            }
            _ => return Some(rest),
        }
    }
}

/// Looks. Nothing: it knows no such command.
pub fn look(machine: &Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let words = command_of(words)?;
    if let [batch] = words
        && batch.contains("; ")
    {
        let (mut out, mut err) = (String::new(), String::new());
        for line in batch.split("; ") {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let reply = one(machine, tree, &words)?;
            out.push_str(&reply.out);
            err.push_str(&reply.err);
        }
        return Some(Reply::good(out).with_err(err));
    }
    one(machine, tree, words)
}

fn one(machine: &Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let (command, words) = words.split_first()?;
    let has = |word: &str| words.iter().any(|given| given == word);
    if command == "echo" {
        return Some(Reply::good(format!("{}\n", words.join(" "))));
    }
    if command == "list" {
        return Some(list(machine, &has));
    }
    if matches!(command.as_str(), "define" | "restore") {
        return None;
    }
    let guest = match guest(machine, words) {
        Ok(guest) => guest,
        Err(reply) => return Some(reply),
    };
    Some(match command.as_str() {
        "dumpxml" => Reply::good(format!("{}\n", guest.xml(tree, !has("--inactive")))),
        "domstate" => Reply::good(if guest.running { "running (booted)\n\n" } else { "shut off (shutdown)\n\n" }),
        "domjobinfo" | "backup-dumpxml" | "qemu-agent-command" if !guest.running => not_running(),
        "domjobinfo" => Reply::good(match guest.backup {
            Some(_) => "Job type:         Unbounded   \nOperation:        Backup      \nTime elapsed:     55           ms\n\n",
            None => "Job type:         None        \n\n",
        }),
        "backup-dumpxml" => match &guest.backup {
            Some(xml) => Reply::good(format!("{xml}\n")),
            None => Reply::bad(1, "error: Domain backup job id not found: no domain backup job present\n"),
        },
        "qemu-agent-command" if !guest.agent => Reply::bad(1, "error: Guest agent is not responding: QEMU guest agent is not connected\n"),
        "qemu-agent-command" => {
            let asks = |word: &str| words.iter().any(|given| given.contains(word));
            match (asks("guest-ping"), asks("guest-fsfreeze-status"), guest.frozen) {
                (true, _, _) => Reply::good("{\"return\":{}}\n\n"),
                (_, true, true) => Reply::good("{\"return\":\"frozen\"}\n\n"),
                (_, true, false) => Reply::good("{\"return\":\"thawed\"}\n\n"),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn not_running() -> Reply {
    Reply::bad(1, "error: Requested operation is not valid: domain is not running\n")
}

fn list(machine: &Machine, has: &dyn Fn(&str) -> bool) -> Reply {
    let wanted = |guest: &&Kvm| {
        let state = match (has("--state-running"), has("--state-shutoff"), has("--state-paused") || has("--state-other")) {
            (true, _, _) => guest.running,
            (_, true, _) => !guest.running,
            (_, _, true) => false,
            _ => true,
        };
        let without = ["--autostart", "--with-managed-save", "--with-snapshot", "--with-checkpoint"].into_iter().any(has);
        state && !without
    };
    let line = |guest: &Kvm| if has("--name") { format!("{} {}\n", guest.uuid, guest.name) } else { format!("{}\n", guest.uuid) };
    Reply::good(machine.kvm.iter().filter(wanted).map(line).collect::<String>() + "\n")
}

fn place(machine: &Machine, words: &[String]) -> Result<usize, Reply> {
    let mut rest = words.iter();
    let named = rest.by_ref().find(|word| *word == "--domain").and_then(|_| rest.next());
    let at = named.and_then(|named| machine.kvm.iter().position(|guest| guest.uuid == *named || guest.name == *named));
    at.ok_or_else(|| Reply::bad(1, format!("error: failed to get domain '{}'\n", named.map_or("", String::as_str))))
}

fn guest<'a>(machine: &'a Machine, words: &[String]) -> Result<&'a Kvm, Reply> {
    place(machine, words).map(|at| machine.kvm.get(at).ok_or_else(|| Reply::bad(1, "error: failed to get domain\n")))?
}

/// Changes. Nothing: it knows no such command, or one that only looks.
pub fn change(machine: &mut Machine, tree: &Tree, cmd: &Cmd) -> Answer<Option<Reply>> {
    let Some((command, words)) = command_of(&cmd.args).and_then(<[String]>::split_first) else { return Ok(None) };
    if command == "define" {
        return define(machine, tree, &cmd.stdin).map(Some);
    }
    if command == "restore" {
        return Ok(Some(saves::restore(machine, tree, words)));
    }
    if !matches!(
        command.as_str(),
        "start"
            | "shutdown"
            | "undefine"
            | "domfsfreeze"
            | "domfsthaw"
            | "backup-begin"
            | "domjobabort"
            | "snapshot-create-as"
            | "blockcommit"
            | "blockjob"
            | "save"
    ) {
        return Ok(None);
    }
    let at = match place(machine, words) {
        Ok(at) => at,
        Err(reply) => return Ok(Some(reply)),
    };
    if command == "undefine" {
        let guest = machine.kvm.remove(at);
        tree.unlink_if_there(Path::new(&guest.definition()))?;
        return Ok(Some(Reply::good("")));
    }
    let Some(guest) = machine.kvm.get_mut(at) else { return Ok(None) };
    if command == "start" {
        if guest.running {
            return Ok(Some(Reply::bad(1, "error: Domain is already active\n")));
        }
        guest.running = true;
        return Ok(Some(Reply::good("")));
    }
    if !guest.running {
        return Ok(Some(not_running()));
    }
    match command.as_str() {
        "snapshot-create-as" => return overlays::snapshot(guest, tree, words).map(Some),
        "save" => return saves::save(guest, tree, words).map(Some),
        "blockcommit" => return overlays::commit(guest, tree, words).map(Some),
        "blockjob" => return Ok(Some(Reply::bad(1, "error: invalid argument: disk vda does not have an active block job\n"))),
        _ => {}
    }
    let agentless = Reply::bad(1, "error: Guest agent is not responding: QEMU guest agent is not connected\n");
    Ok(Some(match command.as_str() {
        "shutdown" => {
            *guest = Kvm { running: false, frozen: false, backup: None, ..guest.clone() };
            Reply::good("")
        }
        "domfsfreeze" | "domfsthaw" if !guest.agent => agentless,
        "domfsfreeze" if guest.frozen => Reply::bad(
            1,
            "error: Unable to freeze filesystems\nerror: internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': The command \
             guest-fsfreeze-freeze has been disabled for this instance\n",
        ),
        "domfsfreeze" => {
            guest.frozen = true;
            Reply::good("Froze 1 filesystem(s)\n")
        }
        "domfsthaw" => {
            let thawed = i32::from(std::mem::take(&mut guest.frozen));
            Reply::good(format!("Thawed {thawed} filesystem(s)\n"))
        }
        "backup-begin" if guest.backup.is_some() => Reply::bad(
            1,
            "error: Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)\n",
        ),
        "backup-begin" => {
            guest.backup = Some(String::from_utf8_lossy(&cmd.stdin).into_owned());
            Reply::good("Backup started\n")
        }
        _ if guest.backup.take().is_none() => Reply::bad(1, "error: Requested operation is not valid: no job is active on the domain\n"),
        _ => Reply::good(""),
    }))
}

/// What [`crate::job::begin_frozen`] does, at once: whatever becomes of the runner, it ends with the thaw.
pub fn begin_frozen(machine: &mut Machine, tree: &Tree, begin: &BeginBackup) -> Answer<Option<Reply>> {
    let none = || HostError::Failed { why: "no such command".to_owned() };
    let froze = change(machine, tree, &begin.freeze())?.ok_or_else(none)?;
    if froze.exit != 0 {
        return Ok(Some(froze));
    }
    let begun = change(machine, tree, &begin.begin())?.ok_or_else(none)?;
    change(machine, tree, &begin.thaw())?;
    Ok(Some(begun))
}

fn define(machine: &mut Machine, tree: &Tree, xml: &[u8]) -> Answer<Reply> {
    let text = String::from_utf8_lossy(xml).into_owned();
    let (Some(name), Some(uuid)) = (between(&text, "<name>", "</name>"), between(&text, "<uuid>", "</uuid>")) else {
        return Ok(Reply::bad(1, "error: Failed to define domain from /dev/stdin\nerror: XML error: no name\n"));
    };
    if let Some(other) = machine.kvm.iter().find(|guest| guest.name == name && guest.uuid != uuid) {
        let why = format!("error: operation failed: domain '{name}' already exists with uuid {}\n", other.uuid);
        return Ok(Reply::bad(1, format!("error: Failed to define domain from /dev/stdin\n{why}")));
    }
    match machine.kvm.iter_mut().find(|guest| guest.uuid == uuid) {
        Some(guest) => guest.overlays.retain(|one| text.contains(&one.file)),
        None => machine.kvm.push(Kvm {
            name: name.clone(),
            uuid,
            running: false,
            agent: false,
            frozen: false,
            backup: None,
            overlays: Vec::new(),
        }),
    }
    let path = format!("{DEFINITIONS}/{name}.xml");
    tree.unlink_if_there(Path::new(&path))?;
    tree.write(Path::new(&path), xml, 0o600)?;
    Ok(Reply::good(format!("Domain '{name}' defined from /dev/stdin\n")))
}

fn between(text: &str, from: &str, to: &str) -> Option<String> {
    text.split_once(from)?.1.split_once(to).map(|(found, _)| found.to_owned())
}

/// Somebody connects to a socket: the exports of the backup job that offers them there.
pub fn connect(machine: &Machine, tree: &Tree, socket: &Path) -> Answer<UnixStream> {
    let named = format!("socket='{}'", socket.display());
    let offers = |guest: &&Kvm| guest.running && guest.backup.as_ref().is_some_and(|xml| xml.contains(&named));
    let guest = machine.kvm.iter().find(offers).ok_or(HostError::NotFound)?;
    let xml = guest.xml(tree, true);
    let mut exports = Vec::new();
    for disk in xml.split("<disk ").skip(1) {
        let attribute = |key: &str| between(disk, &format!("{key}='"), "'");
        if let (Some(file), Some(target)) = (attribute("source file"), attribute("target dev")) {
            exports.push((target, tree.open_file(Path::new(&file), false)?));
        }
    }
    Ok(nbd::serve(exports)?)
}
