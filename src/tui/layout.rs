//! Where everything stands. Pure, and called by both update (page sizes, clicks) and view.

use ratatui::layout::{Rect, Size};

use super::changing::wishes;
use super::keymap::{self, Action, Binding, Context};
use super::model::{Model, Screen};
use super::overlay;
use super::screen;
use super::widget::pane::Pane;
use super::widget::text;

/// Below this there is no room for anything but one sentence, and keys are ignored.
pub const LEAST: Size = Size { width: 60, height: 16 };

pub struct Layout {
    pub crumbs: Rect,
    pub tabs: Rect,
    pub status: Rect,
    pub hints: Rect,
    pub panes: Vec<Pane>,
    /// The top overlay's box and what is in it.
    pub overlay: Option<(Rect, Pane)>,
}

pub fn is_too_small(size: Size) -> bool {
    size.width < LEAST.width || size.height < LEAST.height
}

/// `None`: the window is too small.
pub fn layout(size: Size, model: &Model) -> Option<Layout> {
    if is_too_small(size) {
        return None;
    }
    let line = |y| Rect { x: 0, y, width: size.width, height: 1 };
    let body = body(size);
    let panes = screen::panes(model, body);
    let overlay = model.overlays.last().and_then(|overlay| overlay::pane(model, overlay, body));
    Some(Layout {
        crumbs: line(0),
        tabs: line(1),
        status: line(size.height.saturating_sub(2)),
        hints: line(size.height.saturating_sub(1)),
        panes,
        overlay,
    })
}

/// The screen between the two lines above it and the two below.
pub fn body(size: Size) -> Rect {
    Rect { x: 0, y: 2, width: size.width, height: size.height.saturating_sub(4) }
}

/// The main screen that the way here began at.
fn root(model: &Model) -> Action {
    match model.trail.first().map(|stop| &stop.screen) {
        Some(Screen::Storage) => Action::Storage,
        Some(Screen::Findings) => Action::Findings,
        Some(Screen::Commands) => Action::Commands,
        Some(Screen::Jobs) => Action::Jobs,
        Some(Screen::Backups) => Action::Backups,
        _ => Action::Domains,
    }
}

/// A word on the tab line and where it begins.
pub struct Tab {
    pub x: u16,
    pub text: String,
    pub action: Action,
    pub here: bool,
}

pub fn tabs(model: &Model) -> Vec<Tab> {
    let here = match model.screen() {
        Screen::Domains => Action::Domains,
        Screen::Domain(_) => Action::Domain,
        Screen::Storage => Action::Storage,
        Screen::Findings => Action::Findings,
        Screen::Commands => Action::Commands,
        Screen::Jobs | Screen::Job(_) => Action::Jobs,
        Screen::Backups => Action::Backups,
        // A form and a plan belong to where they were asked for.
        Screen::Form | Screen::Plan => root(model),
    };
    // The words touch where the window is too narrow for blanks around them, and the numbers touch the words where it is narrower still.
    let (narrow, narrowest) = (model.size.width < 81, model.size.width < 69);
    let mut x = 0u16;
    [Action::Domains, Action::Domain, Action::Storage, Action::Findings, Action::Commands, Action::Jobs, Action::Backups]
        .into_iter()
        .filter_map(|action| keymap::KEYS.iter().find(|binding| binding.action == action))
        .map(|binding| {
            let key = binding.keys.first().copied().unwrap_or_default();
            let word = if narrowest { format!("{key}{}", binding.label) } else { format!("{key} {}", binding.label) };
            let text = match (binding.action == here, narrow) {
                (true, _) => format!("[{word}]"),
                (false, false) => format!(" {word} "),
                (false, true) => word,
            };
            let tab = Tab { x, action: binding.action, here: binding.action == here, text };
            x = x.saturating_add(u16::try_from(tab.text.len()).unwrap_or(0)).saturating_add(1);
            tab
        })
        .collect()
}

/// A hint on the bottom line.
pub struct Hint {
    pub x: u16,
    pub key: &'static str,
    pub label: &'static str,
    pub action: Action,
}

/// What cannot be done now is not hinted. What depends on the selected line stays all the same: a hint line that changes with every step of
/// the cursor is restless, and costs a slow line more than the step itself.
fn is_hinted(model: &Model, action: Action) -> bool {
    match wishes::of(action) {
        Some(_) => wishes::nothing_can_change(model).is_none(),
        None => super::whynot::why_not(model, action).is_none(),
    }
}

/// The hints that fit, the most useful first, cut at a whole hint, `? more` always last.
pub fn hints(model: &Model, columns: u16) -> Vec<Hint> {
    let over = model.overlays.last().map(|overlay| [overlay::context(overlay)]);
    let contexts: &[Context] = match &over {
        Some(context) => context,
        None => model.screen().contexts(),
    };
    let mut wanted: Vec<&Binding> = keymap::of(contexts)
        .filter(|binding| binding.hint.is_some())
        .filter(|binding| over.is_some() || is_hinted(model, binding.action))
        .collect();
    wanted.sort_by_key(|binding| binding.hint);
    let room = usize::from(columns);
    let wide = |binding: &Binding| text::width(binding.keys.first().copied().unwrap_or_default()) + text::width(binding.label) + 3;
    let last = if wanted.last().is_some_and(|binding| binding.action == Action::Help) { wanted.pop() } else { None };
    let mut left = room.saturating_sub(last.map_or(0, wide));
    let mut out = Vec::new();
    let mut x = 0u16;
    let mut push = |binding: &Binding| {
        let hint = Hint { x, key: binding.keys.first().copied().unwrap_or_default(), label: binding.label, action: binding.action };
        out.push(hint);
        x = x.saturating_add(u16::try_from(wide(binding)).unwrap_or(0));
    };
    for binding in wanted {
        if wide(binding) > left {
            break;
        }
        left -= wide(binding);
        push(binding);
    }
    if let Some(last) = last {
        push(last);
    }
    out
}
