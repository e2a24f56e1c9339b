//! What would tell that somebody wrote to a disk, remembered in the journal and compared; and written beside a save image, for whoever resumes it.

use super::copying::path_of;
use super::{Deed, Runner, Trouble};
use crate::host::read_whole;
use crate::model::saved::{DiskFacts, is_record, record_of};
use crate::model::{Action, Check, Held, HostPath, Location, Made, What};
use crate::witness::{Seen, disk, record};

const MODE: u32 = 0o600;

impl Runner<'_> {
    pub(super) fn witness(&mut self, step: usize, domain: Option<&str>, disks: &[Location]) -> Deed {
        self.witness_with(step, domain, disks, &[])
    }

    /// `facts`: what a plan knows of some of them besides.
    pub(super) fn witness_with(&mut self, step: usize, domain: Option<&str>, disks: &[Location], facts: &[DiskFacts]) -> Deed {
        if let Some(domain) = domain {
            match self.domain_is_there(domain) {
                Held::No { .. } => {}
                Held::Yes => return Err(Trouble::Failed(format!("{domain} is not off"))),
                Held::Unknown { why } => return Err(Trouble::Failed(format!("it cannot be found out whether {domain} is off: {why}"))),
            }
        }
        let boot = record::boot_of(self.act);
        let mut seen = Seen { domain: domain.map(str::to_owned), disks: Vec::new() };
        for location in disks {
            let path = path_of(location)?;
            let facts = facts.iter().find(|facts| facts.at == *location);
            seen.disks.push(disk::look(self.act, &path, facts, &boot).map_err(Trouble::Failed)?);
            self.check_stop()?;
        }
        let seen = serde_json::to_value(seen).map_err(|error| Trouble::Failed(format!("what was seen cannot be written down: {error}")))?;
        self.tell(What::Witnessed { step, seen })
    }

    /// What differs is said; what cannot be found out makes the copy as bad as what differs.
    pub(super) fn compare_witness(&mut self, step: usize) -> Deed {
        let differs = self.differences()?;
        if differs.is_empty() {
            return Ok(());
        }
        // A bundle carries the mark that it is torn. A disk that a configuration is about to name has no place for one.
        if !self.plan.steps.iter().any(|step| matches!(step.action, Action::ReplaceFile { .. })) {
            return self.tell(What::Torn { step, why: differs.join("; ") });
        }
        Err(Trouble::Failed(format!("the copy is torn: {}", differs.join("; "))))
    }

    fn seen(&self) -> Option<Seen> {
        self.history.witnessed().cloned().and_then(|seen| serde_json::from_value::<Seen>(seen).ok())
    }

    /// What is not as it was witnessed, in words.
    pub(super) fn differences(&mut self) -> Deed<Vec<String>> {
        let seen = self.seen().ok_or_else(|| Trouble::Failed("nothing was witnessed that could be compared".into()))?;
        let mut differs = Vec::new();
        if let Some(domain) = &seen.domain {
            match self.domain_is_there(domain) {
                Held::No { .. } => {}
                Held::Yes => differs.push(format!("{domain} was started while its disks were copied")),
                Held::Unknown { why } => differs.push(format!("it cannot be found out whether {domain} is still off: {why}")),
            }
        }
        let boot = record::boot_of(self.act);
        for then in &seen.disks {
            match disk::differs(self.act, then, &boot) {
                Ok(None) => {}
                Ok(Some(why)) => differs.push(format!("{}: {why}", then.path)),
                Err(why) => differs.push(format!("{} cannot be looked at again: {why}", then.path)),
            }
        }
        Ok(differs)
    }

    fn domain_is_there(&self, domain: &str) -> Held {
        self.ask(&Check::DomainPresent { name: domain.to_owned() })
    }

    /// Writes what was witnessed beside the image. Where that cannot be done the image is as good as one that others made, and it is said.
    pub(super) fn write_record(&mut self, step: usize, domain: &str, image: &HostPath, lies_at: &HostPath, facts: &[DiskFacts]) -> Deed {
        if facts.is_empty() {
            return Ok(());
        }
        let Some(seen) = self.seen() else { return Ok(()) };
        let path = record_of(image);
        match record::write(self.act, lies_at, domain, &seen, facts) {
            Ok(bytes) => {
                self.take_away_another_record(&path)?;
                self.write_again(step, &path, &bytes, MODE)
            }
            Err(why) => self.note(format!("what its disks were could not be written down beside {image}: {why}")),
        }
    }

    /// The image that it told of is gone: this job's image has its name.
    fn take_away_another_record(&mut self, path: &HostPath) -> Deed {
        let Some(inode) = self.inode(path)? else { return Ok(()) };
        let Ok(bytes) = read_whole(self.act, path.as_path(), record::LARGEST) else { return Ok(()) };
        if !is_record(&bytes) {
            return Ok(());
        }
        self.act.remove(path.as_path(), inode).map_err(|error| Trouble::failed(format!("{path} could not be removed"), &error))
    }

    /// The disks of an image that this job put there, as they are now.
    pub(super) fn record_disks(&mut self, step: usize, domain: &str, image: &HostPath, facts: &[DiskFacts]) -> Deed {
        let disks: Vec<Location> = facts.iter().map(|facts| facts.at.clone()).collect();
        self.witness_with(step, Some(domain), &disks, facts)?;
        self.write_record(step, domain, image, image, facts)
    }

    /// The domain runs again: what its disks were is of no more use, and would be in the way.
    pub(super) fn forget_record(&mut self, image: &HostPath) -> Deed {
        let path = record_of(image);
        let made: Vec<(u64, u64)> = (0..self.plan.steps.len())
            .flat_map(|step| self.history.step(step).made)
            .filter_map(|made| match made {
                Made::File { path: of, inode, .. } if of == path => Some(inode),
                _ => None,
            })
            .collect();
        for inode in made {
            self.remove_if_ours(&path, inode)?;
        }
        Ok(())
    }
}
