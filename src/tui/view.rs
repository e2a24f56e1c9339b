//! Draws the model. No I/O, changes nothing.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::layout::{LEAST, Layout, hints, layout, tabs};
use super::model::{Looking, Model, Screen};
use super::overlay::{self, Overlay};
use super::widget::pane::put;
use super::widget::text;
use crate::engine::Place;
use crate::model::shown;

pub fn view(model: &Model, frame: &mut Frame) {
    let area = frame.area();
    let Some(now) = layout(area.as_size(), model) else {
        let words =
            format!("domkeep needs a window of {}x{}; this one is {}x{}. q leaves.", LEAST.width, LEAST.height, area.width, area.height);
        for (y, line) in (area.top()..area.bottom()).zip(text::wrap(&words, usize::from(area.width))) {
            put(frame.buffer_mut(), Rect { y, height: 1, ..area }, Line::from(line), &model.face);
        }
        return;
    };
    crumbs(model, &now, frame);
    tab_line(model, &now, frame);
    for (index, pane) in now.panes.iter().enumerate() {
        pane.draw(frame.buffer_mut(), &model.cursor(index), index == model.focus() && model.overlays.is_empty(), &model.face);
    }
    status(model, &now, frame);
    hint_line(model, &now, frame);
    if *model.screen() == Screen::Form && model.overlays.is_empty() {
        super::screen::form::cursor(model, &now, frame);
    }
    if let (Some(Overlay::Filter(_)), _) | (_, None) = (model.overlays.last(), &now.overlay) {
        return;
    }
    overlay::draw(model, &now, frame);
}

/// `domkeep  dom0.example.com ▸ Domains ▸ web01      READ-ONLY  DEMO`
fn crumbs(model: &Model, now: &Layout, frame: &mut Frame) {
    let face = &model.face;
    let mut words: Vec<&str> = Vec::new();
    if model.read_only {
        words.push("READ-ONLY");
    }
    match model.place {
        Place::Demo { .. } => words.push("DEMO"),
        Place::Replay { .. } => words.push("REPLAY"),
        Place::ThisMachine => {}
    }
    if model.paused {
        words.push("PAUSED");
    }
    if model.looking == Looking::Asked {
        words.push("looking");
    }
    let words = words.join("  ");
    let room = usize::from(now.crumbs.width).saturating_sub(text::width(&words)).saturating_sub(2);
    let host = match model.inventory() {
        Some(inventory) if !inventory.host.name.is_empty() => shown::text(&inventory.host.name),
        _ => model.place.to_string(),
    };
    let mut spans = vec![Span::styled("domkeep", face.strong()), Span::raw("  "), Span::raw(text::cut(&host, 30, face.glyphs.ellipsis))];
    for stop in &model.trail {
        let name = match &stop.screen {
            Screen::Domains => "Domains".to_owned(),
            Screen::Domain(id) => shown::text(id),
            Screen::Storage => "Storage".to_owned(),
            Screen::Findings => "Findings".to_owned(),
            Screen::Commands => "Commands".to_owned(),
            Screen::Jobs => "Jobs".to_owned(),
            Screen::Backups => "Backups".to_owned(),
            Screen::Job(id) => model.changing.follow.job(id).map_or_else(|| id.to_string(), |detail| shown::text(&detail.summary.title)),
            Screen::Form => model.changing.draft.as_ref().map_or_else(|| "Form".to_owned(), |draft| shown::text(&draft.form.title)),
            Screen::Plan => "Plan".to_owned(),
        };
        spans.push(Span::raw(format!(" {} ", face.glyphs.step)));
        spans.push(Span::raw(text::cut(&name, 40, face.glyphs.ellipsis)));
    }
    let line = text::fit(Line::from(spans), room, face.glyphs.ellipsis);
    put(frame.buffer_mut(), now.crumbs, line, face);
    let wide = u16::try_from(text::width(&words)).unwrap_or(0);
    let right = Rect { x: now.crumbs.right().saturating_sub(wide), width: wide, ..now.crumbs };
    put(frame.buffer_mut(), right, Line::from(Span::styled(words, face.strong())), face);
}

