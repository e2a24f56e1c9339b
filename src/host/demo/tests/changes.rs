//! Changes: what is done at the console is seen by every process, and refused as the real tools refuse.

use super::*;

/// Error text with what differs from run to run made general: domids, process numbers, names.
fn general(text: &str, names: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in names {
        text = text.replace(from, to);
    }
    let mut out = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        out.push_str(if part.starts_with(|c: char| c.is_ascii_digit()) { "#" } else { "" });
        out.extend(part.chars().filter(|c| !c.is_ascii_digit()));
    }
    out
}

#[test]
fn a_domain_lives_and_another_process_sees_it() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let other = Demo::open("guides", &guides.dir.path().join("machine")).unwrap();
    do_it(demo, "xl create /etc/xen/erp01.cfg");
    assert!(ask(&other, "xl list").contains("erp01"), "a detached job would not see what the screen sees");
    let mounted = demo.read_at(Path::new("/dev/xenvols/erp01-root"), 1024 + 0x60, 1).unwrap();
    assert_eq!(mounted[0] & 4, 4, "a guest that runs has its journal open");
    do_it(demo, "xl pause erp01");
    assert!(ask(demo, "xl list erp01").contains("--p---"));
    do_it(demo, "xl unpause erp01");
    do_it(demo, "xl block-attach erp01 file:/srv/xen/img/golden.img,xvdd,r");
    assert!(ask(demo, "xl list -l erp01").contains("golden.img"));
    assert!(ask(demo, "losetup --json -l -O NAME,BACK-FILE").contains("golden.img"));
    do_it(demo, "xl block-detach erp01 xvdd");
    assert!(!ask(demo, "losetup --json -l -O NAME,BACK-FILE").contains("golden.img"));
    do_it(demo, "xl shutdown -w erp01");
    assert!(!ask(demo, "xl list").contains("erp01"));
    let clean = demo.read_at(Path::new("/dev/xenvols/erp01-root"), 1024 + 0x60, 1).unwrap();
    assert_eq!(clean[0] & 4, 0, "an orderly shutdown leaves a journal to replay");
}

#[test]
fn a_saved_domain_comes_back_with_the_disks_it_had() {
    let guides = laid("guides");
    let demo = &guides.demo;
    do_it(demo, "xl unpause lab01");
    do_it(demo, "xl save lab01 /var/lib/xen/save/lab01");
    assert!(!ask(demo, "xl list").contains("lab01"), "a saved domain still runs");
    let image = demo.stat(Path::new("/var/lib/xen/save/lab01"), true).unwrap();
    assert!(image.size > 256 << 20 && image.modified == demo.now());
    do_it(demo, "xl restore /var/lib/xen/save/lab01");
    assert!(ask(demo, "xl list -l lab01").contains("/dev/xenvols/lab01-disk"));
    do_it(demo, "xl save -p lab01 /tmp/lab01");
    assert!(ask(demo, "xl list lab01").contains("--p---"));
    let refused = demo.machine(&words("xl save lab01 /tmp/again"));
    assert_eq!(refused.exit, 1, "a paused guest cannot answer a save");
    assert!(demo.stat(Path::new("/tmp/again"), true).unwrap().size < 1 << 16, "xl leaves a short file behind");
    do_it(demo, "xl destroy lab01");
    assert_eq!(demo.machine(&words("xl restore /tmp/again")).exit, 1);
}

