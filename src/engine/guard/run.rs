//! The loop: look, judge, extend, sleep.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};

use super::arms::fits;
use super::ground::{Ground, Ward};
use super::judge::{Judgement, LONGEST, SHORTEST};
use super::latency::Latency;
use super::others::Others;
use super::scribe::{Say, Scribe};
use super::watched::Watched;
use super::word::Word;
use crate::engine::Engine;
use crate::engine::fuses::Told;
use crate::host::{Listing, Look};
use crate::job::Store;
use crate::model::{FusePart, HostPath};
use crate::probe::dm_status;
use crate::problem::Problem;

/// What is wanted of the guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// One round, then end.
    pub once: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// The guard's own lock, and what it keeps and tells.
const LOCK: &str = "guard.lock";
pub(super) const LATENCY: &str = "guard-latency.json";
const FUSES: &str = "fuses.json";
const MOST_LATENCY: usize = 64 << 10;

/// LVM is asked anew after so long, when nothing is about to happen; sooner where room is short, for an admin may have added some.
const GROUND_EVERY: Duration = Duration::from_secs(300);
const GROUND_EVERY_IN_NEED: Duration = Duration::from_secs(20);
/// ... and names below /dev/mapper are counted so often: a new snapshot.
const NAMES_EVERY: Duration = Duration::from_secs(2);
const TELL_EVERY: Duration = Duration::from_secs(5);
/// While a store is nearer to its extension than this, LVM is not asked what may wait: a report holds the group's lock.
const BUSY: Duration = Duration::from_secs(5);
const MOST_NAMES: usize = 20_000;

pub struct Guard<'a> {
    pub(super) engine: &'a Engine,
    pub(super) wish: Wish,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) began: Instant,
    pub(super) scribe: Scribe,
    /// Where jobs lie while they run; nothing on a dry run.
    pub(super) passing: Option<Store>,
    pub(super) latency: Latency,
    /// What the last looks took.
    pub(super) look: Duration,
    pub(super) ground: Ground,
    pub(super) others: Others,
    pub(super) watched: Vec<Watched>,
    pub(super) left_alone: Vec<String>,
    pub(super) refresh: Option<Receiver<Result<(Ground, Others), String>>>,
    pub(super) asked_ground: Duration,
    pub(super) names: Option<Listing>,
    pub(super) asked_names: Duration,
    pub(super) told: Duration,
}

impl Engine {
    /// Guards the host's snapshots and thin pools until `stop` is set. `say` is called on a thread of its own.
    pub fn guard(&self, wish: Wish, stop: Arc<AtomicBool>, say: Say) -> Result<(), Problem> {
        Guard::start(self, wish, stop, say)?.run()
    }
}

impl<'a> Guard<'a> {
    fn start(engine: &'a Engine, wish: Wish, stop: Arc<AtomicBool>, say: Say) -> Result<Self, Problem> {
        let cannot = |why: String| Problem::new("the scribe's thread could not be started").because(why);
        let lasting = engine.workshop.as_ref().map(|workshop| workshop.jobs.clone());
        let passing = if wish.dry_run { None } else { Some(place(engine)?) };
        let kept = lasting.as_ref().map(|store| store.path_beside(LATENCY));
        let kept = kept.and_then(|path| crate::host::read_whole(engine.host.as_ref(), path.as_path(), MOST_LATENCY).ok());
        let stores = lasting.zip(passing.clone());
        Ok(Self {
            engine,
            wish,
            stop,
            began: Instant::now(),
            scribe: Scribe::start(say, stores).map_err(|error| cannot(error.to_string()))?,
            passing,
            latency: Latency::kept(&kept.unwrap_or_default()),
            look: Duration::from_millis(10),
            ground: Ground::default(),
            others: Others::default(),
            watched: Vec::new(),
            left_alone: Vec::new(),
            refresh: None,
            asked_ground: Duration::ZERO,
            names: None,
            asked_names: Duration::ZERO,
            told: Duration::ZERO,
        })
    }

