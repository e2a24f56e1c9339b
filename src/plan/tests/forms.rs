//! Forms: what they suggest, and what becomes of them.

use super::*;
use crate::model::{FieldKind, Subject, Wish};

fn filled(wish: Wish, values: &[(&str, &str)]) -> Form {
    let mut form = form(wish, &World::new().inventory, None);
    for (key, value) in values {
        assert!(form.fields.iter().any(|field| field.key == *key), "{key} is no field of {wish:?}");
        form.set(key, *value);
    }
    form
}

fn troubles(wish: Wish, values: &[(&str, &str)]) -> Vec<String> {
    request(&filled(wish, values)).unwrap_err().into_iter().map(|trouble| trouble.key).collect()
}

#[test]
fn a_filled_in_form_is_the_request_that_was_meant() {
    let values = [
        ("path", "/srv/new.img"),
        ("size", "1.5G"),
        ("populate", "directory"),
        ("source", "/srv/tree"),
        ("hostname", "web"),
        ("attach", "new"),
        ("config-file", "/etc/xen/new.cfg"),
        ("vdev", "xvda"),
        ("name", "new"),
        ("boot", "pygrub"),
        // Not asked for: pygrub needs none.
        ("kernel", "relative"),
    ];
    let Ok(Request::NewFileDisk(disk)) = request(&filled(Wish::NewFileDisk, &values)) else { panic!("not read") };
    assert_eq!((disk.bytes, disk.fstab, disk.hostname.as_deref()), (3 << 29, true, Some("web")));
    assert_eq!(disk.populate, Populate::Directory { path: "/srv/tree".into() });
    let Attach::New { boot, memory_mib, .. } = disk.attach else { panic!("given to somebody else") };
    assert_eq!((boot, memory_mib), (crate::model::request::Boot::Pygrub, 1024));

    let values = [
        ("domain", "db"),
        ("to", "/srv/backup"),
        ("strategy", "cold"),
        ("when-running", "shut-down"),
        ("wait", "60"),
        ("leave-out", "xvdb, xvdc"),
        ("verify", "no"),
    ];
    let Ok(Request::ColdBackup(backup)) = request(&filled(Wish::ColdBackup, &values)) else { panic!("not read") };
    assert_eq!((backup.how, backup.strategy), (WhenRunning::ShutDown { limit_seconds: 60 }, Some(crate::model::Strategy::Cold)));
    let auto = request(&filled(Wish::ColdBackup, &[("domain", "db"), ("to", "/srv/backup"), ("when-running", "shut-down")]));
    let Ok(Request::ColdBackup(auto)) = auto else { panic!("not read") };
    assert_eq!((auto.how, auto.strategy), (WhenRunning::Refuse, None), "what is not asked would shut a domain down");
    assert_eq!((backup.leave_out, backup.verify, backup.rate), (vec!["xvdb".to_owned(), "xvdc".to_owned()], false, None));

    let values = [("bundle", "/srv/bundle"), ("to", "old-place"), ("directory", "not asked for")];
    assert_eq!(request(&filled(Wish::Restore, &values)), Ok(Request::Restore(restore(RestoreTo::OldPlace))));
    assert_eq!(request(&filled(Wish::Start, &[("domain", "web")])), Ok(start("web")));
    assert_eq!(request(&filled(Wish::Resume, &[("save", "/root/x")])), Ok(resume("/root/x")));
    assert_eq!(request(&filled(Wish::Copy, &[("from", "/srv/a"), ("to", "/srv/b")])), Ok(copy("/srv/a", "/srv/b")));
}

#[test]
fn every_wrong_field_is_told_at_once() {
    assert_eq!(
        troubles(Wish::NewFileDisk, &[("path", "new.img"), ("size", "big"), ("file-system", "ntfs")]),
        ["path", "size", "file-system"]
    );
    assert_eq!(troubles(Wish::ColdBackup, &[("domain", "nobody"), ("verify", "maybe"), ("rate", "0")]), ["domain", "to", "verify", "rate"]);
    assert_eq!(troubles(Wish::Restore, &[("bundle", "/b"), ("to", "beside")]), ["directory"]);
    assert_eq!(troubles(Wish::Copy, &[("from", "\0"), ("to", &"/".repeat(5000))]), ["from", "to"]);
    let backup = [("domain", "web"), ("to", "/b"), ("strategy", "cold"), ("when-running", "shut-down"), ("wait", "0")];
    assert_eq!(troubles(Wish::ColdBackup, &backup), ["wait"]);
    assert_eq!(troubles(Wish::ColdBackup, &[("domain", "web"), ("to", "/b"), ("strategy", "magic")]), ["strategy"]);
}

