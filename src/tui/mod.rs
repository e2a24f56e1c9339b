//! The terminal program.
//!
//! Elm without ceremony: [`update::update`] changes the [`model::Model`] and says what to do, [`view::view`] draws it, and both ask the same
//! pure [`layout::layout`]. Input, signals, the look at the host and the watch are threads that only send to one inbox; there is one owner
//! of the state, and nothing is drawn when nothing changed.
//!
//! ```text
//! dom0.example.com > Domains > web01                 READ-ONLY   crumbs: where one is, and what holds here
//!  1 Domains  [2 Domain]  3 Storage  4 Findings  5 Commands     screens
//! ...                                                            the screen's panes
//! ! 2 dangers: press 4   3 things could not be read: press e     what needs attention, or a toast       3/12
//! Enter open  q quit  / filter ...                    ? more     the most useful keys
//! ```

pub mod caps;
mod changing;
mod decode;
#[cfg(test)]
mod desk;
mod face;
mod inbox;
mod index;
pub mod keymap;
mod layout;
mod looker;
mod model;
mod mouse;
mod msg;
mod overlay;
#[cfg(test)]
mod sample;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;
mod timers;
mod travel;
mod update;
mod view;
mod whynot;
mod widget;
mod wire;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};

use crate::engine::Engine;
use crate::problem::{Exit, Problem};
use changing::errand::Errands;
use model::{Model, Toast};
use msg::{Effect, Msg};
use terminal::Terminal;
use timers::Timers;

/// What the command line says about the screen.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--ascii`.
    pub ascii: bool,
    pub color: caps::ColorChoice,
    /// Whether the line is slow, when the person says so.
    pub slow: Option<bool>,
    /// `--stats`: bytes and frames on standard error at the end.
    pub stats: bool,
    pub read_only: bool,
    /// A sentence to say until the first key.
    pub notice: Option<String>,
}

/// Messages that are taken in before a frame is drawn.
const BATCH: usize = 256;

/// Runs until the person leaves, the terminal goes away or a signal says so. The terminal is restored in each case.
pub fn run(engine: Engine, options: Options) -> Result<Exit, Problem> {
    let caps = caps::decide(&caps::Env::of_process(options.color, options.ascii, options.slow));
    if !caps.full_screen {
        let why = caps.reasons.first().cloned().unwrap_or_default();
        return Err(Problem::usage("this terminal cannot show the screens")
            .because(why)
            .hint("domkeep list, domkeep check, or domkeep --plain"));
    }
    let mut terminal = Terminal::open(&caps)?;
    let mut model = Model::new(caps.face(), terminal.size(), engine.host().place());
    model.read_only = options.read_only;
    model.toast = options.notice.map(|text| Toast { text, sticky: true });
    model.poll_seconds = engine.poll_seconds().unwrap_or(0);
    let (inbox, post) = inbox::open(&caps)?;
    model.changing.fixed = engine.why_fixed();
    let errands = Errands::start(&engine, &post)?;
    let mut room =
        Room { worker: looker::Looker::start(&engine, &post)?, errands, engine, post, timers: Timers::default(), stopped: false };
    let ended = turn(&mut room, &mut terminal, &mut model, &inbox);
    if ended != Ok(Exit::HungUp) {
        terminal.close();
    }
    if options.stats {
        let meter = terminal.meter();
        eprintln!("domkeep: {} bytes in {} frames", meter.bytes, meter.frames);
    }
    ended
}

/// What effects work with.
struct Room {
    engine: Engine,
    worker: looker::Looker,
    errands: Errands,
    post: Sender<Msg>,
    timers: Timers,
    /// Stopped by Ctrl-Z: the terminal is somebody else's until the process goes on.
    stopped: bool,
}

/// For the test that a panic gives the terminal back. Not in a release.
#[cfg(debug_assertions)]
fn panic_if_asked() {
    assert!(std::env::var_os("DOMKEEP_TEST_PANIC").is_none(), "asked for by DOMKEEP_TEST_PANIC");
}

