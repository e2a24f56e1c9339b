//! Jobs as they are followed: by whom they were launched does not matter, and the terminal does not either.

use std::time::Duration;

use crate::engine::Work;
use crate::model::example_change as sample_changes;
use crate::model::{JobState, Outcome};
use crate::tui::changing::errand::Errand;
use crate::tui::desk::{Desk, Line};
use crate::tui::face::Face;
use crate::tui::msg::Timer;
use crate::tui::sample;

fn desk(face: Face) -> Desk {
    let mut desk = Desk::with(80, 24, face, sample::picture());
    desk.jobs = sample_changes::jobs();
    desk.tell_jobs();
    desk
}

#[test]
fn whoever_comes_back_is_told_what_was_interrupted() {
    let mut desk = Desk::waiting(80, 24, Face::FULL, sample::picture());
    desk.jobs = vec![sample_changes::leftover()];
    desk.model.changing.follow.jobs = None;
    desk.tell_jobs();
    desk.sees("Back up batch was interrupted at step 3 of 5: finish or undo it: J", "an interrupted job is not told");
    desk.holds = false;
    desk.answer();
    desk.keys("j");
    desk.sees("! 1 job interrupted: J", "after the first key nothing tells of it any more");
    desk.keys("J");
    desk.sees("interrupted", "J does not lead to it");
    desk.keys("<enter>");
    desk.sees("F goes on with it, U takes back what it did", "nobody learns what can be done");
    desk.sees("interrupted  step 3 of 5: Copy xvda and xvdb.", "the step it stopped at cannot be told");
    desk.keys("U");
    desk.sees("step 1, Make the directory of the bundle: what it made is removed", "nobody is told what undo does");
    desk.keys("<enter>");
    assert!(desk.errands.is_empty(), "Enter, pressed in haste, undid it");
    desk.keys("F");
    desk.sees("step 3: Copy xvda and xvdb.", "nobody is told what finish does");
    desk.keys("y");
    assert_eq!(desk.errands, [Errand::Resume(sample_changes::id(1), Work::Finish)]);
}

#[test]
fn a_hung_host_does_not_hide_the_jobs() {
    let mut desk = Desk::waiting(80, 24, Face::FULL, sample::picture());
    desk.jobs = sample_changes::jobs();
    desk.keys("6");
    desk.sees("Back up web01", "the jobs wait for a look that may never end");
    desk.keys("<enter>");
    desk.sees("xvda", "a job waits for a look that may never end");
}

#[test]
fn the_list_shows_every_state_and_follows_what_runs() {
    let mut desk = desk(Face::FULL);
    desk.keys("6");
    for word in ["running", "interrupted", "done", "TORN", "failed", "undone"] {
        desk.sees(word, "a state is not told");
    }
    desk.sees("now: Copy xvda and xvdb.", "nobody learns what a job is at");
    assert!(desk.timers.contains(&(Duration::from_secs(1), Timer::Jobs)), "a list with a running job stands still");
    let frames = desk.frames;
    desk.ring(Timer::Jobs);
    assert_eq!(desk.frames, frames, "a list in which nothing changed is drawn");
    desk.keys("jjj");
    desk.sees("db01 was started while it was copied", "nobody learns why a backup is not good");
    desk.keys("C");
    desk.sees("Not now: it does not run", "a job that has ended can be cancelled");
}

#[test]
fn a_running_job_shows_its_copies_steps_and_what_cancel_takes_back() {
    let mut desk = desk(Face::FULL);
    desk.keys("6<enter>");
    desk.sees("8.2 GiB of 20 GiB", "nobody learns how far a copy is");
    desk.sees("112 MiB/s", "nobody learns how fast a copy is");
    desk.sees("1:48 left", "nobody learns how long it takes");
    desk.sees("time left unknown", "an unknown time was made up");
    desk.sees("1 GiB of ?", "an unknown size was made up");
    desk.sees("holes 2.7 GiB", "holes that are skipped are not told");
    desk.sees("██", "the map is not drawn");
    desk.sees("it says: careful\\x1b[31m", "a line of a tool's own steers the terminal, or is lost");
    assert!(desk.timers.contains(&(Duration::from_millis(250), Timer::Jobs)), "a running job stands still");
    let frames = desk.frames;
    desk.ring(Timer::Jobs);
    assert_eq!(desk.frames, frames, "a job that did not move was drawn");
    desk.jobs[0] = sample_changes::running(9000);
    desk.ring(Timer::Jobs);
    assert_eq!(desk.frames, frames + 1, "a job that moved was not drawn");
    desk.keys("C");
    desk.sees("what it did is taken back", "cancel does not say what it does");
    desk.sees("step 3, Copy xvda and xvdb: what it made is removed again", "cancel does not say what it takes back");
    desk.keys("<down><enter>");
    assert_eq!(desk.errands, [Errand::Cancel(sample_changes::id(1))]);
}

