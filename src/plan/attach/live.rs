//! A running domain's disks: how one is plugged in and out, and how the host is asked whether that is done.
//!
//! `xl block-attach` ends well before the guest has taken the disk, and when the hotplug script refuses a disk, libxl leaves it in its own
//! record and in xenstore. So what counts as done is what xenstore says: `/libxl/DOMID/device/vbd/NUMBER` for what libxl has taken on, the
//! back end's state 4 (Connected) for what the guest has.

use crate::model::{Check, Cmd, Domain, Power, Risk, Undo, vdev};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{domains, paths};

pub(super) const TOOLS: [(&str, &str); 3] = [("xl", "xen-utils"), ("xenstore-ls", "xenstore-utils"), ("xenstore-read", "xenstore-utils")];
/// Seconds in which a guest must have taken a disk. libxl itself gives a hotplug script 40 s before that.
const LONGEST_MEETING: u64 = 60;

/// A running domain, and one name in it.
pub(in crate::plan) struct Live<'a> {
    pub domain: &'a Domain,
    domid: u32,
    vdev: String,
    number: u32,
}

impl<'a> Live<'a> {
    /// Refuses a domain that is not there, or that could not answer.
    pub fn look(facts: &Facts<'_>, domain: &'a Domain, name: &str) -> Go<Self> {
        if !domain.power.is_present() {
            return no(
                "domain-off",
                format!("{} is {}: it has no disks now", domain.name, domain.power.as_str()),
                "change only its configuration (--where config)",
            );
        }
        if domain.power != Power::Running {
            return no(
                "domain-does-not-answer",
                format!("{} is {}: it can neither take a disk nor let go of one", domain.name, domain.power.as_str()),
                "let it run first, or change only its configuration (--where config)",
            );
        }
        if domain.attached_unknown {
            return no(
                "attached-unknown",
                format!("which disks {} has now could not be found out", domain.name),
                "ask as root; `domkeep list` says what could not be read",
            );
        }
        let (Some(domid), Some(number)) = (domain.domid, vdev::of_letters(name).map(|vdev| vdev.number)) else {
            return no("vdev-bad", format!("`{name}` is no name of a disk"), "take one such as xvdb");
        };
        paths::tools(facts, &TOOLS)?;
        Ok(Self { domain, domid, vdev: name.to_owned(), number })
    }

    /// It is the domain that was looked at, not another or a later one of that name.
    fn is_the_same(&self) -> Check {
        match &self.domain.uuid {
            Some(uuid) => {
                let cmd = Cmd::reads("xenstore-read", [format!("/local/domain/{}/vm", self.domid)]);
                Check::Says { cmd, text: format!("/vm/{uuid}") }
            }
            None => Check::DomainPresent { name: self.domain.name.clone() },
        }
    }

    /// libxl has such a disk on its record, connected or not.
    pub fn has(&self) -> Check {
        let cmd = Cmd::reads("xenstore-ls", ["-f".to_owned(), format!("/libxl/{}", self.domid)]).within(30);
        Check::Says { cmd, text: format!("/libxl/{}/device/vbd/{}/dev = ", self.domid, self.number) }
    }

    /// The guest has taken it.
    fn is_connected(&self) -> Check {
        let cmd = Cmd::reads("xenstore-ls", ["-f", "/local/domain/0/backend"]).within(30);
        Check::Says { cmd, text: format!("/{}/{}/state = \"4\"", self.domid, self.number) }
    }

    fn xl(&self, command: &str, last: &str) -> Cmd {
        let mut words = vec![command.to_owned()];
        words.extend(domains::word(&self.domain.name));
        words.push(last.to_owned());
        Cmd::changes("xl", words)
    }

    fn attach(&self, spec: &str) -> Cmd {
        self.xl("block-attach", spec)
    }

    fn detach(&self) -> Cmd {
        self.xl("block-detach", &self.vdev)
    }

    /// The disk, now. Gives the index of the step that does it.
    pub fn plug_in(&self, draft: &mut Draft, spec: &str) -> usize {
        let Self { domain, vdev, .. } = self;
        draft.risk(Risk::Touches);
        let step = draft.run(
            format!("Give it to {} as {vdev}, now", domain.name),
            "While it runs. If Xen's own script refuses it, the entry that libxl leaves behind is taken away again.",
            self.attach(spec),
        );
        draft.done(step, self.has());
        draft.undo(step, Undo::By { action: Box::new(crate::model::Action::Run { cmd: self.detach() }) });
        draft.assume(format!("{} has no disk {vdev}", domain.name), self.has().negated(), Some(step));
        let met = draft.step(
            format!("Wait until the guest has taken {vdev}"),
            "The command ends before the guest has answered. Connected is what counts (state 4 in xenstore, as `xl block-list` shows it).",
            crate::model::Action::WaitFor { check: self.is_connected(), limit_seconds: LONGEST_MEETING },
        );
        draft.assume(format!("{} is the domain that was looked at", domain.name), self.is_the_same(), Some(met));
        step
    }

    /// The disk is taken away, now. `spec`, when it is known, brings it back.
    pub fn unplug(&self, draft: &mut Draft, spec: Option<&str>) {
        let Self { domain, vdev, .. } = self;
        draft.risk(Risk::Touches);
        let step = draft.run(
            format!("Take {vdev} away from {}, now", domain.name),
            "The guest is asked to let go. One that still uses the disk does not, and then xl gives up: unmount it in the guest first.",
            self.detach(),
        );
        draft.done(step, self.has().negated());
        draft.undo(
            step,
            match spec {
                Some(spec) => Undo::By { action: Box::new(crate::model::Action::Run { cmd: self.attach(spec) }) },
                None => Undo::Impossible { why: "what it was in xl's words is not known".into() },
            },
        );
        draft.assume(format!("{} has a disk {vdev}", domain.name), self.has(), Some(step));
        draft.assume(format!("{} is the domain that was looked at", domain.name), self.is_the_same(), Some(step));
        draft.step(
            format!("Look whether {vdev} is gone"),
            "A guest that did not let go keeps a disk that is half taken away.",
            crate::model::Action::WaitFor { check: self.has().negated(), limit_seconds: 10 },
        );
    }
}
