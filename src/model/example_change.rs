//! Forms, plans and jobs that have something of everything the screens of changes show.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::bundle::Manifest;
use super::form::{Choice, When};
use super::job::CopyResult;
use super::request::{Attach, ColdBackup, FileSystem, NewDisk, Populate, Restore, RestoreTo, WhenRunning};
use super::*;

fn at(hour: u32, minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 14, hour, minute, 0).unwrap()
}

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

fn field(key: &str, label: &str, help: &str, kind: FieldKind, value: &str) -> Field {
    Field { key: key.to_owned(), label: label.to_owned(), help: help.to_owned(), kind, value: value.to_owned(), required: true, when: None }
}

fn choice(value: &str, label: &str, help: &str, not_here: Option<&str>) -> Choice {
    Choice { value: value.to_owned(), label: label.to_owned(), help: help.to_owned(), not_here: not_here.map(str::to_owned) }
}

pub fn form(wish: Wish, subject: Option<&Subject>) -> Form {
    let name = match subject {
        Some(Subject::Domain { name }) => name.clone(),
        _ => "?".to_owned(),
    };
    match wish {
        Wish::NewFileDisk => new_disk(wish, &name),
        _ => backup(wish, &name),
    }
}

fn new_disk(wish: Wish, name: &str) -> Form {
    let file_systems = vec![
        choice("ext4", "ext4", "for nearly everything", None),
        choice("ext3", "ext3", "for old guests", None),
        choice("xfs", "XFS", "for large files", Some("mkfs.xfs is not on this host")),
        choice("none", "none", "the guest makes its own", None),
    ];
    let fill = vec![
        choice("nothing", "nothing", "an empty file system", None),
        choice("directory", "a directory", "as cp -ax does it", None),
        choice("archive", "a tar archive", "compressed or not", None),
    ];
    let from = Field {
        when: Some(When { key: "populate".to_owned(), values: vec!["directory".to_owned(), "archive".to_owned()] }),
        ..field("from", "Take it from", "The directory or archive on this host.", FieldKind::Path, "")
    };
    let label = Field {
        required: false,
        ..field("label", "Label", "A name written into the file system, so that a guest can mount it by it.", FieldKind::Text, "")
    };
    Form {
        wish,
        title: format!("New disk for {name}"),
        teaches: "A file that stands for a disk. It is sparse: it takes room only as the guest writes.".to_owned(),
        fields: vec![
            field(
                "path",
                "File",
                "Where the file lies. Its directory must be there, the file must not.",
                FieldKind::Path,
                "/srv/images/web01-data.img",
            ),
            field("size", "Size", "What the guest sees. It may be larger than what is free now, and fills later.", FieldKind::Size, "20G"),
            field("file-system", "File system", "What is made in it.", FieldKind::Choice { options: file_systems }, "ext4"),
            label,
            field("populate", "Fill it with", "What lies in the new file system at first.", FieldKind::Choice { options: fill }, "nothing"),
            from,
            field("fstab", "Write fstab", "So that the guest finds its root.", FieldKind::Flag, "no"),
        ],
    }
}

fn backup(wish: Wish, name: &str) -> Form {
    let how = vec![
        choice("refuse", "only when it is off", "the safest: nobody can write meanwhile", None),
        choice("shut-down", "shut it down first", "and start it again afterwards; it is never destroyed", None),
    ];
    Form {
        wish,
        title: format!("Back up {name}"),
        teaches: "Copies all disks, the configuration and a save image into a bundle, and reads it back.".to_owned(),
        fields: vec![
            field("destination", "Into", "The directory that bundles go to. It should lie on another disk.", FieldKind::Path, "/backup"),
            field(
                "running",
                "When it runs",
                "A cold copy is good only if nobody writes meanwhile.",
                FieldKind::Choice { options: how },
                "refuse",
            ),
            field("verify", "Read it back", "Every block of the copy is read and compared.", FieldKind::Flag, "yes"),
        ],
    }
}

