//! `domkeep remove` and `domkeep roll-back`.

use clap::Args as ClapArgs;

use super::{Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Remove {
    /// Volumes as VG/LV, or files; several with commas
    #[arg(value_name = "VG/LV|FILE")]
    pub things: String,
    /// A clone's configuration that goes with its disks; it is set aside, not deleted
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct RollBack {
    /// The snapshot whose state its origin gets back, as VG/LV
    #[arg(value_name = "VG/LV")]
    pub snapshot: String,
    #[command(flatten)]
    pub going: Going,
}

impl Remove {
    pub fn given(&self) -> Given<'_> {
        vec![("things", Some(&self.things)), ("config-file", self.config_file.as_ref())]
    }
}

impl RollBack {
    pub fn given(&self) -> Given<'_> {
        vec![("snapshot", Some(&self.snapshot))]
    }
}
