//! A desk to try the program at: keys as text in, screen and state out. Effects are carried out on the spot, time passes when told.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;

use super::changing::errand::Errand;
use super::changing::proposal::Rehearsal;
use super::face::Face;
use super::model::Model;
use super::msg::{Effect, Msg, Timer};
use super::sample;
use super::update::{settle, start, update};
use super::view::view;
use super::wire::Wire;
use crate::engine::Picture;
use crate::engine::{CommandEntry, Place};
use crate::model::example_change as sample_changes;
use crate::model::{Held, JobDetail, JobId, Plan, Refusal};
use crate::problem::{Exit, Problem};

pub struct Desk {
    pub model: Model,
    screen: ratatui::Terminal<TestBackend>,
    /// What the next looks find.
    pub host: Picture,
    pub log: Vec<CommandEntry>,
    /// Looks end only when the test says so.
    pub holds: bool,
    pub looks: usize,
    pub timers: Vec<(Duration, Timer)>,
    pub clipboard: Option<String>,
    pub ended: Option<Exit>,
    pub suspended: bool,
    pub frames: usize,
    /// What the next question for a plan is answered with.
    pub plan: Result<Plan, Refusal>,
    /// What a dry run finds of each assumption.
    pub held: Held,
    /// Errands stay undone until the test says so.
    pub holds_errands: bool,
    pub errands: Vec<Errand>,
    pub jobs: Vec<JobDetail>,
    /// The host's clock.
    pub now: DateTime<Utc>,
}

impl Desk {
    /// A terminal of this size before the first look has ended.
    pub fn waiting(width: u16, height: u16, face: Face, host: Picture) -> Self {
        let place = Place::Demo { name: "crowded".to_owned(), root: "/tmp".into() };
        let mut desk = Self {
            model: Model::new(face, Size { width, height }, place),
            screen: ratatui::Terminal::new(TestBackend::new(width, height)).unwrap(),
            host,
            log: sample::commands(),
            holds: true,
            looks: 0,
            timers: Vec::new(),
            clipboard: None,
            ended: None,
            suspended: false,
            frames: 0,
            plan: Ok(sample_changes::backup_plan()),
            held: Held::Yes,
            holds_errands: false,
            errands: Vec::new(),
            jobs: Vec::new(),
            now: sample::at(14, 5),
        };
        desk.model.changing.read = sample_changes::read;
        settle(&mut desk.model);
        let effects = start(&desk.model);
        desk.draw();
        desk.carry_out(effects);
        desk
    }

    pub fn with(width: u16, height: u16, face: Face, host: Picture) -> Self {
        let mut desk = Self::waiting(width, height, face, host);
        desk.holds = false;
        desk.answer();
        desk
    }

    pub fn sample() -> Self {
        Self::with(80, 24, Face::FULL, sample::picture())
    }

    pub fn send(&mut self, msg: Msg) {
        let effects = update(&mut self.model, msg);
        self.draw();
        self.carry_out(effects);
    }

    /// The look that is under way ends.
    pub fn answer(&mut self) {
        self.send(Msg::Looked(self.host.clone(), self.log.clone()));
    }

