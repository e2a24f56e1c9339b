//! The outputs on a host made by hand: a promise to scripts, and lines that a person reads.

use std::sync::Arc;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::args::{ColorWhen, Command};
use super::ink::Ink;
use super::report::Report;
use super::{Surroundings, changes, check, hides_something, list, plain, print, show, storage, without_host};
use crate::config::{Loaded, Settings};
use crate::engine::{CommandEntry, Picture, Work};
use crate::model::example::{at, disk, domain, empty_drive, host, put_save, snapshot, volume};
use crate::model::{Disk, Domain, Gap, GapReason, HostPath, Inventory, Memory, MemoryState, Mode, Power, UnreadableConfig, shown};
use crate::model::{FieldTrouble, Form, Held, JobDetail, JobId, JobSummary, Plan, Refusal, Request, Subject, Wish};
use crate::problem::{Exit, Problem};

fn picture(inventory: Inventory) -> Picture {
    let verdicts = crate::engine::examine(&inventory, Settings::default().limits());
    Picture { inventory: Arc::new(inventory), verdicts: Arc::new(verdicts) }
}

/// One of everything that the report can show.
fn full() -> Inventory {
    let web = disk("xvda", "/dev/vg0/web", Mode::Write);
    let hot = Disk { attached: true, in_config: false, ..disk("xvdb", "/srv/hot.img", Mode::Write) };
    let mut running = domain("web", Power::Running, vec![web.clone()]);
    running.disks.push(hot.clone());
    let mut inventory = host(vec![running, domain("db", Power::Off, vec![web.clone(), empty_drive("hdc")])]);
    crate::model::example::put_backing(&mut inventory, &hot);
    inventory.domains[1].uuid = None;
    put_save(&mut inventory, "/var/lib/xen/save/web", "web", vec![web]);
    put_save(&mut inventory, "/root/lost.save", "gone", Vec::new());
    inventory.saves[1].created = None;
    inventory.saves[1].complete = None;
    inventory.volumes.push(snapshot("vg0/web-snap", "web", 71.5));
    inventory.volumes.push(volume("vg0/orphan"));
    inventory.unreadable_configs.push(UnreadableConfig {
        path: "/etc/xen/bad.cfg".into(),
        why: "no closing bracket".to_owned(),
        line: Some(4),
        column: Some(2),
        python: false,
    });
    inventory.gaps.push(Gap {
        source: "virsh list --all".to_owned(),
        missing: "libvirt's domains".to_owned(),
        reason: GapReason::TimedOut,
        why: "no answer in 10 s".to_owned(),
    });
    inventory
}

fn as_value(inventory: Inventory) -> Value {
    serde_json::from_str(&Report::new(&picture(inventory)).json().unwrap()).unwrap()
}

