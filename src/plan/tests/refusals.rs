//! Every no, reached by what it is there for. A rule that no case reaches fails the test: nobody would notice if it were gone.

pub(super) mod restores;
pub(super) mod volumes;

use std::collections::BTreeSet;

use super::disks::{attach, detach, holds, hot_plugged, persist};
use super::nfs::{nfs, ready};
use super::*;
use crate::model::example::put_save;
use crate::model::request::Boot;
use crate::model::{ConfigTrouble, Disk, DiskKind, DiskSource, Holder, Libvirt, MountUse, SaveFormat, Store, Strategy, Toolstack, Where};

pub(super) type Case = (&'static str, &'static str, fn(&mut World) -> Request);

fn disk_with(change: impl FnOnce(&mut NewDisk)) -> Request {
    let mut wanted = new_disk();
    change(&mut wanted);
    Request::NewFileDisk(wanted)
}

fn backup_with(domain: &str, change: impl FnOnce(&mut ColdBackup)) -> Request {
    let mut wanted = backup(domain);
    change(&mut wanted);
    Request::ColdBackup(wanted)
}

fn existing(domain: &str, config: &str, vdev: &str) -> Request {
    disk_with(|disk| disk.attach = Attach::Existing { domain: domain.into(), config: config.into(), vdev: vdev.into() })
}

fn fresh(name: &str) -> Attach {
    let boot = Boot::Kernel { kernel: "/boot/vmlinuz".into(), ramdisk: None, extra: String::new() };
    Attach::New { config: "/etc/xen/new.cfg".into(), name: name.into(), vdev: "xvda".into(), memory_mib: 512, vcpus: 1, boot }
}

fn fill(path: &str) -> Populate {
    Populate::Directory { path: path.into() }
}

fn script(script: &str, argument: &str) -> Request {
    attach("web", "", |wanted| wanted.source = DiskSource::Script { script: script.into(), argument: argument.into() })
}

fn back(change: impl FnOnce(&mut Manifest), world: &mut World) -> Request {
    change(world.bundles.get_mut("/srv/bundle").unwrap());
    Request::Restore(restore(RestoreTo::OldPlace))
}

