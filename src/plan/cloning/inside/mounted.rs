//! XFS and btrfs. Their files can be changed only while they are mounted, and neither's tool may be trusted with what a crash left: XFS gets
//! its UUID after a mount has replayed its log, btrfs only where there is none to be replayed.

use super::super::origin::Origin;
use super::found::{Kind, System};
use super::{SLOW, Work};
use crate::model::request::FileSystem;
use crate::model::{Action, Check, Cmd, Domain, HostPath, Question};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::mounting::{self, Mounting};
use crate::plan::{again, new_disk, paths, text};

/// Where a root may lie in a btrfs: the subvolumes of Debian, Ubuntu and Fedora.
const SUBVOLUMES: [&str; 3] = ["@", "@rootfs", "root"];

pub(super) fn look(facts: &Facts<'_>, domain: &Domain, origins: &[Origin<'_>], systems: &mut [System]) -> Go<()> {
    let any = |kind: Kind| systems.iter().any(|system| system.kind == kind);
    let mut tools = Vec::new();
    if any(Kind::Xfs) {
        tools.extend([("xfs_admin", "xfsprogs"), ("xfs_db", "xfsprogs"), ("xfs_repair", "xfsprogs")]);
    }
    if any(Kind::Btrfs) {
        tools.extend([("btrfstune", "btrfs-progs"), ("btrfs", "btrfs-progs")]);
    }
    if tools.is_empty() {
        return Ok(());
    }
    tools.extend(mounting::TOOLS.into_iter().chain([("find", "findutils"), ("sed", "sed")]));
    paths::tools(facts, &tools)?;
    for system in systems.iter_mut() {
        match origins.get(system.disk) {
            Some(origin) if system.kind == Kind::Btrfs => still_btrfs(facts, domain, origin, &system.name)?,
            Some(origin) if system.kind == Kind::Xfs => system.writes = xfs_log(facts, origin, &system.name)?,
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of the log: xfs_admin writes zeros over all of it before it gives another UUID.
fn xfs_log(facts: &Facts<'_>, origin: &Origin<'_>, name: &str) -> Go<u64> {
    let asks = Cmd::reads("xfs_db", ["-r".to_owned(), "-c".to_owned(), "info".to_owned(), text(&origin.path)]);
    let said = String::from_utf8_lossy(facts.said(&asks)?).into_owned();
    let internal = said.lines().find_map(|line| line.strip_prefix("log ")).filter(|line| line.contains("=internal"));
    let number = |key: &str| internal?.split([' ', ',']).find_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
    match number("bsize=").zip(number("blocks=")) {
        Some((size, blocks)) => Ok(size.saturating_mul(blocks)),
        None => no(
            "inside-xfs-log",
            format!("the log of the XFS on {name} does not lie in it, or xfs_db does not tell of it"),
            "leave the clones as they are inside (--inside no)",
        ),
    }
}

fn superblock(disk: &HostPath) -> Cmd {
    Cmd::reads("btrfs", ["inspect-internal".to_owned(), "dump-super".to_owned(), text(disk)])
}

/// btrfstune forgets a log that was not replayed: the next mount fails, and what was synced last is lost.
const NO_LOG: &str = "log_root\t\t0\n";

fn still_btrfs(facts: &Facts<'_>, domain: &Domain, origin: &Origin<'_>, name: &str) -> Go<()> {
    if domain.power.is_present() {
        return no(
            "inside-btrfs-running",
            format!(
                "{} is {}: the btrfs on {name} would be cloned with a log, and its tool cannot replay one",
                domain.name,
                domain.power.as_str()
            ),
            "shut it down first, or leave the clones as they are inside (--inside no)",
        );
    }
    if let Some(mount) = origin.backing.mounts.first() {
        return no(
            "inside-btrfs-mounted",
            format!("the btrfs on {name} is mounted at {}: a kernel that sees it and its clone at once confuses them", mount.at),
            "unmount it first",
        );
    }
    let asks = superblock(&origin.path);
    facts.want([Question::Said { cmd: asks.clone() }])?;
    let said = String::from_utf8_lossy(facts.said(&asks)?).into_owned();
    let has = |line: &str| said.contains(line);
    if !has("num_devices\t\t1\n") {
        return no(
            "inside-btrfs-devices",
            format!("the btrfs on {name} lies on several disks, which would all have to be changed in one moment"),
            "leave the clones as they are inside (--inside no)",
        );
    }
    if has("SEEDING") || has("CHANGING_FSID") {
        return no(
            "inside-btrfs-state",
            format!("the btrfs on {name} is a seed for others, or a change of its UUID was interrupted"),
            "finish that first (btrfstune), or leave the clones as they are inside (--inside no)",
        );
    }
    if !has(NO_LOG) {
        return no(
            "inside-btrfs-log",
            format!("the btrfs on {name} was not unmounted: it has a log, and its tool cannot replay one"),
            "start the domain and shut it down in order, or leave the clones as they are inside (--inside no)",
        );
    }
    Ok(())
}

pub(super) fn steps(draft: &mut Draft, work: &Work<'_>) {
    draft.warn_once("XFS and btrfs are mounted here for a moment: this host's kernel reads what a guest wrote. Where you do not trust the guest with that, leave its clones as they are (--inside no).");
    draft.warn_once("fstab and host name are changed where they stand in /etc, or in /etc of the btrfs subvolumes @, @rootfs and root. Elsewhere they stay as they are: look there before the clones run beside the original.");
    let at = work.setting.job_dir.join(format!("{}.mnt", work.prefix).as_str());
    if work.system.kind == Kind::Btrfs {
        btrfs_uuid(draft, work);
    }
    // The kernel refuses a second XFS with the same UUID.
    let own: &[&str] = if work.system.kind == Kind::Xfs { &["nouuid"] } else { &[] };
    let loops: &[&str] = if work.in_file() { &["loop"] } else { &[] };
    let mounting = Mounting {
        disk: &work.disk,
        options: &[loops, own].concat(),
        at: &at,
        says: &format!("Mount {}", work.disk),
        why: "What was left in its log is brought to its place. Without devices, programs and set-user-id files: it cannot act on this host.",
        since: None,
        slow: SLOW,
    };
    mounting.around(draft, |draft| edit(draft, work, &at));
    if work.system.kind == Kind::Xfs {
        xfs_uuid(draft, work);
    }
    let kind = if work.system.kind == Kind::Xfs { FileSystem::Xfs } else { FileSystem::Btrfs };
    if let Some(cmd) = new_disk::check_command(kind, &work.disk, work.in_file()) {
        let step = draft.run("Check it", "Before a guest relies on it. Nothing is changed.", cmd);
        draft.done(step, again::never());
    }
}

/// Only regular files in real directories: no link of the guest's leads out of its file system.
fn edit(draft: &mut Draft, work: &Work<'_>, at: &HostPath) {
    let swaps: Vec<String> = work
        .renamed
        .iter()
        .filter(|(old, _)| !old.is_empty())
        .flat_map(|(old, new)| ["-e".to_owned(), format!("s/{old}/{new}/Ig")])
        .collect();
    let step = draft.run(
        "Let the fstab inside name the new UUIDs",
        "Where there is one. `find` follows no link: nothing inside can lead it out.",
        in_each(at, "fstab", &swaps),
    );
    draft.done(step, again::never());
    let name = ["-e", "1!d", "-e", &format!("s/.*/{}/", work.name)].map(str::to_owned);
    let step = draft.run(
        format!("Let the host inside be called {}", work.name),
        "Where its name stands in /etc/hostname.",
        in_each(at, "hostname", &name),
    );
    draft.done(step, again::never());
}

fn in_each(at: &HostPath, file: &str, edits: &[String]) -> Cmd {
    let at = text(at);
    let mut words: Vec<String> = [at.as_str(), "-mindepth", "2", "-maxdepth", "3", "-type", "f", "("].map(str::to_owned).to_vec();
    words.extend(["-path".to_owned(), format!("{at}/etc/{file}")]);
    for below in SUBVOLUMES {
        words.extend(["-o".to_owned(), "-path".to_owned(), format!("{at}/{below}/etc/{file}")]);
    }
    words.extend([")", "-exec", "sed", "-i"].map(str::to_owned));
    words.extend(edits.iter().cloned());
    words.extend(["--", "{}", "+"].map(str::to_owned));
    Cmd::changes("find", words)
}

fn xfs_uuid(draft: &mut Draft, work: &Work<'_>) {
    let words = |more: &[&str]| {
        let file = work.in_file().then(|| "-f".to_owned());
        file.into_iter().chain(more.iter().map(|word| (*word).to_owned())).chain([text(&work.disk)]).collect::<Vec<_>>()
    };
    let is_new = Check::Says { cmd: Cmd::reads("xfs_admin", words(&["-u"])), text: format!("UUID = {}", work.uuid) };
    let step = draft.run(
        format!("Give the file system on {} a UUID of its own", work.disk),
        "So that whoever sees original and clone at once can tell them apart.",
        Cmd::changes("xfs_admin", words(&["-U", &work.uuid])).within(SLOW),
    );
    draft.done(step, is_new.clone());
    draft.step(
        "Look whether it has it",
        "xfs_admin ends well even where it refused, as for a log that was not replayed.",
        Action::WaitFor { check: is_new, limit_seconds: 5 },
    );
}

fn btrfs_uuid(draft: &mut Draft, work: &Work<'_>) {
    draft.step(
        format!("Look whether {} has no log", work.disk),
        "btrfstune forgets a log that was not replayed: what was synced last would be lost, and it could not be mounted.",
        Action::WaitFor { check: Check::Says { cmd: superblock(&work.disk), text: NO_LOG.into() }, limit_seconds: 5 },
    );
    let step = draft.run(
        format!("Give the file system on {} a UUID of its own", work.disk),
        "Before anything mounts it: a kernel that sees two btrfs with one UUID confuses them. The blocks keep the old one (metadata_uuid, Linux 5.0 and later).",
        Cmd::changes("btrfstune", ["-M".to_owned(), work.uuid.clone(), text(&work.disk)]).within(SLOW),
    );
    draft.done(step, Check::Says { cmd: superblock(&work.disk), text: format!("fsid\t\t\t{}", work.uuid) });
}
