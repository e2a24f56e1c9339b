use proptest::prelude::*;

use crate::model::{Disk, DiskKind, Mode};

use super::*;

fn domain(bytes: impl AsRef<[u8]>) -> DomainFile {
    match read(&HostPath::from("/etc/xen/some.cfg"), bytes.as_ref()) {
        Reading::Domain(file) => *file,
        other => panic!("the domain would not be listed: {other:?}"),
    }
}

fn disk(file: &DomainFile, at: usize) -> &Disk {
    file.config.disks.get(at).unwrap_or_else(|| panic!("disk {at} is not listed: {:?}", file.config))
}

fn path(disk: &Disk) -> Option<String> {
    disk.path.as_ref().map(ToString::to_string)
}

/// Whether one of the troubles that are not fatal says all of `words`.
fn warns(file: &DomainFile, words: &[&str]) -> bool {
    file.config.trouble.iter().any(|t| !t.fatal && words.iter().all(|word| t.what.contains(word)))
}

const REST: &str = "kernel = '/boot/vmlinuz'\nmemory = 64\n";

#[test]
fn a_plain_configuration_is_read_without_complaint() {
    let file = domain(format!("name = 'web1'\n{REST}disk = [ 'phy:/dev/vg/web1,xvda,w' ]\n"));
    assert_eq!(file.config.name.as_deref(), Some("web1"));
    assert_eq!(file.config.memory_bytes, Some(64 << 20));
    assert_eq!(file.config.guest_type.as_deref(), Some("pv"));
    assert_eq!(file.config.grammar, "xl");
    assert_eq!(file.config.trouble, []);
    assert_eq!(file.unreadable, None);
    let disk = disk(&file, 0);
    assert_eq!((disk.vdev.as_deref(), disk.mode, disk.kind), (Some("xvda"), Some(Mode::Write), DiskKind::Unknown));
    assert_eq!(path(disk).as_deref(), Some("/dev/vg/web1"));
    assert!(disk.in_config && !disk.attached);
}

#[test]
fn a_disk_that_xl_refuses_leaves_the_domain_listed_and_the_file_unreadable() {
    let file = domain(format!("name = 'd'\n{REST}disk = [ 'phy:/dev/vg/a,xvda,w!' ]\n"));
    assert_eq!(disk(&file, 0).mode, Some(Mode::ForceWrite));
    assert_eq!(path(disk(&file, 0)).as_deref(), Some("/dev/vg/a"));
    assert!(!file.config.accepted());
    let unreadable = file.unreadable.unwrap();
    assert!(unreadable.why.starts_with("disk 1: xl does not know the access `w!`"), "{}", unreadable.why);
    assert_eq!((unreadable.line, unreadable.column), (Some(4), Some(30)), "the person would look for `w!` at another place");
    assert!(!unreadable.python);
}

#[test]
fn a_target_that_swallows_the_rest_is_explained_and_its_disk_left_out() {
    let file = domain(format!("name = 'new1'\n{REST}disk=['target=/srv/new1.raw,format=raw,vdev=xvda,access=rw']\n"));
    assert_eq!(file.config.disks, []);
    assert!(file.unreadable.unwrap().why.contains("`target=` took the rest"));
}

#[test]
fn kinds_are_told_by_the_text_where_it_tells() {
    for (spec, kind, path_shown) in [
        ("file:/srv/a.img,xvda,w", DiskKind::File, Some("/srv/a.img")),
        ("vdev=xvda,target=rbd:pool/img", DiskKind::Rbd, Some("rbd:pool/img")),
        ("rbd:pool/img,xvda,w", DiskKind::Rbd, Some("rbd:pool/img")),
        ("nbd:192.0.2.9:10809,xvda,w", DiskKind::Nbd, Some("192.0.2.9:10809")),
        ("iscsi:iqn.2020-01.com.example:d,xvda,w", DiskKind::Iscsi, Some("iqn.2020-01.com.example:d")),
        ("script=/etc/xen/scripts/block-drbd,vdev=xvda,target=r0", DiskKind::Drbd, Some("r0")),
        (",hdc:cdrom,r", DiskKind::Empty, None),
        ("/dev/sdb1,raw,xvda,r", DiskKind::Unknown, Some("/dev/sdb1")),
        ("vdev=xvda,backend=storage,target=/srv/a.img", DiskKind::Unknown, Some("/srv/a.img")),
    ] {
        let file = domain(format!("name = 'd'\n{REST}disk = [ '{spec}' ]\n"));
        let disk = disk(&file, 0);
        assert_eq!((disk.kind, path(disk).as_deref()), (kind, path_shown), "`{spec}`");
    }
    let empty = domain(format!("name = 'd'\n{REST}disk = [ ',hdc:cdrom,r' ]\n"));
    assert_eq!(disk(&empty, 0).format.as_deref(), Some("empty"));
    assert!(disk(&empty, 0).removable);
}