fn tab_line(model: &Model, now: &Layout, frame: &mut Frame) {
    for tab in tabs(model) {
        let place = Rect { x: tab.x, width: now.tabs.width.saturating_sub(tab.x), ..now.tabs };
        let style = if tab.here { model.face.heading() } else { ratatui::style::Style::default() };
        put(frame.buffer_mut(), place, Line::from(Span::styled(tab.text, style)), &model.face);
    }
}

/// The toast, or what needs attention; the count of the list on the right.
fn status(model: &Model, now: &Layout, frame: &mut Frame) {
    let face = &model.face;
    let buffer = frame.buffer_mut();
    let count = super::screen::count(model, &now.panes);
    let wide = u16::try_from(text::width(&count)).unwrap_or(0);
    let left = Rect { width: now.status.width.saturating_sub(wide).saturating_sub(1), ..now.status };
    let right = Rect { x: now.status.right().saturating_sub(wide), width: wide, ..now.status };
    put(buffer, right, Line::from(count), face);
    if let Some(Overlay::Filter(typing)) = model.overlays.last() {
        let mut spans = vec![Span::raw("/"), Span::raw(shown::text(typing.input.value()))];
        let at = text::width(&shown::text(typing.input.value().get(..typing.cursor_byte()).unwrap_or_default()));
        spans.push(Span::styled("   ! in front turns it round", face.dim()));
        put(buffer, left, Line::from(spans), face);
        let x = left.x.saturating_add(u16::try_from(at.saturating_add(1)).unwrap_or(0)).min(left.right());
        frame.set_cursor_position(Position { x, y: left.y });
        return;
    }
    let why_not = match model.overlays.last() {
        Some(Overlay::Picker(picker)) => overlay::picker::why_not(model, picker),
        _ => None,
    };
    let line = match (why_not, &model.toast) {
        (Some(why), _) => Line::from(Span::styled(format!("Not now: {why}."), face.strong())),
        (None, Some(toast)) => Line::from(Span::styled(shown::text(&toast.text), face.strong())),
        (None, None) => attention(model),
    };
    put(buffer, left, line, face);
}

fn attention(model: &Model) -> Line<'static> {
    let face = &model.face;
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut add = |span: Span<'static>| {
        if !spans.is_empty() {
            spans.push(Span::raw("   "));
        }
        spans.push(span);
    };
    if !model.filter().is_empty() {
        add(Span::styled(
            format!("filter: {} (Esc clears)", text::cut(&shown::text(model.filter()), 20, face.glyphs.ellipsis)),
            face.strong(),
        ));
    }
    let follow = &model.changing.follow;
    if !matches!(model.screen(), Screen::Jobs | Screen::Job(_)) {
        match (follow.leftovers().count(), follow.running().count()) {
            (0, 0) => {}
            (0, 1) => add(Span::styled("1 job runs: J", face.strong())),
            (0, running) => add(Span::styled(format!("{running} jobs run: J"), face.strong())),
            (left, _) => add(Span::styled(format!("! {} interrupted: J", text::count(left, "job")), face.danger())),
        }
    }
    if model.index.dangers > 0 && *model.screen() != Screen::Findings {
        add(Span::styled(format!("! {}: press 4", text::count(model.index.dangers, "danger")), face.danger()));
    }
    match model.inventory().map_or(0, |inventory| inventory.gaps.len()) {
        0 => {}
        gaps => add(Span::styled(format!("{} not read: press e", text::count(gaps, "thing")), face.warning())),
    }
    Line::from(spans)
}

fn hint_line(model: &Model, now: &Layout, frame: &mut Frame) {
    for hint in hints(model, now.hints.width) {
        let line = Line::from(vec![
            Span::styled(hint.key, model.face.strong().add_modifier(Modifier::BOLD)),
            Span::raw(format!(" {}", hint.label)),
        ]);
        let place = Rect { x: hint.x, width: now.hints.width.saturating_sub(hint.x), ..now.hints };
        put(frame.buffer_mut(), place, line, &model.face);
    }
}
