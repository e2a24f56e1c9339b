//! A small pool of threads that may be lost to the kernel one by one.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that hang in the kernel before nothing more is asked.
pub const MOST_STUCK: usize = 16;

/// Threads at work beside them.
const MOST_AT_WORK: usize = 8;

/// Our questions keep nothing large on the stack.
const STACK: usize = 512 << 10;

pub type Job = Box<dyn FnOnce() + Send>;

const WAITING: u8 = 0;
const AT_WORK: u8 = 1;
const DONE: u8 = 2;
const STUCK: u8 = 3;
const CANCELLED: u8 = 4;

/// Where a job stands.
#[derive(Debug, Default)]
pub struct Ticket(AtomicU8);

impl Ticket {
    /// It was given up and has not come back.
    pub fn hangs(&self) -> bool {
        self.0.load(Ordering::SeqCst) == STUCK
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Job, Arc<Ticket>)>,
    threads: usize,
    idle: usize,
    stuck: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub struct Workers {
    shared: Arc<Shared>,
}

impl Workers {
    /// Queues a job; nothing when too many threads hang already, or none could be made.
    pub fn submit(&self, job: Job) -> Option<Arc<Ticket>> {
        let mut state = self.shared.state();
        if state.stuck >= MOST_STUCK {
            return None;
        }
        let wanted = state.idle <= state.queue.len() && state.threads < state.stuck + MOST_AT_WORK;
        if wanted {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("domkeep-look".to_owned()).stack_size(STACK);
            let made = thread.spawn(move || work(&shared)).is_ok();
            state.threads += usize::from(made);
            if state.threads == state.stuck {
                return None;
            }
        }
        let ticket = Arc::new(Ticket::default());
        state.queue.push_back((job, Arc::clone(&ticket)));
        self.shared.bell.notify_one();
        Some(ticket)
    }

    /// Gives a job up. `true`: it is under way and hangs; `false`: it never began, or has just ended.
    pub fn abandon(&self, ticket: &Ticket) -> bool {
        let mut state = self.shared.state();
        if ticket.turn(WAITING, CANCELLED) {
            state.queue.retain(|(_, waiting)| !std::ptr::eq(&raw const **waiting, ticket));
            return false;
        }
        let hangs = ticket.turn(AT_WORK, STUCK);
        state.stuck += usize::from(hangs);
        hangs
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.bell.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut state = shared.state();
    while !state.closed {
        let Some((job, ticket)) = state.queue.pop_front() else {
            state.idle += 1;
            state = shared.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            continue;
        };
        drop(state);
        if ticket.turn(WAITING, AT_WORK) {
            // A panic in one question must not cost the thread; the asker sees that its answer was lost.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
        state = shared.state();
        if !ticket.turn(AT_WORK, DONE) && ticket.turn(STUCK, DONE) {
            state.stuck = state.stuck.saturating_sub(1);
        }
        // Threads that were made in place of stuck ones are not needed any more.
        if state.threads > state.stuck + MOST_AT_WORK {
            break;
        }
    }
    state.threads -= 1;
}
