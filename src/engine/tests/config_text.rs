//! Each edit is read back with xl's own rules.

use proptest::prelude::*;

use crate::plan::config_text::{add_disk, comment_out, disk_spec, map_strings, quoted, remove_disk, set_text, strings};
use crate::probe::{xl_config, xl_disk};

/// The disks of a configuration as xl reads them: target and vdev.
fn disks(text: &[u8]) -> Vec<(Vec<u8>, String)> {
    let parsed = xl_config::parse(text);
    assert_eq!(parsed.errors, vec![], "xl would refuse the file:\n{}", String::from_utf8_lossy(text));
    let specs = parsed.list("disk").unwrap_or_default();
    let spec = |item: &xl_config::Item| xl_disk::parse(item.value.text().unwrap()).unwrap();
    specs.iter().map(spec).map(|disk| (disk.target.unwrap_or_default(), disk.vdev.unwrap_or_default())).collect()
}

fn added(text: &str) -> String {
    let spec = disk_spec(b"/srv/new.img", "xvdb", "raw", true);
    let after = add_disk(text.as_bytes(), &spec).unwrap();
    let mut expected = disks(text.as_bytes());
    expected.push((b"/srv/new.img".to_vec(), "xvdb".to_owned()));
    assert_eq!(disks(&after), expected, "the domain would lose a disk, or not get the new one:\n{}", String::from_utf8_lossy(&after));
    String::from_utf8(after).unwrap()
}

#[test]
fn a_disk_is_added_where_a_person_would_add_it() {
    let spec = "'vdev=xvdb,format=raw,access=rw,target=/srv/new.img'";
    assert_eq!(added("disk = [ '/a,raw,xvda,w' ]\n"), format!("disk = [ '/a,raw,xvda,w', {spec} ]\n"));
    assert_eq!(added("disk = [ '/a,raw,xvda,w', ]\n"), format!("disk = [ '/a,raw,xvda,w', {spec}, ]\n"));
    assert_eq!(added("disk = []"), format!("disk = [ {spec}]"));
    assert_eq!(added("name = 'x'"), format!("name = 'x'\ndisk = [ {spec} ]\n"));
    assert_eq!(
        added("disk = [\n    '/a,raw,xvda,w',  # root\n    '/c,raw,xvdc,w'   # data, [keep]\n] # end\nname='x'\n"),
        format!("disk = [\n    '/a,raw,xvda,w',  # root\n    '/c,raw,xvdc,w',   # data, [keep]\n    {spec}\n] # end\nname='x'\n"),
        "comments and layout are the admin's"
    );
    assert_eq!(added("disk = [\n\t\"/a,raw,xvda,w\",\n]\n"), format!("disk = [\n\t\"/a,raw,xvda,w\",\n\t{spec},\n]\n"));
    assert_eq!(
        added("disk = [ '/a,raw,xvda,w',\n         '/c,raw,xvdc,w' ]\n"),
        format!("disk = [ '/a,raw,xvda,w',\n         '/c,raw,xvdc,w', {spec} ]\n")
    );
    added("disk = [\n'/a,raw,xvda,w'\n, # odd\n]\n");
    added("disk = [ # none yet\n]\n");
    added("a=1;disk=['/a,raw,xvda,w'];name='x'\n");
}

/// One disk less, and the others as they were.
fn removed(text: &str, index: usize) -> String {
    let after = remove_disk(text.as_bytes(), index).unwrap();
    let mut expected = disks(text.as_bytes());
    expected.remove(index);
    assert_eq!(disks(&after), expected, "the domain would lose another disk, or keep this one:\n{}", String::from_utf8_lossy(&after));
    String::from_utf8(after).unwrap()
}

#[test]
fn a_disk_is_taken_out_and_nothing_else() {
    let two = "disk = [ '/a,raw,xvda,w', '/b,raw,xvdb,w' ]\n";
    assert_eq!(removed(two, 0), "disk = [ '/b,raw,xvdb,w' ]\n");
    assert_eq!(removed(two, 1), "disk = [ '/a,raw,xvda,w' ]\n");
    assert_eq!(removed("disk = [ '/a,raw,xvda,w' ]\n", 0), "disk = [  ]\n");
    assert_eq!(removed("disk=['/a,raw,xvda,w',]", 0), "disk=[]");
    let lines = "disk = [\n    '/a,raw,xvda,w',  # root\n    '/c,raw,xvdc,w'   # data, [old]\n] # end\nname='x'\n";
    assert_eq!(removed(lines, 1), "disk = [\n    '/a,raw,xvda,w',  # root\n] # end\nname='x'\n");
    assert_eq!(removed(lines, 0), "disk = [\n    '/c,raw,xvdc,w'   # data, [old]\n] # end\nname='x'\n", "comments are the admin's");
    removed("disk = [\n'/a,raw,xvda,w'\n, # odd\n'/b,raw,xvdb,w' ]\n", 0);
    removed("disk = [\n'/a,raw,xvda,w'\n, # odd\n'/b,raw,xvdb,w' ]\n", 1);
    removed("disk = [ '/a,raw,xvda,w' # one, two\n , '/b,raw,xvdb,w' ]\n", 0);
    removed("disk = [ '/a,raw,xvda,w',\n '/b,raw,xvdb,w', '/c,raw,xvdc,w' ]\n", 1);
    for (text, index) in [("disk = [ '/a,raw,xvda,w' ]\n", 1), ("name = 'x'\n", 0), ("disk += [ '/a,raw,xvda,w' ]\n", 0)] {
        assert!(remove_disk(text.as_bytes(), index).is_err(), "{text} was edited");
    }
}