    fn run(mut self) -> Result<(), Problem> {
        // Held until the end: two guards would extend one store twice.
        let _lock = match &self.passing {
            Some(passing) => Some(passing.only_one(LOCK)?.ok_or_else(|| {
                Problem::new("a guard is at work already").hint("`systemctl status domkeep-guard`; one is enough for a host")
            })?),
            None => None,
        };
        self.recover();
        // Before LVM is asked: what comes in between is then noticed as new.
        self.names = self.names_now();
        let (ground, others) = ask(self.engine.host.as_ref()).map_err(|why| {
            Problem::new("LVM does not say what there is to guard").because(why).hint("the guard needs lvs, vgs and dmsetup, and root")
        })?;
        self.take(ground, others);
        self.sense();
        self.rehearse();
        let locked = !self.wish.once && lock_memory();
        let jobs = self.passing.as_ref().map_or_else(|| "no place: this is a dry run".to_owned(), |store| store.seen().to_string());
        let latency_ms = millis(self.latency.expected());
        let (fuses, measured) = (self.watched.len(), self.latency.is_measured());
        self.scribe.say(Word::Watching { fuses, latency_ms, measured, locked_in_memory: locked || self.wish.once, jobs });
        self.introduce();
        while !self.stop.load(Ordering::Relaxed) {
            let next = self.round();
            if self.wish.once {
                break;
            }
            self.sleep(next);
        }
        self.disarm_all();
        if let Some(passing) = &self.passing {
            passing.remove_beside(FUSES);
        }
        if !self.wish.once {
            self.scribe.say(Word::Stopped { why: "it was told to".to_owned() });
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// One look at everything that moved, and what follows from it. Gives the time until the next.
    fn round(&mut self) -> Duration {
        self.sense();
        let judged: Vec<Judgement> = self.watched.iter().map(|one| self.judge(one)).collect();
        let mut next = judged.iter().map(|judged| judged.next_look).min().unwrap_or(LONGEST);
        // The most urgent first.
        let mut due: Vec<usize> =
            (0..self.watched.len()).filter(|index| judged.get(*index).is_some_and(|judged| judged.extend_now)).collect();
        due.sort_by_key(|index| self.watched.get(*index).map_or(u64::MAX, time_left));
        let acted = !due.is_empty();
        for index in due {
            self.relieve(index);
        }
        for (index, judged) in judged.iter().enumerate() {
            self.prepare(index, judged);
        }
        if acted {
            next = next.min(SHORTEST);
        }
        self.renew(next);
        self.tell_screens();
        next
    }

    pub(super) fn judge(&self, one: &Watched) -> Judgement {
        let settings = &self.engine.settings;
        let writer = settings.guard_fastest_mib.saturating_mul(1 << 20);
        // A chunk of data of 64 KiB costs an entry of a B-tree: tens of bytes.
        let fastest = if one.ward.fuse.part == FusePart::Metadata { writer / 256 } else { writer };
        let mut judged = one.judge(self.latency.expected(), self.look, settings.guard_threshold_percent, fastest);
        if one.lost || self.now() < one.not_before {
            judged.extend_now = false;
            judged.next_look = judged.next_look.max(Duration::from_millis(500));
        }
        judged
    }

    /// Reads the counters, which cost next to nothing; asks device-mapper when one of them moved.
    fn sense(&mut self) {
        let host = self.engine.host.as_ref();
        let mut moved = false;
        for one in &mut self.watched {
            let written = one.ward.counter.as_ref().and_then(|path| sectors_written(host, path));
            moved |= written.is_none() || written != one.written;
            one.written = written;
        }
        let at = self.now();
        if !moved {
            self.watched.iter_mut().for_each(|one| one.see_calm(at));
            return;
        }
        let clock = Instant::now();
        let answer = host.run(&dm_status::status());
        self.look = (self.look + clock.elapsed()) / 2;
        let at = self.now();
        let Ok(output) = answer else { return };
        let seen = dm_status::parse(&output.stdout);
        let mut newly_lost = Vec::new();
        for one in &mut self.watched {
            let Some((_, status)) = seen.iter().find(|(name, _)| *name == one.ward.device) else { continue };
            let before = one.lost;
            one.see(at, status);
            if one.lost && !before {
                newly_lost.push(Word::Lost { lv: one.lv(), part: one.part() });
            }
        }
        for word in newly_lost {
            self.scribe.say(word);
        }
    }

    /// Takes in what LVM says: new fuses, gone ones, other limits.
    fn take(&mut self, ground: Ground, others: Others) {
        let mut wards: Vec<Ward> = ground.wards(&self.engine.settings);
        let mut left_alone = Vec::new();
        wards.retain(|ward| {
            let why = others.has(&ward.fuse.full_name(), ward.fuse.part);
            if let Some(why) = &why {
                let lv = ward.fuse.full_name();
                if !self.left_alone.contains(&lv) && !left_alone.contains(&lv) {
                    self.scribe.say(Word::LeftAlone { lv: lv.clone(), why: why.clone() });
                }
                left_alone.push(lv);
            }
            why.is_none()
        });
        self.left_alone = left_alone;
        (self.ground, self.others) = (ground, others);
        let gone: Vec<usize> = (0..self.watched.len())
            .rev()
            .filter(|index| self.watched.get(*index).is_some_and(|one| !wards.iter().any(|ward| one.is(ward))))
            .collect();
        for index in gone {
            let one = self.watched.remove(index);
            self.disarm(one.armed.as_ref());
            if !one.lost {
                self.scribe.say(Word::Gone { lv: one.lv(), part: one.part() });
            }
        }
        for ward in wards {
            match self.watched.iter_mut().find(|one| one.is(&ward)) {
                Some(one) => one.ward = ward,
                None => self.watched.push(Watched::new(ward)),
            }
        }
        self.asked_ground = self.now();
    }

    /// Says of every fuse how it stands, once.
    fn introduce(&mut self) {
        for index in 0..self.watched.len() {
            self.introduce_one(index);
        }
    }

    fn introduce_one(&self, index: usize) {
        let Some(one) = self.watched.get(index) else { return };
        let judged = self.judge(one);
        self.scribe.say(Word::Sees {
            lv: one.lv(),
            part: one.part(),
            used: one.used,
            bytes: one.bytes,
            full_in_seconds: one.told().full_in(),
            most: one.ward.most,
            outruns: judged.outruns,
            safe: one.is_safe(),
        });
    }

    /// Words, and the job for the next extension, while there is time.
    fn prepare(&mut self, index: usize, judged: &Judgement) {
        let Some(one) = self.watched.get_mut(index) else { return };
        if one.lost {
            return;
        }
        let (lv, part) = (one.lv(), one.part());
        for worry in one.new_worries(&judged.worries) {
            self.scribe.say(Word::of(&worry, &lv, part));
        }
        let Some(to) = judged.to else { return };
        if self.wish.dry_run {
            match self.plan(index, to) {
                Ok((_, command)) => self.scribe.say(Word::Would { lv, part, to, command, now: judged.extend_now }),
                Err(why) => self.scribe.say(Word::NotExtended { lv, part, why }),
            }
            return;
        }
        let ready = self.watched.get(index).is_some_and(|one| fits(one, to));
        if !ready && !judged.extend_now {
            // What goes wrong now is told when it would matter.
            let _ = self.arm(index, to);
        }
    }

    pub(super) fn see_again(&mut self) {
        self.watched.iter_mut().for_each(|one| one.written = None);
        self.sense();
    }

    /// Asks LVM anew on another thread, when names came or went, or after a while; not while a store is near its extension.
    fn renew(&mut self, next: Duration) {
        match self.refresh.as_ref().map(Receiver::try_recv) {
            Some(Ok(Ok((ground, others)))) => {
                self.refresh = None;
                let known = self.watched.len();
                self.take(ground, others);
                self.see_again();
                (known..self.watched.len()).for_each(|index| self.introduce_one(index));
            }
            Some(Ok(Err(what))) => {
                self.refresh = None;
                self.scribe.say(Word::Trouble { what: format!("LVM does not say what there is: {what}") });
            }
            Some(Err(TryRecvError::Disconnected)) => self.refresh = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        let now = self.now();
        let every = if self.watched.iter().any(Watched::lacks_room) { GROUND_EVERY_IN_NEED } else { GROUND_EVERY };
        let calm = next > BUSY || self.watched.iter().all(|one| one.pace.now() == 0.0);
        let mut wanted = now.saturating_sub(self.asked_ground) > every && calm;
        if self.refresh.is_none() && now.saturating_sub(self.asked_names) >= NAMES_EVERY {
            self.asked_names = now;
            let names = self.names_now();
            wanted |= names != self.names && self.names.is_some();
            self.names = names;
        }
        if wanted {
            self.start_renewal();
        }
    }

    fn names_now(&self) -> Option<Listing> {
        self.engine.host.list(Path::new("/dev/mapper"), MOST_NAMES).ok()
    }

    pub(super) fn start_renewal(&mut self) {
        if self.refresh.is_some() || self.wish.once {
            return;
        }
        self.asked_ground = self.now();
        let (tell, told) = sync_channel(1);
        let host = Arc::clone(&self.engine.host);
        let started = std::thread::Builder::new().name("domkeep-lvm".to_owned()).spawn(move || {
            let _ = tell.send(ask(host.as_ref()));
        });
        self.refresh = started.is_ok().then_some(told);
    }

    /// Tells the screens and lists of other processes how fast what fills fills.
    fn tell_screens(&mut self) {
        let now = self.now();
        if self.wish.once || (self.told > Duration::ZERO && now.saturating_sub(self.told) < TELL_EVERY) {
            return;
        }
        self.told = now;
        let told = Told { at: self.engine.host.now(), fuses: self.watched.iter().map(Watched::told).collect() };
        if let (Some(passing), Ok(bytes)) = (&self.passing, serde_json::to_vec(&told)) {
            let _ = passing.put_beside(FUSES, &bytes);
        }
    }

    /// Until the next look; a signal ends it at once.
    fn sleep(&self, next: Duration) {
        let until = Instant::now() + if self.watched.is_empty() { NAMES_EVERY } else { next.min(NAMES_EVERY) };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            let nap = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(0), tv_nsec: i64::from(left.subsec_nanos()) };
            let _ = poll(&mut [], Some(&nap));
        }
    }
}

/// Where the jobs of a guard lie while they run.
fn place(engine: &Engine) -> Result<Store, Problem> {
    let workshop = engine.workshop()?;
    let passing = workshop.jobs.passing().ok_or_else(|| {
        Problem::new("the guard must run as root")
            .because("it extends volumes, and its jobs lie below /run")
            .hint("`domkeep guard --dry-run` says what it sees")
    })?;
    let demo = matches!(engine.host.place(), crate::engine::Place::Demo { .. });
    if !demo && !passing.is_in_memory()? {
        return Err(Problem::new("the guard has no place for its jobs")
            .because(format!("{} lies on a disk, which may be the one that fills", passing.seen()))
            .hint("mount a tmpfs at /run"));
    }
    Ok(passing)
}

fn ask(host: &dyn Look) -> Result<(Ground, Others), String> {
    Ok((Ground::look(host)?, Others::ask(host)))
}

/// Milliseconds until it is full, for the order in which stores are extended.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn time_left(one: &Watched) -> u64 {
    (one.bytes.saturating_sub(one.used) as f64 * 1000.0 / one.pace.now().max(1.0)) as u64
}

/// The seventh field of a device's statistics (Documentation/block/stat.rst).
fn sectors_written(host: &dyn Look, path: &HostPath) -> Option<u64> {
    let text = host.read_at(path.as_path(), 0, 512).ok()?;
    std::str::from_utf8(&text).ok()?.split_ascii_whitespace().nth(6)?.parse().ok()
}

/// Nothing of this process is paged out, and all of it is read in: its program may lie on the disk that fills.
fn lock_memory() -> bool {
    use rustix::mm::{MlockAllFlags, mlockall};
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).is_ok()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