#[test]
fn a_relative_target_is_shown_in_full_with_a_warning() {
    let file = domain(format!("name = 'd'\n{REST}disk = [ 'phy:vg/lv2,xvda,w', 'file:a.img,xvdb,w' ]\n"));
    assert_eq!(path(disk(&file, 0)).as_deref(), Some("/dev/vg/lv2"));
    assert_eq!(disk(&file, 0).written_as.as_deref(), Some("vg/lv2"));
    assert!(warns(&file, &["disk 1", "`vg/lv2` is relative", "/dev/vg/lv2"]), "{:?}", file.config.trouble);
    assert_eq!(path(disk(&file, 1)).as_deref(), Some("a.img"), "a relative file may lie anywhere: no place may be made up");
    assert!(file.config.accepted());
}

#[test]
fn what_xl_does_against_the_authors_meaning_is_told() {
    for (lines, words) in [
        ("disk = 'phy:/dev/vg/a,xvda,w'\n", ["without any disk", "`[`"].as_slice()),
        ("memory = 010\n", &["`memory` is 8", "octal"]),
        ("memory = 12ab\n", &["`12ab` is not a number", "not set"]),
        ("memory = [1]\n", &["`memory` is a list"]),
        ("dhcp = 'on'\n", &["xl ignores `dhcp`"]),
        ("disk = [ ['phy:/dev/vg/a,xvda,w'], 'phy:/dev/vg/b,xvdb,w' ]\n", &["disk 1", "all after it"]),
        ("kernel = 'vmlinuz'\n", &["relative path `vmlinuz`"]),
        ("cmdline = 'quiet'\nextra = 'x'\n", &["ignores `root` and `extra`"]),
        ("name = 'e'\n", &["set twice", "line 1"]),
        ("disk = [ '/srv/a,raw,vda,rw' ]\n", &["`vda` is no name"]),
        ("disk = [ ',raw,xvda,rw' ]\n", &["no target"]),
        ("disk = [ '/a,raw,xvda', '/b,raw,xvda' ]\n", &["disk 2", "taken by an earlier disk"]),
    ] {
        let file = domain(format!("name = 'd'\n{REST}{lines}"));
        assert!(warns(&file, words), "{lines:?} is not warned of: {:?}", file.config.trouble);
        assert!(file.config.accepted(), "{lines:?}: xl takes the file: {:?}", file.config.trouble);
    }
}

#[test]
fn what_makes_xl_give_up_makes_the_file_unreadable() {
    for (file, words) in [
        (format!("{REST}disk=[]\n"), "no name"),
        (format!("name = 'd'\n{REST}builder = 'linux'\n"), "builder `linux`"),
        (format!("name = 'd'\n{REST}type = 'linux'\n"), "type `linux`"),
        (format!("name = 'd'\n{REST}type = 'pvh'\nbuilder = 'hvm'\n"), "agree"),
        (format!("name = 'd'\n{REST}vcpus = 4\nmaxvcpus = 2\n"), "less than `vcpus`"),
        (format!("name = 'd'\n{REST}on_crash = 'reboot'\n"), "does not know `reboot`"),
        (format!("name = 'd'\n{REST}uuid = '5'\n"), "no uuid"),
    ] {
        let read = domain(&file);
        let why = read.unreadable.unwrap_or_else(|| panic!("{file:?}: xl refuses this")).why;
        assert!(why.contains(words), "{file:?}: {why}");
    }
}

#[test]
fn a_type_may_be_cut_short_as_xl_takes_it() {
    for (line, kind) in
        [("type = 'pvh'", "pvh"), ("type = 'p'", "pv"), ("type = ''", "hvm"), ("builder = 'hvm'", "hvm"), ("builder = 'generic'", "pv")]
    {
        assert_eq!(domain(format!("name = 'd'\n{REST}{line}\n")).config.guest_type.as_deref(), Some(kind), "{line}");
    }
}