/// Reads these forms, strictly enough for a test.
pub fn read(form: &Form) -> Result<Request, Vec<FieldTrouble>> {
    let mut troubles = Vec::new();
    for field in form.fields.iter().filter(|field| form.is_asked(field)) {
        let trouble = |says: &str| FieldTrouble { key: field.key.clone(), says: says.to_owned() };
        match field.kind {
            _ if field.value.is_empty() && field.required => {
                troubles.push(trouble("it is needed"));
            }
            FieldKind::Path if !field.value.starts_with('/') && !field.value.is_empty() => {
                troubles.push(trouble("a path from / on, such as /srv/disk.img"));
            }
            FieldKind::Size if !field.value.ends_with(['M', 'G', 'T']) => troubles.push(trouble("no size: write 512M, 20G or 1.5T")),
            _ => {}
        }
    }
    if !troubles.is_empty() {
        return Err(troubles);
    }
    Ok(match form.wish {
        Wish::NewFileDisk => Request::NewFileDisk(NewDisk {
            path: HostPath::from(form.value("path")),
            bytes: 20 * GIB,
            file_system: FileSystem::Ext4,
            label: None,
            populate: Populate::Nothing,
            hostname: None,
            fstab: false,
            attach: Attach::Nobody,
        }),
        _ => backup_request(),
    })
}

pub fn backup_request() -> Request {
    Request::ColdBackup(ColdBackup {
        incremental: Incremental::No,
        domain: "batch".to_owned(),
        destination: HostPath::from("/backup"),
        strategy: Some(crate::model::Strategy::Cold),
        how: WhenRunning::Refuse,
        verify: true,
        rate: None,
        leave_out: Vec::new(),
        with: Vec::new(),
    })
}

pub fn id(number: u64) -> JobId {
    JobId::new(at(14, 0), number)
}

fn step(says: &str, why: &str, action: Action, undo: Undo) -> Step {
    Step { says: says.to_owned(), why: why.to_owned(), action, undo, cleanup: None, done: None }
}

fn copy(label: &str, from: &str) -> DiskCopy {
    DiskCopy {
        label: label.to_owned(),
        from: Location::Device { path: HostPath::from(from) },
        to: Location::File { path: HostPath::from(format!("/backup/dom0/batch/.b.partial/{label}.img")) },
        new: true,
        hashes_to: None,
        hashes_from: None,
        verify: true,
        keeping: Keeping::default(),
    }
}

pub fn backup_plan() -> Plan {
    let partial = HostPath::from("/backup/dom0/batch/.b.partial");
    let bundle = HostPath::from("/backup/dom0/batch/20260314-140000-b");
    let draft = Manifest {
        version: 1,
        id: "b".to_owned(),
        domain: "batch".to_owned(),
        uuid: None,
        host: "dom0".to_owned(),
        tool: "0.1.0".to_owned(),
        consistency: "clean: the domain was off".to_owned(),
        strategy: None,
        torn: None,
        full_because: None,
        started: at(14, 0),
        instant: at(14, 0),
        ended: at(14, 0),
        pieces: Vec::new(),
        left_out: Vec::new(),
    };
    let disks = vec![Location::Device { path: HostPath::from("/dev/vg0/batch") }];
    let off = Check::DomainPresent { name: "batch".to_owned() }.negated();
    Plan {
        schema: 1,
        id: id(1),
        title: "Back up batch".to_owned(),
        request: backup_request(),
        steps: vec![
            Step {
                cleanup: Some(Cleanup {
                    says: "Remove what is left of the partial bundle.".to_owned(),
                    action: Action::CompareWitness,
                    needed: None,
                }),
                ..step(
                    "Make the directory of the bundle.",
                    "It gets its final name only when everything in it is whole.",
                    Action::MakeDirectory { path: partial.clone(), mode: 0o700 },
                    Undo::Own,
                )
            },
            step(
                "Remember what would tell that somebody writes to the disks.",
                "A copy of a disk that changes meanwhile is of no use, and nobody would notice.",
                Action::Witness { domain: Some("batch".to_owned()), disks },
                Undo::Nothing,
            ),
            step(
                "Copy xvda and xvdb.",
                "Holes are not read; every block is hashed on the way.",
                Action::Copy { copies: vec![copy("xvda", "/dev/vg0/batch"), copy("xvdb", "/srv/it's here.img")], at_once: 2, rate: None },
                Undo::Own,
            ),
            step(
                "Compare with what was remembered.",
                "What differs makes the backup torn, not good.",
                Action::CompareWitness,
                Undo::Nothing,
            ),
            step(
                "Give the bundle its name.",
                "From now on it counts as a backup.",
                Action::SealBundle { partial, bundle, draft: Box::new(draft), instant: None },
                Undo::Own,
            ),
        ],
        warnings: vec!["/backup lies on the same disk as xvdb: both are lost together.".to_owned()],
        risk: Risk::Adds,
        confirm: None,
        locks: vec![Plan::domain_lock("batch")],
        stretches: Vec::new(),
        assumptions: vec![
            Assumption { says: "batch is off".to_owned(), check: off, through: Some(3) },
            Assumption {
                says: "28 GiB are free on /backup".to_owned(),
                check: Check::Space { path: HostPath::from("/backup"), bytes: 28 * GIB },
                through: None,
            },
        ],
        evidence: vec![Evidence::new("batch has two disks of 28 GiB", "/etc/xen/batch.cfg")],
        edits: Vec::new(),
    }
}

