//! The terminal: taking it, drawing on it, giving it back in every case (end, panic, signal, Ctrl-Z).

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::ThreadId;

use ratatui::layout::Size;
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::caps::Caps;
use super::looker;
use super::model::Model;
use super::view::view;
use super::wire::{Meter, Wire};
use crate::problem::Problem;

/// Alternate screen, clear, bracketed paste (pasted text is then no key).
const TAKE: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?2004h";
/// The opposite, the mouse off, plain text, the cursor visible. Cleared first: a terminal without an alternate screen keeps what is on it.
const GIVE_BACK: &[u8] = b"\x1b[?1006l\x1b[?1000l\x1b[?2004l\x1b[m\x1b[H\x1b[2J\x1b[?1049l\x1b[?25h";
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
/// Some terminals take no longer text for their clipboard, and none needs a megabyte over a serial line.
const CLIPBOARD: usize = 8192;

/// The settings that were there before us.
struct Before {
    settings: Termios,
    out: File,
}

impl Before {
    fn give_back(&self) {
        // Nothing can be done about a terminal that does not take it.
        let _ = (&self.out).write_all(GIVE_BACK);
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.settings);
    }

    fn take(&self) -> io::Result<()> {
        let mut raw = self.settings.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        (&self.out).write_all(TAKE)
    }
}

pub struct Terminal {
    screen: ratatui::Terminal<Wire<File>>,
    before: Arc<Before>,
    mouse: bool,
    clipboard: bool,
    drawn: Size,
}

impl Terminal {
    pub fn open(caps: &Caps) -> Result<Self, Problem> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            let problem = Problem::usage("the screens need a terminal for input and output");
            return Err(problem.hint("in a pipe or a script use domkeep list, show or check, with --json for programs"));
        }
        let cannot = |error: io::Error| Problem::new("the terminal could not be set up").because(error);
        let settings = tcgetattr(io::stdin()).map_err(|errno| cannot(errno.into()))?;
        let ours = || io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let before = Arc::new(Before { settings, out: ours().map_err(cannot)? });
        let size = window_size().unwrap_or(Size { width: 80, height: 24 });
        let wire = Wire::new(ours().map_err(cannot)?, size, caps.colour, !caps.unicode);
        let screen = ratatui::Terminal::new(wire).map_err(cannot)?;
        restore_on_panic(Arc::clone(&before), std::thread::current().id());
        before.take().map_err(cannot)?;
        Ok(Self { screen, before, mouse: false, clipboard: caps.clipboard, drawn: size })
    }

    pub fn size(&self) -> Size {
        self.drawn
    }

    pub fn meter(&self) -> Meter {
        self.screen.backend().meter()
    }

    /// One frame, one write.
    pub fn draw(&mut self, model: &Model) -> io::Result<()> {
        if model.size != self.drawn {
            self.drawn = model.size;
            self.screen.backend_mut().resize(model.size);
        }
        self.screen.draw(|frame| view(model, frame))?;
        self.screen.backend_mut().send()
    }

    /// What is on the terminal is not known any more: the next frame draws everything.
    pub fn forget(&mut self) {
        self.screen.backend_mut().forget();
        // The backend only gathers bytes here; it cannot fail.
        let _ = self.screen.clear();
    }

    pub fn mouse(&mut self, on: bool) {
        self.mouse = on;
        self.screen.backend_mut().say(if on { MOUSE_ON } else { MOUSE_OFF });
    }

    /// Hands a text to the terminal's clipboard (OSC 52), where the terminal is known not to print it instead.
    pub fn copy(&mut self, text: &str) {
        if self.clipboard && text.len() <= CLIPBOARD {
            let command = format!("\x1b]52;c;{}\x07", base64(text.as_bytes()));
            self.screen.backend_mut().say(command.as_bytes());
        }
    }

    pub fn close(&mut self) {
        self.before.give_back();
    }

    /// Back to the shell. The whole group is stopped, as Ctrl-Z would do it; the process goes on here when it is continued.
    pub fn suspend(&mut self) -> Result<(), Problem> {
        self.before.give_back();
        kill_current_process_group(Signal::STOP).map_err(|error| Problem::new("domkeep could not be suspended").because(error))
    }

    /// Takes the terminal again after `fg`.
    pub fn reclaim(&mut self) -> io::Result<()> {
        // A shell may hand the terminal over a moment after it continues us.
        let mut tries = 0;
        while let Err(error) = self.before.take() {
            tries += 1;
            if tries > 20 {
                return Err(error);
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        if let Some(size) = window_size() {
            self.screen.backend_mut().resize(size);
            self.drawn = size;
        }
        self.mouse(self.mouse);
        self.forget();
        Ok(())
    }
}

/// The window's size in columns and rows.
pub fn window_size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(Size { width: size.ws_col, height: size.ws_row })
}

/// The terminal is not there any more.
pub fn is_gone(error: &io::Error) -> bool {
    let gone = [rustix::io::Errno::IO, rustix::io::Errno::PIPE, rustix::io::Errno::NXIO, rustix::io::Errno::BADF];
    error.raw_os_error().is_some_and(|code| gone.iter().any(|errno| errno.raw_os_error() == code))
}

/// A panic gives the terminal back first and speaks then. One in a look is told on the screen instead.
fn restore_on_panic(before: Arc<Before>, owner: ThreadId) {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let here = std::thread::current();
        if here.name() == Some(looker::THREAD) {
            return;
        }
        before.give_back();
        tell(panic);
        if here.id() != owner {
            // Without its keys or signals the program would be deaf.
            std::process::exit(101);
        }
    }));
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = (group >> (18 - 6 * place) & 63) as usize;
            let sign = DIGITS.get(digit).copied().unwrap_or(b'A');
            out.push(if place > chunk.len() { '=' } else { char::from(sign) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_arrives_as_it_was() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{fb}\u{ff}", "w7vDvw==")]
        {
            assert_eq!(base64(plain.as_bytes()), coded, "the clipboard would hold something else");
        }
    }
}
