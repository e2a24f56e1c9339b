//! The terminal against programs that every system has.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // test functions' own helpers, and a temporary directory

use std::time::{Duration, Instant};

use domkeep_terminal::{Color, Exit, Options, Session, Signal, terminal_restored};

const SOON: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(100);

fn sh(script: &str, options: &Options) -> Session {
    Session::start("/bin/sh", &["-c", script], options).unwrap()
}

#[test]
fn what_is_typed_arrives_and_what_is_written_is_seen() {
    let mut session = sh("read line; printf 'got:%s\\n' \"$line\"; exit 3", &Options::default());
    session.keys("web<enter>").unwrap();
    session.wait_for_text("got:web", SOON).unwrap();
    assert_eq!(session.exit(SOON), Some(Exit::Code(3)));
    assert_eq!(session.bytes(), b"web\r\ngot:web\r\n", "every byte is kept, echo and all");
}

#[test]
fn the_environment_is_empty_but_for_what_was_asked() {
    let options = Options::default().env("NO_COLOR", "1").without_env("HOME");
    let mut session = Session::start("env", &[] as &[&str], &options).unwrap();
    session.exit(SOON).unwrap();
    let text = session.screen_text();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["LANG", "NO_COLOR", "PATH", "SHELL", "TERM", "TZ"], "a variable of this machine would change what tests see");
}

#[test]
fn the_size_is_the_asked_one_and_changes_with_a_signal() {
    let options = Options::default().size(100, 30);
    let session = sh("trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done", &options);
    session.wait_for_text("30 100", SOON).unwrap();
    session.resize(20, 5).unwrap();
    session.wait_for_text("5 20", SOON).unwrap();
    assert_eq!((session.screen().cols, session.screen().rows), (20, 5));
}

#[test]
fn styles_are_seen_cell_by_cell() {
    let mut session = sh("printf '\\033[7;31mX\\033[0m y'", &Options::default());
    session.exit(SOON).unwrap();
    let screen = session.screen();
    let cell = screen.cell(0, 0).unwrap();
    assert!(cell.inverse && cell.fg == Color::Index(1) && cell.text == "X", "{cell:?}");
    assert!(!screen.cell(0, 2).unwrap().inverse);
}

#[test]
fn a_wait_that_fails_shows_the_screen() {
    let session = sh("echo something else; sleep 60", &Options::default());
    session.wait_for_text("something", SOON).unwrap();
    let told = session.wait_for_text("web01", Duration::from_millis(50)).unwrap_err().to_string();
    assert!(told.contains("\"web01\"") && told.contains("|something else"), "{told}");
}

#[test]
fn a_mark_counts_only_what_comes_after() {
    let session = sh("echo one; read x; echo two", &Options::default());
    session.wait_for_text("one", SOON).unwrap();
    session.wait_quiet(QUIET).unwrap();
    let mark = session.bytes_sent();
    session.keys("<enter>").unwrap();
    session.wait_for_text("two", SOON).unwrap();
    session.wait_quiet(QUIET).unwrap();
    assert_eq!(session.bytes_since(mark), b"\r\ntwo\r\n");
}

#[test]
fn silence_is_counted_from_the_question_not_from_before_it() {
    let session = sh("echo one; read x; sleep 0.1; echo two; sleep 60", &Options::default());
    session.wait_for_text("one", SOON).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    session.keys("<enter>").unwrap();
    session.wait_quiet(Duration::from_millis(400)).unwrap();
    assert!(session.screen_text().contains("two"), "a long silence before the key must not count as its answer");
}

#[test]
fn an_endless_talker_is_never_quiet_and_is_ended_with_the_session() {
    let session = sh("while :; do echo x; sleep 0.02; done", &Options::default());
    session.wait_for_text("x", SOON).unwrap();
    let pid = session.pid();
    drop(session);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "a test must not leave programs behind");
}

#[test]
fn signals_end_it_and_the_signal_is_named() {
    let mut session = sh("echo ready; exec sleep 60", &Options::default());
    session.wait_for_text("ready", SOON).unwrap();
    session.signal(Signal::TERM).unwrap();
    assert_eq!(session.exit(SOON), Some(Exit::Signal("Terminated".to_owned())));
    assert!(session.signal(Signal::TERM).is_err(), "the process id may be somebody else's by now");
}

