//! The screens: one a file. Each makes its panes from the model; moving, selecting and drawing are the same for all.

pub mod backups;
pub mod commands;
pub mod disk;
pub mod domain;
pub mod domains;
mod empty;
pub mod findings;
pub mod form;
pub mod groups;
pub mod job;
pub mod jobs;
pub mod plan;
pub mod storage;
mod touch;
mod waiting;

use ratatui::layout::Rect;

use super::model::{Model, Screen};
use super::travel;
use super::widget::pane::Pane;
use crate::model::JobId;

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    if !model.is_there() {
        return vec![waiting::pane(model, body)];
    }
    match model.screen() {
        Screen::Domains => vec![domains::pane(model, body)],
        Screen::Domain(id) => domain::panes(model, id, body),
        Screen::Storage => storage::panes(model, body),
        Screen::Findings => findings::panes(model, body),
        Screen::Commands => commands::panes(model, body),
        Screen::Jobs => jobs::panes(model, body),
        Screen::Backups => backups::panes(model, body),
        Screen::Job(id) => job::panes(model, id, body),
        Screen::Form => form::panes(model, body),
        Screen::Plan => plan::panes(model, body),
    }
}

pub fn pane_count(model: &Model) -> usize {
    match (model.is_there(), model.screen()) {
        (false, _) | (_, Screen::Domains) => 1,
        (_, Screen::Job(id)) => 1 + usize::from(model.changing.follow.job(id).is_some()),
        (_, Screen::Plan) => 1 + usize::from(super::changing::proposal::plan(model).is_some()),
        (_, Screen::Domain(id)) => 1 + usize::from(model.index.risk.contains_key(id)),
        _ => 2,
    }
}

/// Whether Enter leads anywhere.
pub fn opens(model: &Model) -> bool {
    model.is_there() && target(model).is_some()
}

pub fn open(model: &mut Model) {
    match target(model) {
        Some(Target::Domain(id)) => travel::enter(model, Screen::Domain(id)),
        Some(Target::Finding(key)) => {
            model.filters.remove(&Screen::Findings);
            model.cursors.insert((Screen::Findings, 0), super::widget::cursor::Cursor::on(key));
            travel::enter(model, Screen::Findings);
        }
        Some(Target::Job(id)) => travel::enter(model, Screen::Job(id)),
        None => {}
    }
}

/// Where Enter leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Domain(String),
    Finding(String),
    Job(JobId),
}

fn target(model: &Model) -> Option<Target> {
    match model.screen() {
        Screen::Domains => model.selected(0).map(|id| Target::Domain(id.to_owned())),
        Screen::Domain(_) => domain::target(model),
        Screen::Storage => storage::target(model),
        Screen::Findings => findings::target(model),
        Screen::Backups => backups::target(model),
        Screen::Jobs => model.selected(0).and_then(JobId::parse).map(Target::Job),
        Screen::Commands | Screen::Job(_) | Screen::Form | Screen::Plan => None,
    }
}

/// Where one is: `3/12` in a list of things, and in a map how much of it is above and below.
pub fn count(model: &Model, panes: &[Pane]) -> String {
    let (Some(pane), true) = (panes.first(), model.is_there()) else { return String::new() };
    if matches!(model.screen(), Screen::Domain(_) | Screen::Storage | Screen::Job(_) | Screen::Form | Screen::Plan) {
        return extent(model.cursor(0).offset, pane.height(), pane.rows.len());
    }
    let keys: Vec<&str> = pane.rows.iter().filter_map(|row| row.key.as_deref()).collect();
    let at = model.selected(0).and_then(|key| keys.iter().position(|k| *k == key)).map_or(0, |at| at.saturating_add(1));
    if keys.is_empty() { String::new() } else { format!("{at}/{}", keys.len()) }
}

fn extent(first: usize, height: usize, rows: usize) -> String {
    let below = rows.saturating_sub(first.saturating_add(height));
    match (first, below) {
        (0, 0) => String::new(),
        (0, below) => format!("{below} more below"),
        (_, 0) => "end".to_owned(),
        (_, below) => format!("{below} below"),
    }
}

/// A head of a split body and the rest below it, for screens with a detail pane.
fn split(body: Rect, head: u16) -> (Rect, Rect) {
    let head = head.min(body.height);
    let upper = Rect { height: head, ..body };
    let lower = Rect { y: body.y.saturating_add(head), height: body.height.saturating_sub(head), ..body };
    (upper, lower)
}

/// The same, side by side, with a column between.
fn split_wide(body: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(body.width);
    let upper = Rect { width: left, ..body };
    let x = body.x.saturating_add(left).saturating_add(1);
    (upper, Rect { x, width: body.right().saturating_sub(x), ..body })
}

/// Windows from this width on have their detail beside the list.
const WIDE: u16 = 110;
