//! A change as a conversation: answers in, text out.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Road, Source, run};
use crate::cli::ink::Ink;
use crate::engine::{CommandEntry, Picture, Work};
use crate::model::example::{domain, host};
use crate::model::example_change as example;
use crate::model::{FieldTrouble, Form, Held, JobDetail, JobId, JobSummary, Outcome, Plan, Power, Refusal, Request, Subject, Wish};
use crate::problem::Problem;

struct Scripted {
    plan: Result<Plan, Refusal>,
    /// How a job looks, one answer after the other; the last for ever.
    job: RefCell<Vec<JobDetail>>,
    jobs: Vec<JobDetail>,
    done: RefCell<Vec<String>>,
}

impl Scripted {
    fn new() -> Self {
        let plan = example::backup_plan();
        Self { job: RefCell::new(vec![example::starting(&plan)]), plan: Ok(plan), jobs: Vec::new(), done: RefCell::default() }
    }

    fn note(&self, words: String) {
        self.done.borrow_mut().push(words);
    }
}

impl Road for Scripted {
    fn fixed(&self) -> Option<String> {
        None
    }
    fn form(&self, wish: Wish, _: &Picture, subject: Option<&Subject>) -> Form {
        example::form(wish, subject)
    }
    fn request(&self, form: &Form) -> Result<Request, Vec<FieldTrouble>> {
        example::read(form)
    }
    fn plan(&self, _: &Request, _: &Picture) -> Result<Plan, Refusal> {
        self.plan.clone()
    }
    fn script(&self, plan: &Plan) -> String {
        format!("# {}\n", plan.title)
    }
    fn rehearse(&self, plan: &Plan) -> Vec<(String, Held)> {
        plan.assumptions.iter().map(|assumption| (assumption.says.clone(), Held::Yes)).collect()
    }
    fn launch(&self, plan: &Plan, typed: Option<&str>) -> Result<JobId, Problem> {
        self.note(format!("launched {} {}", plan.title, typed.unwrap_or("-")));
        Ok(plan.id.clone())
    }
    fn jobs(&self) -> Result<Vec<JobSummary>, Problem> {
        Ok(self.jobs.iter().map(|job| job.summary.clone()).collect())
    }
    fn job(&self, _: &JobId) -> Result<JobDetail, Problem> {
        let mut answers = self.job.borrow_mut();
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
    fn cancel(&self, id: &JobId) -> Result<(), Problem> {
        self.note(format!("cancelled {id}"));
        Ok(())
    }
    fn resume(&self, id: &JobId, work: Work) -> Result<(), Problem> {
        self.note(format!("{work:?} {id}"));
        Ok(())
    }
    fn pause(&self) {}
}

struct Still<'a>(&'a Scripted);

impl Source for Still<'_> {
    fn look(&mut self) -> Picture {
        let inventory = host(vec![domain("batch", Power::Off, Vec::new()), domain("web", Power::Running, Vec::new())]);
        Picture { inventory: Arc::new(inventory), verdicts: Arc::default() }
    }
    fn commands(&self) -> Vec<CommandEntry> {
        Vec::new()
    }
    fn is_old(&self) -> bool {
        false
    }
    fn road(&self) -> &dyn Road {
        self.0
    }
}

