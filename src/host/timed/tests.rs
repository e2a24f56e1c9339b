use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use super::*;
use crate::host::FileType;

/// A host where everything below `/mnt/dead` and `/srv/dead` hangs until it is released.
#[derive(Default)]
struct Dead {
    alive: Mutex<bool>,
    bell: Condvar,
    hung: AtomicUsize,
}

impl Dead {
    fn revive(&self) {
        *self.alive.lock().unwrap() = true;
        self.bell.notify_all();
    }
}

struct Fake(Arc<Dead>);

impl Look for Fake {
    fn place(&self) -> Place {
        Place::ThisMachine
    }
    fn now(&self) -> DateTime<Utc> {
        DateTime::default()
    }
    fn run(&self, _: &Cmd) -> Answer<Output> {
        Err(HostError::NotFound)
    }
    fn read_at(&self, path: &Path, _: u64, _: usize) -> Answer<Vec<u8>> {
        let mountinfo = b"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /mnt/dead rw - nfs4 192.0.2.1:/ rw\n";
        if path.ends_with("mountinfo") { Ok(mountinfo.to_vec()) } else { Err(HostError::Denied) }
    }
    fn list(&self, _: &Path, _: usize) -> Answer<Listing> {
        panic!("a question that panics")
    }
    fn stat(&self, path: &Path, _: bool) -> Answer<Stat> {
        if path.starts_with("/mnt/dead")
            || path.starts_with("/srv/dead")
            || path.starts_with("/link/to")
            || path.starts_with("/dev/dead")
            || path.starts_with("/dev/vg")
        {
            self.0.hung.fetch_add(1, Ordering::SeqCst);
            let mut alive = self.0.alive.lock().unwrap();
            while !*alive {
                alive = self.0.bell.wait(alive).unwrap();
            }
        }
        Ok(Stat {
            kind: FileType::Regular,
            dev: 0,
            ino: 0,
            size: 7,
            blocks: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            modified: DateTime::default(),
            changed: DateTime::default(),
            rdev: (0, 0),
        })
    }
    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        Ok(path.to_path_buf())
    }
    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        if path == Path::new("/link/to") { Ok("/mnt/dead/x".into()) } else { Err(HostError::NotFound) }
    }
    fn extents(&self, _: &Path) -> Answer<Vec<Extent>> {
        Err(HostError::NotFound)
    }
    fn space(&self, _: &Path) -> Answer<Space> {
        Err(HostError::NotFound)
    }
    fn device(&self, _: &Path) -> Answer<DeviceFacts> {
        Err(HostError::NotFound)
    }
}

fn host() -> (Timed<Fake>, Arc<Dead>) {
    let dead = Arc::new(Dead::default());
    (Timed::new(Fake(Arc::clone(&dead)), Duration::from_millis(100)), dead)
}

fn stat(host: &Timed<Fake>, path: &str) -> Answer<u64> {
    host.stat(path.as_ref(), true).map(|stat| stat.size)
}

const TIMED_OUT: Answer<u64> = Err(HostError::TimedOut { seconds: 1 });

#[test]
fn a_dead_mount_costs_one_limit_and_is_refused_at_once_after_that() {
    let (host, dead) = host();
    assert_eq!(stat(&host, "/mnt/dead/images/web.img"), TIMED_OUT);
    let clock = Instant::now();
    for path in ["/mnt/dead/images/db.img", "/mnt/dead", "/mnt/dead/images/web.img"] {
        assert_eq!(stat(&host, path), TIMED_OUT);
    }
    assert!(clock.elapsed() < Duration::from_millis(80), "500 images on a dead server would take 40 minutes");
    assert_eq!(dead.hung.load(Ordering::SeqCst), 1, "each look at a dead mount costs a thread");
    for path in ["/mnt", "/mnt/deadline", "/srv/x"] {
        assert_eq!(stat(&host, path), Ok(7), "a living neighbour is not shown: {path}");
    }
    assert_eq!(host.resolve("/mnt/dead/x".as_ref()), Err(HostError::TimedOut { seconds: 1 }));
    dead.revive();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(stat(&host, "/mnt/dead/images/web.img"), Ok(7), "a server that came back stays refused");
}