#[test]
fn a_form_knows_the_domain_that_it_is_opened_for() {
    let world = World::new();
    let subject = Subject::Domain { name: "web".into() };
    let form = form(Wish::NewFileDisk, &world.inventory, Some(&subject));
    assert_eq!((form.value("attach"), form.value("config-file"), form.value("vdev")), ("existing", "/etc/xen/web.cfg", "xvdb"));
    assert_eq!(form.value("path"), "/srv/web-xvdb.img", "beside the domain's other disks");
    let form = super::form(Wish::ColdBackup, &world.inventory, Some(&Subject::Domain { name: "db".into() }));
    assert_eq!((form.value("domain"), form.value("when-running")), ("db", "shut-down"));
    assert_eq!(form.title, "Back up db");
    let form = super::form(Wish::ColdBackup, &world.inventory, Some(&Subject::Domain { name: "web".into() }));
    let Some(FieldKind::Choice { options }) = form.fields.iter().find(|field| field.key == "strategy").map(|field| &field.kind) else {
        panic!()
    };
    let live = options.iter().find(|option| option.value == "live").unwrap();
    assert!(live.not_here.as_ref().is_some_and(|why| why.contains("off")), "what is off could be paused: {live:?}");
}

#[test]
fn a_backup_is_suggested_where_the_last_one_went() {
    use crate::model::bundle::{BundleSaid, BundleState, FoundBundle};
    let bundle = |path: &str, domain: &str, day: i64| {
        let instant = chrono::DateTime::from_timestamp(1_790_000_000 + day * 86_400, 0).unwrap();
        let said = BundleSaid { domain: domain.into(), instant, ..BundleSaid::default() };
        FoundBundle { path: path.into(), state: BundleState::Good, said: Some(said), allocated: None }
    };
    let mut inventory = World::new().inventory;
    let domain = inventory.domains.iter().find(|domain| domain.domid != Some(0)).unwrap().name.clone();
    let subject = Subject::Domain { name: domain.clone() };
    let suggested = |inventory: &Inventory| form(Wish::ColdBackup, inventory, Some(&subject)).value("to").to_owned();
    assert_eq!(suggested(&inventory), "", "a place was made up");
    inventory.bundles = vec![bundle("/aside/kept-by-hand", &domain, 9)];
    assert_eq!(suggested(&inventory), "", "where somebody put one aside is no place for the next");
    inventory.bundles.push(bundle("/mnt/b/host/other/1", "other", 3));
    assert_eq!(suggested(&inventory), "/mnt/b");
    inventory.bundles.push(bundle(&format!("/mnt/own/host/{domain}/1"), &domain, 1));
    assert_eq!(suggested(&inventory), "/mnt/own", "the backups of one domain are spread over two places");
}

#[test]
fn every_form_teaches_and_every_default_can_be_chosen() {
    for wish in Wish::ALL {
        let form = form(*wish, &World::new().inventory, None);
        assert!(form.teaches.len() > 60 && form.title.len() > 3, "{wish:?} explains nothing");
        for field in &form.fields {
            assert!(field.help.len() > 10, "{} has no help", field.key);
            if let FieldKind::Choice { options } = &field.kind {
                let chosen = options.iter().any(|option| option.value == field.value) || field.value.is_empty();
                assert!(chosen, "{} begins with {}, which is none of its choices", field.key, field.value);
            }
            if let Some(when) = &field.when {
                let decides = form.fields.iter().position(|other| other.key == when.key);
                let own = form.fields.iter().position(|other| other.key == field.key);
                assert!(decides < own && decides.is_some(), "{} is asked before what decides over it", field.key);
            }
        }
    }
}
