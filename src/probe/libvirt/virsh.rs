//! What is asked of virsh. Each connection is asked once for the list, and once for each of its domains: virsh takes several commands in
//! one word, and `echo` between them tells the answers apart. Everything is asked read-only (`-r`).

use crate::model::Cmd;
use crate::model::cmd::shell_word;

/// A daemon that hangs must not hold a look for long.
const LIST_SECONDS: u64 = 15;
const DOMAIN_SECONDS: u64 = 15;

/// Parts of the answer to [`list`], in their order.
pub const LIST_PARTS: [(&str, &str); 10] = [
    ("all", "list --all --uuid --name"),
    ("running", "list --all --uuid --state-running"),
    ("paused", "list --all --uuid --state-paused"),
    ("shut-off", "list --all --uuid --state-shutoff"),
    ("other", "list --all --uuid --state-other"),
    ("persistent", "list --all --uuid --persistent"),
    ("autostart", "list --all --uuid --autostart"),
    ("managed-save", "list --all --uuid --with-managed-save"),
    ("snapshot", "list --all --uuid --with-snapshot"),
    ("checkpoint", "list --all --uuid --with-checkpoint"),
];

const END: &str = "end";

/// Every domain of a connection and its properties.
pub fn list(uri: &str) -> Cmd {
    batch(uri, LIST_PARTS.iter().map(|(part, command)| ((*part).to_owned(), (*command).to_owned()))).within(LIST_SECONDS)
}

/// What else is asked of one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// It runs: also its live XML and its job.
    pub active: bool,
    pub snapshots: bool,
    pub checkpoints: bool,
}

/// Parts of the answer to [`domain`], in their order.
pub fn domain_parts(wanted: Wanted) -> Vec<&'static str> {
    let mut parts = vec!["stored", "state"];
    parts.extend(wanted.active.then_some(["live", "job"]).into_iter().flatten());
    parts.extend(wanted.snapshots.then_some("snapshots"));
    parts.extend(wanted.checkpoints.then_some("checkpoints"));
    parts
}

/// All about one domain. Its uuid is of the form that libvirt prints ([`is_uuid`]).
pub fn domain(uri: &str, uuid: &str, wanted: Wanted) -> Cmd {
    let command = |part: &str| match part {
        "stored" => format!("dumpxml --inactive --domain {uuid}"),
        "live" => format!("dumpxml --domain {uuid}"),
        "state" => format!("domstate --reason --domain {uuid}"),
        "job" => format!("domjobinfo --domain {uuid}"),
        "snapshots" => format!("snapshot-list --name --domain {uuid}"),
        _ => format!("checkpoint-list --name --domain {uuid}"),
    };
    batch(uri, domain_parts(wanted).into_iter().map(|part| (part.to_owned(), command(part)))).within(DOMAIN_SECONDS)
}

/// Which XML of a domain's snapshots or checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moments {
    Snapshots,
    Checkpoints,
}

/// The XML of several snapshots or checkpoints of a domain; their numbers are the parts of the answer.
pub fn moments(uri: &str, uuid: &str, which: Moments, names: &[String]) -> Cmd {
    let command = |name: &String| match which {
        Moments::Snapshots => format!("snapshot-dumpxml --domain {uuid} --snapshotname {}", virsh_word(name)),
        Moments::Checkpoints => format!("checkpoint-dumpxml --no-domain --domain {uuid} --checkpointname {}", virsh_word(name)),
    };
    batch(uri, names.iter().enumerate().map(|(number, name)| (number.to_string(), command(name)))).within(DOMAIN_SECONDS)
}

/// Where a volume of a storage pool lies.
pub fn volume_path(uri: &str, pool: &str, volume: &str) -> Cmd {
    Cmd::reads("virsh", ["-r", "-c", uri, "vol-path", "--pool", pool, "--vol", volume])
}

/// virsh reads a word as a shell does: single quotes keep everything, and `'\''` stands for one of them.
fn virsh_word(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn batch(uri: &str, parts: impl Iterator<Item = (String, String)>) -> Cmd {
    let mut line = String::new();
    for (part, command) in parts {
        line.push_str(&format!("echo {}; {command}; ", mark(&part)));
    }
    line.push_str(&format!("echo {}", mark(END)));
    Cmd::reads("virsh", ["-r", "-c", uri, &line])
}

fn mark(part: &str) -> String {
    format!("domkeep:{part}")
}

/// The answers to a batch, without the blank lines that virsh puts around them. An error when a mark is not where it must be: the
/// connection broke, or an answer holds a mark itself.
pub fn split<'t>(text: &'t str, parts: &[&str]) -> Result<Vec<&'t str>, String> {
    let mut answers = Vec::new();
    let mut rest = after_mark(text, parts.first().copied().unwrap_or(END)).map(|(_, rest)| rest).ok_or("virsh's answer does not begin")?;
    for next in parts.iter().skip(1).copied().chain([END]) {
        let (answer, later) = after_mark(rest, next).ok_or_else(|| format!("virsh's answer breaks off before `{next}`"))?;
        answers.push(answer.trim_matches('\n'));
        rest = later;
    }
    Ok(answers)
}

