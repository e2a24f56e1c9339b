//! Workers that each take the next piece of work, and results that come back in the order of the pieces.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The longest time in which nobody asks whether to stop.
const PULSE: Duration = Duration::from_millis(50);

/// How many work, and how far the fastest may run ahead of the slowest.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    pub threads: usize,
}

impl Crew {
    /// At least two, so that reading and writing overlap on one processor too; few, because they wait for the same disks.
    pub fn new(asked: Option<usize>) -> Self {
        let there = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { threads: asked.unwrap_or(there).clamp(1, 16).max(if asked.is_some() { 1 } else { 2 }) }
    }

    fn window(self) -> u64 {
        self.threads as u64 * 4
    }
}

/// The queue: who takes a piece, gets its number.
struct Queue<N> {
    next: N,
    taken: u64,
    /// Pieces below it have been entered.
    folded: u64,
    empty: bool,
}

/// Where results are put together, on the calling thread.
pub trait Ledger<R, E> {
    /// Every result, in the order of the pieces.
    fn enter(&mut self, result: R) -> Result<(), E>;
    /// After it, and whenever nothing happens for a while. False: stop.
    fn pulse(&mut self) -> Result<bool, E>;
}

/// Runs to the end of the work, to the first error in the order of the pieces, or until the ledger stops it.
///
/// `bench` makes what each worker keeps at hand (its buffers); `work` does one piece. A piece that was begun when a stop came is finished and entered.
/// True: all was done.
pub fn run<W, R, B, E>(
    crew: Crew,
    stop: &AtomicBool,
    next: impl FnMut() -> Option<W> + Send,
    bench: impl Fn() -> B + Sync,
    work: impl Fn(&mut B, W) -> Result<R, E> + Sync,
    ledger: &mut dyn Ledger<R, E>,
) -> Result<bool, E>
where
    W: Send,
    R: Send,
    E: Send,
{
    let queue = Mutex::new(Queue { next, taken: 0, folded: 0, empty: false });
    let room = Condvar::new();
    let take = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        while !stop.load(Ordering::Relaxed) && !queue.empty && queue.taken >= queue.folded.saturating_add(crew.window()) {
            queue = room.wait_timeout(queue, PULSE).unwrap_or_else(PoisonError::into_inner).0;
        }
        if stop.load(Ordering::Relaxed) || queue.empty {
            return None;
        }
        let Some(piece) = (queue.next)() else {
            queue.empty = true;
            return None;
        };
        queue.taken += 1;
        Some((queue.taken - 1, piece))
    };
    std::thread::scope(|scope| {
        let (results, inbox) = mpsc::channel();
        for _ in 0..crew.threads {
            let results = results.clone();
            let (take, bench, work) = (&take, &bench, &work);
            scope.spawn(move || {
                let mut bench = bench();
                while let Some((number, piece)) = take() {
                    let result = work(&mut bench, piece);
                    let failed = result.is_err();
                    // Nobody takes pieces after a failure; those before it are finished by their workers.
                    if failed {
                        stop.store(true, Ordering::Relaxed);
                    }
                    if results.send((number, result)).is_err() || failed {
                        break;
                    }
                }
            });
        }
        drop(results);
        let mut early: BTreeMap<u64, Result<R, E>> = BTreeMap::new();
        let mut folded = 0;
        let mut stopped = false;
        let mut failure = None;
        loop {
            match inbox.recv_timeout(PULSE) {
                Ok((number, result)) => {
                    early.insert(number, result);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while failure.is_none()
                && let Some(result) = early.remove(&folded)
            {
                match result.and_then(|result| ledger.enter(result)) {
                    Ok(()) => folded += 1,
                    Err(error) => failure = Some(error),
                }
            }
            queue.lock().unwrap_or_else(PoisonError::into_inner).folded = folded;
            room.notify_all();
            if failure.is_none() && !stopped {
                match ledger.pulse() {
                    Ok(go_on) => stopped = !go_on,
                    Err(error) => failure = Some(error),
                }
            }
            if failure.is_some() || stopped {
                stop.store(true, Ordering::Relaxed);
                room.notify_all();
            }
        }
        // A piece before the failed one may never have been folded when a stop came between: the first failure is the one to tell.
        match failure.or_else(|| early.into_values().find_map(Result::err)) {
            Some(error) => Err(error),
            None => Ok(!stopped && !stop.load(Ordering::Relaxed)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen {
        numbers: Vec<u64>,
        pulses: u64,
        stop_at: Option<u64>,
    }

    impl Ledger<u64, u64> for Seen {
        fn enter(&mut self, result: u64) -> Result<(), u64> {
            self.numbers.push(result);
            Ok(())
        }

        fn pulse(&mut self) -> Result<bool, u64> {
            self.pulses += 1;
            Ok(self.stop_at != Some(self.pulses))
        }
    }

    fn numbers(last: u64, seen: &mut Seen, work: impl Fn(u64) -> Result<u64, u64> + Sync) -> Result<bool, u64> {
        let mut numbers = 0..last;
        let stop = AtomicBool::new(false);
        run(Crew { threads: 4 }, &stop, move || numbers.next(), || (), |(), number| work(number), seen)
    }

    #[test]
    fn results_come_in_the_order_of_the_work() {
        let mut seen = Seen::default();
        let ended = numbers(500, &mut seen, |number| {
            if number % 7 == 0 {
                std::thread::sleep(Duration::from_micros(300));
            }
            Ok(number)
        });
        assert_eq!(ended, Ok(true));
        assert_eq!(seen.numbers, (0..500).collect::<Vec<_>>(), "a checkpoint would promise blocks that were not written");
    }

    #[test]
    fn the_first_failure_in_order_is_told_and_what_is_before_it_is_kept() {
        for bad in [0, 1, 37, 499] {
            let mut seen = Seen::default();
            let ended = numbers(500, &mut seen, |number| if number >= bad { Err(number) } else { Ok(number) });
            assert_eq!(ended, Err(bad), "another place would be named as the broken one");
            assert_eq!(seen.numbers.len() as u64, bad, "what was copied before the broken place would be forgotten");
        }
    }

    #[test]
    fn a_stop_ends_soon() {
        let mut seen = Seen { stop_at: Some(10), ..Seen::default() };
        assert_eq!(numbers(u64::MAX, &mut seen, Ok), Ok(false), "the copy could not be cancelled");
        assert_eq!(seen.pulses, 10);
    }
}
