//! A domain's root in a directory of this host, served by its NFS server: the directory, the line in /etc/exports, the configuration.
//!
//! `exportfs -r -a` reads the whole file, as the next boot does, and so proves the line. It ends badly when any other line is bad, and has
//! exported this one all the same; so undo takes only this one out of the server's table, before the line itself is taken back.

mod checks;
mod config;

use super::attach::file::{self, File};
use super::draft::Draft;
use super::exports::{self, Exported};
use super::facts::{Facts, Go, if_known, no};
use super::{Setting, domains, new_disk, paths, text};
use crate::model::request::Populate;
use crate::model::{Action, Check, Cmd, HostPath, NfsRoot, PlaceFact, Plan, Question, Request, Risk, Stands, Undo};

const EXPORTS: &str = "/etc/exports";
/// Threads of the kernel's NFS server (nfsd(7)); none, or no such file: it does not run.
const THREADS: &str = "/proc/fs/nfsd/threads";
/// More are not looked for one by one.
const MOST_EXPORTS: usize = 200;
const TOOLS: [(&str, &str); 4] = [("exportfs", "nfs-kernel-server"), ("cp", "coreutils"), ("tar", "tar"), ("rm", "coreutils")];
const BY_HAND: &str = "write root = \"/dev/nfs\" and extra = \"nfsroot=SERVER:PATH,vers=3,tcp ip=dhcp rw\" into the file by hand";

/// The directory that is exported.
struct Root<'a> {
    path: HostPath,
    /// It is not there yet; what is known of the directory above.
    made: Option<&'a PlaceFact>,
}

/// What the list of exports says now.
enum List<'a> {
    /// There is no such file.
    None,
    Edited(&'a [u8]),
    AsWanted,
}

pub(super) fn plan(wanted: &NfsRoot, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, &wanted.domain)?;
    domains::by_xl(domain, "write the kernel's command line into its XML")?;
    checks::names(wanted)?;
    ask_ahead(wanted, domain, facts)?;
    let file = File::open(facts, domain, wanted.config.as_ref(), BY_HAND)?;
    checks::boots_by_a_kernel(domain, file.config)?;
    paths::tools(facts, &TOOLS)?;
    server_runs(facts)?;
    let root = directory(wanted, facts)?;
    let list = list(wanted, facts, &root)?;
    let export = text(&root.path);
    let after = file.edited(config::translated(file.before, wanted, &export), BY_HAND)?;

    let title = format!("Root of {} on NFS, in {}", domain.name, root.path);
    let mut draft = Draft::new(title, &Request::NfsRoot(wanted.clone()), setting);
    draft.lock(Plan::domain_lock(&domain.name));
    draft.lock(format!("file {EXPORTS}"));
    draft.lock(Plan::disk_lock(&root.path));
    if let Some(above) = root.made {
        make(&mut draft, wanted, &root.path, above, setting);
    }
    export_it(&mut draft, wanted, &root.path, &list);
    if after != file.before {
        file.replace(
            &mut draft,
            format!("Let {} take its root from there, in {}", domain.name, file.path),
            "xl passes nothing but the kernel's command line on; what only xm understood becomes a comment. The old file is kept in the job's folder.",
            after,
        );
    }
    warn(&mut draft, wanted, domain, &root);
    Ok(draft.finish())
}

/// What is surely needed, asked in one round.
fn ask_ahead(wanted: &NfsRoot, domain: &crate::model::Domain, facts: &Facts<'_>) -> Go<()> {
    paths::check_new(&wanted.directory)?;
    let place = |path: &HostPath| Question::Place { path: path.clone() };
    let bytes = |path: &HostPath| Question::BytesOf { path: path.clone() };
    let (exports, threads) = (HostPath::from(EXPORTS), HostPath::from(THREADS));
    let mut questions = vec![bytes(&threads), place(&exports), bytes(&exports)];
    questions.extend([place(&wanted.directory), place(&paths::parent(&wanted.directory))]);
    questions.extend(TOOLS.iter().map(|(name, _)| Question::Tool { name: (*name).to_owned() }));
    if let Some(config) = wanted.config.as_ref().or_else(|| domain.configs.first()) {
        questions.extend([place(config), bytes(config)]);
    }
    match &wanted.populate {
        Populate::Nothing => {}
        Populate::Directory { path } => questions.extend([place(path), place(&path.join("etc"))]),
        Populate::Archive { path } => questions.push(place(path)),
    }
    facts.want(questions)
}

fn server_runs(facts: &Facts<'_>) -> Go<()> {
    let threads = if_known(facts.bytes(&HostPath::from(THREADS)))?;
    let running = threads.and_then(|(text, _)| std::str::from_utf8(text).ok()?.trim().parse::<u32>().ok());
    if running.is_some_and(|threads| threads > 0) {
        return Ok(());
    }
    no("nfs-server-off", "no NFS server runs on this host", "start it for now and for every boot: systemctl enable --now nfs-server")
}