fn turn(room: &mut Room, terminal: &mut Terminal, model: &mut Model, inbox: &Receiver<Msg>) -> Result<Exit, Problem> {
    update::settle(model);
    draw(room, terminal, model)?;
    #[cfg(debug_assertions)]
    panic_if_asked();
    let mut effects = update::start(model);
    loop {
        for effect in std::mem::take(&mut effects) {
            if let Some(exit) = carry_out(room, terminal, model, effect)? {
                return Ok(exit);
            }
        }
        // Only now, when everything that was waiting has been taken in.
        if model.dirty && draw(room, terminal, model)? == Drawn::Gone {
            return Ok(Exit::HungUp);
        }
        let mut batch = wait(room, inbox);
        batch.extend(inbox.try_iter().take(BATCH));
        for msg in batch {
            if msg == Msg::Continued {
                room.stopped = false;
                if Drawn::of(terminal.reclaim(), "the terminal could not be taken again")? == Drawn::Gone {
                    return Ok(Exit::HungUp);
                }
            }
            effects.extend(update::update(model, msg));
            // A hang-up comes with a SIGCONT behind it, which must not touch the terminal any more.
            if effects.iter().any(|effect| matches!(effect, Effect::Quit(_))) {
                break;
            }
        }
    }
}

/// The next message, or the timers that are due.
fn wait(room: &mut Room, inbox: &Receiver<Msg>) -> Vec<Msg> {
    let received = match room.timers.next() {
        None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(left) => inbox.recv_timeout(left),
    };
    match received {
        Ok(msg) => vec![msg],
        Err(RecvTimeoutError::Timeout) => room.timers.due().into_iter().map(Msg::Time).collect(),
        Err(RecvTimeoutError::Disconnected) => vec![Msg::TerminalGone],
    }
}

/// Whether the terminal is still there.
#[derive(PartialEq, Eq)]
enum Drawn {
    Yes,
    Gone,
}

impl Drawn {
    fn of(result: std::io::Result<()>, otherwise: &str) -> Result<Self, Problem> {
        match result {
            Ok(()) => Ok(Self::Yes),
            Err(error) if terminal::is_gone(&error) => Ok(Self::Gone),
            Err(error) => Err(Problem::new(otherwise).because(error)),
        }
    }
}

fn draw(room: &Room, terminal: &mut Terminal, model: &mut Model) -> Result<Drawn, Problem> {
    if room.stopped {
        return Ok(Drawn::Yes);
    }
    model.dirty = false;
    Drawn::of(terminal.draw(model), "the terminal could not be written to")
}

fn carry_out(room: &mut Room, terminal: &mut Terminal, model: &mut Model, effect: Effect) -> Result<Option<Exit>, Problem> {
    match effect {
        Effect::Look => room.worker.look(),
        Effect::Form(wish, subject) => {
            // Pure, and made of what is on the screen already.
            if let Some(picture) = &model.picture {
                let form = room.engine.form(wish, picture, subject.as_ref());
                let _ = room.post.send(Msg::Form(subject, form));
            }
        }
        Effect::Errand(errand) => room.errands.send(*errand, model.picture.clone()),
        Effect::Jobs if room.engine.has_jobs() => room.errands.ask(None),
        Effect::Jobs => {}
        Effect::Job(id) => room.errands.ask(Some(id)),
        Effect::AskCommands => {
            // A closed inbox cannot be: this thread holds its other end.
            let _ = room.post.send(Msg::Commands(room.engine.commands()));
        }
        Effect::After(time, timer) => room.timers.set(time, timer),
        Effect::Clipboard(text) => terminal.copy(&text),
        Effect::Mouse(on) => terminal.mouse(on),
        Effect::Redraw => {
            terminal.forget();
            model.dirty = true;
        }
        Effect::Suspend => {
            room.stopped = true;
            terminal.suspend()?;
        }
        Effect::Quit(exit) => return Ok(Some(exit)),
    }
    Ok(None)
}
