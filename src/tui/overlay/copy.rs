//! What can be copied of the selected thing. Paths are written as one word of a shell, so that pasting a strange name runs nothing.

use super::picker::{Choice, Item};
use crate::engine::Engine;
use crate::model::cmd::shell_word;
use crate::model::{Domain, HostPath, Plan, Step, shown};
use crate::tui::changing::{follow, proposal};
use crate::tui::model::{Model, Screen};
use crate::tui::screen;

fn item(what: &str, value: String) -> Item {
    Item {
        key: format!("{what} {value}"),
        left: what.to_owned(),
        right: shown::text(&value),
        also: "",
        why_not: None,
        choice: Choice::Copy(value),
    }
}

fn path(what: &str, path: &HostPath) -> Item {
    item(what, shell_word(&String::from_utf8_lossy(path.as_bytes())))
}

pub fn items(model: &Model) -> Vec<Item> {
    let mut items = match model.screen() {
        Screen::Domains | Screen::Domain(_) => model.selected_domain().and_then(|id| model.domain(id)).map(of_domain).unwrap_or_default(),
        Screen::Storage => of_storage(model),
        Screen::Findings => of_finding(model),
        Screen::Commands => of_command(model),
        Screen::Plan => proposal::plan(model).map(|plan| of_plan(plan)).unwrap_or_default(),
        Screen::Jobs | Screen::Job(_) => of_job(model),
        Screen::Backups => screen::backups::selected(model).map(|bundle| path("backup", bundle)).into_iter().collect(),
        Screen::Form => Vec::new(),
    };
    // Two disks may lie in one file.
    let mut seen = Vec::new();
    items.retain(|item| {
        let new = !seen.contains(&item.key);
        seen.push(item.key.clone());
        new
    });
    items
}

fn of_domain(domain: &Domain) -> Vec<Item> {
    let mut items = vec![item("name", shell_word(&domain.name))];
    items.extend(domain.uuid.iter().map(|uuid| item("uuid", shell_word(uuid))));
    items.extend(domain.configs.iter().chain(&domain.likely_config).map(|config| path("config", config)));
    items.extend(domain.saves.iter().map(|save| path("save image", save)));
    for disk in &domain.disks {
        let vdev = disk.vdev.as_deref().map_or_else(|| "root".to_owned(), shown::text);
        items.extend(disk.path.iter().map(|source| path(&format!("disk {vdev}"), source)));
    }
    items
}

fn of_storage(model: &Model) -> Vec<Item> {
    let Some((kind, name)) = model.selected(0).and_then(|key| key.split_once(' ')) else { return Vec::new() };
    let Some(inventory) = model.inventory() else { return Vec::new() };
    let mut items = vec![item("name", shell_word(name))];
    if kind == "volume"
        && let Some(volume) = inventory.volumes.iter().find(|volume| volume.full_name() == name)
    {
        items.push(path("path", &volume.path));
        items.push(item("uuid", shell_word(&volume.uuid)));
    }
    items
}

fn of_finding(model: &Model) -> Vec<Item> {
    let Some(finding) = screen::findings::selected(model) else { return Vec::new() };
    let mut items = vec![item("title", finding.title.clone()), item("code", finding.code.0.to_owned())];
    items.extend(finding.advice.iter().map(|advice| item("advice", advice.clone())));
    items
}

/// Each step's command, and all of them as a script.
fn of_plan(plan: &Plan) -> Vec<Item> {
    let lines = |(number, step): (usize, &Step)| {
        let what = format!("step {}", number.saturating_add(1));
        step.action.lines().into_iter().map(move |line| item(&what, line.to_string()))
    };
    let mut items: Vec<Item> = plan.steps.iter().enumerate().flat_map(lines).collect();
    let script = Engine::script(plan);
    if !script.is_empty() {
        items.push(Item { right: "all of it, to be read and run with sh".to_owned(), ..item("script", script) });
    }
    items
}

fn of_job(model: &Model) -> Vec<Item> {
    let Some(job) = follow::meant(model) else { return Vec::new() };
    let mut items = vec![item("id", job.id.to_string()), item("title", job.title.clone())];
    if let Some(plan) = model.changing.follow.job(&job.id).and_then(|detail| detail.plan.as_ref()) {
        items.extend(of_plan(plan));
    }
    items
}

fn of_command(model: &Model) -> Vec<Item> {
    screen::commands::selected(model).map(|entry| vec![item("command line", entry.cmd.to_string())]).unwrap_or_default()
}
