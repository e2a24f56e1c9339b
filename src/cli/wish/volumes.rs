//! `domkeep new-volume`, `domkeep move-disk`, `domkeep grow`.

use clap::Args as ClapArgs;

use super::{Content, Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct NewVolume {
    /// The volume, as vg0/web01; its name must be free
    #[arg(value_name = "GROUP/NAME")]
    pub volume: String,
    /// What the guest sees, as 20G or 512M
    #[arg(long)]
    pub size: Option<String>,
    /// A partition, disk or loop device with nothing on it: the group is made on it, or gets it as more room
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// A thin volume in this pool
    #[arg(long, value_name = "NAME")]
    pub thin_pool: Option<String>,
    /// Make the pool first, for so much data
    #[arg(long, value_name = "SIZE")]
    pub pool_size: Option<String>,
    /// What old volumes left on its blocks: zeros (overwritten) or leave
    #[arg(long, value_name = "HOW")]
    pub wipe: Option<String>,
    #[command(flatten)]
    pub content: Content,
    #[command(flatten)]
    pub going: Going,
}

impl NewVolume {
    pub fn given(&self) -> Given<'_> {
        let mut given = vec![
            ("volume", Some(&self.volume)),
            ("size", self.size.as_ref()),
            ("device", self.device.as_ref()),
            ("thin-pool", self.thin_pool.as_ref()),
            ("pool-size", self.pool_size.as_ref()),
            ("wipe", self.wipe.as_ref()),
        ];
        given.extend(self.content.given());
        given
    }
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct MoveDisk {
    /// The domain; it must be off
    pub domain: String,
    /// The disk, as the guest calls it
    pub vdev: String,
    /// Its new place: a file, as /srv/xen/web01.img, or a volume, as vg0/web01
    #[arg(long, value_name = "PLACE")]
    pub to: Option<String>,
    /// For a volume: a thin one in this pool
    #[arg(long, value_name = "NAME")]
    pub thin_pool: Option<String>,
    /// The configuration file, where several name the domain
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    /// At most so many bytes per second, as 50M
    #[arg(long, value_name = "SIZE")]
    pub rate: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl MoveDisk {
    pub fn given(&self) -> Given<'_> {
        vec![
            ("domain", Some(&self.domain)),
            ("vdev", Some(&self.vdev)),
            ("to", self.to.as_ref()),
            ("thin-pool", self.thin_pool.as_ref()),
            ("config-file", self.config_file.as_ref()),
            ("rate", self.rate.as_ref()),
        ]
    }
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Grow {
    /// A volume, snapshot or thin pool as vg0/web01, or an image file
    pub target: String,
    /// How much is added, as 5G
    #[arg(long, value_name = "SIZE", conflicts_with = "to")]
    pub by: Option<String>,
    /// The new size, as 20G
    #[arg(long, value_name = "SIZE")]
    pub to: Option<String>,
    /// Whether the file system on it grows too
    #[arg(long, value_name = "yes|no")]
    pub inside: Option<String>,
    /// Of a thin pool: its metadata, not its data
    #[arg(long, value_name = "yes|no")]
    pub metadata: Option<String>,
    /// A partition, disk or loop device with nothing on it, which joins the volume's group first
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl Grow {
    pub fn given(&self) -> Given<'_> {
        vec![
            ("target", Some(&self.target)),
            ("by", self.by.as_ref()),
            ("to", self.to.as_ref()),
            ("inside", self.inside.as_ref()),
            ("metadata", self.metadata.as_ref()),
            ("device", self.device.as_ref()),
        ]
    }
}
