//! `domkeep clone`.

use clap::Args as ClapArgs;

use super::{Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Clone {
    /// The domain to clone
    pub domain: String,
    /// The clones' names, as web02,web03
    #[arg(long, value_name = "NAMES")]
    pub names: Option<String>,
    /// The configuration file, where several name the domain
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    /// Only these disks, as xvda,xvdb
    #[arg(long, value_name = "VDEVS")]
    pub disks: Option<String>,
    /// suited (to each disk), classic, thin, reflink or overlay
    #[arg(long, value_name = "HOW")]
    pub how: Option<String>,
    /// Room for changes of each classic snapshot; a tenth of the original when left out
    #[arg(long, value_name = "SIZE")]
    pub store: Option<String>,
    /// Where clones in files go
    #[arg(long, value_name = "DIR")]
    pub directory: Option<String>,
    /// yes: UUIDs of their own for each clone's file systems, and the clone's name as host name
    #[arg(long, value_name = "YES")]
    pub inside: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl Clone {
    pub fn given(&self) -> Given<'_> {
        vec![
            ("domain", Some(&self.domain)),
            ("names", self.names.as_ref()),
            ("config-file", self.config_file.as_ref()),
            ("disks", self.disks.as_ref()),
            ("how", self.how.as_ref()),
            ("store", self.store.as_ref()),
            ("directory", self.directory.as_ref()),
            ("inside", self.inside.as_ref()),
        ]
    }
}
