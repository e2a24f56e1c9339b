//! Backups that take over what did not change since the last one, and the snapshot that is kept for the next.
//!
//! The snapshot begins as any volume of the job does, with the job's tag, and is removed with the job when that goes wrong. Only when the backup is
//! whole, the job's tag is exchanged for two others: `domkeep.base.BUNDLE` and `domkeep.of.UUID`, the bundle whose instant it holds and the volume
//! that it was taken of. By both it is found the next time, and by both the one before it is removed.

use super::cold_backup::gather::{Gathered, Source};
use super::cold_backup::place::{self, Destination};
use super::draft::Draft;
use super::facts::{Facts, Go, if_known, no};
use super::{Setting, lvm, paths};
use crate::model::bundle::Piece;
use crate::model::request::ColdBackup;
use crate::model::{
    Action, Book, Check, Cmd, FindChanged, IncrementResult, IncrementSaid, Incremental, Inventory, Keeping, LastBundle, Location,
    LogicalVolume, Since, Undo, bytes, segment_bytes,
};

/// File systems on which the next image can begin as the last one without taking room.
const SHARING: [&str; 2] = ["xfs", "btrfs"];
/// Of so many blocks that are believed unchanged, one is read; at least and at most so many.
const AUDIT_SHARE: u64 = 128;
const AUDIT_LEAST: u64 = 8;
const AUDIT_MOST: u64 = 256;
/// The store of a classic snapshot that is kept: shares of its origin, the best first.
const STORE_SHARES: [u64; 3] = [5, 10, 20];
const SMALLEST_STORE: u64 = 32 << 20;

/// A volume by its group and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub vg: String,
    pub lv: String,
}

impl Volume {
    fn name(&self) -> lvm::Name<'_> {
        lvm::Name { vg: &self.vg, lv: &self.lv }
    }
}

/// What is done for one disk.
#[derive(Default)]
struct One {
    label: String,
    bytes: u64,
    /// The volume that the disk is; nothing: it is none, and nobody keeps book.
    volume: Option<LogicalVolume>,
    /// What the last backup left, and that fits.
    old: Option<LogicalVolume>,
    /// Who else keeps book.
    told: Option<Book>,
    /// Everything that earlier backups kept of it.
    kept: Vec<LogicalVolume>,
    /// Bytes of the store of a snapshot to be kept; nothing: thin, or there is no room.
    store: Option<u64>,
}

/// What is done for the disks of a backup, in the order in which they were gathered. Empty: no increments are wanted.
#[derive(Default)]
pub(super) struct Increments {
    ones: Vec<One>,
    /// Why nothing is taken over.
    full_because: Option<String>,
    id: String,
}

/// Who else than LVM keeps book of a disk since the bundle of this id; or why nobody does. Nothing: LVM may.
pub(super) type Keeper<'a> = &'a dyn Fn(&Source, &str) -> Option<Result<Book, String>>;

/// Looks at the last backup, and writes into what was gathered what is taken over.
pub(super) fn look(
    request: &ColdBackup,
    facts: &Facts<'_>,
    setting: &Setting,
    gathered: &mut Gathered,
    destination: &Destination,
) -> Go<Increments> {
    look_with(request, facts, setting, gathered, destination, &|_, _| None)
}

