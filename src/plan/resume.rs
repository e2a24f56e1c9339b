//! Resuming a save image, having looked whether its disks are as they were when it was written.

mod changed;

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, domains, paths};
use crate::model::saved::{IfChanged, SavedDisks};
use crate::model::{Check, Cmd, Disk, Domain, HostPath, Plan, Power, Request, Risk, Save, SaveFormat, Stale, Undo, cmd};

pub(super) fn plan(path: &HostPath, if_changed: IfChanged, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let inventory = facts.inventory();
    let Some(save) = inventory.save(path) else {
        return no(
            "no-save",
            format!("{path} is no save image that domkeep knows"),
            "name one that `domkeep show` lists, or add its directory with --look-in",
        );
    };
    paths::check(path)?;
    look_at_format(save)?;
    if save.complete == Some(false) {
        let cut = save.cut.as_deref().unwrap_or("it is not whole");
        return no("save-damaged", format!("{path} cannot be resumed: {cut}"), "start the domain instead: it boots as after a power cut");
    }
    let Some(name) = save.domain.as_deref().filter(|name| !name.is_empty()) else {
        return no(
            "save-of-nobody",
            format!("whose memory {path} holds could not be read from it"),
            "look at it with `xl restore -d -n`, as root",
        );
    };
    // A save image outlives its configuration: then the domain is known by the image alone, or not at all.
    let unknown = Domain { id: name.to_owned(), name: name.to_owned(), power: Power::Saved, ..Domain::default() };
    let domain = inventory.domain(name).unwrap_or(&unknown);
    if inventory.domains.iter().any(|other| other.name == name && other.power.is_present()) {
        return no(
            "already-there",
            format!("a domain {name} is there already"),
            "shut it down first; but then its disks have changed, and the image is worth nothing",
        );
    }
    if domain.power == Power::Unknown {
        return no(
            "domain-unknown",
            format!("whether {name} runs could not be found out"),
            "ask as root; `domkeep list` says what could not be read",
        );
    }
    let disks: Vec<Disk> = inventory.packaged_config(path).map(|config| config.disks.clone()).unwrap_or_default();
    domains::can_get_disks(inventory, domain, &disks)?;

    let known = facts.saved_disks(path)?.as_ref();
    let is_changed = known.filter(|known| !known.changed.is_empty());
    if let (Some(known), IfChanged::Refuse) = (is_changed, if_changed) {
        return changed::refuse(facts, save, known, name);
    }
    let request = Request::Resume { save: path.clone(), if_changed };
    let mut draft = Draft::new(format!("Resume {name} from {path}"), &request, setting);
    draft.risk(Risk::Touches);
    draft.lock(Plan::domain_lock(name));
    for disk in &disks {
        if let Some(path) = domains::lock_path(inventory, disk) {
            draft.lock(Plan::disk_lock(&path));
        }
    }
    if disks.is_empty() {
        draft.warn("Which disks the image uses could not be read from it.");
    }
    match (is_changed, if_changed) {
        (Some(_), IfChanged::Boot) => {
            changed::boot(&mut draft, facts, setting, save, domain)?;
            return Ok(draft.finish());
        }
        (Some(known), IfChanged::RollBack) => changed::roll_back(&mut draft, facts, save, known, name)?,
        _ => look_at_disks(&mut draft, facts, save, name, known),
    }
    if save.complete.is_none() {
        draft.warn("Whether the image is whole cannot be told from its format.");
    }
    if save.resumed_at_boot {
        draft.warn(format!(
            "The host resumes {path} again at its next boot, over the disks as they are then. Remove it once the domain runs."
        ));
    } else {
        draft.warn(format!("Once the domain runs, {path} is stale: never resume it again."));
    }
    let step = draft.run(
        format!("Bring {name} back into memory"),
        "The guest goes on where it was saved.",
        Cmd::changes("xl", ["restore".to_owned(), super::text(path)]).within(3600),
    );
    let there = Check::DomainPresent { name: name.to_owned() };
    draft.done(step, there.clone());
    draft.undo(
        step,
        Undo::Impossible { why: "a domain that was resumed has written to its disks; save it again if it is not wanted".into() },
    );
    draft.assume(format!("{name} is not there"), there.negated(), Some(step));
    if known.is_some_and(SavedDisks::is_proven) {
        let check = Check::DisksAsSaved { image: path.clone(), bytes_only: false };
        draft.assume("its disks are as they were saved", check, Some(step));
    }
    if let Some(inode) = save.inode {
        draft.assume(format!("{path} is the file that was looked at"), Check::Is { path: path.clone(), inode }, Some(step));
    }
    Ok(draft.finish())
}

fn look_at_format(save: &Save) -> Go<()> {
    let shown = cmd::shell_word(&save.path.as_path().to_string_lossy());
    match save.format {
        SaveFormat::Xl => Ok(()),
        SaveFormat::LibvirtXen | SaveFormat::LibvirtQemu => {
            no("libvirt-save", format!("{} was written by libvirt", save.path), format!("resume it with `virsh restore {shown}`"))
        }
        SaveFormat::Xend => no("xend-save", format!("{} was written by xend", save.path), "resume it on a host that still runs xend"),
    }
}

/// What was written down when it was saved tells more than what can be seen now; what proves a change is believed all the same.
fn look_at_disks(draft: &mut Draft, facts: &Facts<'_>, save: &Save, name: &str, known: Option<&SavedDisks>) {
    let verdict = facts.verdicts().stale.get(&save.path);
    if let Some(known) = known {
        let at = known.at.map_or_else(String::new, |at| format!(", of {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
        let source = format!("{}{at}", crate::model::saved::record_of(&save.path));
        for said in known.same.iter().chain(&known.unsure) {
            draft.saw(said.clone(), source.clone());
        }
        let changed: Vec<String> = known.changed.iter().map(|disk| format!("{}: {}", disk.path, disk.why)).collect();
        if !changed.is_empty() {
            draft.confirm(
                name,
                &format!("Its disks were changed after it was written ({}). The resumed guest does not know that, and will destroy their file systems.", changed.join("; ")),
            );
            return;
        }
        if known.is_proven() && verdict.is_none_or(|verdict| verdict.stale != Stale::Yes) {
            return;
        }
    }
    if let Some(verdict) = verdict {
        draft.evidence(&verdict.evidence);
    }
    match verdict.map_or(Stale::Unknown, |verdict| verdict.stale) {
        Stale::No => {}
        Stale::Yes => draft.confirm(
            name,
            "Its disks were changed after it was written. The resumed guest does not know that: what it holds in memory does not fit the disks any more, and it will destroy their file systems.",
        ),
        Stale::Unknown => draft.confirm(
            name,
            "Whether its disks were changed after it was written could not be proven. If they were, the resumed guest destroys their file systems.",
        ),
    }
}
