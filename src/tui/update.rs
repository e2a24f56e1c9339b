//! What a message does to the model. No I/O, no clock.

use std::time::Duration;

use super::changing::{draft, follow, proposal, wishes};
use super::keymap::{self, Action, Context};
use super::layout::{is_too_small, layout};
use super::model::{Looking, Model, Screen, Stop, Toast};
use super::msg::{Effect, Msg, Timer};
use super::overlay::{self, Overlay};
use super::{mouse, screen, travel, whynot};
use crate::engine::{Picture, Work};
use crate::problem::Exit;

/// A toast's life.
const TOAST: Duration = Duration::from_secs(6);
/// Changes are looked at when they have come to rest for so long.
const SETTLE: Duration = Duration::from_millis(500);
const RESIZE: Duration = Duration::from_millis(50);
/// How often the first look says how far it is.
const WAITING: Duration = Duration::from_secs(1);

/// What to do before the first message comes.
pub fn start(model: &Model) -> Vec<Effect> {
    let mut effects = vec![Effect::Look, Effect::Jobs, Effect::After(WAITING, Timer::Waiting)];
    if model.mouse {
        effects.push(Effect::Mouse(true));
    }
    effects
}

pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    overlay::note_seen(model);
    let before = model.screen().clone();
    let mut effects = match msg {
        Msg::Key(key) => keymap::name(&key).map_or_else(Vec::new, |name| press(model, &name, &key)),
        Msg::Mouse(event) => mouse::update(model, event),
        Msg::Paste(text) => {
            model.dirty |= overlay::paste(model, &text);
            Vec::new()
        }
        Msg::Resized(size) => {
            model.next_size = Some(size);
            vec![Effect::After(RESIZE, Timer::Resize)]
        }
        Msg::Looked(picture, commands) => looked(model, picture, commands),
        Msg::LookFailed(why) => {
            model.looking = Looking::No;
            model.overlays.push(Overlay::error(
                "The look at the host broke off",
                &[why, "This is a fault of domkeep; what was seen before is still shown.".to_owned()],
            ));
            model.dirty = true;
            next_poll(model)
        }
        Msg::Commands(commands) => {
            if model.commands != commands {
                model.commands = commands;
                model.dirty = true;
            }
            Vec::new()
        }
        Msg::HostChanged => host_changed(model),
        Msg::Watching(watched) => {
            model.watched = watched;
            Vec::new()
        }
        Msg::Form(subject, form) => {
            draft::arrived(model, subject, form);
            Vec::new()
        }
        Msg::Planned(ticket, answer) => {
            proposal::planned(model, ticket, answer);
            Vec::new()
        }
        Msg::Rehearsed(ticket, rehearsal) => proposal::rehearsed(model, ticket, rehearsal),
        Msg::Launched(answer) => proposal::launched(model, answer),
        Msg::Written(answer) => proposal::written(model, answer),
        Msg::Listed(dir, answer) => draft::listed(model, &dir, answer),
        Msg::Obeyed(answer) => follow::obeyed(model, answer),
        Msg::Jobs(answer, now) => follow::listed(model, answer, now),
        Msg::Job(id, answer, now) => follow::detailed(model, &id, answer.map(|detail| *detail), now),
        Msg::ErrandFailed(why) => {
            proposal::idle(model);
            let words = [why, "This is a fault of domkeep. The jobs are not touched by it.".to_owned()];
            model.overlays.push(Overlay::error("What you asked for broke off", &words));
            Vec::new()
        }
        Msg::Time(timer) => time(model, timer),
        Msg::Continued => vec![Effect::Redraw],
        Msg::Stop => vec![Effect::Suspend],
        Msg::Leave(exit) => vec![Effect::Quit(exit)],
        Msg::TerminalGone => vec![Effect::Quit(Exit::HungUp)],
    };
    take_waiting(model);
    settle(model);
    if *model.screen() != before {
        effects.extend(follow::ask(model));
    }
    effects
}

