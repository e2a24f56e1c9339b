//! Asking a host: what does not answer becomes a gap, never an empty list.

use std::path::Path;
use std::sync::Mutex;

use crate::host::{Answer, HostError, Listing, Look, Stat, read_whole};
use crate::model::{Cmd, Gap, GapReason, Output};

/// A host with a list of what it did not answer.
pub struct Asker<'a> {
    pub host: &'a dyn Look,
    gaps: Mutex<Vec<Gap>>,
}

impl<'a> Asker<'a> {
    pub fn new(host: &'a dyn Look) -> Self {
        Self { host, gaps: Mutex::new(Vec::new()) }
    }

    /// What was not answered, in an order that does not depend on which question was asked first: two equal looks are equal.
    pub fn into_gaps(self) -> Vec<Gap> {
        let mut gaps = self.gaps.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        gaps.sort_by(|a, b| (&a.source, &a.missing, &a.why).cmp(&(&b.source, &b.missing, &b.why)));
        gaps
    }

    pub fn gap(&self, source: impl Into<String>, missing: &str, reason: GapReason, why: impl Into<String>) {
        let gap = Gap { source: source.into(), missing: missing.to_owned(), reason, why: why.into() };
        let mut gaps = self.gaps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
    }

    /// Takes back what another answer made good.
    pub fn forget(&self, made_good: impl Fn(&Gap) -> bool) {
        self.gaps.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|gap| !made_good(gap));
    }

    pub fn gap_of(&self, source: impl Into<String>, missing: &str, error: &HostError) {
        self.gap(source, missing, error.reason(), error.to_string());
    }

    /// A command's output; an exit status other than 0 is a gap too, with the tool's own complaint, but the output is still returned:
    /// `lvs` reports what it can and exits 5.
    pub fn run(&self, cmd: &Cmd, missing: &str) -> Option<Output> {
        match self.host.run(cmd) {
            Ok(output) => {
                if !output.ok() {
                    self.gap(cmd.to_string(), missing, failure_reason(&output), output.complaint());
                }
                Some(output)
            }
            Err(error) => {
                self.gap_of(cmd.to_string(), missing, &error);
                None
            }
        }
    }

    /// A file's bytes. Its absence is an answer, not a gap.
    pub fn read(&self, path: &Path, limit: usize, missing: &str) -> Option<Vec<u8>> {
        self.expect(path, missing, read_whole(self.host, path, limit))
    }

    /// A directory's names. Its absence is an answer, not a gap.
    pub fn list(&self, dir: &Path, limit: usize, missing: &str) -> Option<Listing> {
        let listing = self.expect(dir, missing, self.host.list(dir, limit))?;
        if listing.cut {
            self.gap(shown(dir), missing, GapReason::Refused, format!("more than {limit} names; the first {limit} were looked at"));
        }
        Some(listing)
    }

    pub fn stat(&self, path: &Path, follow: bool, missing: &str) -> Option<Stat> {
        self.expect(path, missing, self.host.stat(path, follow))
    }

    fn expect<T>(&self, path: &Path, missing: &str, answer: Answer<T>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(HostError::NotFound) => None,
            Err(error) => {
                self.gap_of(shown(path), missing, &error);
                None
            }
        }
    }
}

pub fn shown(path: &Path) -> String {
    crate::model::HostPath::from(path).to_string()
}

fn failure_reason(output: &Output) -> GapReason {
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("ermission denied") || complaint.contains("Could not obtain handle on privileged command interface") {
        GapReason::PermissionDenied
    } else if complaint.contains("non-root user") {
        GapReason::NotRoot
    } else {
        GapReason::Failed
    }
}