#[test]
fn the_end_of_a_job_is_told_and_the_host_looked_at_again() {
    let mut desk = desk(Face::FULL);
    desk.keys("6<enter>");
    let looks = desk.looks;
    desk.jobs[0] = sample_changes::ended(Outcome::Done);
    desk.ring(Timer::Jobs);
    desk.sees("Done: Back up batch.", "the end of a job passes in silence");
    assert_eq!(desk.looks, looks + 1, "what the job changed is not seen");
    assert!(!desk.ring(Timer::Jobs), "a job that has ended is still asked for four times a second");
    desk.sees("5 of 5 steps done", "the end is not shown");
    desk.keys("1");
    desk.sees_not("runs: J", "a job that has ended is still said to run");
}

#[test]
fn nobody_is_asked_where_nobody_looks() {
    let mut desk = desk(Face::FULL);
    desk.sees("1 interrupted: J".trim_start_matches("1 "), "the jobs are not told on other screens");
    desk.timers.retain(|(_, timer)| *timer != Timer::Jobs);
    desk.keys("1");
    assert!(!desk.ring(Timer::Jobs), "jobs are asked for although nobody looks at them");
    desk.keys("6<enter>1");
    desk.ring(Timer::Jobs);
    assert!(!desk.ring(Timer::Jobs), "after the job's screen was left it is still asked for");
    desk.keys("6<enter>p");
    desk.ring(Timer::Jobs);
    assert!(!desk.ring(Timer::Jobs), "a paused screen moves");
    desk.keys("p");
    assert!(desk.timers.iter().any(|(_, timer)| *timer == Timer::Jobs), "after the pause the job stands still");
}

#[test]
fn a_slow_line_is_asked_once_a_second() {
    let mut desk = desk(Face { slow: true, ..Face::PLAIN });
    desk.keys("6<enter>");
    assert!(desk.timers.contains(&(Duration::from_secs(1), Timer::Jobs)), "a slow line is flooded");
}

#[test]
fn the_log_is_followed_until_somebody_reads() {
    let mut desk = desk(Face::FULL);
    let mut job = sample_changes::running(9000);
    let line = job.events.last().cloned().unwrap();
    job.events.extend(std::iter::repeat_n(line, 40));
    desk.jobs[0] = job;
    desk.keys("6<enter>");
    desk.sees("f keeps what you read", "nobody learns that the log is followed");
    desk.sees_not("the runner starts", "the log's end is not in sight");
    desk.keys("<tab>fg");
    desk.sees("the runner starts", "the log cannot be read from its beginning");
    desk.ring(Timer::Jobs);
    desk.sees("the runner starts", "the log runs away from a reader");
}

#[test]
fn a_job_that_cannot_be_read_says_so() {
    let mut desk = desk(Face::FULL);
    desk.jobs[1].summary.state = JobState::Unreadable { why: "its plan is of version 9".to_owned() };
    desk.jobs[1].summary.can_undo = Err("its plan is of version 9".to_owned());
    desk.keys("6j");
    desk.sees("unreadable", "a folder that cannot be read is hidden");
    desk.sees("its plan is of version 9", "nobody learns why");
    desk.keys("U");
    desk.sees("Not now: its plan is of version 9", "what cannot be undone is undone");
    desk.jobs.remove(1);
    desk.keys("<enter>");
    desk.sees("there is no job", "a job that is gone leaves an empty screen");
}

#[test]
fn progress_is_cheap_on_the_wire() {
    for face in [Face::FULL, Face::PLAIN, Face { slow: true, ..Face::PLAIN }] {
        let mut desk = desk(face);
        desk.keys("6<enter>");
        let mut line = Line::new(&desk.model);
        assert!(line.draw(&desk.model) <= 4000, "the job's first frame takes longer than any other");
        for step in 1..40 {
            desk.jobs[0] = sample_changes::running(8396 + step * 131);
            desk.now += chrono::TimeDelta::milliseconds(700);
            desk.ring(Timer::Jobs);
            let bytes = line.draw(&desk.model);
            assert!(bytes <= 400, "a step of the progress takes {bytes} bytes: a slow line falls behind");
        }
        assert_eq!(line.draw(&desk.model), 0);
    }
}