#[test]
fn what_is_not_surely_understood_is_left_alone() {
    for (text, why) in [
        ("disk = [ '/a,raw,xvda,w' ]\ndisk = [ '/b,raw,xvdb,w' ]\n", "more than once"),
        ("disk += [ '/a,raw,xvda,w' ]\n", "`+=`"),
        ("disk = 'x'\n", "no list"),
        ("disk = [ 'phy:%s' % name ]\n", "Python"),
        ("import os\ndisk = [ 'x' ]\n", "not what xl"),
        ("def f():\n  pass\n", "not what xl"),
        ("disk = [ '/a,raw,xvda,w' ]\r\n", "carriage return"),
        ("disk = [ '/a,raw,xvda,w' ]\n# no line end", "comment without a line end"),
        ("disk = [ '/a\\q,raw,xvda,w' ]\n", "not what xl"),
        ("disk = [ '/a,raw,xvda,w'", "middle of a statement"),
        ("disk = [ ['x'], 'y' ]\n", "no list"),
        ("disk = [ '/a\n' ]\n", "not what xl"),
    ] {
        let wont = add_disk(text.as_bytes(), b"vdev=xvdb,target=/n").unwrap_err();
        assert!(wont.contains(why), "{text:?} was refused for another reason: {wont}");
    }
}

#[test]
fn names_and_identities_are_set_anew() {
    let text = b"# web\nname = \"web01\" # its name\nuuid = 'abc'\n";
    let named = set_text(text, "name", b"it's \"two\"").unwrap();
    assert_eq!(xl_config::parse(&named).string("name").as_deref(), Some("it's \"two\""));
    let bare = comment_out(&named, "uuid").unwrap();
    assert_eq!(xl_config::parse(&bare).string("uuid"), None, "two domains would have one identity");
    assert!(String::from_utf8(bare).unwrap().contains("# uuid = 'abc'"));
    assert!(comment_out(b"a = 1; uuid = 'x'\n", "uuid").is_err(), "the statement before it would be lost");
    assert_eq!(set_text(b"memory = 1\n", "name", b"x").unwrap(), b"memory = 1\nname = 'x'\n");
}

#[test]
fn strings_of_a_list_are_changed_one_by_one() {
    let text = b"vif = [ 'mac=00:16:3e:00:00:01,bridge=br0', # lan\n 'bridge=br1' ]\n";
    let after = map_strings(text, "vif", |vif| vif.starts_with(b"mac=").then(|| b"bridge=br0".to_vec())).unwrap();
    assert_eq!(after, b"vif = [ 'bridge=br0', # lan\n 'bridge=br1' ]\n");
    assert_eq!(strings(&after, "vif").unwrap(), vec![b"bridge=br0".to_vec(), b"bridge=br1".to_vec()]);
}

fn layout() -> impl Strategy<Value = String> {
    prop_oneof![Just(" ".to_owned()), Just("\n  ".to_owned()), Just(" # note, ']\n\t".to_owned()), Just(String::new())]
}

proptest! {
    #[test]
    fn the_edited_file_has_the_old_disks_and_the_new_one(
        names in prop::collection::vec("[ -~äß]{1,12}", 0..4),
        gaps in prop::collection::vec(layout(), 10),
        trailing in any::<bool>(),
        hostile in "[ -~\u{e4}\u{4e00}]{0,30}",
    ) {
        let mut text = b"name = 'x'\ndisk = [".to_vec();
        for (index, name) in names.iter().enumerate() {
            text.extend(gaps[index * 2].as_bytes());
            text.extend(quoted(&disk_spec(format!("/d/{name}").as_bytes(), &format!("xvd{}", ['a', 'b', 'c', 'd'][index]), "raw", true)).unwrap());
            text.extend(gaps[index * 2 + 1].as_bytes());
            if index + 1 < names.len() || trailing {
                text.push(b',');
            }
        }
        text.extend(gaps[8].as_bytes());
        text.extend(b"]\nmemory = 64\n");
        let before = disks(&text);
        let target = format!("/n/{hostile}").into_bytes();
        let after = add_disk(&text, &disk_spec(&target, "xvdz", "raw", true)).unwrap();
        let mut expected = before;
        expected.push((target, "xvdz".to_owned()));
        prop_assert_eq!(disks(&after), expected);
        let comments = |text: &[u8]| text.windows(6).filter(|part| *part == b"# note").count();
        prop_assert_eq!(comments(&after), comments(&text), "an admin's comment was lost");
        prop_assert_eq!(xl_config::parse(&after).number("memory"), Ok(64), "another setting was changed");
    }

    #[test]
    fn no_text_makes_it_panic_and_what_it_edits_xl_takes(text in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(after) = add_disk(&text, b"vdev=xvda,target=/x") {
            prop_assert!(xl_config::parse(&after).errors.is_empty(), "an edit made a file that xl refuses: {:?}", String::from_utf8_lossy(&after));
        }
    }

    #[test]
    fn any_text_survives_its_quotes(text in "[ -~\n\t\u{e4}]{0,40}") {
        let line = [b"key = ".as_slice(), &quoted(text.as_bytes()).unwrap(), b"\n"].concat();
        let parsed = xl_config::parse(&line);
        prop_assert!(parsed.errors.is_empty());
        prop_assert_eq!(parsed.text("key").unwrap(), text.as_bytes());
    }
}
