//! Which host is looked at: a replay, the demo, or this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domkeep::cli::args::Global;
use domkeep::cli::health::Section;
use domkeep::config::Settings;
use domkeep::engine::{Engine, Workshop};
use domkeep::host::capture::Capture;
use domkeep::host::demo::Demo;
use domkeep::host::local::Local;
use domkeep::host::logged::Logged;
use domkeep::host::replay::Replay;
use domkeep::host::timed::Timed;
use domkeep::host::tools::Tools;
use domkeep::host::{Act, HostError, Look};
use domkeep::job::{Launcher, Store};
use domkeep::problem::{Exit, Problem};

/// No file of a healthy host takes longer to answer.
const FILE_LIMIT: Duration = Duration::from_secs(5);
/// A job keeps its own disks busy, and gives them time; a look that hangs for ever must not hold it for ever.
const RUNNER_LIMIT: Duration = Duration::from_secs(60);
const DEFAULT_DEMO: &str = "guides";

/// A host that was opened.
pub struct Opened {
    pub host: Arc<dyn Look>,
    /// One line to say before anything else.
    pub notice: Option<String>,
    /// What `--health` says of it.
    pub health: Vec<Section>,
    /// What it takes to change it; none where nothing may be changed.
    pub workshop: Option<Workshop>,
}

/// Opens the place that the options name. Without one: this machine, or the demo when a screen is wanted and there is nothing to see here.
///
/// Only a person at a screen gets the demo unasked: a script that asks a host without Xen must not be told of made-up domains.
pub fn open(global: &Global, face: bool) -> Result<Opened, Problem> {
    if let Some(dir) = &global.replay {
        return Ok(opened(Replay::open(dir).map_err(|error| replay_problem(dir, &error))?));
    }
    if global.demo.is_some() || global.demo_reset {
        return opened_demo(global);
    }
    if face && !has_domains() {
        let mut opened = opened_demo(global)?;
        opened.notice = Some("No Xen and no libvirt on this machine: this is the demo machine.".into());
        return Ok(opened);
    }
    let mut opened = opened(this_machine());
    opened.health.push(tools_found());
    // Without a place for jobs one can still look.
    opened.workshop = workshop_here().ok();
    Ok(opened)
}

fn opened(host: impl Look + 'static) -> Opened {
    Opened { host: Arc::new(Logged::new(host)), notice: None, health: Vec::new(), workshop: None }
}

fn opened_demo(global: &Global) -> Result<Opened, Problem> {
    let mut opened = opened(demo(global)?);
    opened.workshop = Some(demo_workshop(global)?);
    Ok(opened)
}

/// The runner is this very program.
fn program() -> Result<PathBuf, Problem> {
    std::env::current_exe().map_err(|error| Problem::new("domkeep does not find its own program").because(error))
}

fn workshop_here() -> Result<Workshop, Problem> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let jobs = Store::of_this_machine(variable("XDG_STATE_HOME").as_deref(), variable("HOME").as_deref())?;
    let launcher = Launcher::new(jobs.clone(), program()?, Vec::new()).with_units();
    Ok(Workshop { jobs, launcher, act: Arc::new(|| Ok(Arc::new(Timed::new(Local::for_the_runner(), RUNNER_LIMIT)))) })
}

fn demo_workshop(global: &Global) -> Result<Workshop, Problem> {
    let (name, root) = demo_name_and_root(global);
    // The runner starts in another directory.
    let root = std::path::absolute(&root).unwrap_or(root);
    let jobs = Store::of_demo(&root);
    let options = vec![format!("--demo={name}").into(), "--demo-root".into(), root.clone().into_os_string()];
    let launcher = Launcher::new(jobs.clone(), program()?, options);
    let act = move || Demo::open(&name, &root).map(|demo| -> Arc<dyn Act> { Arc::new(demo) });
    Ok(Workshop { jobs, launcher, act: Arc::new(act) })
}

fn this_machine() -> Timed<Local> {
    Timed::new(Local::new(), FILE_LIMIT)
}

