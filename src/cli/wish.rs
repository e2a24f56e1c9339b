//! The options of what changes a host. Their names are the keys of the forms' fields, their values what one would fill in; what is left out
//! stays as the form suggests it. A test holds the two against each other.

mod attach;
mod cloning;
mod content;
mod nfs_root;
mod prune;
mod removing;
pub mod saving;
mod volumes;

use clap::{Args as ClapArgs, Subcommand};

pub use attach::{Attach, Detach};
pub use content::Content;
pub use nfs_root::NfsRoot;
pub use prune::Prune;

use super::args::Json;
use crate::model::Wish;

/// What changes the host. Each makes a plan, shows it, asks, and starts it as a job that outlives this command.
#[derive(Clone, Debug, Subcommand)]
pub enum Change {
    /// Make a disk in a sparse file, fill it, and name it in a domain's configuration
    NewDisk(Box<NewDisk>),
    /// Copy a domain into a backup: disks, configuration, memory
    Backup(Box<Backup>),
    /// Bring a backup back, to its old place or beside
    Restore(Restore),
    /// Boot a domain, having looked first: never over a save image or a disk in use without saying so
    Start(Start),
    /// Resume a save image, having looked first: its disks must be as they were
    Resume(saving::Resume),
    /// Save a domain to a file, with what its disks are, so that it can be resumed later
    Save(saving::Save),
    /// Copy a file or block device: holes are not read, and the copy is compared
    Copy(Copy),
    /// Make a logical volume, with its group or thin pool where there is none, fill it, and name it in a domain's configuration
    NewVolume(Box<volumes::NewVolume>),
    /// Move a disk of a domain that is off from a file into a volume, or back
    MoveDisk(volumes::MoveDisk),
    /// Give a volume, snapshot, thin pool or image file more room, and the file system on it
    Grow(volumes::Grow),
    /// Give a domain a disk that exists: in its configuration, in the running domain, or both
    Attach(Attach),
    /// Take a disk away from a domain; what lies on it stays
    Detach(Detach),
    /// Clone a domain without copying its disks: snapshots, shared files or overlays, and a configuration for each clone
    Clone(Box<cloning::Clone>),
    /// Remove restore points that no rule keeps; the newest good one of a domain always stays
    Prune(Prune),
    /// Remove a snapshot, a clone or a disk, when nothing depends on it
    Remove(removing::Remove),
    /// Give a volume the state back that a snapshot of it holds
    RollBack(removing::RollBack),
    /// Let a domain boot from a directory of this host by NFS: directory, export, configuration
    NfsRoot(Box<NfsRoot>),
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Going {
    /// Show the plan and stop: every step with its commands, and why
    #[arg(long, conflicts_with_all = ["script", "yes", "detach"])]
    pub dry_run: bool,
    /// Print the plan as a script for sh and stop
    #[arg(long, conflicts_with_all = ["yes", "detach", "json"])]
    pub script: bool,
    /// Do not ask whether to go on
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// The name that must be typed where data is lost; --yes never stands for it
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Start the job and do not follow it
    #[arg(long)]
    pub detach: bool,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct NewDisk {
    /// The file that will hold the disk; it must not exist
    pub path: String,
    /// What the guest sees, as 20G or 512M
    #[arg(long)]
    pub size: Option<String>,
    #[command(flatten)]
    pub content: Content,
    #[command(flatten)]
    pub going: Going,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Backup {
    /// The domain to back up
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub domain: Option<String>,
    /// Every domain, one after the other; the exit code says if one of them could not be backed up
    #[arg(long, conflicts_with_all = ["script", "detach", "confirm"])]
    pub all: bool,
    /// Of all domains not these, as web01,db1
    #[arg(long, value_name = "NAMES", requires = "all")]
    pub except: Option<String>,
    /// The directory for backups
    #[arg(long, value_name = "DIR")]
    pub to: Option<String>,
    /// How: auto, cold, save-copy, save-snapshot, checkpoint, live, pull or overlay (`domkeep strategies` shows what each gives)
    #[arg(long, value_name = "WAY")]
    pub strategy: Option<String>,
    /// If it runs and the backup is a cold one: refuse, or shut-down (and start it again)
    #[arg(long, value_name = "HOW")]
    pub when_running: Option<String>,
    /// Seconds to wait for the shutdown
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<String>,
    /// Take over what did not change since the last backup there: no, auto (where it is possible), or yes (refused where it is not)
    #[arg(long, value_name = "no|auto|yes")]
    pub incremental: Option<String>,
    /// Whether the backup is read back
    #[arg(long, value_name = "yes|no")]
    pub verify: Option<String>,
    /// At most so many bytes per second, as 50M
    #[arg(long, value_name = "SIZE")]
    pub rate: Option<String>,
    /// Other domains that are frozen in the same instant, as db1,db2 (live only); each gets a backup of its own
    #[arg(long, value_name = "NAMES", conflicts_with = "all")]
    pub with: Option<String>,
    /// Disks to leave out, as xvdb,xvdc
    #[arg(long, value_name = "VDEVS")]
    pub leave_out: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Restore {
    /// The directory of one backup
    pub bundle: String,
    /// Only these pieces, as xvda.img,config
    #[arg(long, value_name = "NAMES")]
    pub pieces: Option<String>,
    /// Where to: old-place, or beside (as files in --directory)
    #[arg(long, value_name = "WHERE")]
    pub to: Option<String>,
    /// The directory for a restore beside
    #[arg(long, value_name = "DIR")]
    pub directory: Option<String>,
    /// The restored domain's name, for a restore beside
    #[arg(long)]
    pub name: Option<String>,
    /// Bring a damaged backup back as far as it is readable, and say what is missing
    #[arg(long, value_name = "yes|no")]
    pub damaged: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Start {
    /// The domain to boot
    pub domain: String,
    /// The configuration file, where several name the domain
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Copy {
    /// A file or block device
    pub from: String,
    /// A new file, or a device that nobody uses
    pub to: String,
    /// At most so many bytes per second, as 50M
    #[arg(long, value_name = "SIZE")]
    pub rate: Option<String>,
    /// Whether the copy is read back
    #[arg(long, value_name = "yes|no")]
    pub verify: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

/// Options by the keys of the form's fields, with what was given.
pub type Given<'a> = Vec<(&'static str, Option<&'a String>)>;

/// What was filled in: a field's key and its value.
pub type Filled<'a> = Vec<(&'static str, &'a str)>;

impl Change {
    pub fn going(&self) -> &Going {
        match self {
            Self::NewDisk(disk) => &disk.going,
            Self::Clone(clone) => &clone.going,
            Self::NewVolume(volume) => &volume.going,
            Self::MoveDisk(disk) => &disk.going,
            Self::Grow(grow) => &grow.going,
            Self::Remove(remove) => &remove.going,
            Self::RollBack(back) => &back.going,
            Self::NfsRoot(root) => &root.going,
            Self::Backup(backup) => &backup.going,
            Self::Restore(Restore { going, .. })
            | Self::Start(Start { going, .. })
            | Self::Resume(saving::Resume { going, .. })
            | Self::Save(saving::Save { going, .. })
            | Self::Copy(Copy { going, .. })
            | Self::Attach(Attach { going, .. })
            | Self::Detach(Detach { going, .. })
            | Self::Prune(Prune { going, .. }) => going,
        }
    }

    pub fn wish(&self) -> Wish {
        match self {
            Self::NewDisk(_) => Wish::NewFileDisk,
            Self::Backup(_) => Wish::ColdBackup,
            Self::Restore(_) => Wish::Restore,
            Self::Start(_) => Wish::Start,
            Self::Resume(_) => Wish::Resume,
            Self::Save(_) => Wish::Save,
            Self::Copy(_) => Wish::Copy,
            Self::NewVolume(_) => Wish::NewVolume,
            Self::MoveDisk(_) => Wish::MoveDisk,
            Self::Grow(_) => Wish::Grow,
            Self::Attach(_) => Wish::Attach,
            Self::Detach(_) => Wish::Detach,
            Self::Clone(_) => Wish::Clone,
            Self::Prune(_) => Wish::Prune,
            Self::Remove(_) => Wish::Remove,
            Self::RollBack(_) => Wish::RollBack,
            Self::NfsRoot(_) => Wish::NfsRoot,
        }
    }

    /// The options that were given, by the keys of the form's fields.
    pub fn filled(&self) -> Filled<'_> {
        let given: Given<'_> = match self {
            Self::NewDisk(disk) => {
                let mut given = vec![("path", Some(&disk.path)), ("size", disk.size.as_ref())];
                given.extend(disk.content.given());
                given
            }
            Self::Backup(backup) => vec![
                ("domain", backup.domain.as_ref()),
                ("to", backup.to.as_ref()),
                ("strategy", backup.strategy.as_ref()),
                ("when-running", backup.when_running.as_ref()),
                ("wait", backup.wait.as_ref()),
                ("incremental", backup.incremental.as_ref()),
                ("verify", backup.verify.as_ref()),
                ("rate", backup.rate.as_ref()),
                ("leave-out", backup.leave_out.as_ref()),
                ("with", backup.with.as_ref()),
            ],
            Self::Restore(restore) => vec![
                ("bundle", Some(&restore.bundle)),
                ("pieces", restore.pieces.as_ref()),
                ("to", restore.to.as_ref()),
                ("directory", restore.directory.as_ref()),
                ("name", restore.name.as_ref()),
                ("damaged", restore.damaged.as_ref()),
            ],
            Self::Clone(clone) => clone.given(),
            Self::Remove(remove) => remove.given(),
            Self::RollBack(back) => back.given(),
            Self::Start(start) => vec![("domain", Some(&start.domain)), ("config-file", start.config_file.as_ref())],
            Self::NewVolume(volume) => volume.given(),
            Self::MoveDisk(disk) => disk.given(),
            Self::Grow(grow) => grow.given(),
            Self::Resume(resume) => resume.given(),
            Self::Save(save) => save.given(),
            Self::Copy(copy) => {
                vec![("from", Some(&copy.from)), ("to", Some(&copy.to)), ("rate", copy.rate.as_ref()), ("verify", copy.verify.as_ref())]
            }
            Self::Attach(attach) => attach.given(),
            Self::Detach(detach) => detach.given(),
            Self::Prune(prune) => prune.given(),
            Self::NfsRoot(root) => root.given(),
        };
        given.into_iter().filter_map(|(key, value)| Some((key, value?.as_str()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Args;
    use crate::engine::Engine;

    #[test]
    fn options_and_form_fields_are_the_same() {
        let root = Args::command();
        for (name, wish) in [
            ("new-disk", Wish::NewFileDisk),
            ("backup", Wish::ColdBackup),
            ("restore", Wish::Restore),
            ("start", Wish::Start),
            ("resume", Wish::Resume),
            ("save", Wish::Save),
            ("copy", Wish::Copy),
            ("new-volume", Wish::NewVolume),
            ("move-disk", Wish::MoveDisk),
            ("grow", Wish::Grow),
            ("attach", Wish::Attach),
            ("detach", Wish::Detach),
            ("clone", Wish::Clone),
            ("prune", Wish::Prune),
            ("remove", Wish::Remove),
            ("roll-back", Wish::RollBack),
            ("nfs-root", Wish::NfsRoot),
        ] {
            let command = root.find_subcommand(name).unwrap();
            // `all` and `except` say whose forms are filled in.
            let going = ["dry-run", "script", "yes", "confirm", "detach", "json", "help", "all", "except"];
            let options: BTreeSet<String> = command.get_arguments().map(|arg| arg.get_id().as_str().replace('_', "-")).collect();
            let options: BTreeSet<String> = options.into_iter().filter(|option| !going.contains(&option.as_str())).collect();
            let fields: BTreeSet<String> = Engine::empty_form(wish).fields.into_iter().map(|field| field.key).collect();
            assert_eq!(options, fields, "`domkeep {name}` and its form ask for different things");
        }
    }

    #[test]
    fn every_option_that_is_given_gets_into_the_form() {
        let words = "domkeep new-disk /a --size 1 --file-system ext4 --label l --populate directory --source /s --hostname h --fstab yes --attach new \
                     --domain d --config-file /c --vdev xvda --name n --memory 1 --vcpus 1 --boot kernel --kernel /k --ramdisk /r --extra e";
        let args = crate::cli::args::parse(words.split_whitespace().map(Into::into)).unwrap();
        let Some(crate::cli::args::Command::Change(change)) = args.command else { panic!("no change") };
        assert_eq!(change.filled().len(), Engine::empty_form(Wish::NewFileDisk).fields.len(), "an option was taken and forgotten");
        for words in [
            "domkeep backup d --to /b --strategy cold --when-running refuse --wait 1 --incremental auto --verify no --rate 1M --leave-out x --with e",
            "domkeep save d --to /s --snapshots yes",
            "domkeep resume /s --if-changed boot",
            "domkeep restore /b --pieces p --to beside --directory /d --name n --damaged yes",
            "domkeep copy /a /b --rate 1M --verify no",
            "domkeep move-disk d xvda --to vg0/a --thin-pool p --config-file /c --rate 1M",
            "domkeep new-volume vg0/a --size 1 --device /dev/x --thin-pool p --pool-size 1G --wipe leave --file-system ext4 --label l --populate \
             directory --source /s --hostname h --fstab yes --attach new --domain d --config-file /c --vdev xvda --name n --memory 1 --vcpus 1 \
             --boot kernel --kernel /k --ramdisk /r --extra e",
            "domkeep attach d /a --vdev xvdb --mode ro --where live --format raw --config-file /c",
            "domkeep prune /b --only d --keep-last 1 --keep-daily 1 --keep-weekly 1 --keep-monthly 1 --min-age 1",
            "domkeep detach d xvdb --where live --config-file /c",
            "domkeep remove vg/a,/b --config-file /c",
            "domkeep clone d --names a,b --config-file /c --disks xvda --how classic --store 1G --directory /d --inside yes",
            "domkeep nfs-root d --directory /r --populate archive --source /s --hostname h --fstab yes --clients c --server s --network dhcp \
             --bridge b --config-file /c",
        ] {
            let args = crate::cli::args::parse(words.split_whitespace().map(Into::into)).unwrap();
            let Some(crate::cli::args::Command::Change(change)) = args.command else { panic!("no change") };
            assert_eq!(change.filled().len(), Engine::empty_form(change.wish()).fields.len(), "{words}: an option was taken and forgotten");
        }
    }
}