/// A plan that loses data, and changes a file.
pub fn restore_plan() -> Plan {
    let config = HostPath::from("/etc/xen/batch.cfg");
    Plan {
        id: id(2),
        title: "Restore batch to its old place".to_owned(),
        request: Request::Restore(Restore {
            bundle: HostPath::from("/backup/dom0/batch/20260313-140000-a"),
            pieces: Vec::new(),
            to: RestoreTo::OldPlace,
            damaged: false,
        }),
        steps: vec![
            step(
                "Write xvda back.",
                "What is on it now is overwritten.",
                Action::Copy { copies: vec![copy("xvda", "/backup/a/xvda.img")], at_once: 1, rate: None },
                Undo::Impossible { why: "the old bytes are overwritten".to_owned() },
            ),
            step(
                "Write the configuration back.",
                "The bundle's own is the one that fits its disks.",
                Action::ReplaceFile { path: config.clone(), bytes: Vec::new(), expect_blake3: "0".repeat(64) },
                Undo::Own,
            ),
        ],
        risk: Risk::Destroys,
        confirm: Some(Confirm {
            name: "batch".to_owned(),
            loses: "Everything written to xvda of batch since 2026-03-13 14:00 UTC is lost.".to_owned(),
        }),
        edits: vec![Edit {
            path: config,
            before: Some("name = 'batch'\nmemory = 2048\nvcpus = 2\ndisk = [ 'phy:/dev/vg0/batch,xvda,w' ]\n".to_owned()),
            after: "name = 'batch'\nmemory = 1024\nvcpus = 2\ndisk = [ 'phy:/dev/vg0/batch,xvda,w' ]\non_crash = 'preserve'\n".to_owned(),
        }],
        ..backup_plan()
    }
}

pub fn refusal() -> Refusal {
    Refusal {
        rule: "domain-runs".to_owned(),
        fact: "batch runs: a copy of a disk that somebody writes to is of no use.".to_owned(),
        instead: "Shut it down first, or choose \"shut it down first\" in the form.".to_owned(),
    }
}

fn event(minute: u32, second: i64, what: What) -> Event {
    Event { at: at(14, minute) + TimeDelta::seconds(second), what }
}

/// A job whose runner has not begun yet.
pub fn starting(plan: &Plan) -> JobDetail {
    JobDetail {
        summary: JobSummary {
            id: plan.id.clone(),
            title: plan.title.clone(),
            state: JobState::Leftover { child: None },
            started: None,
            ended: None,
            steps_done: 0,
            steps: plan.steps.len(),
            now: None,
            copies: Vec::new(),
            can_finish: Ok(()),
            can_undo: Ok(()),
        },
        plan: Some(plan.clone()),
        events: Vec::new(),
    }
}

/// The backup in the middle of its copies: so many MiB of the first disk are done.
pub fn running(mib: u64) -> JobDetail {
    let plan = backup_plan();
    let progress = |done: u64, total: Option<u64>, rate| Progress {
        done,
        total,
        holes: done / 3,
        zeros: done / 50,
        written: done / 2,
        bytes_per_second: rate,
        ..Progress::default()
    };
    let first = progress(mib * MIB, Some(20 * GIB), Some(112 * MIB));
    let second = progress(GIB, None, None);
    let cells = format!("{}{}{}{}", "d".repeat(90), "h".repeat(120), "m".repeat(60), "d".repeat(30));
    let begun = |step| What::StepStarted { step, phase: Phase::Do };
    let done = |step| What::StepEnded { step, phase: Phase::Do, outcome: Outcome::Done };
    let copied = |part, label: &str, progress| What::Copied { step: 2, part, label: label.to_owned(), progress };
    let partial = HostPath::from("/backup/dom0/batch/.b.partial");
    let events = vec![
        event(0, 0, What::JobStarted { pid: 4711, boot_id: "b".to_owned() }),
        event(0, 0, begun(0)),
        event(0, 1, What::Made { step: 0, made: Made::Directory { path: partial, partial: None, inode: (1, 2) } }),
        event(0, 1, done(0)),
        event(0, 1, begun(1)),
        event(0, 2, done(1)),
        event(0, 2, begun(2)),
        event(0, 2, What::Map { step: 2, part: 0, label: "xvda".to_owned(), total: 20 * GIB, cells }),
        event(0, 3, copied(0, "xvda", first)),
        event(0, 3, copied(1, "xvdb", second)),
        event(1, 10, What::Said { step: 2, line: "careful\x1b[31m".to_owned() }),
    ];
    JobDetail {
        summary: JobSummary {
            state: JobState::Running,
            started: Some(at(14, 0)),
            steps_done: 2,
            now: Some("Copy xvda and xvdb.".to_owned()),
            copies: vec![("xvda".to_owned(), first), ("xvdb".to_owned(), second)],
            can_finish: Err("it runs".to_owned()),
            can_undo: Err("it runs".to_owned()),
            ..starting(&plan).summary
        },
        plan: Some(plan),
        events,
    }
}

