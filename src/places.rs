//! Which host is looked at: a replay, the demo, or this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domkeep::cli::args::Global;
use domkeep::cli::health::Section;
use domkeep::config::Settings;
use domkeep::host::logged::Logged;
use domkeep::host::{Answer, DeviceFacts, HostError, Listing, Look, Place, Space, Stat};
use domkeep::model::{Cmd, Extent, Output};
use domkeep::problem::{Exit, Problem};

/// A host that was opened.
pub struct Opened {
    pub host: Arc<dyn Look>,
    /// One line to say before anything else.
    pub notice: Option<String>,
    /// What `--health` says of it.
    pub health: Vec<Section>,
}

/// Opens the place that the options name. Without one: this machine, or the demo when a screen is wanted and there is nothing to see here.
pub fn open(global: &Global, _face: bool) -> Result<Opened, Problem> {
    let place = match (&global.replay, &global.demo) {
        (Some(dir), _) => Place::Replay { dir: dir.clone() },
        (None, Some(name)) => Place::Demo { name: name.clone().unwrap_or_default(), root: PathBuf::new() },
        (None, None) => Place::ThisMachine,
    };
    Ok(Opened { host: Arc::new(Logged::new(Nothing(place))), notice: None, health: Vec::new() })
}

pub fn capture(_global: &Global, _settings: &Settings, _dir: &Path, _json: bool, _out: &mut dyn Write) -> Result<Exit, Problem> {
    Err(Problem::new("capturing is not there yet"))
}

/// Stands in for the hosts until they are there.
struct Nothing(Place);

impl Look for Nothing {
    fn place(&self) -> Place {
        self.0.clone()
    }
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        chrono::Utc::now()
    }
    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        Err(HostError::NoTool { program: cmd.program.clone() })
    }
    fn read_at(&self, _: &Path, _: u64, _: usize) -> Answer<Vec<u8>> {
        Err(HostError::NotFound)
    }
    fn list(&self, _: &Path, _: usize) -> Answer<Listing> {
        Err(HostError::NotFound)
    }
    fn stat(&self, _: &Path, _: bool) -> Answer<Stat> {
        Err(HostError::NotFound)
    }
    fn resolve(&self, _: &Path) -> Answer<PathBuf> {
        Err(HostError::NotFound)
    }
    fn readlink(&self, _: &Path) -> Answer<PathBuf> {
        Err(HostError::NotFound)
    }
    fn extents(&self, _: &Path) -> Answer<Vec<Extent>> {
        Err(HostError::NotFound)
    }
    fn space(&self, _: &Path) -> Answer<Space> {
        Err(HostError::NotFound)
    }
    fn device(&self, _: &Path) -> Answer<DeviceFacts> {
        Err(HostError::NotFound)
    }
}