fn demo(global: &Global) -> Result<Demo, Problem> {
    let (name, root) = demo_name_and_root(global);
    if !Demo::is_one(&name) {
        let near = domkeep::config::nearest(&name, Demo::names().iter().copied());
        let meant = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let problem = Problem::usage(format!("there is no demo machine `{name}`"));
        return Err(problem.hint(format!("{meant}There are: {}", Demo::names().join(", "))));
    }
    if global.demo_reset { Demo::reset(&name, &root) } else { Demo::open(&name, &root) }
}

fn demo_name_and_root(global: &Global) -> (String, PathBuf) {
    let name = global.demo.clone().flatten().unwrap_or_else(|| DEFAULT_DEMO.to_owned());
    let root = global.demo_root.clone().unwrap_or_else(|| Demo::default_root(&name));
    (name, root)
}

fn replay_problem(dir: &Path, error: &HostError) -> Problem {
    Problem::new(format!("{} cannot be replayed", domkeep::model::HostPath::from(dir)))
        .because(error)
        .hint("make one with `domkeep capture DIR` on the host that it should show")
}

/// Whether anything here could have domains: a hypervisor, or a toolstack's programs.
fn has_domains() -> bool {
    let host = this_machine();
    let is_there = |path: &str| host.stat(Path::new(path), true).is_ok();
    is_there("/proc/xen/capabilities")
        || is_there("/etc/libvirt/qemu")
        || is_there("/etc/libvirt/libxl")
        || ["xl", "xm", "virsh"].iter().any(|tool| Tools::default().find(tool).is_ok())
}

fn tools_found() -> Section {
    let lines = Tools::default().survey().into_iter().map(|found| {
        let place =
            found.path.as_ref().map_or_else(|| "not found".to_owned(), |path| domkeep::model::HostPath::from(path.as_path()).to_string());
        (found.tool.name.to_owned(), format!("{place} ({})", found.tool.used_for))
    });
    Section { title: "Tools".into(), lines: lines.collect() }
}

/// Runs a command on the demo machine: its output, its errors and its exit status are handed on as they are.
pub fn machine(global: &Global, words: &[String]) -> Result<Exit, Problem> {
    if global.demo.is_none() {
        return Err(Problem::usage("only the demo machine takes commands this way").hint("domkeep --demo machine -- xl list"));
    }
    let output = demo(global)?.machine(words);
    let written = std::io::stdout().write_all(&output.stdout).and_then(|()| std::io::stderr().write_all(&output.stderr));
    written.map_err(|error| Problem::new("the answer could not be written").because(error))?;
    if output.exit == 0 { Ok(Exit::Good) } else { std::process::exit(output.exit) }
}

/// Looks at the host once and writes what was asked and answered into a new directory.
pub fn capture(global: &Global, settings: &Settings, dir: &Path, json: bool, out: &mut dyn Write) -> Result<Exit, Problem> {
    let place = open(global, false)?;
    let recorder = Arc::new(Capture::new(place.host));
    let engine = Engine::new(recorder.clone(), settings.clone());
    let picture = engine.scan();
    let name = if picture.inventory.host.name.is_empty() { "unknown".to_owned() } else { picture.inventory.host.name.clone() };
    let written = recorder.save(dir, &name, &[]).map_err(|error| {
        Problem::new(format!("the capture could not be written to {}", domkeep::model::HostPath::from(dir)))
            .because(error)
            .hint("name a directory that does not exist yet, on a file system with room")
    })?;
    let text = if json {
        format!(
            "{}\n",
            serde_json::json!({"schema": 1, "dir": domkeep::model::HostPath::from(dir), "answers": written.answers, "left_out": written.left_out, "domains": picture.inventory.domains.len(), "gaps": picture.inventory.gaps.len()})
        )
    } else {
        format!(
            "Captured {} domains of {} in {} answers.\nShow it anywhere: domkeep --replay {}\nPasswords and other secrets that were recognised are masked; read the folder before you send it to a stranger.\n",
            picture.inventory.domains.len(),
            domkeep::model::shown::text(&name),
            written.answers,
            domkeep::model::cmd::shell_word(&dir.to_string_lossy())
        )
    };
    domkeep::cli::print(out, &text)?;
    Ok(if picture.inventory.gaps.is_empty() { Exit::Good } else { Exit::Partial })
}
