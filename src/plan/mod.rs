//! Request + Inventory + Facts -> Plan | Refusal: pure. One file a request.

mod again;
mod attach;
mod cloning;
mod cold_backup;
pub(crate) mod config_text;
mod copy;
mod detach;
mod domains;
mod draft;
mod exports;
mod ext;
mod extend;
mod facts;
mod form;
mod freeze;
mod grow;
mod hooks;
mod increment;
mod libvirt;
mod lvm;
mod lvm_names;
mod lvm_now;
mod mounting;
mod move_disk;
mod new_disk;
mod new_file;
mod new_volume;
mod nfs_root;
mod paths;
mod persist;
mod physical;
mod pool_room;
mod prune;
mod relieve;
mod removing;
mod restore;
mod resume;
mod rolling_back;
mod save;
mod saved;
mod script;
mod start;
mod strategy;
#[cfg(test)]
mod tests;
mod warm_backup;

use chrono::{DateTime, Utc};

use crate::model::{
    Fact, FieldTrouble, Figures, Form, HostPath, Inventory, JobId, Plan, Question, Refusal, Request, StrategyTable, Subject, Verdicts, Wish,
};
use facts::{Facts, Go, Stop};

/// What a plan needs to know of the place it is made for.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The plan's id and its job's folder, which exists before the first step.
    pub id: JobId,
    pub job_dir: HostPath,
    pub now: DateTime<Utc>,
    /// Names the host in a bundle's path: its machine id or name, one path component.
    pub host_id: String,
    /// File systems may be mounted there (root on this machine; never on the demo).
    pub can_mount: bool,
    /// What earlier jobs took on this host.
    pub figures: Figures,
    /// What the host's admin lets run before and after a backup.
    pub hooks: Hooks,
}

/// Programs of the host's admin, from the settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    pub before: Option<HostPath>,
    pub after: Option<HostPath>,
    /// Each is ended after so many seconds.
    pub seconds: u64,
}

/// What is known when a plan is made.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub inventory: &'a Inventory,
    pub verdicts: &'a Verdicts,
    pub facts: &'a [Fact],
}

/// The questions of a request, with defaults that are right for `subject`.
pub fn form(wish: Wish, inventory: &Inventory, subject: Option<&Subject>) -> Form {
    form::make(wish, inventory, subject)
}

/// The ways to back a domain up, possible or not.
pub fn strategies(inventory: &Inventory, domain: &crate::model::Domain, figures: &Figures) -> StrategyTable {
    strategy::table(inventory, domain, &[], figures)
}

/// The request that a filled-in form stands for.
pub fn request(form: &Form) -> Result<Request, Vec<FieldTrouble>> {
    form::read(form)
}

/// What must be asked of the host first. Asked again with the answers, until nothing is left to ask.
pub fn questions(request: &Request, known: Known<'_>, setting: &Setting) -> Vec<Question> {
    let facts = Facts::new(known);
    match plan(request, &facts, setting) {
        Err(Stop::Ask) => facts.missing(),
        Ok(_) | Err(Stop::Refused(_)) => Vec::new(),
    }
}

pub fn make(request: &Request, known: Known<'_>, setting: &Setting) -> Result<Plan, Refusal> {
    let facts = Facts::new(known);
    plan(request, &facts, setting).map_err(|stop| match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Ask => facts::unanswered(&facts.missing()),
    })
}

fn plan(request: &Request, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    match request {
        Request::NewFileDisk(wanted) => new_file::plan(wanted, facts, setting),
        Request::ColdBackup(wanted) => strategy::plan(wanted, facts, setting),
        Request::Restore(wanted) => restore::plan(wanted, facts, setting),
        Request::Start { domain, config } => start::plan(domain, config.as_ref(), facts, setting),
        Request::Resume { save, if_changed } => resume::plan(save, *if_changed, facts, setting),
        Request::Save(wanted) => save::plan(wanted, facts, setting),
        Request::Copy { from, to, rate, verify } => copy::plan(&copy::Wanted { from, to, rate: *rate, verify: *verify }, facts, setting),
        Request::AttachDisk(wanted) => attach::plan(wanted, facts, setting),
        Request::DetachDisk(wanted) => detach::plan(wanted, facts, setting),
        Request::PersistDisk { domain, vdev, config } => persist::plan(domain, vdev, config.as_ref(), facts, setting),
        Request::NewVolume(wanted) => new_volume::plan(wanted, facts, setting),
        Request::MoveDisk(wanted) => move_disk::plan(wanted, facts, setting),
        Request::Grow(wanted) => grow::plan(wanted, facts, setting),
        Request::NfsRoot(wanted) => nfs_root::plan(wanted, facts, setting),
        Request::ExtendSnapshot { volume, by_bytes } => {
            extend::plan(request, extend::More { name: volume, bytes: *by_bytes, part: extend::Part::Data, device: None }, facts, setting)
        }
        Request::ExtendMetadata { volume, by_bytes } => extend::plan(
            request,
            extend::More { name: volume, bytes: *by_bytes, part: extend::Part::Metadata, device: None },
            facts,
            setting,
        ),
        Request::Clone(wanted) => cloning::plan(wanted, facts, setting),
        Request::Prune(wanted) => prune::plan(wanted, facts, setting),
        Request::Remove(wanted) => removing::plan(wanted, facts, setting),
        Request::RemoveSnapshot { volume } => removing::snapshot(request, volume, facts, setting),
        Request::RollBack { snapshot } => rolling_back::plan(snapshot, facts, setting),
        Request::Relieve(wanted) => relieve::plan(wanted, facts, setting),
    }
}

/// The plan as a script for sh: commented, every word quoted.
pub fn script(plan: &Plan) -> String {
    script::script(plan)
}

/// A path as an argument of a tool. Paths are UTF-8 once `paths::check` has passed them.
fn text(path: &HostPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
