//! Commands of the host: never killed, their words in the journal, their process written down as soon as it is known.

use super::{Deed, Runner, Trouble};
use crate::host::{Child, Listen};
use crate::job::child;
use crate::model::{Cmd, Output, What, shown};

/// Lines of one command that are kept, and characters of one line.
const MOST_LINES: usize = 2000;
const LONGEST: usize = 1000;

/// Writes down what the command tells, while it runs.
struct Ear<'a, 'b> {
    runner: &'a mut Runner<'b>,
    step: usize,
    lines: usize,
    /// What kept an event from being written; the command runs on.
    trouble: Option<Trouble>,
}

impl Ear<'_, '_> {
    fn tell(&mut self, what: What) {
        if self.trouble.is_none() {
            self.trouble = self.runner.tell(what).err();
        }
    }
}

impl Listen for Ear<'_, '_> {
    fn started(&mut self, child: &Child) {
        let (pid, started_ticks) = (child.pid, child.started_ticks);
        self.tell(What::Child { step: self.step, pid, started_ticks, boot_id: child::boot_id() });
    }

    fn line(&mut self, line: &[u8]) {
        self.lines = self.lines.saturating_add(1);
        if self.lines == MOST_LINES {
            self.tell(What::Said { step: self.step, line: "(what it said further is left out)".into() });
        }
        if self.lines < MOST_LINES {
            let line: String = shown::bytes(line.get(..LONGEST).unwrap_or(line)).chars().take(LONGEST).collect();
            self.tell(What::Said { step: self.step, line });
        }
    }
}

impl Runner<'_> {
    pub(super) fn run_command(&mut self, step: usize, cmd: &Cmd) -> Deed {
        let output = self.run_and_hear(step, cmd)?;
        if cmd.is_fine(output.exit) {
            return Ok(());
        }
        Err(Trouble::Failed(format!("`{cmd}` ended with {}: {}", output.exit, output.complaint())))
    }

    /// What it answered, whatever its exit status.
    pub(super) fn run_and_hear(&mut self, step: usize, cmd: &Cmd) -> Deed<Output> {
        let act = self.act;
        let mut ear = Ear { runner: self, step, lines: 0, trouble: None };
        let answer = act.change(cmd, &mut ear);
        if let Some(trouble) = ear.trouble {
            return Err(trouble);
        }
        answer.map_err(|error| Trouble::failed(format!("`{cmd}` could not be run"), &error))
    }
}