/// As [`look`], with somebody else who keeps book.
pub(super) fn look_with(
    request: &ColdBackup,
    facts: &Facts<'_>,
    setting: &Setting,
    gathered: &mut Gathered,
    destination: &Destination,
    keeper: Keeper<'_>,
) -> Go<Increments> {
    if !request.incremental.wanted() {
        return Ok(Increments::default());
    }
    let inventory = facts.inventory();
    let directory = paths::parent(&destination.bundle);
    let (place, _) = paths::directory(facts, &request.destination)?;
    let shares = place.file_system.as_deref().is_some_and(|fs| SHARING.contains(&fs));
    // What could not be found out is as good as no backup.
    let last = if_known(facts.last_bundle(&directory))?.and_then(Option::as_ref);
    let mut increments = Increments { id: place::random_part(setting).to_owned(), ..Increments::default() };
    let mut free: Vec<(String, u64)> = inventory.volume_groups.iter().map(|group| (group.name.clone(), group.free)).collect();
    let mut says = Vec::new();
    for source in &mut gathered.disks {
        let segment = if shares { None } else { Some(segment_bytes(source.piece.bytes)) };
        source.keeping = Keeping { segment, since: None };
        source.piece.segment_bytes = segment;
        let mut one = one_of(inventory, source);
        match earlier(last, &source.piece, segment, setting) {
            Err(why) => {
                if request.incremental == Incremental::Yes {
                    return no("no-increment", format!("{} can only be copied whole: {why}", one.label), "use --incremental auto");
                }
                says.push(format!("All of {} is copied: {why}.", one.label));
                increments.full_because.get_or_insert(why);
            }
            Ok(since) => {
                let told = match keeper(source, &since.id) {
                    Some(told) => told.map(|book| one.told = Some(book)),
                    None => book(inventory, &one, &since.id).map(|old| one.old = Some(old)),
                };
                match told {
                    Ok(()) => {}
                    Err(why) if request.incremental == Incremental::Yes => {
                        return no("no-increment", format!("all of {} would have to be read: {why}", one.label), "use --incremental auto");
                    }
                    Err(why) => {
                        says.push(format!("All of {} is read and compared, and only what changed is written: {why}.", one.label));
                    }
                }
                source.piece.increment = Some(IncrementSaid { since: since.id.clone(), result: IncrementResult::default() });
                source.keeping.since = Some(since);
            }
        }
        one.store = store(&one, &mut free);
        if one.volume.as_ref().is_some_and(|volume| volume.pool.is_none()) && one.store.is_none() {
            says.push(format!("There is no room for a snapshot of {} that would tell the next backup what changed.", one.label));
        }
        increments.ones.push(one);
    }
    gathered.warnings.extend(says);
    if increments.ones.iter().any(|one| one.volume.is_some()) {
        paths::tools(facts, &[("lvcreate", "lvm2"), ("lvremove", "lvm2"), ("lvchange", "lvm2")])?;
    }
    Ok(increments)
}

fn one_of(inventory: &Inventory, source: &Source) -> One {
    let backing = inventory.backings.get(&source.lock.to_string());
    let volume =
        backing.and_then(|backing| backing.volume.as_ref()).and_then(|name| inventory.volumes.iter().find(|one| one.full_name() == *name));
    // A snapshot of the volume would not be of the instant that QEMU offers.
    let volume = volume.filter(|_| !matches!(source.from, Location::Nbd { .. }));
    let volume =
        volume.filter(|volume| !volume.uuid.is_empty() && !volume.is_classic_snapshot() && !volume.merging && volume.health.is_empty());
    let of = volume.map(|volume| of_tag(&volume.uuid));
    let kept = inventory.volumes.iter().filter(|one| of.as_ref().is_some_and(|of| one.tags.contains(of))).cloned().collect();
    One { label: source.piece.name.clone(), bytes: source.piece.bytes, volume: volume.cloned(), kept, ..One::default() }
}

fn base_tag(bundle: &str) -> String {
    format!("domkeep.base.{bundle}")
}

fn of_tag(uuid: &str) -> String {
    format!("domkeep.of.{uuid}")
}

/// The piece of the last backup that this one takes over; or why not, as the end of a sentence.
fn earlier(last: Option<&LastBundle>, piece: &Piece, segment: Option<u64>, setting: &Setting) -> Result<Since, String> {
    let last = last.ok_or("there is no good backup of the domain there yet")?;
    let at = last.manifest.instant.format("%Y-%m-%d %H:%M");
    let before = last.manifest.pieces.iter().find(|before| before.kind == "disk" && before.name == piece.name);
    let before = before.ok_or_else(|| format!("it is not in the last backup, of {at}"))?;
    if before.source_identity != piece.source_identity || before.source_identity.is_empty() {
        return Err(format!("another disk was called so in the last backup, of {at}"));
    }
    if before.format != piece.format {
        return Err(format!("it lies in another format in the last backup, of {at}"));
    }
    if before.bytes != piece.bytes {
        return Err(format!("it had {} in the last backup, of {at}", bytes::human(before.bytes)));
    }
    if !before.unreadable.is_empty() {
        return Err(format!("the last backup, of {at}, could not read all of it"));
    }
    if before.segment_bytes != segment || before.compression != "none" {
        return Err(format!("the last backup, of {at}, does not lie so that another can share what did not change"));
    }
    let blocks = crate::model::hashes::blocks(piece.bytes);
    let hash = blake3::hash(format!("{} {}", setting.id.as_str(), piece.name).as_bytes());
    let seed = hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Ok(Since {
        bundle: last.path.clone(),
        id: last.manifest.id.clone(),
        piece: before.name.clone(),
        bytes: before.bytes,
        digest: before.digest.clone(),
        audit_blocks: (blocks / AUDIT_SHARE).clamp(AUDIT_LEAST, AUDIT_MOST),
        // TOML's numbers have a sign.
        audit_seed: seed >> 1,
    })
}