/// What stands before and behind the first line that is this mark.
fn after_mark<'t>(text: &'t str, part: &str) -> Option<(&'t str, &'t str)> {
    let mark = mark(part);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end_matches(['\n', '\r']) == mark {
            return Some((text.get(..at)?, text.get(at.checked_add(line.len())?..)?));
        }
        at = at.checked_add(line.len())?;
    }
    None
}

/// Lines that are not blank.
pub fn lines(answer: &str) -> Vec<String> {
    answer.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// The form that libvirt prints a uuid in: nothing else goes into a batch.
pub fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `running (booted)`: state and reason.
pub fn state(answer: &str) -> (Option<String>, Option<String>) {
    let line = answer.trim();
    let (state, reason) = match line.split_once(" (") {
        Some((state, reason)) => (state, Some(reason.trim_end_matches(')'))),
        None => (line, None),
    };
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (known(state), reason.and_then(known))
}

/// The operation of `domjobinfo`; nothing when no job is at work.
pub fn job(answer: &str) -> Option<String> {
    let value = |key: &str| {
        answer.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == key)).map(|(_, value)| value.trim())
    };
    match value("Job type")? {
        "None" | "" => None,
        kind => Some(value("Operation").filter(|operation| !operation.is_empty()).unwrap_or(kind).to_owned()),
    }
}

/// What virsh complains of, in one line: the cause stands last.
pub fn complaint(stderr: &[u8], exit: i32) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut said: Vec<&str> =
        text.lines().map(|line| line.trim().trim_start_matches("error:").trim()).filter(|line| !line.is_empty()).collect();
    said.dedup();
    match said.last() {
        Some(cause) => crate::model::shown::text(cause),
        None => format!("exit status {exit}"),
    }
}

/// The command that a person would type for a domain.
pub fn typed(uri: &str, command: &str, name: &str) -> String {
    format!("virsh -c {} {command} {}", shell_word(uri), shell_word(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_one_batch_are_told_apart() {
        let text = "domkeep:stored\n<domain>\n</domain>\n\n\ndomkeep:state\nshut off (saved)\n\n\ndomkeep:end\n";
        assert_eq!(split(text, &["stored", "state"]).unwrap(), ["<domain>\n</domain>", "shut off (saved)"]);
        assert!(split("domkeep:stored\n<dom", &["stored", "state"]).is_err(), "half an answer would be taken for a whole one");
        assert!(split("", &["all"]).is_err(), "a connection that failed would be a host without domains");
        let empty = split("domkeep:all\n\n\ndomkeep:end\n", &["all"]).unwrap();
        assert_eq!(lines(empty[0]), Vec::<String>::new());
    }

    #[test]
    fn a_name_cannot_become_a_command() {
        let cmd = moments("qemu:///system", "u", Moments::Snapshots, &["a'; destroy web; echo '".to_owned()]);
        let line = cmd.args.last().unwrap();
        assert!(line.contains(r"--snapshotname 'a'\''; destroy web; echo '\'''; echo domkeep:end"), "{line}");
        assert!(is_uuid("0b8f6c2e-11d4-4c6e-8a7f-3d4b5a6c7d01") && !is_uuid("0b8f6c2e; destroy web") && !is_uuid(""));
    }

    #[test]
    fn states_and_jobs_are_read_as_virsh_prints_them() {
        assert_eq!(state("running (booted)\n"), (Some("running".into()), Some("booted".into())));
        assert_eq!(state("shut off (saved)"), (Some("shut off".into()), Some("saved".into())));
        assert_eq!(state("paused (I/O error)"), (Some("paused".into()), Some("I/O error".into())));
        assert_eq!(state(""), (None, None), "no answer must not be a state");
        assert_eq!(job("Job type:         None        \n"), None);
        assert_eq!(job("Job type:         Unbounded   \nOperation:        Backup      \nTime elapsed:     1 ms\n"), Some("Backup".into()));
    }

    #[test]
    fn the_cause_of_a_failed_connection_is_told() {
        let stderr = b"error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory\n";
        assert_eq!(complaint(stderr, 1), "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory");
        assert_eq!(complaint(b"", 1), "exit status 1");
    }
}
