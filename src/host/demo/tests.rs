//! The demo machine answers as the captured hosts did.

use super::*;

struct Laid {
    _dir: tempfile::TempDir,
    demo: Demo,
}

fn laid(name: &str) -> Laid {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::open(name, &dir.path().join("machine")).unwrap_or_else(|problem| panic!("{problem}"));
    Laid { _dir: dir, demo }
}

fn ask(demo: &Demo, line: &str) -> String {
    let mut words = line.split(' ');
    let program = words.next().unwrap();
    let output = demo.run(&Cmd::reads(program, words)).unwrap();
    assert_eq!(output.exit, 0, "{line}: {}", output.complaint());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_machine_lies_down_quickly_and_small() {
    for name in Demo::names() {
        let clock = std::time::Instant::now();
        let laid = laid(name);
        println!("{name}: {:?}", clock.elapsed());
        assert!(laid.demo.list(Path::new("/etc"), 100).is_ok());
    }
}

#[test]
fn look_around() {
    let laid = laid("guides");
    for line in ["xl list -v", "losetup --json -l -O NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN,MAJ:MIN,RO", "xl info"] {
        println!("{}", ask(&laid.demo, line));
    }
    println!(
        "{}",
        ask(
            &laid.demo,
            "lvs --reportformat json --units b --nosuffix -a -o lv_name,vg_name,lv_attr,lv_size,data_percent,origin,pool_lv,devices"
        )
    );
    println!("{}", ask(&laid.demo, "vgs --reportformat json --units b -o vg_name,vg_size,vg_free"));
    println!("{}", ask(&laid.demo, "pvs --reportformat json --units b -o pv_name,vg_name,pv_size,pv_free"));
    println!("{}", ask(&laid.demo, "lsblk --json -b -o NAME,KNAME,PKNAME,MAJ:MIN,TYPE,SIZE,RO,FSTYPE,LABEL,UUID,MOUNTPOINT"));
    println!("{}", ask(&laid.demo, "xl list -l"));
    println!("{}", ask(&laid.demo, "xenstore-ls -f"));
}