/// The snapshot that the last backup kept, which tells what changed; or why there is none.
fn book(inventory: &Inventory, one: &One, id: &str) -> Result<LogicalVolume, String> {
    let volume = one.volume.as_ref().ok_or("nobody keeps book of what is written to it")?;
    let base = base_tag(id);
    let old = one.kept.iter().find(|kept| kept.tags.contains(&base));
    let old = old.ok_or("the snapshot that the last backup kept for that is gone")?;
    if old.invalid {
        return Err(format!(
            "the snapshot {}, which the last backup kept for that, overflowed: more was written than its store holds",
            old.full_name()
        ));
    }
    let fits = match (&volume.pool, &old.pool) {
        (Some(pool), Some(of)) => pool == of && volume.vg == old.vg,
        (None, None) => {
            old.is_classic_snapshot() && old.origin.as_deref() == Some(volume.name.as_str()) && volume.vg == old.vg && old.active
        }
        _ => false,
    };
    if !fits || old.merging {
        return Err(format!("{} is no usable snapshot of it any more", old.full_name()));
    }
    let pool = volume.pool.as_ref().and_then(|pool| inventory.volumes.iter().find(|one| one.vg == volume.vg && one.name == *pool));
    if pool.is_some_and(|pool| !pool.health.is_empty()) {
        return Err("its thin pool is not well".to_owned());
    }
    Ok(old.clone())
}

/// The size of the store of the snapshot that is kept, taken from what its group has.
fn store(one: &One, free: &mut [(String, u64)]) -> Option<u64> {
    let volume = one.volume.as_ref().filter(|volume| volume.pool.is_none())?;
    let (_, free) = free.iter_mut().find(|(vg, _)| *vg == volume.vg)?;
    let sizes = STORE_SHARES.into_iter().map(|share| (volume.bytes / share).max(SMALLEST_STORE).next_multiple_of(4 << 20));
    // Half of what is free stays for what must grow.
    let size = sizes.into_iter().find(|size| *size <= *free / 2)?;
    *free -= size;
    Some(size)
}

impl Increments {
    pub fn full_because(&self) -> Option<String> {
        self.full_because.clone()
    }

    /// Whether somebody else than LVM tells what changed on this disk.
    pub fn is_told(&self, label: &str) -> bool {
        self.ones.iter().any(|one| one.label == label && one.told.is_some())
    }

    /// Whether a snapshot that a backup makes anyway is kept for the next one, by the disk's place in the order.
    pub fn keeps(&self, disk: usize) -> bool {
        self.ones.get(disk).is_some_and(|one| one.volume.is_some())
    }

