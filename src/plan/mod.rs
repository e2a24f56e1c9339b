//! Request + Inventory + Facts -> Plan | Refusal: pure.

use chrono::{DateTime, Utc};

use crate::model::{Fact, FieldTrouble, Form, HostPath, Inventory, JobId, Plan, Question, Refusal, Request, Subject, Verdicts, Wish};

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
}

/// What is known when a plan is made.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub inventory: &'a Inventory,
    pub verdicts: &'a Verdicts,
    pub facts: &'a [Fact],
}

/// The questions of a request, with defaults that are right for `subject`.
pub fn form(wish: Wish, _inventory: &Inventory, _subject: Option<&Subject>) -> Form {
    Form { wish, title: String::new(), teaches: String::new(), fields: Vec::new() }
}

/// The request that a filled-in form stands for.
pub fn request(_form: &Form) -> Result<Request, Vec<FieldTrouble>> {
    Err(Vec::new())
}

/// What must be asked of the host first. Asked again with the answers, until nothing is left to ask.
pub fn questions(_request: &Request, _known: Known<'_>) -> Vec<Question> {
    Vec::new()
}

pub fn make(_request: &Request, _known: Known<'_>, _setting: &Setting) -> Result<Plan, Refusal> {
    Err(Refusal { rule: "not-built".into(), fact: "this plan is not built yet".into(), instead: "a later version".into() })
}

/// The plan as a script for sh: commented, every word quoted.
pub fn script(_plan: &Plan) -> String {
    String::new()
}
