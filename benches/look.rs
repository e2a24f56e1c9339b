//! What one look at a large host costs the processor: 500 running domains with 1000 disks, and their 500 configurations.
//!
//! Beside it, in the same run, stands what only parsing the `xl list -l` of these domains into a `serde_json::Value` costs: the work that
//! nobody who wants to know the disks of running domains gets around. The host is a replay, so nothing waits for a tool or a disk, and
//! what is measured is the CPU time of this process over all its threads, not the clock on the wall.
//!
//! `cargo bench --bench look` prints both, their ratio, and where the time goes. The answers are made from those of the real host in
//! `tests/fixtures/xen`: each domain is its `web1` under another name, with a volume and an image file behind a loop device.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench reads its own fixtures, prints its figures, and stops where something is missing"
)]

mod crowd;

use std::sync::Arc;
use std::time::Duration;

use crowd::Crowd;
use domkeep::config::Settings;
use domkeep::engine::Engine;
use domkeep::host::replay::Replay;
use domkeep::model::HostPath;
use domkeep::probe::{config_file, devices, lvm, xenstore, xl};
use domkeep::{check, probe};
use serde_json::Value;

const DOMAINS: u32 = 500;
const ROUNDS: usize = 7;

fn main() {
    let crowd = Crowd::new(DOMAINS);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("replay");
    crowd.write(&folder);
    let replay = Arc::new(Replay::open(&folder).unwrap());
    let settings = Settings::default();
    let engine = Engine::new(replay.clone(), settings.clone());

    let picture = engine.scan();
    let inventory = &picture.inventory;
    let disks: usize = inventory.domains.iter().map(|domain| domain.disks.len()).sum();
    println!(
        "{} domains, {disks} disks, {} backings, {} configurations, {} volumes, {} findings, {} gaps",
        inventory.domains.len(),
        inventory.backings.len(),
        inventory.configs.len(),
        inventory.volumes.len(),
        picture.verdicts.findings.len(),
        inventory.gaps.len(),
    );
    // A look that missed what is there would be fast for nothing.
    assert_eq!(
        (inventory.domains.len(), inventory.backings.len(), disks),
        (500, 1000, 1000),
        "the look does not see the host: {inventory:#?}"
    );

    // Taken in turns, so that a machine that slows down slows both.
    let (mut looks, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        looks.push(cpu_time_of(|| engine.scan()));
        peers.push(cpu_time_of(|| serde_json::from_slice::<Value>(&crowd.long).unwrap()));
    }
    let (look, peer) = (median(looks), median(peers));
    println!("one look             {:8.2} ms", milliseconds(look));
    println!("only its xl list -l  {:8.2} ms  ({} KiB of JSON as a serde_json::Value)", milliseconds(peer), crowd.long.len() >> 10);
    println!("ratio                {:8.1}", look.as_secs_f64() / peer.as_secs_f64());

    println!("\nwhere it goes, each measured alone:");
    let mut known = Duration::ZERO;
    let mut phase = |name: &str, work: &dyn Fn()| {
        let took = median((0..ROUNDS).map(|_| cpu_time_of(work)).collect());
        known += took;
        println!("{name:<36} {:8.2} ms", milliseconds(took));
    };
    phase("xl list -v", &|| drop(xl::parse_verbose(&crowd.verbose)));
    phase("xl list -l", &|| drop(xl::parse_long(&crowd.long)));
    phase("xenstore", &|| crowd.stores.iter().for_each(|(_, text)| drop(xenstore::parse(text))));
    phase("lvs", &|| drop(lvm::parse_lvs(&crowd.lvs)));
    phase("lsblk, losetup", &|| drop((devices::parse_lsblk(&crowd.lsblk), devices::parse_losetup(&crowd.losetup))));
    phase("configurations", &|| {
        for (path, text) in &crowd.configs {
            drop(config_file::read(&HostPath::from(path.as_path()), text));
        }
    });
    phase("rules", &|| drop(check::examine(inventory, settings.limits())));
    let probed = median((0..ROUNDS).map(|_| cpu_time_of(|| probe::look(replay.as_ref(), &settings))).collect());
    println!("{:<36} {:8.2} ms", "all sources asked, read and merged", milliseconds(probed));
    println!("{:<36} {:8.2} ms", "asking, backings and merging", milliseconds(look.saturating_sub(known)));
}

/// CPU time of this process, all threads, while the work is done; what the work made is dropped after that.
fn cpu_time_of<T>(work: impl FnOnce() -> T) -> Duration {
    let before = cpu_time();
    let made = std::hint::black_box(work());
    let took = cpu_time().saturating_sub(before);
    drop(made);
    took
}

fn cpu_time() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime)).unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
