//! Roots on NFS.

use super::*;
use crate::model::{Action, Check, NfsRoot, Risk, Undo};

pub(super) fn nfs(change: impl FnOnce(&mut NfsRoot)) -> Request {
    let mut wanted = NfsRoot {
        domain: "web".into(),
        config: None,
        directory: "/srv/web-root".into(),
        populate: Populate::Nothing,
        hostname: None,
        fstab: false,
        clients: "192.0.2.21".into(),
        server: "192.0.2.10".into(),
        network: "192.0.2.21::192.0.2.1:255.255.255.0:web:eth0:off".into(),
        bridge: Some("xenbr0".into()),
    };
    change(&mut wanted);
    Request::NfsRoot(wanted)
}

/// An NFS server runs, and `web` boots by a kernel of the host.
pub(super) fn ready(world: &mut World) {
    world.bytes.insert("/proc/fs/nfsd/threads".into(), b"8\n".to_vec());
    world.put("/etc/exports", Stands::File);
    world.put("/srv/other", Stands::Directory);
    world.bytes.insert("/etc/exports".into(), b"/srv/other 192.0.2.0/24(ro)\n".to_vec());
    for config in &mut world.inventory.configs {
        config.settings.push(("kernel".into(), "/boot/vmlinuz".into()));
    }
}

fn planned(change: impl FnOnce(&mut World), wanted: impl FnOnce(&mut NfsRoot)) -> Plan {
    let mut world = World::new();
    ready(&mut world);
    change(&mut world);
    world.plan(&nfs(wanted)).unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

fn filled(wanted: &mut NfsRoot) {
    wanted.populate = Populate::Directory { path: "/srv/tree".into() };
    wanted.fstab = true;
    wanted.hostname = Some("web".into());
}

#[test]
fn a_root_is_whole_before_it_is_exported_and_exported_before_it_is_booted_from() {
    let plan = planned(|_| (), filled);
    let lines: Vec<String> = plan.steps.iter().map(|step| step.action.lines()[0].to_string()).collect();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text} in {lines:#?}"));
    assert!(at("mkdir") < at("cp -ax") && at("cp -ax") < at("etc/fstab") && at("etc/hostname") < at("mv -n"), "{lines:#?}");
    assert!(
        at("mv -n") < at("/etc/exports") && at("/etc/exports") < at("exportfs -r -a") && at("exportfs -r -a") < at("web.cfg"),
        "{lines:#?}"
    );
    assert_eq!(plan.edits[0].after, "/srv/other 192.0.2.0/24(ro)\n/srv/web-root 192.0.2.21(rw,sync,no_root_squash,no_subtree_check)\n");
    let config = &plan.edits[1].after;
    for says in ["root = '/dev/nfs'", "extra = 'nfsroot=192.0.2.10:/srv/web-root,vers=3,tcp ip=192.0.2.21::", "vif = [ 'bridge=xenbr0' ]"] {
        assert!(config.contains(says), "the guest would not find its root: {config}");
    }
    assert_eq!(plan.risk, Risk::Touches);
    assert!(plan.warnings.iter().any(|text| text.contains("high load")) && plan.warnings.iter().any(|text| text.contains("is root in it")));
    assert!(plan.warnings.iter().any(|text| text.contains("boots from none of them")), "{:?}", plan.warnings);
}

#[test]
fn what_is_taken_back_is_not_exported_any_more() {
    let plan = planned(|_| (), filled);
    let step = |text: &str| plan.steps.iter().find(|step| step.action.lines().iter().any(|line| line.to_string().contains(text))).unwrap();
    let exports = step("/etc/exports");
    assert_eq!(exports.undo, Undo::Own);
    let Undo::By { action } = &step("exportfs -r -a").undo else { panic!("the server would go on exporting what is taken back") };
    assert_eq!(action.command(), ["exportfs", "-u", "192.0.2.21:/srv/web-root"], "another's bad line would keep this one exported");
    let filling = step("cp -ax").cleanup.as_ref().unwrap();
    assert!(filling.action.command().first().is_some_and(|program| program == "rm"), "a half filled directory would stay");
    let Action::WaitFor { check: Check::Says { text, .. }, .. } = &plan.steps.iter().rev().nth(1).unwrap().action else {
        panic!("no proof")
    };
    assert_eq!(text, "/srv/web-root  192.0.2.21(", "an export that the server did not understand would pass");
}

#[test]
fn what_is_there_already_is_not_done_again() {
    let exported = b"/srv/tree 192.0.2.21(rw,no_root_squash)\n".to_vec();
    let plan = planned(
        |world| {
            world.bytes.insert("/etc/exports".into(), exported);
        },
        |wanted| wanted.directory = "/srv/tree".into(),
    );
    assert!(!plan.steps.iter().any(|step| matches!(step.action, Action::MakeDirectory { .. })), "a directory that is there would be made");
    assert_eq!(plan.edits.len(), 1, "one line stands twice: {:?}", plan.edits);
    let none = planned(|world| drop((world.places.remove("/etc/exports"), world.bytes.remove("/etc/exports"))), |_| ());
    assert!(none.steps.iter().any(|step| matches!(&step.action, Action::WriteFile { path, .. } if path.as_bytes() == b"/etc/exports")));
}
