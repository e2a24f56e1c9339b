//! `domkeep attach` and `domkeep detach`.

use clap::Args as ClapArgs;

use super::{Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Attach {
    /// The domain that gets the disk
    pub domain: String,
    /// A device or file, or script=NAME,target=REST; left out: what it has, or its configuration names, as --vdev
    pub target: Option<String>,
    /// What the guest calls the disk
    #[arg(long)]
    pub vdev: Option<String>,
    /// ro (read-only) or rw
    #[arg(long)]
    pub mode: Option<String>,
    /// live (now), config (from the next start on), or both
    #[arg(id = "where", long = "where", value_name = "WHERE")]
    pub place: Option<String>,
    /// raw, qcow2, vhd, or auto (as the content says)
    #[arg(long)]
    pub format: Option<String>,
    /// The configuration file, where several name the domain
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Detach {
    /// The domain that loses the disk
    pub domain: String,
    /// What the guest calls the disk
    pub vdev: String,
    /// live (now), config (from the next start on), or both
    #[arg(id = "where", long = "where", value_name = "WHERE")]
    pub place: Option<String>,
    /// The configuration file, where several name the domain
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl Attach {
    pub fn given(&self) -> Given<'_> {
        vec![
            ("domain", Some(&self.domain)),
            ("target", self.target.as_ref()),
            ("vdev", self.vdev.as_ref()),
            ("mode", self.mode.as_ref()),
            ("where", self.place.as_ref()),
            ("format", self.format.as_ref()),
            ("config-file", self.config_file.as_ref()),
        ]
    }
}

impl Detach {
    pub fn given(&self) -> Given<'_> {
        vec![
            ("domain", Some(&self.domain)),
            ("vdev", Some(&self.vdev)),
            ("where", self.place.as_ref()),
            ("config-file", self.config_file.as_ref()),
        ]
    }
}
