//! What takes time, on two threads of their own: one makes plans and gives orders, one asks how the jobs are, so that a slow plan never
//! holds up the view of a running copy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use super::proposal::Rehearsal;
use crate::engine::{Engine, Picture, Work};
use crate::model::{JobId, Plan, Request};
use crate::problem::Problem;
use crate::tui::looker::{THREAD, words};
use crate::tui::msg::Msg;

/// Something for a worker. Plain data.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    Plan {
        ticket: u64,
        request: Request,
    },
    /// A dry run: plan again from a fresh look, and ask every assumption now.
    Rehearse {
        ticket: u64,
        request: Request,
        plan: Arc<Plan>,
    },
    Launch {
        plan: Arc<Plan>,
        typed: Option<String>,
    },
    Script {
        plan: Arc<Plan>,
        path: String,
    },
    Cancel(JobId),
    /// What lies in this directory of the host.
    List(String),
    Resume(JobId, Work),
}

/// What is asked about the jobs; nothing: all of them.
type Question = Option<JobId>;

pub struct Errands {
    errands: Sender<(Errand, Option<Picture>)>,
    questions: Sender<Question>,
}

impl Errands {
    pub fn start(engine: &Engine, post: &Sender<Msg>) -> Result<Self, Problem> {
        let cannot = |error| Problem::new("a thread could not be started").because(error);
        let (errands, taken) = channel();
        let (worker, tell) = (engine.clone(), post.clone());
        Builder::new().name(THREAD.to_owned()).spawn(move || run(&worker, &taken, &tell)).map_err(cannot)?;
        let (questions, asked) = channel();
        let (worker, tell) = (engine.clone(), post.clone());
        Builder::new().name(THREAD.to_owned()).spawn(move || answer(&worker, &asked, &tell)).map_err(cannot)?;
        Ok(Self { errands, questions })
    }

    /// A worker that is gone cannot be told anything; its end has been told already.
    pub fn send(&self, errand: Errand, picture: Option<Picture>) {
        let _ = self.errands.send((errand, picture));
    }

    pub fn ask(&self, job: Question) {
        let _ = self.questions.send(job);
    }
}

fn run(engine: &Engine, errands: &Receiver<(Errand, Option<Picture>)>, tell: &Sender<Msg>) {
    while let Ok((errand, picture)) = errands.recv() {
        let done = catch_unwind(AssertUnwindSafe(|| carry_out(engine, errand, picture)));
        let msg = done.unwrap_or_else(|panic| Msg::ErrandFailed(words(&*panic)));
        if tell.send(msg).is_err() {
            return;
        }
    }
}

fn carry_out(engine: &Engine, errand: Errand, picture: Option<Picture>) -> Msg {
    match errand {
        Errand::Plan { ticket, request } => {
            let picture = picture.unwrap_or_else(|| engine.scan());
            Msg::Planned(ticket, engine.plan(&request, &picture).map(Arc::new))
        }
        Errand::Rehearse { ticket, request, plan } => {
            let held = engine.assumptions_now(&plan);
            let again = engine.plan(&request, &engine.scan()).map(Arc::new);
            Msg::Rehearsed(ticket, Rehearsal { held, again })
        }
        Errand::Launch { plan, typed } => Msg::Launched(engine.launch(&plan, typed.as_deref())),
        Errand::Script { plan, path } => Msg::Written(Engine::write_script(&plan, &path).map(|()| path)),
        Errand::List(dir) => {
            let entries = engine.entries(&dir);
            Msg::Listed(dir, entries)
        }
        Errand::Cancel(id) => Msg::Obeyed(engine.cancel(&id).map(|()| "It is told to stop; what it did is taken back.".to_owned())),
        Errand::Resume(id, work) => {
            let words = if work == Work::Undo { "It is being undone." } else { "It goes on." };
            Msg::Obeyed(engine.resume_job(&id, work).map(|()| words.to_owned()))
        }
    }
}

fn answer(engine: &Engine, questions: &Receiver<Question>, tell: &Sender<Msg>) {
    while let Ok(question) = questions.recv() {
        let asked = question.clone();
        let answered = catch_unwind(AssertUnwindSafe(|| match asked {
            None => Msg::Jobs(engine.jobs(), engine.host().now()),
            Some(id) => {
                let detail = engine.job(&id).map(Box::new);
                Msg::Job(id, detail, engine.host().now())
            }
        }));
        let msg = answered.unwrap_or_else(|panic| Msg::ErrandFailed(words(&*panic)));
        if tell.send(msg).is_err() {
            return;
        }
    }
}