fn talk(road: &Scripted, answers: &str) -> String {
    let mut out = Vec::new();
    run(&mut Still(road), &mut answers.as_bytes(), &mut out, Ink::PLAIN).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_backup_is_asked_for_planned_launched_and_followed_line_by_line() {
    let road = Scripted::new();
    *road.job.borrow_mut() = vec![example::starting(&example::backup_plan()), example::running(4096), example::ended(Outcome::Done)];
    // change, back up, the first domain; `?` and the defaults; launch, yes, follow.
    let said = talk(&road, "7\n1\n1\n?\n/other\n2\n\n1\nyes\nyes\n");
    assert!(said.contains("The directory that bundles go to"), "? does not explain a question:\n{said}");
    assert!(said.contains("Into (a path from / on) [/backup]: "), "nobody sees what an empty answer means:\n{said}");
    assert!(said.contains("command: domkeep copy --yes --verify yes -- /dev/vg0/batch"), "the plan is launched unread:\n{said}");
    assert!(said.contains("Beware: /backup lies on the same disk"), "a warning is not told:\n{said}");
    assert_eq!(*road.done.borrow(), ["launched Back up batch -"], "{said}");
    assert!(said.contains("xvda: 4 GiB of 20 GiB, 20 %, 112 MiB/s, 2:27 left"), "a copy's progress is not told:\n{said}");
    assert_eq!(said.matches("the runner starts").count(), 1, "an event is told twice:\n{said}");
    assert!(said.contains("Back up batch: done."), "the end is not told:\n{said}");
}

#[test]
fn a_wrong_answer_is_asked_again_and_one_can_go_back_or_stop() {
    let road = Scripted::new();
    let said = talk(&road, "7\n3\n\ndisk\n/srv/x.img\n20\n<\n\n20G\n3\n1\n-\n2\n/data\nno\n0\n");
    assert!(said.contains("That will not do: a path from / on"), "{said}");
    assert!(said.contains("That will not do: no size"), "{said}");
    assert!(said.contains("That is not possible here: mkfs.xfs is not on this host"), "{said}");
    assert!(said.contains("Take it from (a path from / on) []: "), "the question that an answer raises is not asked:\n{said}");
    assert!(said.contains("Given up; nothing was changed."), "{said}");
    assert!(road.done.borrow().is_empty(), "a plan that was given up was launched");
    let said = talk(&road, "7\n1\n1\nstop\n");
    assert!(said.contains("Given up; nothing was changed."), "stop does not stop:\n{said}");
}

#[test]
fn only_the_typed_name_destroys() {
    let mut road = Scripted::new();
    road.plan = Ok(example::restore_plan());
    let said = talk(&road, "7\n2\n1\n\n\n\n1\nyes\n1\n\n0\n");
    assert!(said.contains("Everything written to xvda of batch"), "nobody is told what is lost:\n{said}");
    assert!(said.contains("- memory = 2048") && said.contains("+ memory = 1024"), "the edit is not shown:\n{said}");
    assert!(road.done.borrow().is_empty(), "a plan that destroys was launched without its name:\n{said}");
    talk(&road, "7\n2\n1\n\n\n\n1\nbatch\nno\n");
    assert_eq!(*road.done.borrow(), ["launched Restore batch to its old place batch"]);
}

#[test]
fn a_no_says_what_is_in_the_way() {
    let mut road = Scripted::new();
    road.plan = Err(example::refusal());
    let said = talk(&road, "7\n1\n1\n\n\n\nno\n0\n");
    assert!(said.contains("What is in the way: batch runs") && said.contains("What would make it possible: Shut it down first"), "{said}");
}

#[test]
fn an_interrupted_job_is_told_at_once_and_finished_or_undone() {
    let mut road = Scripted::new();
    road.jobs = vec![example::leftover()];
    *road.job.borrow_mut() = vec![example::leftover()];
    let said = talk(&road, "8\n1\n4\nno\n0\n");
    let first = said.lines().nth(1).unwrap_or_default();
    assert!(first.contains("Back up batch was interrupted at step 3 of 5"), "whoever comes back is not told: {first:?}");
    assert!(
        said.contains("- step 1, Make the directory of the bundle: what it made is removed again"),
        "undo does not say what it does:\n{said}"
    );
    assert!(said.contains("2 cancel it, and take back what it did (not now: it does not run)"), "{said}");
    assert!(road.done.borrow().is_empty(), "undone although the answer was no");
    talk(&road, "8\n1\n3\nyes\nno\n");
    assert_eq!(*road.done.borrow(), [format!("Finish {}", example::id(1))]);
}
