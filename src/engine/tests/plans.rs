//! Plans for the demo machine of the guides, kept as people would read them.

use std::sync::Arc;

use crate::config::Settings;
use crate::engine::Engine;
use crate::host::demo::Demo;
use crate::model::{Plan, Subject, Wish};

struct Guides {
    /// The machine lies in it.
    _dir: tempfile::TempDir,
    engine: Engine,
}

fn guides() -> Guides {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::open("guides", &dir.path().join("machine")).unwrap_or_else(|problem| panic!("{problem}"));
    Guides { _dir: dir, engine: Engine::new(Arc::new(demo), Settings::default()) }
}

/// A plan or a refusal as text; the random part of the id stands as zeros.
fn told(guides: &Guides, wish: Wish, domain: Option<&str>, values: &[(&str, &str)]) -> String {
    let picture = guides.engine.scan();
    let subject = domain.map(|name| Subject::Domain { name: name.into() });
    let mut form = guides.engine.form(wish, &picture, subject.as_ref());
    for (key, value) in values {
        assert!(form.fields.iter().any(|field| field.key == *key), "{key} is no field");
        form.set(key, *value);
    }
    let request = Engine::request(&form).unwrap();
    match guides.engine.plan(&request, &picture) {
        Ok(plan) => text(&plan).replace(plan.id.as_str().rsplit('-').next().unwrap(), "0000000000000000"),
        Err(refusal) => format!("{}: {}\n{}\n", refusal.rule, refusal.fact, refusal.instead),
    }
}

fn text(plan: &Plan) -> String {
    let mut out = format!("{} ({:?})\n", plan.title, plan.risk);
    for warning in &plan.warnings {
        out += &format!("! {warning}\n");
    }
    if let Some(confirm) = &plan.confirm {
        out += &format!("type {}: {}\n", confirm.name, confirm.loses);
    }
    for step in &plan.steps {
        out += &format!("* {}\n", step.says);
        for line in step.action.lines() {
            out += &format!("    {line}\n");
        }
        if let Some(cleanup) = &step.cleanup {
            out += &format!("  at the end: {}\n", cleanup.says);
        }
    }
    for assumed in &plan.assumptions {
        out += &format!("holds up to {:?}: {}\n", assumed.through, assumed.says);
    }
    out += &format!("locks: {}\n", plan.locks.join(", "));
    for edit in &plan.edits {
        out += &format!("{}:\n{}", edit.path, edit.after);
    }
    out
}

/// What it is, the form, the domain it is asked for, and the answers that differ from the form's own.
type Wished = (&'static str, Wish, Option<&'static str>, &'static [(&'static str, &'static str)]);

#[test]
fn plans_on_the_machine_of_the_guides() {
    let guides = guides();
    let mut all = String::new();
    let wishes: [Wished; 11] = [
        ("a disk for web01", Wish::NewFileDisk, Some("web01"), &[("path", "/srv/xen/img/new.img"), ("size", "256M")]),
        (
            "a disk filled without mounting",
            Wish::NewFileDisk,
            None,
            &[("path", "/srv/xen/img/new.img"), ("populate", "directory"), ("source", "/"), ("hostname", "new")],
        ),
        (
            "a disk of xfs, filled",
            Wish::NewFileDisk,
            None,
            &[("path", "/srv/xen/img/new.img"), ("file-system", "xfs"), ("populate", "directory"), ("source", "/")],
        ),
        ("back up what is off", Wish::ColdBackup, Some("report01"), &[("to", "/srv/xen")]),
        ("back up what runs", Wish::ColdBackup, Some("web01"), &[("to", "/srv/xen")]),
        ("back up what is saved", Wish::ColdBackup, Some("erp01"), &[("to", "/srv/xen")]),
        ("back up what is mounted", Wish::ColdBackup, Some("wiki01"), &[("to", "/srv/xen")]),
        ("start over a save image", Wish::Start, Some("erp01"), &[]),
        ("start with a disk that is missing", Wish::Start, Some("gone01"), &[]),
        ("resume", Wish::Resume, Some("erp01"), &[]),
        ("copy over a volume", Wish::Copy, None, &[("from", "/dev/xenvols/report01-disk"), ("to", "/dev/xenvols/test-old")]),
    ];
    for (title, wish, domain, values) in wishes {
        all += &format!("## {title}\n{}\n", told(&guides, wish, domain, values));
    }
    insta::assert_snapshot!(all);
}