fn directory<'a>(wanted: &NfsRoot, facts: &Facts<'a>) -> Go<Root<'a>> {
    paths::check_new(&wanted.directory)?;
    let (place, real) = paths::follow(facts, &wanted.directory)?;
    if place.stands == Stands::Nothing {
        let (above, path) = paths::vacant(facts, &wanted.directory)?;
        checks::not_the_hosts_own(&path)?;
        sources(wanted, facts, &path)?;
        return Ok(Root { path, made: Some(above) });
    }
    let (_, path) = paths::directory(facts, &wanted.directory)?;
    checks::not_the_hosts_own(&path)?;
    if wanted.populate != Populate::Nothing || wanted.hostname.is_some() || wanted.fstab {
        return no(
            "exists",
            format!("{real} is there already, and what is there is not written into"),
            "name a directory that does not exist, or fill nothing in (--populate nothing)",
        );
    }
    Ok(Root { path, made: None })
}

fn sources(wanted: &NfsRoot, facts: &Facts<'_>, path: &HostPath) -> Go<()> {
    let mut has_etc = true;
    match &wanted.populate {
        Populate::Nothing => has_etc = false,
        Populate::Directory { path: from } => {
            paths::check(from)?;
            let (place, real) = paths::follow(facts, from)?;
            if place.stands != Stands::Directory {
                return no("source-missing", format!("{from} is no directory of this host"), "name one that is there");
            }
            if path.starts_with(&real) && real.as_bytes() != b"/" {
                return no(
                    "inside-source",
                    format!("{path} lies in {from}: the copy would copy itself"),
                    "put the directory somewhere else",
                );
            }
            has_etc = if_known(facts.place(&from.join("etc")))?.is_none_or(|place| place.stands == Stands::Directory);
        }
        Populate::Archive { path: from } => {
            paths::check(from)?;
            if paths::follow(facts, from)?.0.stands != Stands::File {
                return no("source-missing", format!("{from} is no file of this host"), "name an archive that is there");
            }
        }
    }
    if !has_etc && (wanted.hostname.is_some() || wanted.fstab) {
        return no(
            "no-etc",
            "there is no directory /etc in the source, so this is no system that could be tailored",
            "leave fstab and host name alone",
        );
    }
    Ok(())
}

fn list<'a>(wanted: &NfsRoot, facts: &Facts<'a>, root: &Root<'_>) -> Go<List<'a>> {
    let path = HostPath::from(EXPORTS);
    let (place, real) = paths::follow(facts, &path)?;
    if place.read_only {
        return no(
            "read-only",
            format!("{EXPORTS} cannot be replaced: its file system is read-only, or you may not write there"),
            "ask as root, or make the file system writable",
        );
    }
    match place.stands {
        Stands::Nothing => return Ok(List::None),
        Stands::File if real == path => {}
        _ => {
            return no(
                "exports-not-a-file",
                format!("{EXPORTS} is no regular file of its own"),
                "make it one, or export the directory by hand",
            );
        }
    }
    facts.want([Question::BytesOf { path: real.clone() }])?;
    let (bytes, _) = facts.bytes(&real)?;
    others_are_there(facts, bytes, &root.path)?;
    match exports::of(bytes, root.path.as_bytes(), &wanted.clients) {
        Ok(Exported::No) => Ok(List::Edited(bytes)),
        Ok(Exported::AsWanted) => Ok(List::AsWanted),
        Ok(Exported::Otherwise { line, says }) => no(
            "exported-otherwise",
            format!("{} is exported in another way already, on line {line} of {EXPORTS}: {}", root.path, crate::model::shown::text(&says)),
            "take that line out first, or give the same client there rw,no_root_squash",
        ),
        Err(why) => no("exports-not-edited", format!("{EXPORTS} is not edited: {why}"), "mend the file, or export the directory by hand"),
    }
}

/// With a directory that is missing, `exportfs -r -a` ends badly, and nobody could tell whether it was for this line.
fn others_are_there(facts: &Facts<'_>, bytes: &[u8], own: &HostPath) -> Go<()> {
    let others: Vec<HostPath> =
        exports::paths(bytes).into_iter().filter(|path| path.is_absolute() && path != own).take(MOST_EXPORTS).collect();
    facts.want(others.iter().map(|path| Question::Place { path: path.clone() }))?;
    for path in others {
        if if_known(facts.place(&path))?.is_some_and(|place| place.stands == Stands::Nothing) {
            return no(
                "exports-broken",
                format!("{EXPORTS} exports {path}, which is not there: the server would call every reading of the file failed"),
                "take that line out, or mount what belongs there, first",
            );
        }
    }
    Ok(())
}

