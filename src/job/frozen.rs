//! A backup job that is begun while the guest's file systems are frozen: a process of its own freezes, begins and thaws, because a guest that stays
//! frozen stands still for its users. Nothing that becomes of the job's runner reaches it; no command that hangs keeps it from the thaw; it ends when
//! the guest's agent says that nothing is frozen any more.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::host::{Act, Answer};
use crate::model::begin_backup::BeginBackup;
use crate::model::{Check, Cmd, Held, LibvirtIs, Output};
use crate::problem::Problem;

/// How long the guest may take to write out what it has in memory.
const FREEZES_WITHIN: Duration = Duration::from_secs(60);
/// How long the guest is kept frozen at most: the backup job begins in a tenth of a second, or something is wrong.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);
/// For one try to thaw.
const THAWS_WITHIN: Duration = Duration::from_secs(45);
/// An agent that does not answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(600);
/// One that refused to freeze has taken back what it froze.
const PATIENCE_UNFROZEN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// A command that took too long has to end before what it did can be taken back.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

/// Freezes, begins, thaws. An error when the job was not begun with everything frozen; it is then ended again, and the guest is thawed all the same.
pub fn begin_frozen(begin: &BeginBackup, act: &Arc<dyn Act>, holds: &dyn Fn(&Check) -> Held) -> Result<(), Problem> {
    super::become_runner();
    let deaf = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        let _ = signal_hook::flag::register(signal, Arc::clone(&deaf));
    }
    let froze = start(act, begin.freeze()).recv_timeout(FREEZES_WITHIN);
    let refused = froze.as_ref().is_ok_and(|answer| !answer.as_ref().is_ok_and(Output::ok));
    let froze = ended_well(&begin.freeze(), froze, FREEZES_WITHIN);
    let begun = froze.and_then(|()| {
        let running = start(act, begin.begin());
        let begun = running.recv_timeout(BEGINS_WITHIN);
        let late = matches!(begun, Err(RecvTimeoutError::Timeout)).then_some(running);
        // What thawed by itself before the job was begun is not in it as it should be.
        let still = !matches!(holds(&begin.is(LibvirtIs::Thawed)), Held::Yes);
        match ended_well(&begin.begin(), begun, BEGINS_WITHIN) {
            Ok(()) if still => Ok(()),
            Ok(()) => Err(Unfit { why: "the guest had thawed by itself before the backup job was begun".into(), begun: true, late: None }),
            Err(why) => Err(Unfit { begun: false, late, ..why }),
        }
    });
    let thawed = thaw(begin, act, holds, if refused { PATIENCE_UNFROZEN } else { PATIENCE });
    let begun = begun.map_err(|unfit| unfit.take_back(begin, act));
    match (begun, thawed) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(why), Ok(())) => Err(Problem::new(format!("the backup job was not begun while the guest's file systems were frozen: {why}"))),
        (begun, Err(why)) => {
            let problem = Problem::new(format!("the guest's file systems may still be frozen: {why}"));
            let problem = problem.hint(format!("try `{}`", begin.thaw()));
            Err(begun.err().into_iter().fold(problem, Problem::because))
        }
    }
}

/// Why the job is of no use.
struct Unfit {
    why: String,
    begun: bool,
    /// A command that is still at work.
    late: Option<Receiver<Answer<Output>>>,
}

impl Unfit {
    fn take_back(self, begin: &BeginBackup, act: &Arc<dyn Act>) -> String {
        let late = self.late.and_then(|late| late.recv_timeout(ENDS_WITHIN).ok());
        if self.begun || late.is_some_and(|answer| answer.is_ok_and(|output| output.ok())) {
            let _ = start(act, begin.abort()).recv_timeout(ENDS_WITHIN);
        }
        self.why
    }
}

/// Begun on a thread of its own: whoever waits for it may stop waiting.
fn start(act: &Arc<dyn Act>, cmd: Cmd) -> Receiver<Answer<Output>> {
    let (tell, hear) = mpsc::channel();
    let act = Arc::clone(act);
    // Where no thread can be had, nobody ever answers.
    let _ = std::thread::Builder::new().name("domkeep-frozen".into()).spawn(move || tell.send(act.change(&cmd, &mut ())));
    hear
}

fn ended_well(cmd: &Cmd, ended: Result<Answer<Output>, RecvTimeoutError>, limit: Duration) -> Result<(), Unfit> {
    let why = match ended {
        Ok(Ok(output)) if output.ok() => return Ok(()),
        Ok(Ok(output)) => format!("`{cmd}` ended with {}: {}", output.exit, output.complaint()),
        Ok(Err(error)) => format!("`{cmd}` could not be run: {error}"),
        Err(RecvTimeoutError::Timeout) => format!("`{cmd}` did not end in {} s", limit.as_secs()),
        Err(RecvTimeoutError::Disconnected) => format!("`{cmd}` could not be run: there is no thread for it"),
    };
    Err(Unfit { why, begun: false, late: None })
}

/// Again and again until the agent says so. A guest that is gone is not frozen either.
fn thaw(begin: &BeginBackup, act: &Arc<dyn Act>, holds: &dyn Fn(&Check) -> Held, patience: Duration) -> Result<(), String> {
    let thawed = begin.is(LibvirtIs::Thawed);
    let until = Instant::now() + patience;
    loop {
        let tried = start(act, begin.thaw()).recv_timeout(THAWS_WITHIN);
        let why = match holds(&thawed) {
            Held::Yes => return Ok(()),
            Held::No { because } | Held::Unknown { why: because } => because,
        };
        if Instant::now() >= until {
            return Err(ended_well(&begin.thaw(), tried, THAWS_WITHIN).map_or_else(|unfit| unfit.why, |()| why));
        }
        std::thread::sleep(PAUSE);
    }
}