#[test]
fn a_snapshot_keeps_the_instant_and_overflows() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let origin = Path::new("/dev/xenvols/erp01-root");
    let snapshot = Path::new("/dev/xenvols/erp01-snap");
    do_it(demo, "lvcreate -s -L 16M -n erp01-snap xenvols/erp01-root");
    let then = demo.read_at(origin, 2 << 20, 4096).unwrap();
    do_it(demo, "demo-write xenvols/erp01-root 4194304");
    assert_ne!(demo.read_at(origin, 2 << 20, 4096).unwrap(), then, "nothing was written");
    assert_eq!(demo.read_at(snapshot, 2 << 20, 4096).unwrap(), then, "the snapshot changed with its origin");
    let state = |demo: &Demo| ask(demo, "lvs --reportformat json --units b -o lv_attr,data_percent xenvols/erp01-snap");
    assert!(state(demo).contains("{\"lv_attr\":\"swi-a-s---\", \"data_percent\":\"25.00\"}"), "{}", state(demo));
    do_it(demo, "demo-write xenvols/erp01-root 64M");
    assert!(state(demo).contains("{\"lv_attr\":\"swi-I-s---\", \"data_percent\":\"100.00\"}"), "{}", state(demo));
    assert!(demo.read_at(snapshot, 0, 512).is_err());
    do_it(demo, "lvremove -y xenvols/erp01-snap");
    assert!(demo.stat(snapshot, true).is_err());
    assert!(!ask(demo, "lsblk --json -b -o NAME").contains("erp01--root-real"), "the layer below the origin stayed");
}

#[test]
fn volumes_are_made_grown_and_removed() {
    let guides = laid("guides");
    let demo = &guides.demo;
    do_it(demo, "lvcreate -y -L 10G -n new01-disk xenvols");
    assert_eq!(demo.device(Path::new("/dev/xenvols/new01-disk")).unwrap().bytes, 10 << 30);
    do_it(demo, "lvextend -L +2G xenvols/new01-disk");
    assert_eq!(demo.device(Path::new("/dev/mapper/xenvols-new01--disk")).unwrap().bytes, 12 << 30);
    do_it(demo, "lvremove -y xenvols/new01-disk");
    do_it(demo, "lvcreate -y -V 5G --thin -n thin01 xenvols/pool0");
    do_it(demo, "lvcreate -s -kn -n thin01-s1 xenvols/thin01");
    let thin = ask(demo, "lvs --reportformat json --units b -o lv_attr,origin,pool_lv xenvols/thin01-s1");
    assert!(thin.contains("{\"lv_attr\":\"Vwi-a-tz-k\", \"origin\":\"thin01\", \"pool_lv\":\"pool0\"}"), "{thin}");
}

#[test]
fn what_a_job_made_is_found_and_removed_by_its_tag_alone() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let run = |line: &[&str]| demo.machine(&line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    do_it(demo, "lvcreate -y -Wy --addtag domkeep.ab -n mine -L 1G xenvols");
    do_it(demo, "lvcreate -y -n theirs -L 1G xenvols");
    let ask = |tag: &str, lv: &str| {
        let select = format!("lv_tags={tag} && lv_full_name=xenvols/{lv}");
        let found = run(&["lvs", "--reportformat", "json", "--units", "b", "-o", "lv_full_name", "-S", &select]);
        assert_eq!(found.exit, 0);
        String::from_utf8(found.stdout).unwrap()
    };
    assert!(ask("domkeep.ab", "mine").contains("\"lv_full_name\":\"xenvols/mine\""));
    assert!(!ask("domkeep.a", "mine").contains("mine") && !ask("domkeep.ab", "theirs").contains("theirs"));
    let remove = |tag: &str, lv: &str| {
        let select = format!("lv_tags={tag} && lv_full_name=xenvols/{lv} && lv_attr!~^[oO]");
        run(&["lvremove", "-y", "-S", &select, "xenvols"]).exit
    };
    assert_eq!(remove("domkeep.ab", "theirs"), 0, "nothing selected is no failure");
    assert!(demo.stat(Path::new("/dev/xenvols/theirs"), true).is_ok(), "somebody else's volume was removed");
    do_it(demo, "lvcreate -y -s -L 16M -n shot xenvols/mine");
    assert_eq!(remove("domkeep.ab", "mine"), 0);
    assert!(demo.stat(Path::new("/dev/xenvols/shot"), true).is_ok(), "a snapshot that somebody took went with the volume");
    do_it(demo, "lvremove -y xenvols/shot");
    assert_eq!(remove("domkeep.ab", "mine"), 0);
    assert!(demo.stat(Path::new("/dev/xenvols/mine"), true).is_err());
    assert_eq!(run(&["lvremove", "-y", "-S", "lv_tags=x", "novg"]).exit, 5);
    assert_eq!(run(&["lvs", "--reportformat", "json", "--units", "b", "-o", "lv_name", "-S", "nosuch=1"]).exit, 5);
}