/// The keys of an object that the documented shape has, in its order; further keys may follow.
fn has_keys(value: &Value, keys: &[&str], of: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("{of} is no object: {value}"));
    for key in keys {
        assert!(
            object.contains_key(*key),
            "{of} lost its key `{key}`: scripts that read it break. It has {:?}",
            object.keys().collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_json_has_every_documented_key() {
    let report = as_value(full());
    let top = "schema host domains saves_without_domain unreadable_configs shared_disks drift snapshots fuses unreferenced findings gaps";
    has_keys(&report, &top.split(' ').collect::<Vec<_>>(), "the report");
    assert_eq!(report["schema"], 1);
    let web = &report["domains"][0];
    has_keys(web, &["name", "uuid", "toolstacks", "power", "domid", "memory", "saves", "configs", "disks"], "a domain");
    has_keys(&web["saves"][0], &["path", "format", "complete", "created", "stale"], "a save image");
    has_keys(&web["configs"][0], &["source", "path", "autostart"], "a configuration");
    let disk = ["vdev", "mode", "kind", "path", "format", "bytes", "allocated", "exists", "in_config", "attached"];
    has_keys(&web["disks"][0], &disk, "a disk");
    has_keys(&report["saves_without_domain"][0], &["path", "complete"], "a save image of no domain");
    has_keys(&report["unreadable_configs"][0], &["path", "why"], "a configuration that xl refuses");
    has_keys(&report["shared_disks"][0], &["path", "domains", "modes"], "a shared disk");
    has_keys(&report["drift"][0], &["domain", "vdev", "path", "kind"], "a drift");
    has_keys(&report["snapshots"][0], &["lv", "origin", "data_percent", "invalid"], "a snapshot");
    has_keys(&report["unreferenced"][0], &["path", "kind", "bytes"], "what nothing refers to");
    has_keys(&report["findings"][0], &["code", "severity", "subject"], "a finding");
    has_keys(&report["gaps"][0], &["source", "missing", "reason", "why"], "a gap");
}

#[test]
fn the_json_says_what_is_so() {
    let report = as_value(full());
    let web = &report["domains"][0];
    assert_eq!((&web["name"], &web["power"], &web["domid"]), (&json!("web"), &json!("running"), &json!(7)));
    assert_eq!(web["toolstacks"], json!(["xl"]));
    assert_eq!(web["memory"], json!({"state": "in-ram", "bytes": 256 << 20}));
    let save = &web["saves"][0];
    assert_eq!((&save["format"], &save["complete"], &save["stale"]), (&json!("xl"), &json!(true), &json!("yes")));
    assert_eq!(save["created"], at(0).format("%Y-%m-%dT%H:%M:%SZ").to_string());
    assert_eq!(
        web["configs"].as_array().unwrap().len(),
        1,
        "the copy inside the save image is no further configuration of a domain that has a file"
    );
    assert_eq!(web["configs"][0]["source"], "file");
    let hot = &web["disks"][1];
    assert_eq!((&hot["vdev"], &hot["mode"], &hot["kind"]), (&json!("xvdb"), &json!("w"), &json!("file")));
    assert_eq!((&hot["in_config"], &hot["attached"]), (&json!(false), &json!(true)));
    assert_eq!(report["saves_without_domain"][0]["complete"], Value::Null, "`not known` must be null");
    assert_eq!(report["saves_without_domain"][0]["created"], Value::Null);
    assert_eq!(report["saves_without_domain"].as_array().unwrap().len(), 1);
    assert_eq!(report["domains"][1]["uuid"], Value::Null);
    assert_eq!(report["domains"][1]["disks"][1]["kind"], "empty");
    assert_eq!(report["domains"][1]["disks"][1]["path"], Value::Null);
    assert_eq!(report["shared_disks"], json!([{"path": "/dev/vg0/web", "domains": ["db", "web"], "modes": ["w", "w"]}]));
    assert_eq!(report["drift"], json!([{"domain": "web", "vdev": "xvdb", "path": "/srv/hot.img", "kind": "attached-not-in-config"}]));
    assert_eq!(report["snapshots"][0]["lv"], "vg0/web-snap");
    assert_eq!(report["snapshots"][0]["data_percent"], 71.5);
    assert_eq!(report["unreferenced"], json!([{"path": "/dev/vg0/orphan", "kind": "volume", "bytes": 1 << 30}]));
    assert_eq!(report["gaps"][0]["reason"], "timed-out");
}

#[test]
fn a_saved_domain_without_a_file_has_the_configuration_of_its_image() {
    let mut inventory = host(vec![Domain { configs: Vec::new(), ..domain("web", Power::Saved, Vec::new()) }]);
    put_save(&mut inventory, "/root/web.save", "web", Vec::new());
    let report = as_value(inventory);
    assert_eq!(report["domains"][0]["configs"][0]["source"], "save-image", "the only configuration that there is was not shown");
}

/// Names as a stranger could choose them.
fn hostile() -> Inventory {
    let mut inventory = host(Vec::new());
    for name in ["a\nb", "\u{1b}[2Jgone", "\u{202e}txt.exe", &"long".repeat(1000), "", "名前"] {
        let mut evil = disk("xvda\u{7}", "/srv/x.img", Mode::Write);
        evil.path = Some(HostPath::from_bytes(format!("/srv/{name}\u{9b}31m").as_bytes()));
        evil.trouble = Some(format!("trouble {name}"));
        let mut domain = domain(name, Power::Running, vec![evil]);
        domain.notes.push(name.to_owned());
        domain.uuid = Some(name.to_owned());
        inventory.domains.push(domain);
    }
    inventory.gaps.push(Gap {
        source: "\u{1b}]0;x\u{7}".to_owned(),
        missing: "\r".to_owned(),
        reason: GapReason::Failed,
        why: "\u{202e}".to_owned(),
    });
    inventory
}

#[test]
fn no_output_lets_a_stranger_steer_the_terminal() {
    let picture = picture(hostile());
    let ink = Ink { color: false, ascii: false, width: Some(80) };
    let mut outputs = vec![
        Report::new(&picture).json().unwrap(),
        list::text(&picture, ink),
        check::text(&picture, ink),
        storage::text(&picture, ink),
        Problem::new("no \u{1b}[1m").because("\n\u{202e}").to_string(),
        plain_talk(&picture, "1\n1\n3\n\u{1b}[31m\n0\n"),
    ];
    outputs.extend(picture.inventory.domains.iter().map(|domain| show::text(&picture, domain, ink)));
    for output in outputs {
        let bad = output.chars().find(|character| *character != '\n' && shown::is_unsafe(*character));
        assert_eq!(bad, None, "a name reached the terminal raw, in:\n{output}");
    }
}

#[test]
fn the_table_stays_within_80_columns() {
    let ink = Ink { color: false, ascii: true, width: Some(80) };
    let text = list::text(&picture(hostile()), ink);
    for line in text.lines().take(7) {
        assert!(line.width() <= 80, "{} columns, the terminal breaks it: {line}", line.width());
    }
}

#[test]
fn the_list_tells_each_kind_of_memory_apart() {
    let memory = |state, bytes| list::memory(&Domain { memory: Memory { state, bytes }, ..Domain::default() });
    assert_eq!(memory(MemoryState::InRam, Some(256 << 20)), "256 MiB RAM");
    assert_eq!(memory(MemoryState::SaveImage, None), "? saved", "an unknown size must not look like none");
    assert_eq!(memory(MemoryState::None, None), "none (off)");
    assert_eq!(memory(MemoryState::Unknown, None), "?");
}

struct Still(Picture);

impl plain::Source for Still {
    fn look(&mut self) -> Picture {
        self.0.clone()
    }
    fn commands(&self) -> Vec<CommandEntry> {
        Vec::new()
    }
    fn is_old(&self) -> bool {
        false
    }
    fn road(&self) -> &dyn plain::Road {
        &NoRoad
    }
}

/// Where nothing can be changed.
struct NoRoad;

impl plain::Road for NoRoad {
    fn fixed(&self) -> Option<String> {
        Some("--read-only was given".to_owned())
    }
    fn form(&self, _: Wish, _: &Picture, _: Option<&Subject>) -> Form {
        unreachable!("a reader was given a form")
    }
    fn request(&self, _: &Form) -> Result<Request, Vec<FieldTrouble>> {
        unreachable!("a reader's form was read")
    }
    fn plan(&self, _: &Request, _: &Picture) -> Result<Plan, Refusal> {
        unreachable!("a reader was made a plan")
    }
    fn script(&self, _: &Plan) -> String {
        unreachable!("a reader was given a script")
    }
    fn rehearse(&self, _: &Plan) -> Vec<(String, Held)> {
        unreachable!("a reader tried a plan")
    }
    fn launch(&self, _: &Plan, _: Option<&str>) -> Result<JobId, Problem> {
        unreachable!("a reader changed the host")
    }
    fn jobs(&self) -> Result<Vec<JobSummary>, Problem> {
        Err(Problem::new("nothing can be changed here"))
    }
    fn job(&self, _: &JobId) -> Result<JobDetail, Problem> {
        Err(Problem::new("nothing can be changed here"))
    }
    fn cancel(&self, _: &JobId) -> Result<(), Problem> {
        unreachable!("a reader cancelled a job")
    }
    fn resume(&self, _: &JobId, _: Work) -> Result<(), Problem> {
        unreachable!("a reader went on with a job")
    }
    fn pause(&self) {}
}

fn plain_talk(picture: &Picture, answers: &str) -> String {
    let mut out = Vec::new();
    plain::run(&mut Still(picture.clone()), &mut answers.as_bytes(), &mut out, Ink::PLAIN).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_plain_mode_answers_by_number_and_ends_with_its_input() {
    let talk = plain_talk(&picture(full()), "1\n1\n");
    assert!(talk.contains("1 web: running"), "the domains are not numbered:\n{talk}");
    assert!(talk.contains("/etc/xen/web.cfg") && talk.contains("in the host's RAM"), "the state map did not come:\n{talk}");
    assert!(plain_talk(&picture(full()), "").contains("1 domains (2)"), "input that ends at once left a person without the choices");
    assert!(plain_talk(&picture(full()), "quit\n").ends_with("Goodbye.\n"));
    assert!(plain_talk(&picture(full()), "9\n0\n").contains("There is no choice 9."));
    assert!(
        plain_talk(&picture(full()), "7\n0\n").contains("Nothing can be changed here: --read-only was given."),
        "a reader is not told why"
    );
}

#[test]
fn changes_are_announced_once() {
    struct Moving(Vec<Picture>);
    impl plain::Source for Moving {
        fn look(&mut self) -> Picture {
            if self.0.len() > 1 { self.0.remove(0) } else { self.0[0].clone() }
        }
        fn commands(&self) -> Vec<CommandEntry> {
            Vec::new()
        }
        fn is_old(&self) -> bool {
            true
        }
        fn road(&self) -> &dyn plain::Road {
            &NoRoad
        }
    }
    let now = full();
    let mut later = full();
    later.domains[0].power = Power::Paused;
    let mut out = Vec::new();
    let mut source = Moving(vec![picture(now.clone()), picture(later.clone())]);
    plain::run(&mut source, &mut "2\n2\n6\n".as_bytes(), &mut out, Ink::PLAIN).unwrap();
    let talk = String::from_utf8(out).unwrap();
    assert_eq!(talk.matches("web is paused now; it was running.").count(), 1, "a change was missed, or told again and again:\n{talk}");
    assert!(talk.contains("Nothing has changed."));
    let gone = changes::between(&picture(later), &picture(host(Vec::new())));
    assert!(gone.contains(&"Gone: web.".to_owned()), "{gone:?}");
    assert!(changes::between(&picture(now.clone()), &picture(now)).is_empty());
}

#[test]
fn a_gap_that_hides_something_is_an_incomplete_answer() {
    let with = |reason| {
        let mut inventory = host(Vec::new());
        inventory.gaps.push(Gap { source: "virsh".to_owned(), missing: "libvirt's domains".to_owned(), reason, why: String::new() });
        hides_something(&inventory)
    };
    for reason in [GapReason::TimedOut, GapReason::PermissionDenied, GapReason::NotRoot, GapReason::Unreadable, GapReason::NotCaptured] {
        assert!(with(reason), "a script would take {reason:?} for a complete answer");
    }
    assert!(!with(GapReason::NoTool), "a host without libvirt would never give a complete answer");
    let mut nobody = host(Vec::new());
    let missing = Inventory::WHICH_RUN.to_owned();
    nobody.gaps.push(Gap { source: "xl list -v".to_owned(), missing, reason: GapReason::NoTool, why: String::new() });
    assert!(hides_something(&nobody), "a monitor would take a host that nobody could ask for a host without domains");
}

#[test]
fn a_reader_that_left_is_no_failure_but_a_full_disk_is() {
    struct Broken(std::io::ErrorKind);
    impl std::io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(print(&mut Broken(std::io::ErrorKind::BrokenPipe), "x"), Ok(()), "`domkeep list | head` complained");
    assert!(print(&mut Broken(std::io::ErrorKind::StorageFull), "x").is_err(), "a report that was not written looked written");
    let shells = Command::Completions { shell: clap_complete::Shell::Bash };
    let result = without_host(&shells, &Loaded::default(), Ink::PLAIN, &mut Broken(std::io::ErrorKind::BrokenPipe));
    assert_eq!(result, Some(Ok(Exit::Good)));
}

#[test]
fn colours_only_where_somebody_sees_them() {
    let terminal = Surroundings {
        stdout_is_terminal: true,
        term: Some("xterm".to_owned()),
        locale: Some("C.UTF-8".to_owned()),
        ..Surroundings::default()
    };
    let ink = |surroundings: &Surroundings, color| {
        let mut global = super::args::parse(["domkeep".into()]).unwrap().global;
        global.color = color;
        surroundings.ink(&global)
    };
    assert!(ink(&terminal, ColorWhen::Auto).color && !ink(&terminal, ColorWhen::Auto).ascii);
    assert!(!ink(&Surroundings { no_color: true, ..terminal.clone() }, ColorWhen::Auto).color, "NO_COLOR was ignored");
    assert!(!ink(&Surroundings { stdout_is_terminal: false, ..terminal.clone() }, ColorWhen::Auto).color, "escape codes went into a file");
    assert!(!ink(&Surroundings { term: Some("dumb".to_owned()), ..terminal.clone() }, ColorWhen::Auto).color);
    assert!(ink(&Surroundings::default(), ColorWhen::Always).color);
    assert!(
        ink(&Surroundings { locale: Some("C".to_owned()), ..terminal }, ColorWhen::Never).ascii,
        "boxes of rubbish on a console without UTF-8"
    );
}

#[test]
fn a_domain_without_a_backup_is_shown_as_one() {
    let ink = Ink { color: false, ascii: true, width: Some(80) };
    let inventory = full();
    let picture = picture(inventory);
    let web = picture.inventory.domain("web").unwrap();
    let text = show::text(&picture, web, ink);
    assert!(
        text.contains("Backups\n  ! no backup of it was found\n"),
        "whoever looks at a domain does not learn that nothing is saved: {text}"
    );
}