#[test]
fn an_nfs_root_is_a_disk() {
    let file = domain(format!("name = 'nfs1'\n{REST}root = '/dev/nfs'\nextra = 'nfsroot=192.0.2.10:/export/nfs1,vers=3 ip=dhcp'\n"));
    let root = disk(&file, 0);
    assert_eq!((root.kind, path(root).as_deref()), (DiskKind::NfsRoot, Some("192.0.2.10:/export/nfs1")));
    assert_eq!((root.vdev.as_ref(), root.mode, root.format.as_ref()), (None, None, None));
    let old = domain(format!("name = 'nfs2'\n{REST}root = '/dev/nfs'\nnfs_server = '192.0.2.10'\nnfs_root = '/export/nfs2'\n"));
    assert_eq!(path(disk(&old, 0)).as_deref(), Some("192.0.2.10:/export/nfs2"), "what its author meant is not shown");
    assert!(warns(&old, &["ignores `nfs_server`", "nfsroot=192.0.2.10:/export/nfs2"]), "{:?}", old.config.trouble);
}

#[test]
fn cr_lf_refuses_the_file_and_still_shows_its_domain() {
    let file = domain("name = 'a'\r\nmemory = 64\r\ndisk = ['phy:/dev/vg/a,xvda,w']\r\n");
    assert_eq!(file.config.name.as_deref(), Some("a"));
    assert_eq!(path(disk(&file, 0)).as_deref(), Some("/dev/vg/a"));
    let unreadable = file.unreadable.unwrap();
    assert!(unreadable.why.starts_with("CR LF"), "{}", unreadable.why);
    assert_eq!((unreadable.line, unreadable.column, unreadable.python), (Some(1), Some(11), false));
}

#[test]
fn xms_python_is_read_by_xms_rules() {
    let file = domain(
        "import os\nvmid = 3\nname = 'VM%d' % vmid\nmemory = 2 * 64\ndisk = [ 'phy:vg/vm%d,sda1' % vmid,\n 'file:/srv/b.img,sdb,w!,2' ]\n",
    );
    assert_eq!(file.config.grammar, "xm");
    assert_eq!(file.config.name.as_deref(), Some("VM3"));
    assert_eq!(file.config.memory_bytes, Some(128 << 20));
    assert_eq!(path(disk(&file, 0)).as_deref(), Some("/dev/vg/vm3"));
    assert_eq!(disk(&file, 0).mode, Some(Mode::Read), "xm's default was read-only");
    assert_eq!(disk(&file, 1).mode, Some(Mode::ForceWrite));
    assert_eq!(disk(&file, 1).backend_domain.as_deref(), Some("2"));
    assert!(file.unreadable.unwrap().python);
}

#[test]
fn python_that_must_be_run_is_not_guessed() {
    let file = domain(format!("name = 'VM%d' % vmid\n{REST}disk = [ 'phy:/dev/vg/a,xvda,w' ]\n"));
    assert_eq!(file.config.name, None, "a name was made up");
    let why = file.unreadable.unwrap().why;
    assert!(why.contains("name not read, because `vmid` has no value in the file (line 1)"), "{why}");
    let loops = domain("name = 'a'\nmemory = 5\ndisk = []\nfor i in range(3):\n    disk.append('phy:/dev/vg/%d,xvd%d,w' % (i, i))\n");
    assert_eq!(loops.config.disks, []);
    assert!(loops.unreadable.unwrap().why.contains("disk not read"));
}

#[test]
fn an_xm_file_without_a_name_is_called_like_its_file() {
    let file = domain("memory = 64 + 64\nkernel = '/boot/vmlinuz'\n");
    assert_eq!(file.config.name.as_deref(), Some("some.cfg"));
}

#[test]
fn a_hopeless_file_says_why() {
    let Reading::Unreadable(unreadable) = read(&HostPath::from("/etc/xen/x.cfg"), b"name = \"x\nmemory = = 5\n") else { panic!() };
    assert_eq!((unreadable.line, unreadable.column), (Some(1), Some(8)));
}