/// The directory, under a temporary name until it is whole.
fn make(draft: &mut Draft, wanted: &NfsRoot, path: &HostPath, above: &PlaceFact, setting: &Setting) {
    let partial = paths::partial(path, &setting.id);
    let first = draft.step(
        "Make the directory",
        "It has a temporary name until it is ready, so that nobody mounts it half made.",
        Action::MakeDirectory { path: partial.clone(), mode: 0o755 },
    );
    let filled = new_disk::put_into(draft, &wanted.populate, &partial, setting.can_mount);
    if let Some(step) = filled {
        draft.cleanup_by(step, new_disk::removal(&partial, "Remove what was not finished"));
    }
    let fstab = b"# The kernel mounts the root itself, by NFS.\nproc\t/proc\tproc\tdefaults\t0\t0\n".to_vec();
    let hostname = wanted.hostname.as_ref().map(|name| ("etc/hostname", format!("{name}\n").into_bytes()));
    for (name, bytes) in wanted.fstab.then_some(("etc/fstab", fstab)).into_iter().chain(hostname) {
        draft.step(
            format!("Write /{name} inside"),
            "So that the guest does not wait for the disks of the system that it was copied from, and has its own name.",
            Action::WriteBeneath { root: partial.clone(), path: HostPath::from(name), bytes, mode: 0o644 },
        );
    }
    if filled.is_some() {
        draft.run(
            "Wait until all of it is on the disk",
            "Programs that copy leave it to the kernel when that is.",
            Cmd::changes("sync", ["-f".to_owned(), text(&partial)]).within(new_disk::SLOW),
        );
        draft.stretch(first, Some(new_disk::removal(&partial, "Remove what was not finished")));
    }
    let named = draft.step(
        format!("Give it its name, {path}"),
        "Only a whole directory gets the name.",
        Action::Rename { from: partial, to: path.clone(), expect: None },
    );
    draft.assume(format!("nothing stands at {path}"), Check::Exists { path: path.clone() }.negated(), Some(named));
    let directory = paths::parent(path);
    draft.assume(
        format!("{directory} is the file system that was looked at"),
        Check::LiesOn { path: directory, dev: above.dev },
        Some(named),
    );
}

/// The line, and the server's table of it.
fn export_it(draft: &mut Draft, wanted: &NfsRoot, path: &HostPath, list: &List<'_>) {
    let exports = HostPath::from(EXPORTS);
    let says = format!("Export {path} to {}", wanted.clients);
    let why = "As its root, to that client only. There is no blank before the parenthesis: with one, the whole world could write.";
    let before: &[u8] = match list {
        List::Edited(before) => before,
        List::None | List::AsWanted => b"",
    };
    let after = exports::with(before, path.as_bytes(), &wanted.clients);
    let written = !matches!(list, List::AsWanted);
    match list {
        List::AsWanted => {}
        List::Edited(before) => {
            file::replace(draft, &exports, before, after, says, why);
        }
        List::None => {
            draft.risk(Risk::Touches);
            draft.edit(new_disk::edit(&exports, None, &after));
            let step = draft.step(says, why, Action::WriteFile { path: exports.clone(), bytes: after, mode: 0o644 });
            draft.assume(format!("nothing stands at {exports}"), Check::Exists { path: exports.clone() }.negated(), Some(step));
        }
    }
    let says = format!("{}  {}(", exports::escaped(path.as_bytes()), wanted.clients);
    let table = Check::Says { cmd: Cmd::reads("exportfs", ["-s"]), text: says };
    let step = draft.run(
        "Let the NFS server read its exports again",
        "The whole file, as at the next boot. Other exports stay as they are.",
        Cmd::changes("exportfs", ["-r", "-a"]),
    );
    draft.done(step, table.clone());
    if written {
        let forget = Cmd::changes("exportfs", ["-u".to_owned(), format!("{}:{}", wanted.clients, text(path))]);
        draft.undo(step, Undo::By { action: Box::new(Action::Run { cmd: forget }) });
    }
    draft.step(
        format!("Look whether the server exports {path}"),
        "What it did not understand it leaves out, and says so nowhere else.",
        Action::WaitFor { check: table, limit_seconds: 10 },
    );
}

fn warn(draft: &mut Draft, wanted: &NfsRoot, domain: &crate::model::Domain, root: &Root<'_>) {
    draft.warn(format!(
        "Whoever has an address of {} can mount {} and is root in it: NFS believes the address. Let no stranger into that network.",
        wanted.clients, root.path
    ));
    draft.warn("Linux with its root on NFS is known to become slow or to hang under high load, and it stands still while this host is down: not for servers that matter.");
    draft.warn("The guest's kernel must be able to mount it: with NFS root and IP autoconfiguration built in, or with a ramdisk that does it (Debian's initramfs-tools and dracut do).");
    if root.made.is_some() && wanted.populate == Populate::Nothing {
        draft.warn(format!("{} is empty: the guest finds nothing to boot from until a system is put into it.", root.path));
    }
    if let Populate::Directory { path } = &wanted.populate {
        draft.warn(format!("What is mounted below {path} is not copied: a separate /var or /home comes out empty."));
    }
    if domain.power.is_present() {
        draft.warn(format!("{} runs: it has the new root after its next start from the file.", domain.name));
    }
    let disks = domain.disks.iter().filter(|disk| disk.in_config && disk.vdev.is_some()).count();
    if disks > 0 {
        draft.warn(format!("{} keeps its {disks} disks, and boots from none of them any more.", domain.name));
    }
}
