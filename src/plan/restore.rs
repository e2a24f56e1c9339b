//! Bringing a backup back: read and compared first, then each piece to its old place or beside. Pieces are known by what they say they are,
//! never by their order.

mod before;
mod beside;
mod chain;
mod damaged;
mod old_place;
mod room;

use std::cell::RefCell;

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, copy, domains, paths, pool_room};
use crate::model::Keeping;
use crate::model::bundle::{Manifest, Piece};
use crate::model::request::{Restore, RestoreTo};
use crate::model::{Action, Check, DiskCopy, HostPath, Location, PieceRoom, PlaceFact, Plan, Question, Request, bundle_names};

pub(super) fn plan(request: &Restore, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    paths::check(&request.bundle)?;
    let manifest = facts.bundle(&request.bundle)?;
    let pieces = chosen(request, manifest)?;
    if let Some(piece) = pieces.iter().find(|piece| piece.compression != "none") {
        return no(
            "compressed",
            format!("{} is compressed with {}, which this version cannot read", piece.name, piece.compression),
            "restore it by hand: RESTORE.txt has the commands",
        );
    }
    let mut draft = Draft::new(
        format!("Restore {} of {}", manifest.domain, manifest.instant.format("%Y-%m-%d %H:%M UTC")),
        &Request::Restore(request.clone()),
        setting,
    );
    draft.lock(Plan::domain_lock(&manifest.domain));
    draft.saw(
        format!("a backup of {} on {}, {}", manifest.domain, manifest.host, manifest.consistency),
        format!("{}/manifest.toml", request.bundle),
    );
    if let Some(torn) = &manifest.torn {
        draft.confirm(
            &manifest.domain,
            &format!("This backup is torn: {torn}. Its file systems may be damaged in ways that nobody sees at once."),
        );
    }
    for piece in pieces.iter().filter(|piece| !piece.unreadable.is_empty()) {
        draft.warn(format!("Parts of {} could not be read when the backup was made: zeros stand there instead.", piece.source));
    }
    for left in &manifest.left_out {
        draft.warn(format!("Not in the backup: {}, because {}.", left.what, left.why));
    }
    if request.damaged {
        damaged::begin(&mut draft, manifest);
    } else {
        draft.step(
            "Read the backup and compare it with its hashes",
            "What is damaged is not restored over anything.",
            Action::VerifyBundle { bundle: request.bundle.clone(), pieces: request.pieces.clone() },
        );
    }
    let job = Job { request, manifest, pieces: &pieces, facts, setting, room: RefCell::default(), kept: RefCell::default() };
    match &request.to {
        RestoreTo::OldPlace => old_place::steps(&job, &mut draft)?,
        RestoreTo::Beside { directory, name } => beside::steps(&job, &mut draft, directory, name.as_deref())?,
    }
    if request.damaged {
        damaged::end(&job, &mut draft)?;
    }
    job.room.borrow().check(&mut draft, &manifest.domain)?;
    Ok(draft.finish())
}

struct Job<'a> {
    request: &'a Restore,
    manifest: &'a Manifest,
    pieces: &'a [&'a Piece],
    facts: &'a Facts<'a>,
    setting: &'a Setting,
    room: RefCell<room::Room>,
    /// Devices of which a snapshot is taken before.
    kept: RefCell<before::Kept>,
}

fn chosen<'a>(request: &Restore, manifest: &'a Manifest) -> Go<Vec<&'a Piece>> {
    for name in &request.pieces {
        if !manifest.pieces.iter().any(|piece| piece.name == *name) {
            let all: Vec<&str> = manifest.pieces.iter().map(|piece| piece.name.as_str()).collect();
            return no("no-such-piece", format!("the backup has no piece {name}"), format!("it has: {}", all.join(", ")));
        }
    }
    // Memory with holes in it would destroy the disks it knows.
    let fits = |piece: &&Piece| !(request.damaged && piece.kind == "save");
    let wanted = |piece: &&Piece| fits(piece) && (request.pieces.is_empty() || request.pieces.contains(&piece.name));
    let pieces: Vec<&Piece> = manifest.pieces.iter().filter(wanted).collect();
    if pieces.is_empty() {
        return no("nothing-to-restore", "the backup has no pieces", "choose another backup");
    }
    Ok(pieces)
}

