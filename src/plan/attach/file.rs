//! A domain's configuration file, opened to be edited.

use crate::model::{Action, Check, Config, Domain, HostPath, Risk, Stands};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{domains, new_disk, paths};

pub(in crate::plan) struct File<'a> {
    pub config: &'a Config,
    /// With every link resolved: what is replaced.
    pub path: HostPath,
    pub before: &'a [u8],
}

impl<'a> File<'a> {
    /// `by_hand`: what a person would do where domkeep does not edit.
    pub fn open(facts: &Facts<'a>, domain: &'a Domain, given: Option<&HostPath>, by_hand: &str) -> Go<Self> {
        let config = domains::config(facts, domain, given)?;
        if config.grammar != "xl" {
            return no("config-not-xl", format!("{} is written for {}, and is not edited", config.path, config.grammar), by_hand);
        }
        paths::check(&config.path)?;
        let (place, path) = paths::follow(facts, &config.path)?;
        if place.stands != Stands::File {
            return no("config-not-a-file", format!("{} is no regular file", config.path), "name an xl configuration file");
        }
        if place.read_only {
            return no(
                "read-only",
                format!("{path} cannot be replaced: its file system is read-only, or you may not write there"),
                "ask as root, or make the file system writable",
            );
        }
        paths::not_full(place, &paths::parent(&path))?;
        let (before, _) = facts.bytes(&path)?;
        Ok(Self { config, path, before })
    }

    /// What an edit came to, or the refusal.
    pub fn edited(&self, after: Result<Vec<u8>, String>, by_hand: &str) -> Go<Vec<u8>> {
        match after {
            Ok(after) => Ok(after),
            Err(why) => no("config-not-edited", format!("{} is not edited: {why}", self.path), by_hand),
        }
    }

    /// The step that replaces it.
    pub fn replace(&self, draft: &mut Draft, says: impl Into<String>, why: impl Into<String>, after: Vec<u8>) {
        replace(draft, &self.path, self.before, after, says, why);
    }
}

/// Replaces a small file that must still be as it was read. Gives the step's index.
pub(in crate::plan) fn replace(
    draft: &mut Draft,
    path: &HostPath,
    before: &[u8],
    after: Vec<u8>,
    says: impl Into<String>,
    why: impl Into<String>,
) -> usize {
    draft.risk(Risk::Touches);
    let hash = blake3::hash(before).to_hex().to_string();
    draft.edit(new_disk::edit(path, Some(before), &after));
    let step = draft.step(says, why, Action::ReplaceFile { path: path.clone(), bytes: after, expect_blake3: hash.clone() });
    draft.assume(format!("{path} is as it was read"), Check::Holds { path: path.clone(), blake3: hash }, Some(step));
    step
}