    /// Before the disks are copied: the snapshots that are kept (those that the backup makes anyway are handed in), and what changed since the last.
    pub fn before_copy(&self, draft: &mut Draft, setting: &Setting, frozen: &[Option<Volume>]) -> Vec<Option<Volume>> {
        let mut news = Vec::new();
        let mut books = Vec::new();
        for (number, one) in self.ones.iter().enumerate() {
            let made = frozen.get(number).cloned().flatten();
            let new = made.or_else(|| self.snapshot(draft, setting, number, one));
            books.extend(one.told.iter().map(|book| FindChanged { label: one.label.clone(), bytes: one.bytes, book: book.clone() }));
            if let (Some(volume), Some(old)) = (&one.volume, &one.old) {
                let book = match (&volume.pool, &new) {
                    (Some(pool), Some(new)) => {
                        let (vg, old) = (volume.vg.clone(), old.name.clone());
                        Some(Book::Thin { vg, pool: pool.clone(), old, new: new.lv.clone() })
                    }
                    (Some(_), None) => None,
                    (None, _) => Some(Book::Store {
                        vg: volume.vg.clone(),
                        snapshot: old.name.clone(),
                        origin: Location::Device { path: volume.path.clone() },
                    }),
                };
                books.extend(book.map(|book| FindChanged { label: one.label.clone(), bytes: one.bytes, book }));
            }
            news.push(new);
        }
        if !books.is_empty() {
            draft.step(
                "Find out what changed since the last backup",
                if self.ones.iter().any(|one| one.told.is_some()) {
                    "QEMU has kept book since the checkpoint of the last backup."
                } else {
                    "The thin pool, or the store of the snapshot that the last backup kept, knows it without anybody reading the disk."
                },
                Action::FindChanged { disks: books },
            );
        }
        news
    }

    fn snapshot(&self, draft: &mut Draft, setting: &Setting, number: usize, one: &One) -> Option<Volume> {
        let volume = one.volume.as_ref().filter(|volume| volume.pool.is_some() || one.store.is_some())?;
        let new = Volume { vg: volume.vg.clone(), lv: format!("domkeep-{}-{number}", self.id) };
        let (origin, size) = (volume.full_name(), one.store.map(|size| format!("{size}b")));
        let words: Vec<&str> = match &size {
            Some(size) => vec!["-s", "-L", size, &origin],
            None => vec!["-s", &origin],
        };
        let says = format!("Make a snapshot of {origin} that stays until the next backup");
        lvm::create(draft, &setting.id, says, "By it the next backup will know what changed.", new.name(), &words);
        Some(new)
    }

    /// When the backup is whole: the new snapshots become the ones to go by, and those before them go.
    pub fn after_seal(&self, draft: &mut Draft, setting: &Setting, news: &[Option<Volume>]) {
        for (one, new) in self.ones.iter().zip(news) {
            let (Some(volume), Some(new)) = (&one.volume, new) else { continue };
            let (base, of) = (base_tag(&self.id), of_tag(&volume.uuid));
            let name = new.name().full();
            let job = lvm::tag(&setting.id);
            let step = draft.run(
                format!("Keep the snapshot {name} until the next backup"),
                "It gets tags that name this backup and its volume, instead of the job's.",
                Cmd::changes("lvchange", ["--deltag", &job, "--addtag", &base, "--addtag", &of, &name]),
            );
            let select = format!("lv_tags={base} && lv_full_name={name}");
            let cmd = Cmd::reads("lvs", ["--reportformat", "json", "--units", "b", "-o", "lv_full_name", "-S", &select]);
            draft.done(step, Check::Says { cmd, text: format!("\"lv_full_name\":\"{name}\"") });
            draft.undo(step, Undo::By { action: Box::new(Action::Run { cmd: remove(&base, &of, new) }) });
        }
        for one in &self.ones {
            let Some(volume) = &one.volume else { continue };
            for kept in &one.kept {
                let Some(base) = kept.tags.iter().find(|tag| tag.starts_with("domkeep.base.")) else { continue };
                let gone = Volume { vg: kept.vg.clone(), lv: kept.name.clone() };
                let cmd = remove(base, &of_tag(&volume.uuid), &gone);
                draft.step(
                    format!("Remove the snapshot {} that an earlier backup kept", kept.full_name()),
                    "The new one takes its place.",
                    Action::Try { that: Box::new(Action::Run { cmd }) },
                );
            }
        }
    }
}

/// Removes a kept snapshot, by both of its tags and its name; one that somebody took a snapshot of stays.
fn remove(base: &str, of: &str, volume: &Volume) -> Cmd {
    let select = format!("lv_tags={base} && lv_tags={of} && lv_full_name={} && lv_attr!~^[oO]", volume.name().full());
    Cmd::changes("lvremove", ["-y", "-S", &select, &volume.vg])
}
