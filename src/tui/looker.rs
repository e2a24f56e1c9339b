//! Looks at the host on a thread of its own. A request that comes while a look is under way replaces the one that waits: the latest wins.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, SyncSender, TrySendError, sync_channel};
use std::thread::Builder;

use super::msg::Msg;
use crate::engine::Engine;
use crate::problem::Problem;

/// Name of the threads whose panics are told on the screen, not on a restored terminal.
pub const THREAD: &str = "domkeep-look";

pub struct Looker {
    /// One place: a request that finds it taken is already asked.
    slot: SyncSender<()>,
}

impl Looker {
    pub fn start(engine: &Engine, post: &Sender<Msg>) -> Result<Self, Problem> {
        let (slot, requests) = sync_channel(1);
        let (looking, tell) = (engine.clone(), post.clone());
        let cannot = |error| Problem::new("a thread could not be started").because(error);
        Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                while requests.recv().is_ok() {
                    let msg = match catch_unwind(AssertUnwindSafe(|| looking.scan())) {
                        Ok(picture) => Msg::Looked(picture, looking.commands()),
                        Err(panic) => Msg::LookFailed(words(&*panic)),
                    };
                    if tell.send(msg).is_err() {
                        return;
                    }
                }
            })
            .map_err(cannot)?;
        let (watched, tell) = (engine.clone(), post.clone());
        Builder::new().name(THREAD.to_owned()).spawn(move || watch(&watched, &tell)).map_err(cannot)?;
        Ok(Self { slot })
    }

    pub fn look(&self) {
        match self.slot.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

/// Asks the host to tell about changes. On a thread of its own, for the asking may take its time.
fn watch(engine: &Engine, post: &Sender<Msg>) {
    let tell = post.clone();
    let watch = catch_unwind(AssertUnwindSafe(|| {
        engine.watch(Box::new(move || {
            let _ = tell.send(Msg::HostChanged);
        }))
    }));
    let Ok(Some(watch)) = watch else { return };
    if post.send(Msg::Watching(true)).is_ok() {
        // The watch ends when it is dropped; the process ends this thread.
        loop {
            std::thread::park();
        }
    }
    drop(watch);
}

/// What a panic said.
pub fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it did not say why".to_owned())
}