const CASES: &[Case] = &[
    ("path-relative", "", |_| disk_with(|disk| disk.path = "new.img".into())),
    ("path-dots", "", |_| disk_with(|disk| disk.path = "/srv/../etc/x".into())),
    ("path-control", "", |_| disk_with(|disk| disk.path = "/srv/a\u{1b}[2J".into())),
    ("path-not-utf8", "", |_| disk_with(|disk| disk.path = HostPath::from_bytes(b"/srv/\xff"))),
    ("path-no-name", "", |_| disk_with(|disk| disk.path = "/srv/".into())),
    ("name-too-long", "", |_| disk_with(|disk| disk.path = format!("/srv/{}", "x".repeat(181)).into())),
    ("path-at-boot", "", |_| disk_with(|disk| disk.path = "/etc/xen/auto/new.img".into())),
    ("path-at-boot", "through a link", |world| {
        let mut place = stands(Stands::Directory, "/srv/link");
        place.canonical = Some("/var/lib/xen/save".into());
        world.places.insert("/srv/link".into(), place);
        disk_with(|disk| disk.path = "/srv/link/new.img".into())
    }),
    ("path-no-storage", "", |_| disk_with(|disk| disk.path = "/dev/shm/new.img".into())),
    ("exists", "a stranger's file", |_| disk_with(|disk| disk.path = "/srv/web.img".into())),
    ("directory-missing", "", |_| disk_with(|disk| disk.path = "/srv/none/new.img".into())),
    ("not-a-directory", "", |_| disk_with(|disk| disk.path = "/srv/web.img/new.img".into())),
    ("read-only", "", |world| {
        world.places.get_mut("/srv").unwrap().read_only = true;
        disk_with(|_| ())
    }),
    ("not-known", "nobody may look", |world| {
        world.silent.push(Question::Place { path: "/srv".into() });
        disk_with(|_| ())
    }),
    ("size-no-sectors", "", |_| disk_with(|disk| disk.bytes += 1)),
    ("size-too-small", "", |_| disk_with(|disk| disk.bytes = 1 << 20)),
    ("size-too-small", "XFS from 300 MiB", |_| {
        disk_with(|disk| {
            disk.file_system = FileSystem::Xfs;
            disk.bytes = 299 << 20;
        })
    }),
    ("size-too-large", "", |_| disk_with(|disk| disk.bytes = 17 << 40)),
    ("no-sparse-files", "", |world| {
        world.places.get_mut("/srv").unwrap().file_system = Some("vfat".into());
        disk_with(|_| ())
    }),
    ("no-room", "for the metadata", |world| {
        // Not full, and yet too little.
        world.places.get_mut("/srv").unwrap().free = 1 << 20;
        disk_with(|_| ())
    }),
    ("no-room", "for a configuration", |world| {
        world.places.get_mut("/etc/xen").unwrap().free = 4096;
        disk_with(|disk| disk.attach = fresh("new"))
    }),
    ("no-room", "for an edited configuration", |world| {
        world.places.get_mut("/etc/xen/web.cfg").unwrap().free = 4096;
        attach("web", "/dev/vg0/spare", |_| ())
    }),
    ("no-room", "for a root on NFS", |world| {
        ready(world);
        world.places.get_mut("/srv").unwrap().free = 4096;
        nfs(|_| ())
    }),
    ("label-bad", "", |_| disk_with(|disk| disk.label = Some("seventeen-letters".into()))),
    ("hostname-bad", "", |_| {
        disk_with(|disk| {
            disk.populate = fill("/srv/tree");
            disk.hostname = Some("a b".into());
        })
    }),
    ("no-file-system", "", |_| {
        disk_with(|disk| {
            disk.file_system = FileSystem::None;
            disk.populate = fill("/srv/tree");
        })
    }),
    ("nothing-to-tailor", "", |_| disk_with(|disk| disk.fstab = true)),
    ("tool-missing", "", |world| {
        world.no_tools.push("mke2fs");
        disk_with(|_| ())
    }),
    ("source-missing", "", |_| disk_with(|disk| disk.populate = fill("/srv/none"))),
    ("inside-source", "", |_| disk_with(|disk| disk.populate = fill("/srv"))),
    ("no-etc", "", |_| {
        disk_with(|disk| {
            disk.populate = fill("/srv/backup");
            disk.fstab = true;
        })
    }),
    ("no-room", "for the archive", |world| {
        world.places.get_mut("/srv/tree.tar").unwrap().bytes = Some(2 << 30);
        disk_with(|disk| disk.populate = Populate::Archive { path: "/srv/tree.tar".into() })
    }),
    ("fstab-too-large", "", |world| {
        world.bytes.insert("/srv/tree/etc/fstab".into(), vec![b'#'; 100_000]);
        disk_with(|disk| {
            disk.populate = fill("/srv/tree");
            disk.fstab = true;
        })
    }),
    ("needs-mount", "", |world| {
        world.setting.can_mount = false;
        disk_with(|disk| {
            disk.populate = fill("/srv/tree");
            disk.file_system = FileSystem::Xfs;
        })
    }),
    ("job-folder-name", "", |world| {
        world.setting.can_mount = false;
        world.setting.job_dir = "/home/a\"b/jobs".into();
        disk_with(|disk| disk.populate = fill("/srv/tree"))
    }),
    ("no-domain", "", |_| existing("nobody", "/etc/xen/web.cfg", "xvdb")),
    ("domain-ambiguous", "", |world| {
        let mut twin = world.domain("web").clone();
        twin.id = "web (7)".into();
        world.domain("web").id = "web (xl)".into();
        world.inventory.domains.push(twin);
        existing("web", "/etc/xen/web.cfg", "xvdb")
    }),
    ("domain-name-a-number", "xl would stop domain 7", |world| {
        let number = domain("7", Power::Off, vec![]);
        world.inventory.domains.push(number);
        backup_with("7", |_| ())
    }),
    ("libvirt-domain", "", |world| {
        world.domain("web").toolstacks = vec![Toolstack::LibvirtXen];
        existing("web", "/etc/xen/web.cfg", "xvdb")
    }),
    ("libvirt-domain", "xl would stop a machine that libvirt runs, and libvirt would start it again", |world| {
        let web = world.domain("web");
        web.toolstacks = vec![Toolstack::Xl, Toolstack::LibvirtXen];
        web.libvirt = Some(Libvirt { uri: "xen:///system".into(), state: Some("running".into()), ..Libvirt::default() });
        backup_with("web", |_| ())
    }),
    ("libvirt-connection", "nobody knows which", |world| {
        world.domain("web").toolstacks = vec![Toolstack::LibvirtQemu];
        backup_with("web", |_| ())
    }),
    ("xend-domain", "", |world| {
        world.domain("web").toolstacks = vec![Toolstack::Xend];
        start("web")
    }),
    ("no-config", "", |world| {
        world.domain("web").configs.clear();
        start("web")
    }),
    ("no-config", "a file that nobody read", |_| existing("web", "/etc/xen/none.cfg", "xvdb")),
    ("which-config", "", |world| {
        world.domain("web").configs.push("/etc/xen/web2.cfg".into());
        start("web")
    }),
    ("config-not-a-file", "", |world| {
        world.inventory.configs[0].source = crate::model::ConfigSource::Xend;
        start("web")
    }),
    ("config-of-other", "", |_| existing("web", "/etc/xen/old.cfg", "xvdb")),
    ("config-refused", "", |world| {
        let trouble = ConfigTrouble { fatal: true, line: Some(3), column: None, what: "no closing bracket".into() };
        world.inventory.configs[0].trouble.push(trouble);
        start("web")
    }),
    ("config-not-xl", "", |world| {
        world.inventory.configs[0].grammar = "xm".into();
        existing("web", "/etc/xen/web.cfg", "xvdb")
    }),
    ("config-not-edited", "", |world| {
        world.bytes.insert("/etc/xen/web.cfg".into(), b"disk = [ 'phy:%s,xvda,w' % x ]\n".to_vec());
        existing("web", "/etc/xen/web.cfg", "xvdb")
    }),
    ("vdev-bad", "", |_| existing("web", "/etc/xen/web.cfg", "xvdb,target=/etc/shadow")),
    ("vdev-taken", "", |_| existing("web", "/etc/xen/web.cfg", "xvda")),
    ("vdev-taken", "HVM: hda and xvda are one", |world| {
        world.domain("web").guest_type = Some("hvm".into());
        existing("web", "/etc/xen/web.cfg", "hda")
    }),
    ("name-bad", "", |_| disk_with(|disk| disk.attach = fresh("../x"))),
    ("text-control", "", |_| disk_with(|disk| disk.attach = fresh("a\u{202e}b"))),
    ("name-taken", "", |_| disk_with(|disk| disk.attach = fresh("web"))),
    ("name-taken", "by a file", |world| {
        world.inventory.domains.retain(|domain| domain.name != "old");
        disk_with(|disk| disk.attach = fresh("old"))
    }),
    ("boot-file-missing", "", |world| {
        world.places.remove("/boot/vmlinuz");
        disk_with(|disk| disk.attach = fresh("new"))
    }),
    ("domain-running", "", |_| backup_with("db", |_| ())),
    ("domain-unknown", "", |world| {
        world.domain("web").power = Power::Unknown;
        backup_with("web", |_| ())
    }),
    ("strategy-not-here", "what is off cannot be paused", |_| backup_with("web", |wanted| wanted.strategy = Some(Strategy::Live))),
    ("strategy-not-here", "XFS without shared blocks", |world| {
        world.domain("web").power = Power::Running;
        world.inventory.stores.push(Store { mount: "/srv".into(), fs: "xfs".into(), ..Store::default() });
        backup_with("web", |wanted| wanted.strategy = Some(Strategy::Live))
    }),
    ("no-strategy", "", |world| {
        world.domain("db").disks[0].kind = DiskKind::Nbd;
        backup_with("db", |wanted| wanted.strategy = None)
    }),
    ("no-increment", "there is no backup yet", |_| backup_with("web", |wanted| wanted.incremental = crate::model::Incremental::Yes)),
    ("memory-unknown", "", |world| {
        world.domain("db").memory.bytes = None;
        backup_with("db", |wanted| wanted.strategy = Some(Strategy::SaveCopy))
    }),
    ("domain-not-still", "paused", |world| {
        world.domain("db").power = Power::Paused;
        backup_with("db", |backup| backup.how = WhenRunning::ShutDown { limit_seconds: 60 })
    }),
    ("domain-not-still", "migrating", |world| {
        world.domain("db").power = Power::Migrating;
        backup_with("db", |_| ())
    }),
    ("no-config", "it could not be started again", |world| {
        world.domain("db").configs.clear();
        backup_with("db", |backup| backup.how = WhenRunning::ShutDown { limit_seconds: 60 })
    }),
    ("no-such-disk", "", |_| backup_with("web", |backup| backup.leave_out = vec!["xvdz".into()])),
    ("disk-missing", "", |world| {
        world.domain("web").disks[0].exists = Some(false);
        backup_with("web", |_| ())
    }),
    ("disk-unknown", "", |world| {
        world.domain("web").disks[0].exists = None;
        backup_with("web", |_| ())
    }),
    ("disk-twice", "", |world| {
        let again = world.domain("web").disks[0].clone();
        world.domain("web").disks.push(again);
        backup_with("web", |_| ())
    }),
    ("backing-file-missing", "", |world| {
        world.domain("web").disks[0].format = Some("qcow2".into());
        world.inventory.backings.get_mut("/srv/web.img").unwrap().backing_file = Some(("base.img".into(), "/srv/base.img".into()));
        backup_with("web", |_| ())
    }),
    ("disk-mounted", "", |world| {
        let mount = MountUse { source: "/dev/loop0".into(), at: "/mnt".into(), read_write: true, fs: "ext4".into() };
        world.inventory.backings.get_mut("/srv/web.img").unwrap().mounts.push(mount);
        backup_with("web", |_| ())
    }),
    ("disk-held", "", |world| {
        let holder = Holder { name: "dm-3".into(), what: "device-mapper".into() };
        world.inventory.backings.get_mut("/srv/web.img").unwrap().holders.push(holder);
        start("web")
    }),
    ("disk-in-use", "by another domain", |world| {
        let mut other = disk("xvdb", "/srv/web.img", Mode::Write);
        other.attached = true;
        world.domain("db").disks.push(other);
        start("web")
    }),
    ("nothing-to-back-up", "", |world| {
        world.domain("web").disks.clear();
        world.domain("web").configs.clear();
        backup_with("web", |_| ())
    }),
    ("inside-source", "a backup into the disk", |world| {
        world.inventory.backings.get_mut("/dev/vg0/old").unwrap().device = Some((8, 1));
        backup_with("old", |_| ())
    }),
    ("no-room", "for a backup", |world| {
        world.places.get_mut("/srv/backup").unwrap().free = 1 << 20;
        backup_with("web", |_| ())
    }),
    ("not-a-directory", "a file in the way", |world| {
        world.put("/srv/backup/dom0.example.com", Stands::File);
        backup_with("web", |_| ())
    }),
    ("already-there", "", |_| start("db")),
    ("disk-relative", "", |world| {
        world.inventory.configs[0].disks[0].written_as = Some("vg0/web".into());
        start("web")
    }),
    ("no-save", "", |_| resume("/root/none.save")),
    ("save-damaged", "", |world| {
        put_save(&mut world.inventory, "/root/web.save", "web", vec![]);
        world.inventory.saves[0].complete = Some(false);
        resume("/root/web.save")
    }),
    ("save-of-nobody", "", |world| {
        put_save(&mut world.inventory, "/root/web.save", "web", vec![]);
        world.inventory.saves[0].domain = None;
        resume("/root/web.save")
    }),
    ("libvirt-save", "", |world| {
        put_save(&mut world.inventory, "/root/web.save", "web", vec![]);
        world.inventory.saves[0].format = SaveFormat::LibvirtXen;
        resume("/root/web.save")
    }),
    ("xend-save", "", |world| {
        put_save(&mut world.inventory, "/root/web.save", "web", vec![]);
        world.inventory.saves[0].format = SaveFormat::Xend;
        resume("/root/web.save")
    }),
    ("already-there", "its name runs", |world| {
        put_save(&mut world.inventory, "/root/db.save", "db", vec![]);
        resume("/root/db.save")
    }),
    ("disk-missing", "of a save image", |world| {
        let gone = Disk { exists: Some(false), ..disk("xvda", "/srv/gone.img", Mode::Write) };
        put_save(&mut world.inventory, "/root/web.save", "web", vec![gone]);
        resume("/root/web.save")
    }),
    ("source-no-disk", "", |_| copy("/srv/tree", "/srv/x.img")),
    ("source-missing", "of a copy", |_| copy("/srv/none.img", "/srv/x.img")),
    ("same-disk", "", |_| copy("/srv/web.img", "/srv/web.img")),
    ("same-disk", "through a link", |world| {
        let mut link = stands(Stands::Link, "/srv/link.img");
        link.canonical = Some("/srv/web.img".into());
        world.places.insert("/srv/link.img".into(), link);
        copy("/srv/web.img", "/srv/link.img")
    }),
    ("is-a-directory", "", |_| copy("/srv/web.img", "/srv/tree")),
    ("not-a-disk", "", |world| {
        world.put("/srv/pipe", Stands::Other);
        copy("/srv/web.img", "/srv/pipe")
    }),
    ("no-room", "for a copy", |world| {
        world.places.get_mut("/srv").unwrap().free = 1 << 20;
        copy("/srv/web.img", "/srv/x.img")
    }),
    ("device-too-small", "", |world| {
        world.places.get_mut("/dev/vg0/spare").unwrap().bytes = Some(1 << 20);
        copy("/srv/web.img", "/dev/vg0/spare")
    }),
    ("disk-in-use", "the destination", |world| {
        world.users.insert("/dev/vg0/db".into(), vec!["xvda of db (running)".into()]);
        copy("/srv/web.img", "/dev/vg0/db")
    }),
    ("not-known", "who uses the destination", |world| {
        world.silent.push(Question::UseOf { path: "/dev/vg0/spare".into() });
        copy("/srv/web.img", "/dev/vg0/spare")
    }),
    ("from-not-built", "", |_| Request::Copy {
        from: Location::Nbd { socket: "/run/x".into(), export: "x".into() },
        to: Location::File { path: "/srv/x".into() },
        rate: None,
        verify: false,
    }),
    ("to-not-built", "", |_| Request::Copy {
        from: Location::File { path: "/srv/web.img".into() },
        to: Location::Nbd { socket: "/run/x".into(), export: "x".into() },
        rate: None,
        verify: false,
    }),
    ("compressed", "", |world| back(|bundle| bundle.pieces[0].compression = "zstd".into(), world)),
    ("no-such-piece", "", |_| Request::Restore(Restore { pieces: vec!["xvdz.img".into()], ..restore(RestoreTo::OldPlace) })),
    ("nothing-to-restore", "", |world| back(|bundle| bundle.pieces.clear(), world)),
    ("domain-running", "restore under it", |world| back(|bundle| bundle.domain = "db".into(), world)),
    ("domain-saved", "", |world| {
        world.domain("web").power = Power::Saved;
        back(|_| (), world)
    }),
    ("no-old-place", "", |world| back(|bundle| bundle.pieces[0].source_kind = Some("loop".into()), world)),
    ("device-missing", "", |world| back(|bundle| bundle.pieces[0] = piece("xvda.img", "disk", "/dev/vg0/gone"), world)),
    ("domain-off", "", |_| attach("web", "/dev/vg0/spare", |wanted| wanted.place = Where::Both)),
    ("nothing-named", "", |_| persist("web", "xvdb")),
    ("domain-does-not-answer", "", |world| {
        world.domain("db").power = Power::Paused;
        detach("db", "xvda", Where::Live)
    }),
    ("attached-unknown", "", |world| {
        world.domain("db").attached_unknown = true;
        attach("db", "/dev/vg0/spare", |wanted| wanted.place = Where::Live)
    }),
    ("already-has-it", "under another name", |_| attach("db", "/dev/vg0/db", |_| ())),
    ("target-missing", "", |_| attach("web", "/dev/vg0/none", |_| ())),
    ("target-no-disk", "", |_| attach("web", "/srv/tree", |_| ())),
    ("format-unknown", "", |_| {
        attach("web", "/srv/tree.tar", |wanted| {
            wanted.source = DiskSource::Path { path: "/srv/tree.tar".into(), format: Some("vmdk".into()) };
        })
    }),
    ("format-unclear", "a guest may have written an image's head", |world| {
        holds(world, "/srv/web.img", "qcow2");
        attach("old", "/srv/web.img", |_| ())
    }),
    ("format-not-served", "", |world| {
        holds(world, "/srv/tree.tar", "vmdk");
        attach("web", "/srv/tree.tar", |_| ())
    }),
    ("disk-mounted", "by dom0", |world| {
        world.users.insert("/dev/vg0/spare".into(), vec!["mounted at /mnt".into()]);
        attach("web", "/dev/vg0/spare", |_| ())
    }),
    ("disk-held", "by LVM", |world| {
        world.users.insert("/dev/vg0/spare".into(), vec!["a physical volume of the group vg1".into()]);
        attach("web", "/dev/vg0/spare", |wanted| wanted.writes = false)
    }),
    ("vdev-taken", "by the rest of a refused disk", |world| {
        let rest = hot_plugged(world);
        rest.attached = false;
        rest.trouble = Some("is mounted in a guest domain".into());
        attach("db", "/srv/tree.tar", |wanted| {
            wanted.place = Where::Live;
            wanted.vdev = "xvdc".into();
        })
    }),
    ("no-device-model", "", |world| {
        holds(world, "/srv/tree.tar", "qcow2");
        attach("db", "/srv/tree.tar", |wanted| wanted.place = Where::Live)
    }),
    ("script-bad", "", |_| script("../x", "a")),
    ("script-argument", "", |_| script("block-iscsi", "a\nb")),
    ("script-missing", "", |_| script("block-iscsi", "a")),
    ("disk-unclear", "", |world| {
        hot_plugged(world).mode = None;
        persist("db", "xvdc")
    }),
    ("disk-empty", "", |world| {
        hot_plugged(world).kind = DiskKind::Empty;
        persist("db", "xvdc")
    }),
    ("backend-domain", "", |world| {
        hot_plugged(world).backend_domain = Some("storage".into());
        persist("db", "xvdc")
    }),
    ("not-attached", "", |_| persist("db", "xvdd")),
    ("not-in-config", "", |_| detach("web", "xvdd", Where::Config)),
    ("vdev-twice", "", |world| {
        let config = world.inventory.configs.iter_mut().find(|config| config.name.as_deref() == Some("web")).unwrap();
        let twice = config.disks[0].clone();
        config.disks.push(twice);
        detach("web", "xvda", Where::Config)
    }),
    ("config-not-edited", "its disks are not those that were read", |world| {
        world.bytes.insert("/etc/xen/web.cfg".into(), b"name = 'web'\ndisk = [ '/srv/web.img,raw,xvdc,w' ]\n".to_vec());
        detach("web", "xvda", Where::Config)
    }),
    ("nfs-server-off", "", |world| {
        ready(world);
        world.bytes.remove("/proc/fs/nfsd/threads");
        nfs(|_| ())
    }),
    ("nfs-server-off", "no threads", |world| {
        ready(world);
        world.bytes.insert("/proc/fs/nfsd/threads".into(), b"0\n".to_vec());
        nfs(|_| ())
    }),
    ("tool-missing", "no NFS server at all", |world| {
        ready(world);
        world.no_tools.push("exportfs");
        nfs(|_| ())
    }),
    ("client-bad", "", |_| nfs(|root| root.clients = "192.0.2.21 (rw)".into())),
    ("export-to-world", "", |_| nfs(|root| root.clients = "*".into())),
    ("export-to-world", "by its mask", |_| nfs(|root| root.clients = "0.0.0.0/0".into())),
    ("server-no-address", "", |_| nfs(|root| root.server = "dom0.example.com".into())),
    ("network-bad", "", |_| nfs(|root| root.network = "dhcp rw init=/bin/sh".into())),
    ("client-not-the-guest", "", |_| nfs(|root| root.network = "192.0.2.99::192.0.2.1:255.255.255.0:web:eth0:off".into())),
    ("hostname-bad", "of an NFS root", |_| nfs(|root| root.hostname = Some("a b".into()))),
    ("bridge-bad", "", |_| nfs(|root| root.bridge = Some("a b".into()))),
    ("no-kernel", "", |world| {
        ready(world);
        world.inventory.configs.iter_mut().for_each(|config| config.settings.clear());
        nfs(|_| ())
    }),
    ("export-of-host", "", |world| {
        ready(world);
        nfs(|root| root.directory = "/etc/web".into())
    }),
    ("export-of-host", "the whole of it", |world| {
        ready(world);
        nfs(|root| root.directory = "/srv".into())
    }),
    ("exists", "what is there is not written into", |world| {
        ready(world);
        nfs(|root| {
            root.directory = "/srv/tree".into();
            root.populate = fill("/srv/backup");
        })
    }),
    ("exported-otherwise", "", |world| {
        ready(world);
        world.bytes.insert("/etc/exports".into(), b"/srv/web-root 192.0.2.21 (rw,no_root_squash)\n".to_vec());
        nfs(|_| ())
    }),
    ("exports-broken", "", |world| {
        ready(world);
        world.bytes.insert("/etc/exports".into(), b"/srv/none 192.0.2.9(ro)\n".to_vec());
        nfs(|_| ())
    }),
    ("exports-not-a-file", "", |world| {
        ready(world);
        world.put("/etc/exports", Stands::Directory);
        nfs(|_| ())
    }),
    ("exports-not-edited", "", |world| {
        ready(world);
        world.bytes.insert("/etc/exports".into(), b"/srv/other b(ro) \\\n".to_vec());
        nfs(|_| ())
    }),
    ("config-not-edited", "it has no network", |world| {
        ready(world);
        nfs(|root| root.bridge = None)
    }),
];

