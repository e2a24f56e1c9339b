//! A domain's memory into a file, and back.
//!
//! The file has only its owner's rights before the toolstack writes the first byte, keeps its partial name until it was walked to its last
//! record, and is never taken for whole because a command ended well. A domain comes back from it only over disks that nobody wrote to since:
//! they are witnessed in the moment in which they become nobody's. Where that moment passed unwatched (the runner was killed between the two),
//! it is not guessed: the image stays, and a person decides.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::{Deed, Runner, Trouble, names};
use crate::copy::HashList;
use crate::model::bundle::HASH_BLOCK;
use crate::model::hashes::BlockHash;
use crate::model::job::CopyResult;
use crate::model::{
    Action, Afterwards, Check, Cmd, Extent, ExtentKind, Held, HostPath, LibvirtIs, Made, OfLibvirt, Power, Progress, SaveDomain, What,
    saving,
};
use crate::problem::Problem;

const MODE: u32 = 0o600;
const EAR: Duration = Duration::from_millis(250);

impl Runner<'_> {
    pub(super) fn save_domain(&mut self, step: usize, save: &SaveDomain) -> Deed {
        self.clear_image(step)?;
        self.refuse_taken(&save.image)?;
        let partial = names::partial(&save.image, &self.plan.id);
        drop(self.create(step, &save.image, &partial, MODE)?);
        self.run_xl(step, &save.cmd(&partial)).map_err(|trouble| self.and_the_domain(trouble, save))?;
        self.saw_end_of = Some(step);
        self.keep_saved(step, save)
    }

    /// What the toolstack called good is looked at, witnessed, and named.
    fn keep_saved(&mut self, step: usize, save: &SaveDomain) -> Deed {
        let partial = names::partial(&save.image, &self.plan.id);
        if self.inode(&partial)?.is_some() {
            self.prove_whole(&partial, &save.domain).map_err(|trouble| self.and_the_domain(trouble, save))?;
        } else {
            return self.prove_whole(&save.image, &save.domain);
        }
        if save.afterwards == Afterwards::Gone {
            self.witness_saved(step, save)?;
            self.write_record(step, &save.domain, &save.image, &partial, &save.facts)?;
        }
        // The toolstack syncs nothing.
        let synced = self.act.open_for_writing(partial.as_path()).and_then(|blocks| Ok(blocks.file.sync_all()?));
        synced.map_err(|error| Trouble::failed(format!("{} could not be brought to the disk", save.image), &error))?;
        self.give_name(&partial, &save.image)
    }

    /// Its disks are nobody's in this moment.
    fn witness_saved(&mut self, step: usize, save: &SaveDomain) -> Deed {
        if save.libvirt.is_none() {
            return self.witness_with(step, Some(&save.domain), &save.disks, &save.facts);
        }
        match self.is_present(&save.domain, save.libvirt.as_ref()) {
            Held::No { .. } => self.witness_with(step, None, &save.disks, &save.facts),
            Held::Yes => Err(Trouble::Failed(format!("{} is not off", save.domain))),
            Held::Unknown { why } => Err(Trouble::Failed(format!("it cannot be found out whether {} is off: {why}", save.domain))),
        }
    }

    fn is_present(&self, domain: &str, libvirt: Option<&OfLibvirt>) -> Held {
        match libvirt {
            None => self.ask(&Check::DomainPresent { name: domain.to_owned() }),
            Some(of) => self.ask(&of.is(LibvirtIs::Off).negated()),
        }
    }

    fn prove_whole(&self, image: &HostPath, domain: &str) -> Deed {
        match self.ask(&Check::SaveWhole { path: image.clone(), domain: domain.to_owned() }) {
            Held::Yes => Ok(()),
            Held::No { because } => Err(Trouble::Failed(format!("xl called the save good, and it is not: {because}"))),
            Held::Unknown { why } => Err(Trouble::Failed(format!("whether the save is whole could not be found out: {why}"))),
        }
    }

    /// What an earlier attempt of this step left.
    fn clear_image(&self, step: usize) -> Deed {
        for made in self.history.step(step).made {
            if let Made::File { path, partial, inode } = made {
                for name in partial.iter().chain([&path]) {
                    self.remove_if_ours(name, inode)?;
                }
            }
        }
        Ok(())
    }

    /// Of a failed save a person must know first how the domain is.
    fn and_the_domain(&self, trouble: Trouble, save: &SaveDomain) -> Trouble {
        let Trouble::Failed(why) = trouble else { return trouble };
        let domain = &save.domain;
        let runs = match &save.libvirt {
            None => Check::DomainIs { name: domain.clone(), power: Power::Running },
            Some(of) => of.is(LibvirtIs::Running),
        };
        let state = match self.ask(&runs) {
            Held::Yes => format!("{domain} runs as before"),
            Held::No { because } => format!("now {because}"),
            Held::Unknown { why } => why,
        };
        Trouble::Failed(format!("{why}; {state}"))
    }

    /// An interrupted save: done, or to be done again; or, where nobody can know, for a person to decide.
    pub(super) fn settle_saved(&mut self, number: usize, save: &SaveDomain) -> Deed<bool> {
        match save.afterwards {
            Afterwards::Gone => self.settle_gone(number, save),
            Afterwards::Paused => self.settle_paused(number, save),
        }
    }

    fn settle_gone(&mut self, number: usize, save: &SaveDomain) -> Deed<bool> {
        match self.is_present(&save.domain, save.libvirt.as_ref()) {
            Held::Yes => {
                self.refuse_suspended(&save.domain, save.libvirt.as_ref())?;
                self.clear_image(number)?;
                Ok(false)
            }
            Held::Unknown { why } => Err(self.not_now(why)),
            Held::No { .. } if self.history.step(number).witnessed.is_some() => {
                let partial = names::partial(&save.image, &self.plan.id);
                if self.inode(&partial)?.is_some() {
                    self.write_record(number, &save.domain, &save.image, &partial, &save.facts)?;
                    self.give_name(&partial, &save.image)?;
                }
                Ok(true)
            }
            Held::No { .. } if self.saw_end_of == Some(number) => self.keep_saved(number, save).map(|()| true),
            Held::No { .. } => Err(self.unwatched(&save.domain, &save.image, save.libvirt.as_ref())?),
        }
    }

    fn settle_paused(&mut self, number: usize, save: &SaveDomain) -> Deed<bool> {
        match self.ask(&Check::DomainIs { name: save.domain.clone(), power: Power::Paused }) {
            Held::Yes => match self.keep_saved(number, save) {
                Ok(()) => Ok(true),
                // It stands still, and what was written is not whole: it goes on, and all is done again.
                Err(Trouble::Failed(_)) => {
                    self.run_xl(number, &unpause(&save.domain))?;
                    self.clear_image(number)?;
                    Ok(false)
                }
                Err(other) => Err(other),
            },
            Held::No { .. } => {
                self.refuse_suspended(&save.domain, None)?;
                self.clear_image(number)?;
                Ok(false)
            }
            Held::Unknown { why } => Err(self.not_now(why)),
        }
    }

    /// What cannot be found out now may be found out later: the job stays as it is.
    fn not_now(&self, why: String) -> Trouble {
        Trouble::Halt(Problem::new(format!("job {} cannot be finished", self.plan.id)).because(why))
    }

    /// The image of a domain that vanished while no runner was there.
    fn unwatched(&self, domain: &str, image: &HostPath, libvirt: Option<&OfLibvirt>) -> Deed<Trouble> {
        let there = self.image_at(image)?;
        let Some(at) = there else { return Ok(Trouble::Failed(format!("{domain} is gone, and there is no image of it at {image}"))) };
        if libvirt.is_some() {
            return Ok(Trouble::Failed(format!(
                "{domain} was saved to {at} while nobody watched: whether its disks were written to since cannot be proven, so it is not resumed by itself. \
                 `virsh restore {at}` resumes it where nobody wrote to them; then `domkeep jobs undo {}` clears up",
                self.plan.id
            )));
        }
        Ok(Trouble::Failed(format!(
            "{domain} was saved to {at} while nobody watched: whether its disks were written to since cannot be proven, so it is not resumed by itself. \
             `domkeep resume {at} --look-in {at}` looks at the evidence and resumes it; then `domkeep jobs undo {}` clears up",
            self.plan.id
        )))
    }

    fn image_at(&self, image: &HostPath) -> Deed<Option<HostPath>> {
        for name in [image.clone(), names::partial(image, &self.plan.id)] {
            if self.inode(&name)?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// xl's own trouble.
    fn refuse_suspended(&self, domain: &str, libvirt: Option<&OfLibvirt>) -> Deed {
        if libvirt.is_some() {
            return Ok(());
        }
        match self.ask(&Check::DomainIs { name: domain.to_owned(), power: Power::Suspended }) {
            Held::Yes => Err(Trouble::Failed(format!(
                "{domain} stands suspended: its save was broken off. `xl resume {domain}` wakes it from Xen 4.20 on; on an older one only \
                 `xl destroy {domain}` and a boot help"
            ))),
            Held::No { .. } => Ok(()),
            Held::Unknown { why } => Err(Trouble::Failed(why)),
        }
    }

    /// Brings the domain back, once: what was brought back and was shut down since stays down.
    pub(super) fn resume_saved(&mut self, step: usize, domain: &str, image: &HostPath, libvirt: Option<&OfLibvirt>) -> Deed {
        let was_back = self.plan.steps.iter().enumerate().any(|(number, planned)| {
            matches!(&planned.action, Action::ResumeSaved { domain: name, .. } if name == domain)
                && self.history.step(number).work.is_done()
        });
        if was_back {
            return Ok(());
        }
        match self.is_present(domain, libvirt) {
            Held::Yes => return self.refuse_suspended(domain, libvirt),
            Held::No { .. } => {}
            Held::Unknown { why } => return Err(Trouble::Failed(why)),
        }
        let watched = self.history.witnessed().is_some();
        let Some(at) = self.image_at(image)?.filter(|_| watched || self.saw_end_of.is_some()) else {
            return Err(self.unwatched(domain, image, libvirt)?);
        };
        if watched {
            let differs = self.differences()?;
            if !differs.is_empty() {
                let look = match libvirt {
                    None => format!("`domkeep resume {at} --look-in {at}` says what can be done with it"),
                    Some(_) => "it can only be used with its disks as they were".to_owned(),
                };
                return Err(Trouble::Failed(format!(
                    "{domain} is not resumed: what its memory knows of its disks is no longer so ({}). The image stays at {at}; {look}",
                    differs.join("; ")
                )));
            }
        }
        self.run_xl(step, &saving::restore(&at, libvirt)).map_err(|trouble| match trouble {
            Trouble::Failed(why) => Trouble::Failed(format!("{domain} could not be resumed: {why}; its memory is in {at}")),
            other => other,
        })?;
        self.forget_record(image)
    }

    /// xl's first words are no complaint: the line that names an error is.
    fn run_xl(&mut self, step: usize, cmd: &Cmd) -> Deed {
        let output = self.run_and_hear(step, cmd)?;
        if output.ok() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let error = said
            .lines()
            .find(|line| line.contains("rror"))
            .map_or_else(|| output.complaint(), |line| crate::model::shown::text(line.trim()));
        Err(Trouble::Failed(format!("`{cmd}` ended with {}: {error}", output.exit)))
    }

    /// A file that no copy made gets its list of hashes, and is known to be whole up to its last byte.
    pub(super) fn hash_piece(&mut self, step: usize, label: &str, path: &HostPath, hashes_to: &HostPath) -> Deed {
        let could_not = |error: &std::io::Error| super::files::could_not("read", path, error);
        let blocks =
            self.act.open_for_reading(path.as_path()).map_err(|error| Trouble::failed(format!("{path} could not be opened"), &error))?;
        let (total, file) = (blocks.bytes, blocks.file);
        // Not known where they cannot be asked for: then everything is read.
        let extents = self.act.extents(path.as_path()).unwrap_or_default();
        let mut hashes = HashList::default();
        let mut room = vec![0_u8; usize::try_from(HASH_BLOCK).unwrap_or(1 << 20)];
        let (mut done, mut zeros, mut told) = (0_u64, 0_u64, Instant::now());
        while done < total {
            let wanted = usize::try_from(total.saturating_sub(done)).unwrap_or(usize::MAX).min(room.len());
            let block = room.get_mut(..wanted).unwrap_or_default();
            let length = block.len() as u64;
            let hash = if is_hole(&extents, done, length) {
                BlockHash::Zero
            } else {
                file.read_exact_at(block, done).map_err(|error| could_not(&error))?;
                BlockHash::of(block)
            };
            zeros = zeros.saturating_add(if hash == BlockHash::Zero { length } else { 0 });
            done = done.saturating_add(length);
            hashes.push(hash);
            self.check_stop()?;
            if told.elapsed() >= EAR {
                told = Instant::now();
                let progress = Progress { done, total: Some(total), zeros, written: done, ..Progress::default() };
                self.tell(What::Copied { step, part: 0, label: label.to_owned(), progress })?;
            }
        }
        let mut text = Vec::new();
        hashes.write_text(&mut text).map_err(|error| super::files::could_not("written", hashes_to, &error))?;
        self.write_again(step, hashes_to, &text, MODE)?;
        let result = CopyResult { bytes: total, zeros, written: total, digest: hashes.digest(), ..CopyResult::default() };
        self.tell(What::CopyEnded { step, part: 0, label: label.to_owned(), result })
    }
}

/// Whether a range was never written. Without extents nothing is known.
fn is_hole(extents: &[Extent], start: u64, length: u64) -> bool {
    let end = start.saturating_add(length);
    let beside = |extent: &Extent| extent.end() <= start || extent.start >= end;
    !extents.is_empty() && extents.iter().all(|extent| extent.kind == ExtentKind::Zero || beside(extent))
}

fn unpause(domain: &str) -> Cmd {
    let dashes = domain.starts_with('-').then(|| "--".to_owned());
    Cmd::changes("xl", std::iter::once("unpause".to_owned()).chain(dashes).chain([domain.to_owned()]))
}
