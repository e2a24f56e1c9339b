//! `domkeep save` and `domkeep resume`.

use clap::Args as ClapArgs;

use super::{Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Save {
    /// The domain to save
    pub domain: String,
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
    #[arg(value_name = "SAVE|DOMAIN")]
    pub save: String,
    /// If a disk was changed since it was saved: refuse, boot, roll-back or resume
    #[arg(long, value_name = "WHAT")]
    pub if_changed: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl Save {
    pub fn given(&self) -> Given<'_> {
        vec![("domain", Some(&self.domain)), ("to", self.to.as_ref()), ("snapshots", self.snapshots.as_ref())]
    }
}

impl Resume {
    pub fn given(&self) -> Given<'_> {
        vec![("save", Some(&self.save)), ("if-changed", self.if_changed.as_ref())]
    }
}