pub fn leftover() -> JobDetail {
    let job = running(4096);
    JobDetail {
        summary: JobSummary { state: JobState::Leftover { child: None }, can_finish: Ok(()), can_undo: Ok(()), ..job.summary },
        ..job
    }
}

/// The running backup came to its end.
pub fn ended(outcome: Outcome) -> JobDetail {
    let mut job = running(20 * 1024);
    let result = |bytes| CopyResult { bytes, holes: bytes / 3, zeros: 0, written: bytes / 2, verified: true, ..CopyResult::default() };
    for (part, label, bytes) in [(0, "xvda", 20 * GIB), (1, "xvdb", 8 * GIB)] {
        job.events.push(event(4, 0, What::CopyEnded { step: 2, part, label: label.to_owned(), result: result(bytes) }));
    }
    for step in 2..5 {
        job.events.push(event(4, 1, What::StepEnded { step, phase: Phase::Do, outcome: outcome.clone() }));
    }
    job.events.push(event(4, 2, What::JobEnded { outcome: outcome.clone() }));
    job.summary.state = JobState::Ended { outcome };
    job.summary.ended = Some(at(14, 4));
    job.summary.steps_done = 5;
    job.summary.now = None;
    job.summary.copies = Vec::new();
    job
}

/// One of every kind, newest first.
pub fn jobs() -> Vec<JobDetail> {
    let other = |number, title: &str, job: JobDetail| JobDetail {
        summary: JobSummary { id: id(number), title: title.to_owned(), ..job.summary },
        ..job
    };
    vec![
        running(8396),
        other(11, "Back up web01", leftover()),
        other(12, "New disk /srv/images/data.img", ended(Outcome::Done)),
        other(13, "Back up db01", ended(Outcome::Torn { why: "db01 was started while it was copied".to_owned() })),
        other(14, "Restore old", ended(Outcome::Failed { why: "no room left on /srv/images".to_owned() })),
        other(15, "Back up stray", ended(Outcome::Undone)),
    ]
}

/// Every text that a stranger writes is this one.
pub fn hostile(name: &str) -> JobDetail {
    let path = HostPath::from(format!("/srv/{name}"));
    let mut plan = restore_plan();
    plan.title = name.to_owned();
    plan.warnings = vec![name.to_owned()];
    plan.confirm = Some(Confirm { name: name.to_owned(), loses: name.to_owned() });
    for step in &mut plan.steps {
        step.says = name.to_owned();
        step.why = name.to_owned();
        step.action = Action::MakeDirectory { path: path.clone(), mode: 0o700 };
        step.undo = Undo::Impossible { why: name.to_owned() };
        step.cleanup = Some(Cleanup { says: name.to_owned(), action: Action::CompareWitness, needed: None });
    }
    for assumption in &mut plan.assumptions {
        assumption.says = name.to_owned();
    }
    plan.evidence = vec![Evidence::new(name, name)];
    plan.edits = vec![Edit { path, before: Some(format!("{name}\nb")), after: format!("{name}\nc{name}") }];
    let mut job = leftover();
    for event in &mut job.events {
        match &mut event.what {
            What::Map { label, cells, .. } => (*label, *cells) = (name.to_owned(), name.to_owned()),
            What::Copied { label, .. } => *label = name.to_owned(),
            What::Said { line, .. } => *line = name.to_owned(),
            _ => {}
        }
    }
    job.events.push(event(9, 0, What::Note { text: name.to_owned() }));
    job.events.push(event(9, 0, What::Torn { step: 99, why: name.to_owned() }));
    job.summary.title = name.to_owned();
    job.summary.now = Some(name.to_owned());
    job.plan = Some(plan);
    job
}