#[test]
fn what_a_killed_command_left_is_in_nobodys_way() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let root = guides.dir.path().join("machine");
    // Killed before it wrote the state: the files are there, and nobody knows of them.
    let state = std::fs::read(root.join("state.json")).unwrap();
    do_it(demo, "lvcreate -y -L 1G -n new01 xenvols");
    do_it(demo, "xl create /etc/xen/erp01.cfg");
    std::fs::write(root.join("state.new"), &state).unwrap();
    std::fs::rename(root.join("state.new"), root.join("state.json")).unwrap();
    do_it(demo, "lvcreate -y -L 2G -n new01 xenvols");
    assert_eq!(demo.device(Path::new("/dev/xenvols/new01")).unwrap().bytes, 2 << 30);
    do_it(demo, "xl create /etc/xen/erp01.cfg");
    assert!(ask(demo, "xl list").contains("erp01"));
}

#[test]
fn refusals_read_and_exit_as_the_captured_ones() {
    let guides = laid("guides");
    let demo = &guides.demo;
    for (line, exit, file, names) in [
        ("xl create /etc/xen/web01.cfg", 3, "create-twice", [("web01", "web1"), ("", "")]),
        ("xl create /etc/xen/nothere.cfg", 3, "create-no-such-config", [("", ""), ("", "")]),
        ("xl pause nodom", 1, "pause-no-such-domain", [("", ""), ("", "")]),
        ("xl block-attach nfs01 phy:/dev/xenvols/none,xvdx,w", 1, "block-attach-missing-dev", [("", ""), ("", "")]),
        ("xl block-attach nfs01 phy:/dev/xenvols/web01-disk,xvdx,w", 1, "block-attach-in-use", [("", ""), ("", "")]),
        ("xl block-detach nfs01 xvdq", 1, "block-detach-missing", [("", ""), ("", "")]),
        ("xl save nfs01 /no/such/dir/nfs1", 1, "save-no-such-dir", [("", ""), ("", "")]),
        ("xl restore /var/lib/xen/save/missing", 1, "restore-missing", [("", ""), ("", "")]),
        ("xl restore /var/lib/xen/save/shop01", 1, "restore-name-in-use", [("shop01", "web1"), ("", "")]),
        ("xl restore /var/lib/xen/save/report01", 1, "restore-web1.truncated", [("report01", "web1.truncated"), ("", "")]),
        ("lvcreate -y -L 1000G -n toobig xenvols", 5, "lvcreate-no-space", [("", ""), ("", "")]),
        ("lvcreate -y -L 8M -n test-old xenvols", 5, "lvcreate-name-exists", [("test-old", "unused"), ("", "")]),
        ("lvcreate -y -L 8M -n snapshot1 xenvols", 3, "lvcreate-reserved-name", [("", ""), ("", "")]),
        ("lvcreate -y -L 8M -n a novg", 5, "lvcreate-no-such-vg", [("", ""), ("", "")]),
        ("lvcreate -y -s -L 8M -n a xenvols/nolv", 5, "lvcreate-snapshot-no-such-origin", [("", ""), ("", "")]),
        ("lvcreate -y -s -L 8M -n a xenvols/pool0", 5, "lvcreate-snapshot-of-pool", [("", ""), ("", "")]),
        ("lvremove -f xenvols/db01-root", 5, "lvremove-in-use", [("db01-root", "web1-disk"), ("", "")]),
        ("lvremove -f xenvols/nolv", 5, "lvremove-missing", [("", ""), ("", "")]),
        ("lvs --reportformat json --units b -o lv_name novg", 5, "lvs-missing-vg", [("", ""), ("", "")]),
        ("lvs --reportformat json --units b -o lv_name xenvols/nolv", 5, "lvs-missing-lv", [("", ""), ("", "")]),
    ] {
        let names: Vec<(&str, &str)> = names.into_iter().filter(|(from, _)| !from.is_empty()).collect();
        let output = demo.machine(&words(line));
        assert_eq!(output.exit, exit, "{line}: {}", stderr(&output));
        let real = general(&fixture(&format!("errors/{file}.txt.stderr")), &[]);
        assert_eq!(general(&stderr(&output), &names), real, "{line} is refused in other words than xl and LVM use");
    }
    let empty = demo.machine(&words("xl create /etc/xen/edited01.cfg"));
    assert_eq!(empty.exit, 1, "a config with CR LF starts on the demo and on no real host");
}