#[test]
fn other_files_of_etc_xen_are_no_domains() {
    for other in [
        "# xl.conf\nautoballoon=\"auto\"\n#lockfile\nvif.default.script=\"vif-bridge\"\noutput_format=\"json\"\n",
        "#!/bin/sh\nname=foo\nkernel=bar\nmemory=$3\n",
        "# -*- sh -*-\n(xend-http-server no)\n(name x)\n",
        "name = \"pool0\"\nsched = \"credit\"\ncpus = \"0,1\"\n",
        "This directory holds the configurations.\nSee xl.cfg(5).\n",
        "<domain type='xen'><name>x</name></domain>\n",
        "",
        "\n\n",
        "link\ttarget\n/etc/xen/auto/mail1.cfg\t../mail1.cfg\n",
    ] {
        assert!(
            matches!(read(&HostPath::from("/etc/xen/other"), other.as_bytes()), Reading::NotADomain { .. }),
            "{other:?} would be listed as a domain, or as a broken one"
        );
    }
}

#[test]
fn xl_conf_tells_the_output_format() {
    assert_eq!(output_format(b"autoballoon=\"off\"\noutput_format=\"sxp\"\n").as_deref(), Some("sxp"));
    assert_eq!(output_format(b"#output_format=\"sxp\"\n"), None);
}

#[test]
fn passwords_are_never_shown() {
    let file = domain(format!(
        "name = 'd'\n{REST}vncpasswd = 'hush'\nvfb = [ 'vnc=1,vncpasswd=hush' ]\nextra = 'password=hush'\ndisk = [ 'phy:/dev/a,xvda,password=hush' ]\n"
    ));
    let shown = format!("{:?} {:?} {:?}", file.config.settings, file.config.trouble, file.unreadable);
    assert!(!shown.contains("hush"), "a password would stand on the screen and in every report: {shown}");
}

/// The real xl's dry run of every configuration of a real host.
#[test]
fn the_files_of_a_real_host_give_what_its_xl_made_of_them() {
    for (file, text, json) in real_files() {
        let read = domain(text);
        if json.is_empty() {
            assert!(read.unreadable.is_some(), "{file}: xl refuses it");
            continue;
        }
        assert_eq!(read.unreadable, None, "{file}: xl takes it");
        let real = super::super::libxl_json::config(&serde_json::from_str(json).unwrap());
        assert_eq!(read.config.name, real.name, "{file}");
        assert_eq!(read.config.memory_bytes, real.memory_bytes(), "{file}");
        assert_eq!(read.config.guest_type, real.guest_type, "{file}");
        let mine: Vec<Disk> = read.config.disks.into_iter().filter(|d| d.kind != DiskKind::NfsRoot).collect();
        let theirs: Vec<Disk> = real.disks.into_iter().map(|d| Disk { in_config: true, ..d }).collect();
        assert_eq!(mine, theirs, "{file}");
        let cmdline_root = real.cmdline.as_deref().and_then(nfs_root::nfsroot_of);
        assert_eq!(cmdline_root.is_some(), file.starts_with("nfs"), "{file}");
    }
}

macro_rules! real {
    ($($name:literal)*) => {
        [$((
            $name,
            include_str!(concat!("../../../tests/fixtures/xen/etc-xen/", $name, ".cfg")),
            include_str!(concat!("../../../tests/fixtures/xen/dryrun/", $name, ".json")),
        )),*]
    };
}

fn real_files() -> [(&'static str, &'static str, &'static str); 15] {
    real!("cluster-a" "cluster-b" "cluster-c" "cluster-d" "database" "hvm1" "legacy1" "mail1" "new1" "nfs1" "nfs2" "qc1" "spare1" "tap1" "web1")
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&HostPath::from("/etc/xen/x"), &bytes);
    }

    #[test]
    fn damaged_files_are_answered(which in 0..15_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = real_files()[which].1.as_bytes().to_vec();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        let _ = read(&HostPath::from("/etc/xen/x"), &bytes);
        bytes.truncate(cut.index(bytes.len()));
        if let Reading::Domain(file) = read(&HostPath::from("/etc/xen/x"), &bytes) {
            prop_assert!(file.config.trouble.len() <= MAX_TROUBLE);
            prop_assert_eq!(file.config.accepted(), file.unreadable.is_none());
        }
    }
}
