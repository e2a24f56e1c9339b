//! What the guard does: jobs that are prepared, carried out, and, after an earlier guard was killed, found.

use std::time::{Duration, Instant};

use super::judge::whole;
use super::latency;
use super::run::{Guard, LATENCY, millis};
use super::watched::{Armed, Watched};
use super::word::Word;
use crate::engine::Workshop;
use crate::job::{Found, Store, Work};
use crate::model::fuse::Relief;
use crate::model::{Action, HostPath, JobId, Outcome, Request, Verdicts};
use crate::plan::{self, Known, Setting};
use crate::problem::Problem;

/// How a store stood when it was decided to extend it.
#[derive(Clone, Copy)]
struct Before {
    from: u64,
    used: u64,
    /// Bytes per second.
    pace: u64,
}

impl Guard<'_> {
    /// Makes the plan and writes it down where it is carried out from.
    pub(super) fn arm(&mut self, index: usize, to: u64) -> Result<Armed, String> {
        let before = self.watched.get_mut(index).and_then(|one| one.armed.take());
        self.disarm(before.as_ref());
        let passing = self.passing.as_ref().ok_or("nothing is changed on a dry run")?;
        let (plan, command) = self.plan(index, to)?;
        passing.create(&plan).map_err(|problem| problem.to_string())?;
        let one = self.watched.get_mut(index).ok_or("it is there no more")?;
        let armed = Armed { id: plan.id, to, from: one.bytes, command };
        one.armed = Some(armed.clone());
        Ok(armed)
    }

    pub(super) fn plan(&self, index: usize, to: u64) -> Result<(crate::model::Plan, String), String> {
        let one = self.watched.get(index).ok_or("it is there no more")?;
        let fuse = &one.ward.fuse;
        let id = JobId::new(self.engine.host.now(), crate::job::random());
        let job_dir = self.passing.as_ref().map_or_else(|| HostPath::from("/run/domkeep"), |store| store.dir_of(&id));
        let setting = Setting {
            id,
            job_dir,
            now: self.engine.host.now(),
            host_id: "host".to_owned(),
            can_mount: false,
            figures: crate::model::Figures::default(),
            hooks: plan::Hooks::default(),
        };
        let request = Request::Relieve(Relief { vg: fuse.vg.clone(), lv: fuse.lv.clone(), part: fuse.part, to_bytes: to });
        let known = Known { inventory: &self.ground.inventory, verdicts: &Verdicts::default(), facts: &[] };
        let plan = plan::make(&request, known, &setting).map_err(|refusal| format!("{}; {}", refusal.fact, refusal.instead))?;
        let command = plan.steps.iter().find_map(|step| match &step.action {
            Action::Run { cmd } => Some(cmd.to_string()),
            _ => None,
        });
        Ok((plan, command.unwrap_or_default()))
    }

    pub(super) fn disarm(&self, armed: Option<&Armed>) {
        if let (Some(passing), Some(armed)) = (&self.passing, armed) {
            let _ = passing.forget(&armed.id);
        }
    }

    pub(super) fn disarm_all(&mut self) {
        let armed: Vec<Armed> = self.watched.iter_mut().filter_map(|one| one.armed.take()).collect();
        for armed in &armed {
            self.disarm(Some(armed));
        }
    }

    /// Extends a store that needs it.
    pub(super) fn relieve(&mut self, index: usize) {
        let clock = Instant::now();
        let Some(one) = self.watched.get(index) else { return };
        let Some(to) = self.judge(one).to.filter(|_| !self.wish.dry_run) else { return };
        let (from, used, pace) = (one.bytes, one.used, whole(one.pace.now()));
        let armed = one.armed.clone().filter(|_| fits(one, to));
        let done = armed.map_or_else(|| self.arm(index, to), Ok).and_then(|armed| self.carry_out(&armed).map(|()| armed));
        let took = clock.elapsed();
        let id = self.watched.get_mut(index).and_then(|one| one.armed.take()).map(|armed| armed.id);
        let keep = match done {
            Ok(armed) => {
                self.relieved(index, &armed, took, Before { from, used, pace });
                true
            }
            Err(why) => self.not_relieved(index, why),
        };
        // Only now: the disk may be the one that was full.
        if let (Some(id), Some(passing)) = (id, &self.passing) {
            if keep {
                self.scribe.adopt(id);
            } else {
                let _ = passing.forget(&id);
            }
        }
    }

    fn relieved(&mut self, index: usize, armed: &Armed, took: Duration, before: Before) {
        self.latency.add(took);
        let Some(one) = self.watched.get_mut(index) else { return };
        (one.failures, one.bytes) = (0, armed.to);
        let ward = one.ward.clone();
        self.ground.extended(&ward, before.from, armed.to);
        for fresh in self.ground.wards(&self.engine.settings) {
            if let Some(one) = self.watched.iter_mut().find(|one| one.is(&fresh)) {
                one.ward = fresh;
            }
        }
        // What was asked before is of before.
        self.refresh = None;
        // What device-mapper says counts: LVM calls an extension of a lost snapshot a success.
        self.see_again();
        let Some(one) = self.watched.get(index) else { return };
        let (lv, part, left) = (one.lv(), one.part(), one.bytes.saturating_sub(one.used));
        let word = if one.lost {
            Word::NotExtended { lv, part, why: "it overflowed before LVM was done".to_owned() }
        } else {
            Word::Extended {
                lv,
                part,
                from: before.from,
                to: armed.to,
                used: before.used,
                bytes_per_second: before.pace,
                took_ms: millis(took),
                left_after: Some(left),
                job: armed.id.to_string(),
            }
        };
        self.scribe.say(word);
        if let Ok(bytes) = serde_json::to_vec(&self.latency) {
            self.scribe.keep(LATENCY, bytes);
        }
    }

    /// It is tried again, less and less often. Whether its record is worth keeping, and its reason worth a word: the first time, and then
    /// seldom.
    fn not_relieved(&mut self, index: usize, why: String) -> bool {
        let now = self.now();
        let Some(one) = self.watched.get_mut(index) else { return true };
        one.failures = one.failures.saturating_add(1);
        one.not_before = now.saturating_add(Duration::from_millis(500).saturating_mul(one.failures.min(60)));
        let worth = one.failures == 1 || one.failures.is_multiple_of(60);
        if worth {
            let word = Word::NotExtended { lv: one.lv(), part: one.part(), why };
            self.scribe.say(word);
        }
        self.start_renewal();
        worth
    }

    fn carry_out(&self, armed: &Armed) -> Result<(), String> {
        let (Some(passing), Some(workshop)) = (&self.passing, &self.engine.workshop) else {
            return Err("nothing can be changed here".to_owned());
        };
        let outcome = run_job(passing, workshop, &armed.id, Work::Run);
        match outcome {
            Ok(Outcome::Done) => Ok(()),
            Ok(other) => Err(crate::job::outcome_says(&other)),
            Err(problem) => Err(problem.to_string()),
        }
    }

    /// What an earlier guard left: prepared jobs are forgotten, interrupted ones finished, and records brought to where they belong.
    pub(super) fn recover(&mut self) {
        let (Some(passing), Some(workshop)) = (&self.passing, &self.engine.workshop) else { return };
        let found = passing.found().unwrap_or_else(|problem| {
            self.scribe.say(Word::Trouble { what: problem.to_string() });
            Vec::new()
        });
        for one in found {
            match one {
                Found::Armed(id) => {
                    let _ = passing.forget(&id);
                }
                Found::Ended(id) => {
                    self.scribe.say(Word::Recovered { job: id.to_string(), how: "its record is kept now".to_owned() });
                    self.scribe.adopt(id);
                }
                Found::Leftover(id) => match run_job(passing, workshop, &id, Work::Finish) {
                    Ok(outcome) => {
                        let how = format!("it was interrupted, and is finished: {}", crate::job::outcome_says(&outcome));
                        self.scribe.say(Word::Recovered { job: id.to_string(), how });
                        self.scribe.adopt(id);
                    }
                    Err(problem) => self.scribe.say(Word::Trouble { what: problem.to_string() }),
                },
            }
        }
    }

    /// Plays an extension through, so that its time is known before it is needed, and its program lies in memory.
    pub(super) fn rehearse(&mut self) {
        let calmest = self.watched.iter().find_map(|one| Some((one, self.judge(one).to?)));
        let Some((one, to)) = calmest else { return };
        match latency::rehearse(self.engine.host.as_ref(), &one.lv(), one.ward.fuse.part, to) {
            Ok(took) => self.latency.rehearsed(took),
            Err(why) => self.scribe.say(Word::NotExtended { lv: one.lv(), part: one.part(), why: format!("a rehearsal says: {why}") }),
        }
    }
}

/// The armed job still does what is wanted: for the size that the store has, and not much less than what is needed now.
pub(super) fn fits(one: &Watched, to: u64) -> bool {
    one.armed.as_ref().is_some_and(|armed| {
        let (has, wants) = (armed.to.saturating_sub(one.bytes), to.saturating_sub(one.bytes));
        armed.from == one.bytes && armed.to <= one.ward.most && has >= wants / 4 * 3 && has <= wants.saturating_mul(2)
    })
}

fn run_job(passing: &Store, workshop: &Workshop, id: &JobId, work: Work) -> Result<Outcome, Problem> {
    let act = (workshop.act)()?;
    let holds = |check: &crate::model::Check| crate::probe::holds::holds(act.as_ref(), check);
    crate::job::carry_out(passing, id, work, act.as_ref(), &holds, &mut |_| {})
}