/// Does what a key, a help line or a palette line asks for.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if let Some(why) = whynot::why_not(model, action) {
        return say(model, format!("Not now: {why}."));
    }
    if let Some(wish) = wishes::of(action) {
        return wishes::begin(model, wish);
    }
    let in_form = *model.screen() == Screen::Form;
    match action {
        Action::Open if in_form => return draft::enter(model),
        Action::Escape if in_form => return draft::leave(model),
        Action::NextChoice => draft::choose(model, false),
        Action::PreviousChoice => draft::choose(model, true),
        Action::ShowPlan => return draft::show_plan(model),
        Action::Browse => return draft::browse(model),
        Action::Changes => model.overlays.push(Overlay::picker(overlay::Kind::Changes)),
        Action::Mend => return wishes::mend(model),
        Action::Launch => proposal::ask_launch(model),
        Action::DryRun => return proposal::dry_run(model),
        Action::Script => proposal::ask_script(model),
        Action::CancelJob => follow::ask_cancel(model),
        Action::FinishJob => follow::ask_resume(model, Work::Finish),
        Action::UndoJob => follow::ask_resume(model, Work::Undo),
        Action::Follow => model.changing.follow.tail = !model.changing.follow.tail,
        Action::Jobs => travel::root(model, Screen::Jobs),
        Action::Backups => travel::root(model, Screen::Backups),
        // Only a question has them, and it answers them itself. The wishes are done above.
        Action::Yes | Action::No | Action::BackUp | Action::NewDisk | Action::Start | Action::Resume | Action::Restore => {}
        Action::Up => travel::step(model, -1),
        Action::Down => travel::step(model, 1),
        Action::HalfUp => travel::pages(model, -1, 2),
        Action::HalfDown => travel::pages(model, 1, 2),
        Action::PageUp => travel::pages(model, -1, 1),
        Action::PageDown => travel::pages(model, 1, 1),
        Action::First => travel::end(model, false),
        Action::Last => travel::end(model, true),
        Action::NextPane => travel::pane(model, 1),
        Action::PreviousPane => travel::pane(model, -1),
        Action::Open => screen::open(model),
        Action::Back => travel::back(model),
        Action::Escape => travel::escape(model),
        Action::Domains => travel::root(model, Screen::Domains),
        Action::Storage => travel::root(model, Screen::Storage),
        Action::Findings => travel::root(model, Screen::Findings),
        Action::Commands => travel::root(model, Screen::Commands),
        Action::Domain => {
            if let Some(id) = model.selected_domain().map(str::to_owned) {
                travel::root(model, Screen::Domains);
                travel::enter(model, Screen::Domain(id));
            }
        }
        Action::Help => model.overlays.push(Overlay::picker(overlay::Kind::Help)),
        Action::Palette => model.overlays.push(Overlay::picker(overlay::Kind::Palette)),
        Action::Copy => model.overlays.push(Overlay::picker(overlay::Kind::Copy)),
        Action::Sort => model.overlays.push(Overlay::picker(overlay::Kind::Sort)),
        Action::Filter => model.overlays.push(Overlay::filter(model.filter())),
        Action::Gaps => model.overlays.push(overlay::gaps(model)),
        Action::Rescan => return rescan(model),
        Action::Pause => return pause(model),
        Action::Mouse => {
            model.mouse = !model.mouse;
            let word =
                if model.mouse { "The mouse selects lines; hold Shift to select text." } else { "The mouse is the terminal's own again." };
            let mut effects = say(model, word.to_owned());
            effects.push(Effect::Mouse(model.mouse));
            return effects;
        }
        Action::Redraw => return vec![Effect::Redraw],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Quit if model.trail.len() > 1 => travel::back(model),
        Action::Quit | Action::QuitNow => return vec![Effect::Quit(Exit::Good)],
    }
    Vec::new()
}

/// A line above the hints for a few seconds.
pub fn say(model: &mut Model, text: String) -> Vec<Effect> {
    model.toast = Some(Toast { text, sticky: false });
    model.dirty = true;
    vec![Effect::After(TOAST, Timer::Toast)]
}

fn press(model: &mut Model, name: &str, key: &ratatui::crossterm::event::KeyEvent) -> Vec<Effect> {
    if is_too_small(model.size) {
        // Nothing can be seen: nothing may happen, but one can leave.
        let leaves = keymap::lookup(&[Context::Screen], name).is_some_and(|action| matches!(action, Action::Quit | Action::QuitNow));
        return if leaves { vec![Effect::Quit(Exit::Good)] } else { Vec::new() };
    }
    if model.toast.as_ref().is_some_and(|toast| toast.sticky) {
        model.toast = None;
    }
    model.dirty = true;
    if !model.overlays.is_empty() {
        return overlay::press(model, name, key);
    }
    if *model.screen() == Screen::Form {
        return draft::press(model, name, key);
    }
    keymap::lookup(model.screen().contexts(), name).map_or_else(Vec::new, |action| act(model, action))
}

