//! How a backup job of libvirt's is begun: at once, or with the guest's file systems frozen around its instant.

use serde::{Deserialize, Serialize};

use super::{Check, Cmd, HostPath, LibvirtCheck, LibvirtIs};

/// The command of domkeep's own that freezes, begins and thaws.
pub const BEGIN_FROZEN: &str = "begin-frozen";
/// domkeep as a tool of its own plans: the very program that runs, wherever it lies.
pub const OWN_PROGRAM: &str = "domkeep";

/// A backup job that is about to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginBackup {
    pub uri: String,
    pub uuid: String,
    /// `<domainbackup>`, see <https://libvirt.org/formatbackup.html>.
    pub xml: Vec<u8>,
    /// A file with the `<domaincheckpoint>` that is made at the same instant.
    pub checkpoint: Option<HostPath>,
}

impl BeginBackup {
    /// `virsh backup-begin`: the guest writes on.
    pub fn begin(&self) -> Cmd {
        let more = self.checkpoint.iter().flat_map(|path| ["--checkpointxml".to_owned(), path.to_string()]);
        Cmd {
            stdin: self.xml.clone(),
            ..self.changes("backup-begin", ["--backupxml", "/dev/stdin"].map(str::to_owned).into_iter().chain(more))
        }
    }

    /// The same between a freeze and a thaw, all three by one process that no end of ours ends.
    pub fn begin_frozen(&self) -> Cmd {
        let more = self.checkpoint.iter().flat_map(|path| ["--checkpointxml".to_owned(), path.to_string()]);
        let words = [BEGIN_FROZEN, "--connect", &self.uri, "--domain", &self.uuid].map(str::to_owned);
        Cmd { stdin: self.xml.clone(), ..Cmd::changes(OWN_PROGRAM, words.into_iter().chain(more)) }
    }

    /// What such a command begins; nothing: it is none.
    pub fn of(cmd: &Cmd) -> Option<Self> {
        let mut words = cmd.args.iter();
        if cmd.program != OWN_PROGRAM || words.next()? != BEGIN_FROZEN {
            return None;
        }
        let (mut uri, mut uuid, mut checkpoint) = (None, None, None);
        while let Some((key, value)) = words.next().zip(words.next()) {
            match key.as_str() {
                "--connect" => uri = Some(value.clone()),
                "--domain" => uuid = Some(value.clone()),
                "--checkpointxml" => checkpoint = Some(HostPath::from(value.as_str())),
                _ => return None,
            }
        }
        Some(Self { uri: uri?, uuid: uuid?, xml: cmd.stdin.clone(), checkpoint })
    }

    pub fn freeze(&self) -> Cmd {
        self.changes("domfsfreeze", [])
    }

    pub fn thaw(&self) -> Cmd {
        self.changes("domfsthaw", [])
    }

    /// Ends the job that was begun.
    pub fn abort(&self) -> Cmd {
        self.changes("domjobabort", [])
    }

    pub fn is(&self, is: LibvirtIs) -> Check {
        Check::Libvirt(LibvirtCheck { uri: self.uri.clone(), uuid: self.uuid.clone(), is })
    }

    fn changes(&self, command: &str, more: impl IntoIterator<Item = String>) -> Cmd {
        let words = ["-q", "-c", &self.uri, command, "--domain", &self.uuid].map(str::to_owned);
        Cmd::changes("virsh", words.into_iter().chain(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_of_its_own_is_told_is_what_was_planned() {
        let begin = BeginBackup {
            uri: "qemu:///system".into(),
            uuid: "u-1".into(),
            xml: b"<domainbackup/>".to_vec(),
            checkpoint: Some("/run/with blank.xml".into()),
        };
        assert_eq!(BeginBackup::of(&begin.begin_frozen()), Some(begin.clone()));
        let bare = BeginBackup { checkpoint: None, ..begin };
        assert_eq!(BeginBackup::of(&bare.begin_frozen()), Some(bare.clone()));
        assert_eq!(BeginBackup::of(&bare.begin()), None);
        let other = Cmd { args: vec![BEGIN_FROZEN.into(), "--shell".into(), "x".into()], ..bare.begin_frozen() };
        assert_eq!(BeginBackup::of(&other), None, "a word that nobody knows would be overheard");
    }
}
