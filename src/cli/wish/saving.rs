//! `domkeep save` and `domkeep resume`.

use clap::Args as ClapArgs;

use super::{Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Save {
    /// The domain to save
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub domain: Option<String>,
    /// Every domain that runs, one after the other, as before maintenance of the host; the exit code says if one was not saved
    #[arg(long, conflicts_with_all = ["script", "detach", "confirm", "to"])]
    pub all: bool,
    /// Of all domains not these, as web01,db1
    #[arg(long, value_name = "NAMES", requires = "all")]
    pub except: Option<String>,
    /// The file for its memory
    #[arg(long, value_name = "FILE")]
    pub to: Option<String>,
    /// Whether each of its volumes gets a snapshot to which it can be rolled back
    #[arg(long, value_name = "yes|no")]
    pub snapshots: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Resume {
    /// The save image, or the domain that is saved
    #[arg(value_name = "SAVE|DOMAIN", required_unless_present = "all", conflicts_with = "all")]
    pub save: Option<String>,
    /// Every domain that `domkeep save` saved, one after the other; the exit code says if one was not resumed
    #[arg(long, conflicts_with_all = ["script", "detach", "confirm"])]
    pub all: bool,
    /// Of all domains not these, as web01,db1
    #[arg(long, value_name = "NAMES", requires = "all")]
    pub except: Option<String>,
    /// If a disk was changed since it was saved: refuse, boot, roll-back or resume
    #[arg(long, value_name = "WHAT")]
    pub if_changed: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl Save {
    pub fn given(&self) -> Given<'_> {
        vec![("domain", self.domain.as_ref()), ("to", self.to.as_ref()), ("snapshots", self.snapshots.as_ref())]
    }
}

impl Resume {
    pub fn given(&self) -> Given<'_> {
        vec![("save", self.save.as_ref()), ("if-changed", self.if_changed.as_ref())]
    }
}
