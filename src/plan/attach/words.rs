//! A disk in xl's words, as `xl block-attach` and a configuration take them.

use crate::model::{Disk, DiskKind, Mode};
use crate::plan::config_text;
use crate::plan::facts::{Go, no};

/// Formats that xl knows; what it calls `vhd` is the old one of Microsoft's, not vhdx.
pub(in crate::plan) const FORMATS: [&str; 5] = ["raw", "qcow", "qcow2", "vhd", "qed"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Words {
    pub vdev: String,
    pub format: String,
    pub writes: bool,
    pub script: Option<String>,
    /// QEMU serves it although the kernel could.
    pub by_qemu: bool,
    pub cdrom: bool,
    /// A path, or a script's argument.
    pub target: String,
}

impl Words {
    /// One argument. The target stands last, where it takes the rest of the text whatever its characters.
    pub fn text(&self) -> String {
        let Some(script) = &self.script else {
            let spec = config_text::disk_spec(self.target.as_bytes(), &self.vdev, &self.format, self.writes);
            let spec = String::from_utf8_lossy(&spec).into_owned();
            let more = [(self.by_qemu, "backendtype=qdisk,target="), (self.cdrom, "devtype=cdrom,target=")];
            return more.iter().filter(|(wanted, _)| *wanted).fold(spec, |spec, (_, word)| spec.replacen("target=", word, 1));
        };
        let access = if self.writes { "rw" } else { "r" };
        format!("vdev={},format={},access={access},script={script},target={}", self.vdev, self.format, self.target)
    }

    /// What a domain has, or what its configuration names, said anew.
    pub fn of_disk(disk: &Disk) -> Go<Self> {
        let vdev = disk.vdev.clone().unwrap_or_default();
        let unclear = |what: &str| {
            no(
                "disk-unclear",
                format!("{what} of {vdev} is not surely known"),
                "use `xl block-attach` and an editor, which need not know it",
            )
        };
        if matches!(disk.kind, DiskKind::Empty | DiskKind::NfsRoot) {
            return no("disk-empty", format!("{vdev} is a drive without a medium"), "name a disk");
        }
        if let Some(other) = &disk.backend_domain {
            return no(
                "backend-domain",
                format!("{vdev} is served by the domain {other}, where domkeep cannot look"),
                "use `xl block-attach` and an editor for it",
            );
        }
        let Some(target) = disk.path.as_ref().and_then(|path| std::str::from_utf8(path.as_bytes()).ok()) else {
            return unclear("the path");
        };
        if target.is_empty() || target.chars().any(char::is_control) || (disk.script.is_none() && !target.starts_with('/')) {
            return unclear("the path");
        }
        let Some(mode) = disk.mode else { return unclear("the mode") };
        let Some(format) = disk.format.as_deref().filter(|format| FORMATS.contains(format)) else { return unclear("the format") };
        Ok(Self {
            by_qemu: format == "raw" && disk.backend.as_deref() == Some("qdisk") && !disk.removable,
            format: format.to_owned(),
            writes: Mode::writes(mode),
            script: disk.script.as_ref().map(|script| script.strip_prefix("/etc/xen/scripts/").unwrap_or(script).to_owned()),
            cdrom: disk.removable,
            target: target.to_owned(),
            vdev,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::disk;

    #[test]
    fn a_disk_is_said_so_that_xl_reads_the_same_disk() {
        let of = |change: fn(&mut Disk)| {
            let mut disk = disk("xvdb", "/dev/vg0/a", Mode::Write);
            change(&mut disk);
            Words::of_disk(&disk).map(|words| words.text()).map_err(|stop| format!("{stop:?}"))
        };
        for (change, text) in [
            ((|_| ()) as fn(&mut Disk), "vdev=xvdb,format=raw,access=rw,target=/dev/vg0/a"),
            (|disk| disk.mode = Some(Mode::Read), "vdev=xvdb,format=raw,access=r,target=/dev/vg0/a"),
            (|disk| disk.backend = Some("qdisk".into()), "vdev=xvdb,format=raw,access=rw,backendtype=qdisk,target=/dev/vg0/a"),
            (|disk| disk.path = Some("/srv/target=x,y".into()), "vdev=xvdb,format=raw,access=rw,target=/srv/target=x,y"),
            (
                |disk| {
                    disk.script = Some("/etc/xen/scripts/block-iscsi".into());
                    disk.path = Some("iqn=iqn.2020-01.com.example:a,portal=192.0.2.9:3260".into());
                },
                "vdev=xvdb,format=raw,access=rw,script=block-iscsi,target=iqn=iqn.2020-01.com.example:a,portal=192.0.2.9:3260",
            ),
        ] {
            assert_eq!(of(change).as_deref(), Ok(text), "the domain would get another disk at its next start");
        }
        for change in [
            (|disk| disk.path = None) as fn(&mut Disk),
            |disk| disk.path = Some("vg0/a".into()),
            |disk| disk.mode = None,
            |disk| disk.format = Some("unknown".into()),
            |disk| disk.backend_domain = Some("storage".into()),
            |disk| disk.kind = DiskKind::Empty,
        ] {
            assert!(of(change).is_err(), "something was guessed: {:?}", of(change));
        }
    }
}