    fn draw(&mut self) {
        if std::mem::take(&mut self.model.dirty) {
            self.frames += 1;
            let size = self.model.size;
            self.screen.backend_mut().resize(size.width, size.height);
            self.screen.draw(|frame| view(&self.model, frame)).unwrap();
        }
    }

    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Look => {
                    self.looks += 1;
                    if !self.holds {
                        self.answer();
                    }
                }
                Effect::Form(wish, subject) => {
                    let form = sample_changes::form(wish, subject.as_ref());
                    self.send(Msg::Form(subject, form));
                }
                Effect::Errand(errand) => {
                    self.errands.push((*errand).clone());
                    if !self.holds_errands {
                        self.obey(*errand);
                    }
                }
                Effect::Jobs => self.tell_jobs(),
                Effect::Job(id) => self.tell_job(&id),
                Effect::AskCommands => self.send(Msg::Commands(self.log.clone())),
                Effect::After(time, timer) => {
                    self.timers.retain(|(_, kind)| *kind != timer);
                    self.timers.push((time, timer));
                }
                Effect::Clipboard(text) => self.clipboard = Some(text),
                Effect::Mouse(_) => {}
                Effect::Redraw => self.model.dirty = true,
                Effect::Suspend => self.suspended = true,
                Effect::Quit(exit) => self.ended = Some(exit),
            }
        }
    }

    pub fn tell_jobs(&mut self) {
        let jobs = self.jobs.iter().map(|job| job.summary.clone()).collect();
        self.send(Msg::Jobs(Ok(jobs), self.now));
    }

    pub fn tell_job(&mut self, id: &JobId) {
        let detail = self.jobs.iter().find(|job| job.summary.id == *id).cloned();
        let answer = detail.map(Box::new).ok_or_else(|| Problem::new(format!("there is no job {id}")));
        self.send(Msg::Job(id.clone(), answer, self.now));
    }

    /// What a worker does with an errand.
    pub fn obey(&mut self, errand: Errand) {
        let made = |plan: &Result<Plan, Refusal>| plan.clone().map(Arc::new);
        let msg = match errand {
            Errand::Plan { ticket, .. } => Msg::Planned(ticket, made(&self.plan)),
            Errand::Rehearse { ticket, plan, .. } => {
                let held = plan.assumptions.iter().map(|assumption| (assumption.says.clone(), self.held.clone())).collect();
                Msg::Rehearsed(ticket, Rehearsal { held, again: made(&self.plan) })
            }
            Errand::Launch { plan, .. } => {
                self.jobs.insert(0, sample_changes::starting(&plan));
                Msg::Launched(Ok(plan.id.clone()))
            }
            Errand::Script { path, .. } => Msg::Written(Ok(path)),
            Errand::List(dir) => {
                let found = if dir == "/backup" { vec![("a".to_owned(), true), ("note.txt".to_owned(), false)] } else { Vec::new() };
                Msg::Listed(dir, Ok(found))
            }
            Errand::Cancel(_) | Errand::Resume(..) => Msg::Obeyed(Ok("It is done.".to_owned())),
        };
        self.send(msg);
    }

    /// The time of this timer comes, if it was set.
    pub fn ring(&mut self, timer: Timer) -> bool {
        let before = self.timers.len();
        self.timers.retain(|(_, kind)| *kind != timer);
        let set = self.timers.len() < before;
        if set {
            self.send(Msg::Time(timer));
        }
        set
    }

    /// `/web<enter>jb<esc>`
    pub fn keys(&mut self, text: &str) -> &mut Self {
        for key in keys(text) {
            self.send(Msg::Key(key));
        }
        self
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.send(Msg::Resized(Size { width, height }));
        self.ring(Timer::Resize);
    }

    /// What a person sees.
    pub fn screen(&self) -> String {
        let buffer = self.screen.backend().buffer();
        let width = usize::from(buffer.area.width);
        let rows = buffer.content.chunks(width).map(|row| {
            let mut out = String::new();
            let mut skip = 0usize;
            for cell in row {
                if skip == 0 {
                    out.push_str(cell.symbol());
                    skip = super::widget::text::width(cell.symbol());
                }
                skip = skip.saturating_sub(1);
            }
            out.trim_end().to_owned() + "\n"
        });
        rows.collect()
    }

    #[track_caller]
    pub fn sees(&self, text: &str, otherwise: &str) {
        assert!(self.screen().contains(text), "{otherwise}: {text:?} is not on the screen\n{}", self.screen());
    }

    #[track_caller]
    pub fn sees_not(&self, text: &str, otherwise: &str) {
        assert!(!self.screen().contains(text), "{otherwise}: {text:?} is on the screen\n{}", self.screen());
    }

    /// The line with the selection mark.
    pub fn selected(&self) -> String {
        let (pointer, upright) = (self.model.face.glyphs.pointer, self.model.face.glyphs.upright);
        let screen = self.screen();
        let boxed = screen.lines().find_map(|line| line.split_once(&format!("{upright}{pointer}"))).map(|(_, line)| line);
        let line = boxed.or_else(|| screen.lines().find_map(|line| line.strip_prefix(pointer))).unwrap_or_default();
        line.trim_end_matches(upright).trim().to_owned()
    }
}

/// Keys as a text writes them.
pub fn keys(text: &str) -> Vec<KeyEvent> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|inner| inner.split_once('>')).filter(|(name, _)| !name.is_empty());
        if let Some((name, after)) = named {
            out.push(named_key(name));
            rest = after;
        } else {
            out.push(KeyEvent::new(KeyCode::Char(first), KeyModifiers::NONE));
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn named_key(name: &str) -> KeyEvent {
    let code = match name {
        "enter" => KeyCode::Enter,
        "space" => KeyCode::Char(' '),
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "s-tab" => KeyCode::BackTab,
        "bs" => KeyCode::Backspace,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "f1" => KeyCode::F(1),
        "f5" => KeyCode::F(5),
        "f10" => KeyCode::F(10),
        other => {
            let c = other.strip_prefix("c-").and_then(|c| c.chars().next()).unwrap_or_else(|| panic!("no key is called <{other}>"));
            return KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        }
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// The same model on a real wire: what goes to the terminal, byte by byte.
pub struct Line {
    screen: ratatui::Terminal<Wire<Vec<u8>>>,
}

impl Line {
    pub fn new(model: &Model) -> Self {
        let wire = Wire::new(Vec::new(), model.size, model.face.colour, model.face.glyphs == super::face::Glyphs::ASCII);
        Self { screen: ratatui::Terminal::new(wire).unwrap() }
    }

    /// Draws and says how many bytes it took.
    pub fn draw(&mut self, model: &Model) -> u64 {
        let before = self.screen.backend().meter().bytes;
        self.screen.draw(|frame| view(model, frame)).unwrap();
        self.screen.backend_mut().send().unwrap();
        self.screen.backend().meter().bytes - before
    }

    pub fn sent(&self) -> &[u8] {
        self.screen.backend().sent()
    }
}
