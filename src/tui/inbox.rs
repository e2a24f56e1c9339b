//! The one inbox, and the threads that only send to it: keys and signals.

use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use super::caps::Caps;
use super::decode::{Decoder, Input};
use super::msg::Msg;
use crate::problem::{Exit, Problem};

/// The bytes of one key may come one by one; after so long without the next, an Escape was the key Escape.
const REST_OF_KEY: Timespec = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
const REST_OF_KEY_SLOWLY: Timespec = Timespec { tv_sec: 0, tv_nsec: 150_000_000 };

pub fn open(caps: &Caps) -> Result<(Receiver<Msg>, Sender<Msg>), Problem> {
    let (post, inbox) = channel();
    let cannot = |error: std::io::Error| Problem::new("keys and signals cannot be read").because(error);
    let signals = Signals::new([SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH]).map_err(cannot)?;
    let to = post.clone();
    Builder::new().name("domkeep-signals".to_owned()).spawn(move || listen(signals, &to)).map_err(cannot)?;
    let to = post.clone();
    let rest_of_key = if caps.slow { REST_OF_KEY_SLOWLY } else { REST_OF_KEY };
    Builder::new().name("domkeep-keys".to_owned()).spawn(move || read_keys(&to, rest_of_key)).map_err(cannot)?;
    Ok((inbox, post))
}

/// Waits with a poll of our own, which sees that the terminal is gone.
fn read_keys(post: &Sender<Msg>, rest_of_key: Timespec) {
    let input = std::io::stdin();
    let mut decoder = Decoder::default();
    let mut bytes = [0; 4096];
    loop {
        let mut fds = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
        let limit = decoder.is_waiting().then_some(&rest_of_key);
        let inputs = match poll(&mut fds, limit) {
            Ok(0) => decoder.give_up(),
            Ok(_) if fds.first().is_some_and(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)) => break,
            Ok(_) => match rustix::io::read(input.as_fd(), &mut bytes) {
                Ok(0) => break,
                Ok(count) => decoder.feed(bytes.get(..count).unwrap_or_default()),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
                Err(_) => break,
            },
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
        };
        for input in inputs {
            let msg = match input {
                Input::Key(key) => Msg::Key(key),
                Input::Mouse(mouse) => Msg::Mouse(mouse),
                Input::Paste(text) => Msg::Paste(text),
            };
            if post.send(msg).is_err() {
                return;
            }
        }
    }
    let _ = post.send(Msg::TerminalGone);
}

fn listen(mut signals: Signals, post: &Sender<Msg>) {
    // How the program was first told to leave; a hang-up outweighs the rest, for its exit code says that the line died.
    let mut asked: Option<Exit> = None;
    for signal in signals.forever() {
        let msg = match signal {
            SIGWINCH => super::terminal::window_size().map(Msg::Resized),
            SIGCONT => Some(Msg::Continued),
            SIGTSTP => Some(Msg::Stop),
            SIGHUP => Some(Msg::Leave(Exit::HungUp)),
            _ => Some(Msg::Leave(Exit::Failed)),
        };
        if let Some(Msg::Leave(exit)) = msg {
            if let Some(before) = asked {
                // The first was not obeyed: the screen is stuck in a write to a terminal that takes nothing.
                let exit = if before == Exit::HungUp { before } else { exit };
                std::process::exit(exit as i32);
            }
            asked = Some(exit);
        }
        if msg.is_some_and(|msg| post.send(msg).is_err()) {
            return;
        }
    }
}