fn looked(model: &mut Model, picture: Picture, commands: Vec<crate::engine::CommandEntry>) -> Vec<Effect> {
    let asked = std::mem::take(&mut model.looking) == Looking::Asked;
    let first = model.picture.is_none();
    let changed = !model.picture.as_ref().is_some_and(|old| same(old, &picture));
    if model.commands != commands {
        model.commands = commands;
        model.dirty |= *model.screen() == Screen::Commands;
    }
    let mut effects = Vec::new();
    if changed {
        model.waiting = Some(picture);
        model.dirty = true;
    }
    if asked && !first {
        effects =
            say(model, if changed { "Looked again: something has changed." } else { "Looked again: nothing has changed." }.to_owned());
    }
    if std::mem::take(&mut model.look_again) {
        model.looking = Looking::Again;
        effects.push(Effect::Look);
    }
    effects.extend(next_poll(model));
    // Jobs of other terminals tell nobody.
    effects.push(Effect::Jobs);
    effects
}

/// The same but for the time it was taken at.
fn same(old: &Picture, new: &Picture) -> bool {
    let mut inventory = (*new.inventory).clone();
    inventory.host.taken = old.inventory.host.taken;
    *old.inventory == inventory && old.verdicts == new.verdicts
}

/// Lists do not change under an open overlay; the newest picture waits.
fn take_waiting(model: &mut Model) {
    if (model.overlays.is_empty() || model.picture.is_none())
        && let Some(picture) = model.waiting.take()
    {
        model.index = super::index::Index::of(&picture);
        model.picture = Some(picture);
        model.dirty = true;
    }
}

fn next_poll(model: &Model) -> Vec<Effect> {
    if model.paused || model.poll_seconds == 0 {
        return Vec::new();
    }
    // Fill of snapshots and pools tells nobody: also a watched host is polled, ten times as slowly.
    let seconds = if model.watched { model.poll_seconds.saturating_mul(10) } else { model.poll_seconds };
    vec![Effect::After(Duration::from_secs(seconds), Timer::Poll)]
}

fn host_changed(model: &mut Model) -> Vec<Effect> {
    if model.paused || model.settling {
        return Vec::new();
    }
    model.settling = true;
    vec![Effect::After(SETTLE, Timer::Settled)]
}

/// Looks again; a look that is under way is followed by another.
pub fn look(model: &mut Model) -> Vec<Effect> {
    if model.looking != Looking::No {
        model.look_again = true;
        return Vec::new();
    }
    model.looking = Looking::Again;
    vec![Effect::Look]
}

fn rescan(model: &mut Model) -> Vec<Effect> {
    let effects = look(model);
    model.looking = Looking::Asked;
    model.dirty = true;
    effects
}

fn pause(model: &mut Model) -> Vec<Effect> {
    model.paused = !model.paused;
    if model.paused {
        say(model, "Paused: the host is looked at again only when you press r.".to_owned())
    } else {
        let mut effects = say(model, "Looking again by itself.".to_owned());
        effects.extend(look(model));
        effects.extend(follow::ask(model));
        effects
    }
}

fn time(model: &mut Model, timer: Timer) -> Vec<Effect> {
    match timer {
        Timer::Toast => {
            model.dirty |= model.toast.take_if(|toast| !toast.sticky).is_some();
            Vec::new()
        }
        Timer::Poll | Timer::Settled => {
            if timer == Timer::Settled {
                model.settling = false;
            }
            if model.paused { Vec::new() } else { look(model) }
        }
        Timer::Jobs if model.paused => Vec::new(),
        Timer::Jobs => follow::ask(model).into_iter().collect(),
        Timer::Waiting if model.picture.is_none() => vec![Effect::AskCommands, Effect::After(WAITING, Timer::Waiting)],
        Timer::Waiting => Vec::new(),
        Timer::Resize => {
            if let Some(size) = model.next_size.take() {
                model.size = size;
                model.dirty = true;
            }
            Vec::new()
        }
    }
}

/// Fits every selection and scroll to what is there now.
pub fn settle(model: &mut Model) {
    if model.trail.is_empty() {
        model.trail.push(Stop { screen: Screen::Domains, focus: 0 });
    }
    let Some(first) = layout(model.size, model) else { return };
    let focus = model.focus().min(first.panes.len().saturating_sub(1));
    if let Some(stop) = model.trail.last_mut() {
        stop.focus = focus;
    }
    // The first pane decides what the others show.
    let before = model.selected(0).map(str::to_owned);
    travel::settle_pane(model, &first, 0);
    let moved = model.selected(0) != before.as_deref();
    let Some(now) = (if moved { layout(model.size, model) } else { Some(first) }) else { return };
    for pane in 1..now.panes.len() {
        travel::settle_pane(model, &now, pane);
    }
    if model.changing.follow.tail && matches!(model.screen(), Screen::Job(_)) {
        travel::with(model, 1, |cursor, pane| cursor.last(&pane.keys(), pane.height()));
    }
    overlay::settle(model, &now);
    draft::settle(model);
}
