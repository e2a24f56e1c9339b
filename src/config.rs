//! Settings and where each came from.

use std::path::PathBuf;

use serde::Deserialize;

/// The settings file: `/etc/domkeep/config.toml` for root, `$XDG_CONFIG_HOME/domkeep/config.toml` otherwise, or `--config FILE`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Further directories with xl or xm configuration files.
    pub config_dirs: Vec<PathBuf>,
    /// Further directories (or files) where save images are looked for.
    pub save_dirs: Vec<PathBuf>,
    /// Further directories with image files.
    pub image_dirs: Vec<PathBuf>,
    /// Seconds between two looks where nothing can be watched. 0: only on `r`.
    pub poll_seconds: u64,
    /// Fill of a snapshot store or thin pool, in percent, from which it is a warning and a danger.
    pub snapshot_warning_percent: u8,
    pub snapshot_danger_percent: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config_dirs: Vec::new(),
            save_dirs: Vec::new(),
            image_dirs: Vec::new(),
            poll_seconds: 30,
            snapshot_warning_percent: 70,
            snapshot_danger_percent: 90,
        }
    }
}

impl Settings {
    pub fn limits(&self) -> crate::check::Limits {
        crate::check::Limits {
            snapshot_warning_percent: self.snapshot_warning_percent,
            snapshot_danger_percent: self.snapshot_danger_percent,
        }
    }
}
