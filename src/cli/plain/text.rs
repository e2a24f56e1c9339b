//! A plan and a job as text.

use crate::model::diff::{Change, diff};
use crate::model::told;
use crate::model::{JobDetail, JobSummary, Plan, Progress, bytes, shown};

/// The plan with each step's exact command, why, and what undoes it.
pub fn plan(plan: &Plan) -> String {
    let mut out = format!("\n{}\n{}\n", shown::text(&plan.title), told::risk(plan));
    for warning in &plan.warnings {
        out += &format!("Beware: {}\n", shown::text(warning));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        out += &format!("\nStep {} of {}: {}\n", number.saturating_add(1), plan.steps.len(), shown::text(&step.says));
        for line in told::lines(&step.action) {
            out += &format!("  command: {line}\n");
        }
        out += &format!("  why: {}\n", shown::text(&step.why));
        out += &format!("  undo: {}\n", told::undo(step));
        if let Some(cleanup) = &step.cleanup {
            out += &format!("  at last, also when it fails: {}\n", shown::text(&cleanup.says));
        }
    }
    if !plan.assumptions.is_empty() {
        out.push_str("\nTaken for granted, and looked at again before each step:\n");
    }
    for assumption in &plan.assumptions {
        out += &format!("- {}\n", shown::text(&assumption.says));
    }
    for edit in &plan.edits {
        let word = if edit.before.is_some() { "Changes in" } else { "New file" };
        out += &format!("\n{word} {}:\n", edit.path);
        for change in diff(edit.before.as_deref().unwrap_or_default(), &edit.after) {
            out += &match change {
                Change::Same(line) => format!("  {}\n", shown::text(line)),
                Change::Goes(line) => format!("- {}\n", shown::text(line)),
                Change::Comes(line) => format!("+ {}\n", shown::text(line)),
                Change::Skipped(lines) => format!("  ({} as before)\n", crate::cli::ink::count(lines, "line")),
            };
        }
    }
    out
}

/// `Back up web01: running, step 3 of 5, 41 %`
pub fn summary(job: &JobSummary) -> String {
    let mut words = format!("{}: {}", shown::text(&job.title), told::word(job));
    words += &format!(", {} of {} steps done", job.steps_done, job.steps);
    let (done, total) = told::together(&job.copies);
    if let Some(percent) = bytes::percent(Some(done), total) {
        words += &format!(", {percent:.0} % copied");
    }
    words += &job.started.map_or_else(String::new, |at| format!(", since {} UTC", at.format("%Y-%m-%d %H:%M")));
    words
}

/// Everything that is known of a job: its steps, and the log of what happened.
pub fn job(detail: &JobDetail) -> String {
    let mut out = format!("\n{}\n", summary(&detail.summary));
    if let Some(meaning) = told::meaning(&detail.summary) {
        out += &format!("{meaning}\n");
    }
    for (label, progress) in &detail.summary.copies {
        out += &format!("{}\n", copy(label, progress));
    }
    if let Some(plan) = &detail.plan {
        for (number, (step, stage)) in plan.steps.iter().zip(told::stages(detail)).enumerate() {
            out += &format!("Step {}, {}: {}\n", number.saturating_add(1), stage.as_str(), shown::text(&step.says));
        }
    }
    out.push_str("Log:\n");
    for event in &detail.events {
        if let Some(words) = told::event(event, detail.plan.as_ref()) {
            out += &format!("{} {words}\n", event.at.format("%H:%M:%S"));
        }
    }
    out
}

/// `xvda: 8.2 GiB of 20 GiB, 41 %, 112 MiB/s, 1:45 left`
pub fn copy(label: &str, progress: &Progress) -> String {
    let mut words = format!("{}: {} of {}", shown::text(label), bytes::human(progress.done), bytes::human_or_unknown(progress.total));
    if let Some(percent) = bytes::percent(Some(progress.done), progress.total) {
        words += &format!(", {percent:.0} %");
    }
    words += &progress.bytes_per_second.map_or_else(String::new, |rate| format!(", {}/s", bytes::human(rate)));
    words += &told::time_left(progress).map_or_else(|| ", time left unknown".to_owned(), |left| format!(", {} left", told::duration(left)));
    words.push_str(if progress.verifying { ", reading back" } else { "" });
    words
}