#[test]
fn a_hang_up_reaches_the_program_and_types_nothing() {
    let directory = std::env::temp_dir().join(format!("domkeep-terminal-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let script = "trap 'echo hup >> log; exit 7' HUP; echo ready; while read line; do echo \"typed:$line\" >> log; done; sleep 5; exit 1";
    let mut session = sh(script, &Options::default().cwd(&directory));
    session.wait_for_text("ready", SOON).unwrap();
    session.hang_up();
    assert_eq!(session.exit(SOON), Some(Exit::Code(7)));
    assert_eq!(std::fs::read_to_string(directory.join("log")).unwrap(), "hup\n", "closing the line must not press keys");
    assert!(session.keys("x").is_err());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_shell_with_job_control_can_suspend_and_resume() {
    let options = Options::default().env("PS1", "ready> ");
    let session = Session::start("/bin/sh", &["-i"], &options).unwrap();
    session.wait_for_text("ready>", SOON).unwrap();
    session.keys("cat<enter>one<enter>").unwrap();
    session.wait_for("cat's answer", SOON, |screen| screen.text().matches("one").count() == 2).unwrap();
    session.keys("<c-z>").unwrap();
    session.wait_for("the shell's prompt", SOON, |screen| screen.text().matches("ready>").count() == 2).unwrap();
    // Keys typed before cat runs again could be read by the shell.
    session.keys("fg<enter>").unwrap();
    session.wait_for("the shell to name cat", SOON, |screen| screen.text().matches("cat").count() >= 3).unwrap();
    session.keys("two<enter>").unwrap();
    session.wait_for("cat to go on", SOON, |screen| screen.text().matches("two").count() == 2).unwrap();
}

#[test]
fn a_stopped_program_is_seen_as_stopped() {
    let mut session = sh("echo ready; exec sleep 60", &Options::default());
    session.wait_for_text("ready", SOON).unwrap();
    session.signal(Signal::STOP).unwrap();
    let start = Instant::now();
    while !session.is_stopped() && start.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(session.is_stopped());
    session.signal(Signal::CONT).unwrap();
    session.signal(Signal::KILL).unwrap();
    assert_eq!(session.exit(SOON), Some(Exit::Signal("Killed".to_owned())));
}

#[test]
fn a_slow_line_makes_the_program_wait() {
    // 20,000 bytes at 10,000 bytes a second.
    let script = "head -c 20000 /dev/zero | tr '\\0' x";
    let start = Instant::now();
    let session = sh(script, &Options::default().line_speed(10_000));
    session.wait_for("all bytes", SOON, |_| session.bytes_sent() >= 20_000).unwrap();
    assert!(start.elapsed() > Duration::from_millis(1900), "it took only {:?}", start.elapsed());
}

#[test]
fn a_stopped_line_takes_nothing_until_it_goes_on() {
    let options = Options::default().line_speed(0);
    let session = sh("echo hello", &options);
    session.wait_for_text("hello", Duration::from_millis(200)).unwrap_err();
    assert_eq!(session.bytes_sent(), 0);
    session.set_line_speed(None);
    session.wait_for_text("hello", SOON).unwrap();
}

#[test]
fn cpu_time_tells_a_busy_program_from_an_idle_one() {
    let idle = sh("echo ready; exec sleep 60", &Options::default());
    idle.wait_for_text("ready", SOON).unwrap();
    let busy = sh("while :; do :; done", &Options::default());
    let start = Instant::now();
    while busy.cpu_time().unwrap() < Duration::from_millis(100) && start.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(busy.cpu_time().unwrap() >= Duration::from_millis(100));
    assert!(idle.cpu_time().unwrap() < Duration::from_millis(100));
}

#[test]
fn raw_mode_is_seen_and_a_program_that_leaves_it_on_is_found_out() {
    let mut session = sh("stty raw -echo; printf '\\033[?1049h\\033[?25l'; read x; true", &Options::default());
    session.wait_for("the alternate screen", SOON, |screen| screen.alternate).unwrap();
    assert_eq!(session.is_raw(), Some(true));
    session.send(b"\n").unwrap();
    session.exit(SOON).unwrap();
    assert_eq!(session.is_raw(), Some(true), "nobody put it back");
    assert!(terminal_restored(&session.bytes()).is_err());
}
