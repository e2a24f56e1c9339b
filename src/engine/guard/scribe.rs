//! All that may wait for a disk, on a thread of its own: the log's reader may hang, and so may the disk that the records go to. The guard
//! never waits for either.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Word;
use crate::job::Store;
use crate::model::JobId;

/// What waits to be written; more is dropped, and its number told.
const MOST_WAITING: usize = 4096;
/// At the end so long is waited for a disk that does not answer. What was not written is found at the next start.
const LAST_WORDS: Duration = Duration::from_secs(10);

pub type Say = Box<dyn FnMut(&Word) + Send>;

enum Errand {
    Say(Word),
    Adopt(JobId),
    Keep { name: &'static str, bytes: Vec<u8> },
}

pub struct Scribe {
    errands: Option<SyncSender<Errand>>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

struct Desk {
    say: Say,
    /// Where records are brought to, and from.
    stores: Option<(Store, Store)>,
    dropped: Arc<AtomicU64>,
    /// Records that could not be brought over yet.
    waiting: Vec<JobId>,
}

impl Scribe {
    pub fn start(say: Say, stores: Option<(Store, Store)>) -> std::io::Result<Self> {
        let (errands, work) = sync_channel(MOST_WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut desk = Desk { say, stores, dropped: Arc::clone(&dropped), waiting: Vec::new() };
        let thread = std::thread::Builder::new().name("domkeep-scribe".to_owned()).spawn(move || desk.work(&work))?;
        Ok(Self { errands: Some(errands), dropped, thread: Some(thread) })
    }

    pub fn say(&self, word: Word) {
        self.send(Errand::Say(word));
    }

    /// Brings the record of a job that has ended to the others.
    pub fn adopt(&self, id: JobId) {
        self.send(Errand::Adopt(id));
    }

    /// Keeps a small file beside the jobs.
    pub fn keep(&self, name: &'static str, bytes: Vec<u8>) {
        self.send(Errand::Keep { name, bytes });
    }

    fn send(&self, errand: Errand) {
        let Some(errands) = &self.errands else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = errands.try_send(errand) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.errands = None;
        let until = Instant::now() + LAST_WORDS;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn work(&mut self, errands: &Receiver<Errand>) {
        while let Ok(errand) = errands.recv() {
            match errand {
                Errand::Say(word) => (self.say)(&word),
                Errand::Adopt(id) => {
                    self.waiting.push(id);
                    self.bring();
                }
                Errand::Keep { name, bytes } => {
                    if let Some((lasting, _)) = &self.stores {
                        // Without it the latency is measured anew.
                        let _ = lasting.put_beside(name, &bytes);
                    }
                }
            }
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                (self.say)(&Word::Trouble {
                    what: format!(
                        "{dropped} words or records had to wait for a disk and were dropped; records are found at the next start"
                    ),
                });
            }
        }
        self.bring();
    }

    /// What cannot be brought over is tried again with the next one, and at the next start.
    fn bring(&mut self) {
        let Some((lasting, passing)) = &self.stores else { return };
        let waiting = std::mem::take(&mut self.waiting);
        for id in waiting {
            if let Err(problem) = lasting.adopt(passing, &id) {
                (self.say)(&Word::Trouble { what: format!("{problem}") });
                self.waiting.push(id);
            }
        }
    }
}
