//! The road to a change as the questions and answers go it: the engine's, or a test's.

use std::time::Duration;

use crate::engine::{Engine, Picture, Work};
use crate::model::{FieldTrouble, Form, Held, JobDetail, JobId, JobSummary, Plan, Refusal, Request, Subject, Wish};
use crate::problem::Problem;

/// How long a follower waits before it asks again.
const PAUSE: Duration = Duration::from_secs(1);

pub trait Road {
    /// Why nothing can be changed; nothing: it can.
    fn fixed(&self) -> Option<String>;
    fn form(&self, wish: Wish, picture: &Picture, subject: Option<&Subject>) -> Form;
    fn request(&self, form: &Form) -> Result<Request, Vec<FieldTrouble>>;
    fn plan(&self, request: &Request, picture: &Picture) -> Result<Plan, Refusal>;
    fn script(&self, plan: &Plan) -> String;
    /// What the plan takes for granted, and whether it holds now.
    fn rehearse(&self, plan: &Plan) -> Vec<(String, Held)>;
    fn launch(&self, plan: &Plan, typed: Option<&str>) -> Result<JobId, Problem>;
    fn jobs(&self) -> Result<Vec<JobSummary>, Problem>;
    fn job(&self, id: &JobId) -> Result<JobDetail, Problem>;
    fn cancel(&self, id: &JobId) -> Result<(), Problem>;
    fn resume(&self, id: &JobId, work: Work) -> Result<(), Problem>;
    /// Waits a moment before a job is asked about again.
    fn pause(&self);
}

impl Road for Engine {
    fn fixed(&self) -> Option<String> {
        self.why_fixed()
    }

    fn form(&self, wish: Wish, picture: &Picture, subject: Option<&Subject>) -> Form {
        Self::form(self, wish, picture, subject)
    }

    fn request(&self, form: &Form) -> Result<Request, Vec<FieldTrouble>> {
        Self::request(form)
    }

    fn plan(&self, request: &Request, picture: &Picture) -> Result<Plan, Refusal> {
        Self::plan(self, request, picture)
    }

    fn script(&self, plan: &Plan) -> String {
        Self::script(plan)
    }

    fn rehearse(&self, plan: &Plan) -> Vec<(String, Held)> {
        self.assumptions_now(plan)
    }

    fn launch(&self, plan: &Plan, typed: Option<&str>) -> Result<JobId, Problem> {
        Self::launch(self, plan, typed)
    }

    fn jobs(&self) -> Result<Vec<JobSummary>, Problem> {
        Self::jobs(self)
    }

    fn job(&self, id: &JobId) -> Result<JobDetail, Problem> {
        Self::job(self, id)
    }

    fn cancel(&self, id: &JobId) -> Result<(), Problem> {
        Self::cancel(self, id)
    }

    fn resume(&self, id: &JobId, work: Work) -> Result<(), Problem> {
        self.resume_job(id, work)
    }

    fn pause(&self) {
        std::thread::sleep(PAUSE);
    }
}
