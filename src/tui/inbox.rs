//! The one inbox, and the threads that only send to it: keys and signals.

use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use super::caps::Caps;
use super::msg::Msg;
use crate::problem::{Exit, Problem};

/// On a slow line the bytes of one key come one by one, and crossterm takes a lone ESC for the key: the rest is waited for.
const REST_OF_KEY: Duration = Duration::from_millis(20);

pub fn open(caps: &Caps) -> Result<(Receiver<Msg>, Sender<Msg>), Problem> {
    let (post, inbox) = channel();
    let cannot = |error: std::io::Error| Problem::new("keys and signals cannot be read").because(error);
    let signals = Signals::new([SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH]).map_err(cannot)?;
    let to = post.clone();
    Builder::new().name("domkeep-signals".to_owned()).spawn(move || listen(signals, &to)).map_err(cannot)?;
    let (to, slow) = (post.clone(), caps.slow);
    Builder::new().name("domkeep-keys".to_owned()).spawn(move || read_keys(&to, slow)).map_err(cannot)?;
    Ok((inbox, post))
}

/// Waits on the terminal itself before crossterm is asked: crossterm's own waiting never ends, at full speed, once the terminal is gone.
fn read_keys(post: &Sender<Msg>, slow: bool) {
    let input = std::io::stdin();
    loop {
        let mut fds = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
        }
        let seen = fds.first().map_or(PollFlags::empty(), PollFd::revents);
        if seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            break;
        }
        if slow {
            std::thread::sleep(REST_OF_KEY);
        }
        while event::poll(Duration::ZERO).unwrap_or(false) {
            let Ok(event) = event::read() else { break };
            let msg = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => Msg::Key(key),
                Event::Mouse(mouse) => Msg::Mouse(mouse),
                Event::Paste(text) => Msg::Paste(text),
                _ => continue,
            };
            if post.send(msg).is_err() {
                return;
            }
        }
    }
    let _ = post.send(Msg::TerminalGone);
}

fn listen(mut signals: Signals, post: &Sender<Msg>) {
    let mut asked = false;
    for signal in signals.forever() {
        let msg = match signal {
            SIGWINCH => super::terminal::window_size().map(Msg::Resized),
            SIGCONT => Some(Msg::Continued),
            SIGTSTP => Some(Msg::Stop),
            SIGHUP => Some(Msg::Leave(Exit::HungUp)),
            _ => Some(Msg::Leave(Exit::Failed)),
        };
        let leaves = matches!(msg, Some(Msg::Leave(_)));
        if leaves && asked {
            // The first was not obeyed: the screen is stuck in a write to a terminal that takes nothing.
            std::process::exit(Exit::Failed as i32);
        }
        asked |= leaves;
        if msg.is_some_and(|msg| post.send(msg).is_err()) {
            return;
        }
    }
}
