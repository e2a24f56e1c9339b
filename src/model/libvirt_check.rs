//! What libvirt can be asked about one domain at any moment, and answered with yes, no or unknown.

use serde::{Deserialize, Serialize};

use super::Cmd;

/// A daemon that hangs must not hold a job for long.
const SECONDS: u64 = 20;
/// How long a guest's agent may take to answer; without it virsh waits for ever.
pub const AGENT_SECONDS: &str = "5";

/// A question about one domain of one connection. A connection that does not answer leaves it unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LibvirtCheck {
    pub uri: String,
    /// Names the domain: unlike its name it never changes, and is no other word of virsh's.
    pub uuid: String,
    pub is: LibvirtIs,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LibvirtIs {
    /// The connection knows it, running or not.
    Known,
    /// It has a definition and no running instance.
    Off,
    Running,
    /// Its stored definition, secrets included, is these bytes: blake3 of what virsh prints, in hexadecimal.
    Defined {
        blake3: String,
    },
    /// No job (a backup, a save, a snapshot) is at work on it.
    Idle,
    /// Its guest agent says that no file system is frozen.
    Thawed,
    /// The backup that is at work on it holds this text: it is the one that was begun by that name.
    BackingUp {
        text: String,
    },
    /// libvirt has a checkpoint of this name of it.
    HasCheckpoint {
        name: String,
    },
    /// The running instance or the stored definition names this file or device, as a disk or below one.
    Names {
        path: String,
    },
}

impl LibvirtCheck {
    /// What is asked.
    pub fn cmd(&self) -> Cmd {
        let list = |more: &[&str]| Cmd::reads("virsh", ["-r", "-c", &self.uri, "list", "--all", "--uuid"].iter().chain(more).copied());
        let of = |words: &[&str]| Cmd::reads("virsh", ["-c", &self.uri].iter().chain(words).copied().chain(["--domain", &self.uuid]));
        let cmd = match &self.is {
            LibvirtIs::Known => list(&[]),
            LibvirtIs::Off => list(&["--state-shutoff"]),
            LibvirtIs::Running => list(&["--state-running"]),
            LibvirtIs::Defined { .. } => of(&["dumpxml", "--inactive", "--security-info"]),
            LibvirtIs::Idle => of(&["domjobinfo"]),
            LibvirtIs::BackingUp { .. } => of(&["backup-dumpxml"]),
            LibvirtIs::HasCheckpoint { .. } => of(&["checkpoint-list", "--name"]),
            // Two commands in one word: virsh takes them one after the other.
            LibvirtIs::Names { .. } => {
                let both = format!("dumpxml --domain {0}; dumpxml --inactive --domain {0}", self.uuid);
                Cmd::reads("virsh", ["-r", "-c", &self.uri, &both])
            }
            LibvirtIs::Thawed => of(&["qemu-agent-command", "--timeout", AGENT_SECONDS, "--cmd", r#"{"execute":"guest-fsfreeze-status"}"#]),
        };
        cmd.within(SECONDS)
    }

    /// Whether what virsh printed says so.
    pub fn is_said_by(&self, said: &str) -> bool {
        match &self.is {
            LibvirtIs::Known | LibvirtIs::Off | LibvirtIs::Running => said.lines().any(|line| line.trim() == self.uuid),
            LibvirtIs::Defined { blake3 } => *blake3 == fingerprint(said.as_bytes()),
            LibvirtIs::Idle => {
                said.lines().any(|line| line.split_once(':').is_some_and(|(key, value)| key.trim() == "Job type" && value.trim() == "None"))
            }
            LibvirtIs::Thawed => said.contains(r#""thawed""#),
            LibvirtIs::BackingUp { text } => said.contains(text.as_str()),
            LibvirtIs::HasCheckpoint { name } => said.lines().any(|line| line.trim() == name),
            LibvirtIs::Names { path } => said.contains(&quoted(path)),
        }
    }

    /// What follows from a complaint of virsh's about the domain itself. One about the connection, or about the agent, tells nothing.
    pub fn is_told_by(&self, complaint: &str) -> Option<bool> {
        let gone = complaint.contains("domain is not running") || complaint.contains("failed to get domain");
        match self.is {
            LibvirtIs::BackingUp { .. } => (gone || complaint.contains("no domain backup job present")).then_some(false),
            LibvirtIs::Thawed | LibvirtIs::Idle => gone.then_some(true),
            LibvirtIs::HasCheckpoint { .. } => complaint.contains("failed to get domain").then_some(false),
            _ => None,
        }
    }

    /// In a few words, for what follows `web01`.
    pub fn says(&self) -> &'static str {
        match self.is {
            LibvirtIs::Known => "is known to libvirt",
            LibvirtIs::Off => "is off",
            LibvirtIs::Running => "runs",
            LibvirtIs::Defined { .. } => "is defined as it was",
            LibvirtIs::Idle => "has no job at work on it",
            LibvirtIs::Thawed => "has no frozen file system",
            LibvirtIs::BackingUp { .. } => "is being backed up by this job",
            LibvirtIs::HasCheckpoint { .. } => "has that checkpoint",
            LibvirtIs::Names { .. } => "names that image",
        }
    }

    /// As a condition for sh, see [`super::Check::condition`].
    pub(super) fn condition(&self, word: &mut dyn FnMut(&[u8]) -> String) -> String {
        let words: Vec<String> = self.cmd().argv().map(|part| word(part.as_bytes())).collect();
        let virsh = words.join(" ");
        let pattern = match &self.is {
            LibvirtIs::Defined { blake3 } => {
                let hash: String = blake3.chars().filter(char::is_ascii_hexdigit).collect();
                return format!("[ \"$({virsh} | b3sum --no-names)\" = {hash} ]");
            }
            LibvirtIs::Known | LibvirtIs::Off | LibvirtIs::Running => format!("*{}*", word(self.uuid.as_bytes())),
            LibvirtIs::Idle => "*'Job type:'*None*".into(),
            LibvirtIs::Thawed => "*thawed*".into(),
            LibvirtIs::HasCheckpoint { name } => format!("*{}*", word(name.as_bytes())),
            LibvirtIs::Names { path } => format!("*{}*", word(quoted(path).as_bytes())),
            // Without a backup there is nothing to print.
            LibvirtIs::BackingUp { text } => {
                let text = word(text.as_bytes());
                return format!("{virsh} 2>/dev/null | grep -q -F -e {text}");
            }
        };
        format!("{{ said=$({virsh}) || exit 3; case \"$said\" in {pattern}) true ;; *) false ;; esac; }}")
    }
}

/// A path as libvirt writes it as the value of an attribute.
fn quoted(path: &str) -> String {
    format!("='{}'", escaped(path))
}

/// Text as it stands in XML, between quotes too.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// What tells one definition from another.
pub fn fingerprint(xml: &[u8]) -> String {
    blake3::hash(xml).to_hex().to_string()
}