/// Each wish may keep its own beside its plans.
fn all_cases() -> impl Iterator<Item = &'static Case> {
    let more = [volumes::CASES, cloning::CASES, inside::CASES, pruning::CASES, removing::CASES, libvirt::CASES, restores::CASES];
    CASES.iter().chain(more.into_iter().flatten())
}

#[test]
fn every_no_is_reached_and_says_what_would_make_it_possible() {
    for (rule, how, ask) in all_cases() {
        let mut world = World::new();
        let request = ask(&mut world);
        match world.plan(&request) {
            Err(refusal) => {
                assert_eq!(refusal.rule, *rule, "{how}: refused for another reason: {refusal:?}");
                assert!(!refusal.fact.is_empty() && refusal.instead.len() > 5, "{rule} leaves a person without a way on: {refusal:?}");
            }
            Ok(plan) => panic!("{rule} ({how}) did not stop {}: {:#?}", plan.title, plan.steps),
        }
    }
}

#[test]
fn no_rule_is_without_a_case() {
    let mut rules = BTreeSet::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                dirs.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                rules.extend(rules_in(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(rules.len() > 60, "only {} rules were found: the test reads the sources wrongly", rules.len());
    let reached: BTreeSet<String> = all_cases().map(|case| case.0.to_owned()).collect();
    let unreached: Vec<&String> = rules.difference(&reached).collect();
    assert!(unreached.is_empty(), "nobody would notice if these were gone: {unreached:?}");
    assert!(DiskKind::Loop.as_str() == "loop", "a case above depends on the word");
}

fn rules_in(source: &str) -> Vec<String> {
    let after = |marks: [&str; 2]| {
        let parts: Vec<String> =
            marks.iter().flat_map(|mark| source.split(mark).skip(1).map(|rest| rest.trim_start().to_owned())).collect();
        parts
    };
    let starts = after(["no(", "rule: "]);
    let word = |rest: &String| rest.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(word, _)| word.to_owned());
    starts.iter().filter_map(word).collect()
}

#[test]
fn the_usual_wishes_are_granted() {
    for request in [
        Request::NewFileDisk(new_disk()),
        disk_with(|disk| {
            disk.populate = fill("/srv/tree");
            disk.fstab = true;
        }),
        disk_with(|disk| disk.attach = fresh("new")),
        existing("web", "/etc/xen/web.cfg", "xvdb"),
        backup_with("web", |_| ()),
        backup_with("db", |backup| backup.how = WhenRunning::ShutDown { limit_seconds: 60 }),
        start("web"),
        copy("/srv/web.img", "/srv/x.img"),
        copy("/srv/web.img", "/dev/vg0/spare"),
        attach("web", "/dev/vg0/spare", |_| ()),
        detach("web", "xvda", Where::Config),
        Request::Restore(restore(RestoreTo::OldPlace)),
        Request::Restore(restore(RestoreTo::Beside { directory: "/srv".into(), name: Some("web2".into()) })),
    ] {
        let plan = World::new().plan(&request);
        assert!(plan.is_ok(), "{request:?} was refused: {plan:?}");
    }
}
