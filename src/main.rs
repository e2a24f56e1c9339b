//! Arguments -> place, settings, face -> exit code; nothing else.

mod places;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use domkeep::cli::args::{self, Args, Command};
use domkeep::cli::{self, Surroundings, health, plain};
use domkeep::config::{self, Loaded};
use domkeep::engine::{CommandEntry, Engine, Picture};
use domkeep::problem::{Exit, Problem};
use domkeep::tui::{self, caps};

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => return ExitCode::from(complain_about_usage(&error) as u8),
    };
    let exit = run(&args).unwrap_or_else(|problem| {
        // Standard error may be gone as well; then the exit code has to do.
        let _ = writeln!(std::io::stderr(), "domkeep: {problem}");
        problem.exit
    });
    ExitCode::from(exit as u8)
}

fn run(args: &Args) -> Result<Exit, Problem> {
    let surroundings = surroundings();
    let ink = surroundings.ink(&args.global);
    let root = rustix::process::geteuid().is_root();
    let variable = |name| std::env::var(name).ok();
    let usual = config::default_path(root, variable("XDG_CONFIG_HOME").as_deref(), variable("HOME").as_deref());
    let loaded = config::load(args.global.config.as_deref(), usual)?.looking_in(&args.global.look_in);
    if let Some(unread) = &loaded.unread {
        let _ = writeln!(std::io::stderr(), "domkeep: {}", domkeep::model::shown::text(unread));
    }
    let mut out = std::io::stdout();
    if let Some(command) = &args.command
        && let Some(result) = cli::without_host(command, &loaded, ink, &mut out)
    {
        return result;
    }
    if let Some(Command::Capture { dir, json }) = &args.command {
        return places::capture(&args.global, &loaded.settings, dir, json.json, &mut out);
    }
    if let Some(Command::Machine { words }) = &args.command {
        return places::machine(&args.global, words);
    }
    let face = args.command.is_none() && !args.global.health;
    let place = places::open(&args.global, face)?;
    if let Some(word) = &place.notice {
        let _ = writeln!(std::io::stderr(), "{word}");
    }
    let engine = Engine::new(place.host, loaded.settings.clone()).read_only(args.global.read_only);
    let engine = match place.workshop {
        Some(workshop) => engine.with_workshop(workshop),
        None => engine,
    };
    if args.global.health {
        let mut sections = place.health;
        sections.push(terminal_section(&terminal_abilities(args)));
        let text = health::text(&engine, &loaded, &surroundings, &sections, root, ink);
        return cli::print(&mut out, &text).map(|()| Exit::Good);
    }
    match &args.command {
        Some(command) => cli::run(command, &engine, ink, &mut out),
        None if surroundings.can_draw(&args.global) => draw(args, engine, &loaded, place.notice),
        None => ask_and_answer(&engine, &loaded, ink),
    }
}

/// The screen; where the terminal cannot place its cursor, questions and answers line by line.
fn draw(args: &Args, engine: Engine, loaded: &Loaded, notice: Option<String>) -> Result<Exit, Problem> {
    let options = tui::Options {
        ascii: args.global.ascii,
        color: color_choice(args),
        slow: None,
        stats: args.global.stats,
        read_only: args.global.read_only,
        notice,
    };
    if !terminal_abilities(args).full_screen {
        return ask_and_answer(&engine, loaded, surroundings().ink(&args.global));
    }
    tui::run(engine, options)
}

fn color_choice(args: &Args) -> caps::ColorChoice {
    match args.global.color {
        args::ColorWhen::Auto => caps::ColorChoice::Auto,
        args::ColorWhen::Always => caps::ColorChoice::Always,
        args::ColorWhen::Never => caps::ColorChoice::Never,
    }
}

fn terminal_abilities(args: &Args) -> caps::Caps {
    caps::decide(&caps::Env::of_process(color_choice(args), args.global.ascii, None))
}

/// What the terminal can do, and from what domkeep concluded it.
fn terminal_section(caps: &caps::Caps) -> health::Section {
    let lines = caps.reasons.iter().map(|reason| match reason.split_once(": ") {
        Some((what, why)) => (what.to_owned(), why.to_owned()),
        None => (String::new(), reason.clone()),
    });
    health::Section { title: "Terminal".into(), lines: lines.collect() }
}

fn ask_and_answer(engine: &Engine, loaded: &Loaded, ink: cli::ink::Ink) -> Result<Exit, Problem> {
    let every = Duration::from_secs(loaded.settings.poll_seconds);
    let mut source = Live { engine, every, last: Instant::now() };
    match plain::run(&mut source, &mut std::io::stdin().lock(), &mut std::io::stdout(), ink) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Problem::new("the conversation broke off").because(error)),
        _ => Ok(Exit::Good),
    }
}

/// Pictures of the host itself.
struct Live<'a> {
    engine: &'a Engine,
    every: Duration,
    last: Instant,
}

impl plain::Source for Live<'_> {
    fn look(&mut self) -> Picture {
        let picture = self.engine.scan();
        self.last = Instant::now();
        picture
    }

    fn commands(&self) -> Vec<CommandEntry> {
        self.engine.commands()
    }

    fn is_old(&self) -> bool {
        !self.every.is_zero() && self.last.elapsed() > self.every
    }

    fn road(&self) -> &dyn plain::Road {
        self.engine
    }
}

fn surroundings() -> Surroundings {
    let stdout = std::io::stdout();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Surroundings {
        stdout_is_terminal: stdout.is_terminal(),
        columns: rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0),
        no_color: set("NO_COLOR").is_some(),
        term: set("TERM"),
        locale: set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")),
    }
}

/// Help and version are no errors; all else is wrong usage.
fn complain_about_usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Good }
}