#[test]
fn a_link_into_a_dead_mount_gives_up_that_mount() {
    let (host, dead) = host();
    assert_eq!(stat(&host, "/link/to"), TIMED_OUT);
    let clock = Instant::now();
    assert_eq!(stat(&host, "/mnt/dead/y"), TIMED_OUT);
    assert!(clock.elapsed() < Duration::from_millis(80));
    dead.revive();
}

#[test]
fn a_dead_directory_or_device_does_not_take_more_with_it() {
    let (host, dead) = host();
    assert_eq!(stat(&host, "/srv/dead/a"), TIMED_OUT);
    assert_eq!(stat(&host, "/dev/dead"), TIMED_OUT);
    assert_eq!(dead.hung.load(Ordering::SeqCst), 2);
    assert_eq!(stat(&host, "/srv/dead/b"), TIMED_OUT);
    assert_eq!(dead.hung.load(Ordering::SeqCst), 2);
    assert_eq!(stat(&host, "/srv/alive"), Ok(7));
    assert_eq!(stat(&host, "/dev/sda"), Ok(7));
    dead.revive();
}

#[test]
fn two_volumes_that_hang_give_up_their_group() {
    let (host, dead) = host();
    for path in ["/dev/vg/a", "/dev/vg/b"] {
        assert_eq!(stat(&host, path), TIMED_OUT);
    }
    let clock = Instant::now();
    for path in ["/dev/vg/c", "/dev/vg/d"] {
        assert_eq!(stat(&host, path), TIMED_OUT);
    }
    assert!(clock.elapsed() < Duration::from_millis(80), "a dead disk under 30 volumes would hold every look for minutes");
    assert_eq!(stat(&host, "/dev/other/a"), Ok(7), "a group on a living disk is not shown");
    dead.revive();
}

#[test]
fn what_hung_is_tried_again_but_not_for_ever() {
    let (mut host, dead) = host();
    host.refused_for = Duration::ZERO;
    for _ in 0..6 {
        assert_eq!(stat(&host, "/mnt/dead/a"), TIMED_OUT);
    }
    assert_eq!(dead.hung.load(Ordering::SeqCst), MOST_TRIES, "an hour of refreshing would use up all threads");
    assert_eq!(stat(&host, "/etc/xen"), Ok(7));
    dead.revive();
}

#[test]
fn many_dead_places_use_up_a_bounded_number_of_threads() {
    let (host, dead) = host();
    for n in 0..workers::MOST_STUCK {
        assert_eq!(stat(&host, &format!("/srv/dead/{n}/x")), TIMED_OUT);
    }
    let clock = Instant::now();
    assert_eq!(stat(&host, "/srv/dead/another/x"), TIMED_OUT);
    assert!(clock.elapsed() < Duration::from_millis(80));
    assert_eq!(dead.hung.load(Ordering::SeqCst), workers::MOST_STUCK);
    dead.revive();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(stat(&host, "/srv/dead/another/x"), Ok(7), "threads that came back are not used again");
}

#[test]
fn a_question_that_panics_costs_neither_the_thread_nor_the_program() {
    let (mut host, _dead) = host();
    // A panic that is printed with its backtrace takes its time.
    host.limit = Duration::from_secs(20);
    for _ in 0..30 {
        assert!(matches!(host.list("/x".as_ref(), 1), Err(HostError::Failed { .. })));
    }
    assert_eq!(stat(&host, "/etc"), Ok(7));
}

#[test]
fn many_askers_all_get_their_own_answers() {
    let (host, _dead) = host();
    std::thread::scope(|scope| {
        for asker in 0..20 {
            let host = &host;
            scope.spawn(move || {
                for n in 0..200 {
                    let path = PathBuf::from(format!("/{asker}/{n}"));
                    assert_eq!(host.resolve(&path), Ok(path), "one probe got another's answer");
                }
            });
        }
    });
}

#[test]
fn a_limit_costs_little_when_nothing_hangs() {
    let (host, _dead) = host();
    let clock = Instant::now();
    for _ in 0..2000 {
        assert_eq!(stat(&host, "/etc/xen"), Ok(7));
    }
    assert!(clock.elapsed() < Duration::from_secs(2), "2000 files took {:?}", clock.elapsed());
}