impl Job<'_> {
    /// One copy out of the bundle, read back and compared.
    fn copy(&self, piece: &Piece, to: Location, new: bool) -> Action {
        if self.request.damaged {
            return damaged::salvage(self.request, piece, to, new);
        }
        let copies = vec![DiskCopy {
            label: piece.vdev.clone().unwrap_or_else(|| piece.name.clone()),
            from: Location::Piece { bundle: self.request.bundle.clone(), piece: piece.name.clone() },
            to,
            new,
            hashes_to: None,
            hashes_from: Some(self.request.bundle.join(bundle_names::hashes_name(&piece.name))),
            verify: true,
            keeping: Keeping::default(),
        }];
        Action::Copy { copies, at_once: 1, rate: None }
    }

    /// A piece into a file: under a partial name, compared, then its name. `aside` is the inode of what stands there and is set aside.
    fn file(&self, draft: &mut Draft, piece: &Piece, to: &HostPath, above: &PlaceFact, aside: Option<(u64, u64)>) -> Go<()> {
        let room = self.room_of(piece)?;
        self.room.borrow_mut().file(above, room);
        let dev = above.dev;
        let partial = paths::partial(to, &self.setting.id);
        let what = piece.vdev.as_deref().unwrap_or(piece.name.as_str());
        let copied = draft.step(
            format!("Copy {what} of the backup to {to}"),
            "Into a new file with a temporary name, read back and compared.",
            self.copy(piece, Location::File { path: partial.clone() }, true),
        );
        let above = paths::parent(to);
        draft.assume(format!("{above} is the file system that was looked at"), Check::LiesOn { path: above, dev }, Some(copied));
        if let Some(inode) = aside {
            let kept = paths::before(to, &self.setting.id);
            draft.step(
                format!("Set the present {to} aside"),
                "Nothing is deleted: it stays beside it until you remove it.",
                Action::Rename { from: to.clone(), to: kept, expect: Some(inode) },
            );
        }
        draft.step(
            format!("Give the restored file its name, {to}"),
            "Only a whole file gets the name.",
            Action::Rename { from: partial, to: to.clone(), expect: None },
        );
        draft.lock(Plan::disk_lock(&domains::lock_of_path(self.facts.inventory(), to, to)));
        Ok(())
    }

    /// The bytes of a small piece.
    fn bytes(&self, piece: &Piece) -> Go<&[u8]> {
        Ok(self.facts.bytes(&self.request.bundle.join(&piece.name))?.0)
    }

    /// Of a damaged piece nothing is known but that it cannot be larger.
    fn room_of(&self, piece: &Piece) -> Go<PieceRoom> {
        if self.request.damaged {
            return Ok(PieceRoom { most: piece.bytes, least: 0 });
        }
        self.facts.piece_room(&self.request.bundle, &piece.name)
    }

    /// Asks for the room of several pieces at once: saves rounds.
    fn want_rooms<'b>(&self, pieces: impl Iterator<Item = &'b Piece>) -> Go<()> {
        if self.request.damaged {
            return Ok(());
        }
        let question = |piece: &Piece| Question::PieceRoom { bundle: self.request.bundle.clone(), piece: piece.name.clone() };
        self.facts.want(pieces.map(question))
    }

    fn want_places<'b>(&self, paths_wanted: impl Iterator<Item = &'b HostPath>) -> Go<()> {
        let question = |path: HostPath| Question::Place { path };
        self.facts.want(paths_wanted.flat_map(|path| [question(path.clone()), question(paths::parent(path))]))
    }
}

/// Whether what is restored fits; the rest of the checks of a device are those of a copy.
fn device(job: &Job<'_>, draft: &mut Draft, piece: &Piece, name: &str) -> Go<()> {
    let (facts, to) = (job.facts, &piece.source);
    let place = facts.place(to)?;
    copy::free_device(facts, to)?;
    copy::large_enough(to, place, Some(piece.bytes))?;
    // While a snapshot holds the old blocks, every one is written anew.
    let whole = job.kept.borrow().contains_key(to);
    let taken = pool_room::of_device(facts, to, piece.bytes)?;
    job.room
        .borrow_mut()
        .volume(taken.map(|taken| if whole && taken.is_pool { pool_room::Taken { takes: piece.bytes, ..taken } } else { taken }));
    draft.confirm(name, &copy::overwritten(facts, to)?);
    draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), to, &copy::canonical(place, to))));
    Ok(())
}