#[test]
fn the_clock_moves_with_changes_only() {
    let guides = laid("guides");
    let before = guides.demo.now();
    ask(&guides.demo, "xl list");
    guides.demo.machine(&words("xl vcpu-list"));
    assert_eq!(guides.demo.now(), before, "screens of the demo would differ from run to run");
    do_it(&guides.demo, "xl destroy ci02");
    assert_eq!(guides.demo.now() - before, chrono::Duration::minutes(1));
}

#[test]
fn a_refused_disk_stays_in_the_guests_record_and_in_xenstore() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let refused = demo.machine(&words("xl block-attach nfs01 phy:/dev/xenvols/web01-disk,xvdx,w"));
    assert_eq!(refused.exit, 1);
    let domid = ask(demo, "xl domid nfs01");
    let told = |text: &str, domid: &str| {
        let differs = ["event-channel", "ring-ref", "frontend-id"];
        let lines = text.lines().filter(|line| line.contains("/268441344") && !differs.iter().any(|key| line.contains(key)));
        lines.map(|line| line.replace(&format!("/{domid}/"), "/D/").replace("web01", "web1")).collect::<std::collections::BTreeSet<_>>()
    };
    let real = told(&fixture("errors/block-attach-in-use-after-xenstore.txt"), "6");
    assert_eq!(told(&ask(demo, "xenstore-ls -f"), domid.trim()), real, "what a refused disk leaves in xenstore differs from a real host's");
    assert!(
        ask(demo, "xl list -l nfs01").contains("\"xvdx\""),
        "the refused disk comes to life after a save and restore, and nothing shows it"
    );
    do_it(demo, "xl block-detach nfs01 xvdx");
    assert!(!ask(demo, "xenstore-ls -f").contains("/268441344"), "what was refused cannot be taken away");
}

#[test]
fn a_guest_that_was_only_made_has_met_no_back_end_and_lets_no_disk_go() {
    let lab = laid("lab");
    let demo = &lab.demo;
    do_it(demo, "xl create -p /etc/xen/database.cfg");
    let state = |end: &str| ask(demo, &format!("xenstore-read /local/domain/{end}/state"));
    assert_eq!((state("0/backend/vbd/1/51728").trim(), state("1/device/vbd/51728").trim()), ("2", "1"));
    let kept = demo.machine(&words("xl block-detach db1 xvdb"));
    assert_eq!(kept.exit, 1, "a paused guest lets go of a disk on the demo and on no real host");
    assert_eq!((state("0/backend/vbd/1/51728").trim(), state("1/device/vbd/51728").trim()), ("5", "1"));
    assert!(ask(demo, "xl list -l db1").contains("\"xvdb\""));
    let mounted = |demo: &Demo| demo.read_at(Path::new("/dev/xenvols/db1-root"), 1024 + 0x60, 1).unwrap()[0] & 4 == 4;
    assert!(!mounted(demo), "a guest that ran no instruction has mounted a disk");
    do_it(demo, "xl unpause db1");
    assert!(mounted(demo) && state("1/device/vbd/51712").trim() == "4", "a guest that runs has not booted");
}

#[test]
fn a_script_of_the_hosts_own_finds_its_device() {
    let lab = laid("lab");
    do_it(&lab.demo, "xl create -p /etc/xen/forms2.cfg");
    let told = ask(&lab.demo, "xenstore-ls -f /local/domain/0/backend/vbd/1/51840");
    for part in ["params = \"tool0\"", "physical-device = \"fd:6\"", "physical-device-path = \"/dev/xenvols/tool0\"", "scripts/block-lab\""]
    {
        assert!(told.contains(part), "a real host has {part}: {told}");
    }
    assert!(ask(&lab.demo, "lvs --reportformat json --units b -o lv_attr xenvols/tool0").contains("-wi-ao----"));
}
