//! The guard: snapshots that live while their origin is overwritten, and what is said where nobody can win.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::host::{Host, ask};
use crate::scenario::{Scenario, scenario};

const SNAP: &str = "xenvols/burning0";
/// What a snapshot starts with, and what is then written to its origin.
const STORE_MIB: u64 = 16;
const BURN_MIB: u64 = 72;

/// The guard's words so far.
fn words(host: &mut dyn Host) -> Result<Vec<Value>> {
    let said = host.does("cat /root/lab/guard.log")?;
    Ok(said.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn word<'a>(words: &'a [Value], name: &str) -> Option<&'a Value> {
    words.iter().rev().find(|word| word["word"] == name)
}

/// Waits until the guard has said it, and gives all that it said.
fn hear(host: &mut dyn Host, name: &str, about: &str) -> Result<Vec<Value>> {
    let start = Instant::now();
    loop {
        let words = words(host)?;
        if words.iter().any(|word| word["word"] == name && (about.is_empty() || word["lv"] == about)) {
            return Ok(words);
        }
        if start.elapsed() > Duration::from_secs(60) {
            bail!("the guard never said `{name}` of {about}: {words:?}");
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn start_guard(host: &mut dyn Host) -> Result<()> {
    host.does("mkdir -p /root/lab; : >/root/lab/guard.log; guard_start")?;
    hear(host, "watching", "").map(drop)
}

fn origin(host: &mut dyn Host) -> Result<()> {
    host.does("lvcreate -q -y -Wn -Zn -L 96M --addtag scratch -n burnt0 xenvols").map(drop)
}

fn snapshot(host: &mut dyn Host, mib: u64) -> Result<()> {
    host.does(&format!("lvcreate -q -y -s -L {mib}M --addtag scratch -n burning0 xenvols/burnt0")).map(drop)
}

/// Overwrites the origin at so many bytes a second. The rate that came of it.
fn burn(host: &mut dyn Host, rate: u64, mib: u64) -> Result<u64> {
    let said = host.does(&format!("burn /dev/xenvols/burnt0 {rate} {}", mib << 20))?;
    said.text().trim().parse().with_context(|| format!("the writer did not tell its rate\n{said}"))
}

fn is_alive(host: &mut dyn Host) -> Result<bool> {
    Ok(host.does("dmsetup status --noflush xenvols-burning0")?.text().contains('/'))
}

/// `extended` words of the snapshot.
fn extensions(words: &[Value]) -> Vec<&Value> {
    words.iter().filter(|word| word["word"] == "extended" && word["lv"] == SNAP).collect()
}

fn mib_a_second(rate: u64) -> String {
    format!("{:.1} MiB/s", rate as f64 / f64::from(1 << 20))
}

/// Burns one snapshot under the guard at the given share of the fastest rate that it says it outruns. Whether it lived, the rate, and the
/// milliseconds from decision to extended store.
fn contest(host: &mut dyn Host, percent: u64) -> Result<(bool, u64, Vec<u64>)> {
    host.does(": >/root/lab/guard.log")?;
    snapshot(host, STORE_MIB)?;
    let heard = hear(host, "sees", SNAP)?;
    let outruns = word(&heard, "sees").and_then(|word| word["outruns"].as_u64()).context("it does not say what it outruns")?;
    let rate = burn(host, outruns * percent / 100, BURN_MIB)?;
    let alive = is_alive(host)?;
    std::thread::sleep(Duration::from_millis(500));
    let heard = words(host)?;
    let took = extensions(&heard).iter().filter_map(|word| word["took_ms"].as_u64()).collect();
    host.does(&format!("lvremove -q -y {SNAP}"))?;
    hear(host, "gone", SNAP).or_else(|error| if alive { Err(error) } else { Ok(Vec::new()) })?;
    Ok((alive, rate, took))
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("the guard keeps a snapshot alive while its origin is overwritten, and its work is listed as jobs", |host, see| {
            origin(host)?;
            start_guard(host)?;
            host.does(": >/root/lab/guard.log")?;
            snapshot(host, STORE_MIB)?;
            let outruns = word(&hear(host, "sees", SNAP)?, "sees").and_then(|word| word["outruns"].as_u64()).unwrap_or(0);
            let rate = burn(host, outruns / 3, 40)?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "snapshots[lv=xenvols/burning0].invalid", false, "a guarded snapshot was lost");
            see.between(
                &list,
                "snapshots[lv=xenvols/burning0].store_bytes",
                f64::from(32 << 20),
                f64::from(1 << 30),
                "the guard extended nothing",
            );
            see.has(&list, "fuses[lv=xenvols/burning0,part=store]", "a user would not see the fuse that burns");
            see.that(list.json["fuses"].to_string().contains("bytes_per_second"), "a user would not see how fast it fills", || {
                list.json["fuses"].to_string()
            });
            let heard = words(host)?;
            see.that(!extensions(&heard).is_empty(), "nothing is said of an extension", || format!("{heard:?}"));
            see.figure(format!("written at {}, {} extensions", mib_a_second(rate), extensions(&heard).len()));
            let stopped = host.does("guard_stop; ls -A /run/domkeep/jobs")?;
            see.that(stopped.text().trim().is_empty(), "a guard that was stopped left jobs in memory", || stopped.to_string());
            let jobs = ask(host, see, &["jobs"])?;
            see.that(
                jobs.json.to_string().contains("Extend the store of xenvols/burning0"),
                "what the guard did is in no list of jobs",
                || jobs.json.to_string(),
            );
            Ok(())
        })
        .short(),
        scenario("the guard wins 10 of 10 at the fastest rate that it promises", |host, see| {
            origin(host)?;
            start_guard(host)?;
            // The first one measures what an extension takes here.
            contest(host, 30)?;
            let (mut lived, mut rates, mut times) = (0, Vec::new(), Vec::new());
            for _ in 0..10 {
                let (alive, rate, took) = contest(host, 95)?;
                lived += u32::from(alive);
                rates.push(rate);
                times.extend(took);
            }
            times.sort_unstable();
            let at = |share: usize| times.get(times.len().saturating_sub(1) * share / 100).copied().unwrap_or(0);
            let (slowest, fastest) = (rates.iter().min().copied().unwrap_or(0), rates.iter().max().copied().unwrap_or(0));
            see.figure(format!(
                "{lived} of 10 alive, {STORE_MIB} MiB stores, written at {} to {}",
                mib_a_second(slowest),
                mib_a_second(fastest)
            ));
            see.figure(format!("threshold to extended: {} times, median {} ms, worst {} ms", times.len(), at(50), at(100)));
            see.that(lived == 10, "a snapshot was lost at a rate that the guard said it outruns", || {
                format!("{lived} of 10; {rates:?}; {times:?}")
            });
            let said = host.does("cat /root/lab/guard.log; guard_stop")?;
            see.heard.push(said);
            Ok(())
        }),
        scenario(
            "where nobody can win the warning comes first; without a guard the snapshot is lost, and what is lost and what not is said",
            |host, see| {
                origin(host)?;
                start_guard(host)?;
                host.does(": >/root/lab/guard.log")?;
                snapshot(host, 4)?;
                let heard = hear(host, "too-fast", SNAP)?;
                see.that(word(&heard, "too-fast").is_some(), "no word before a writer that nobody can outrun", || format!("{heard:?}"));
                let outruns = word(&heard, "too-fast").and_then(|word| word["outruns"].as_u64()).unwrap_or(0);
                let rate = burn(host, outruns * 4, 48)?;
                let alive = is_alive(host)?;
                see.figure(format!(
                    "promised up to {}, written at {}: {}",
                    mib_a_second(outruns),
                    mib_a_second(rate),
                    if alive { "alive" } else { "lost" }
                ));
                if !alive {
                    hear(host, "lost", SNAP)?;
                }
                host.does(&format!("guard_stop; lvremove -q -y {SNAP}"))?;

                snapshot(host, STORE_MIB)?;
                burn(host, outruns.max(1 << 20), 40)?;
                let list = ask(host, see, &["check"])?;
                see.has(&list, "findings[code=snapshot-overflowed,subject~burning0]", "a user would not hear that the snapshot is lost");
                let finding = list.json["findings"].to_string();
                for (part, sentence) in [
                    ("what was in it is lost", "a user would not hear what is lost"),
                    ("Not lost: its origin xenvols/burnt0", "a user would not hear what is not lost"),
                    ("lvremove", "a user would not hear what helps"),
                ] {
                    see.that(finding.contains(part), sentence, || finding.clone());
                }
                let whole = host.does("dd if=/dev/xenvols/burnt0 of=/dev/null bs=1M 2>&1 | tail -1")?;
                see.that(whole.text().contains("copied"), "the origin is said to be whole and cannot be read", || whole.to_string());
                Ok(())
            },
        ),
        scenario("the guard extends while the root file system takes no write at all", |host, see| {
            origin(host)?;
            start_guard(host)?;
            host.does(": >/root/lab/guard.log")?;
            snapshot(host, STORE_MIB)?;
            let outruns = word(&hear(host, "sees", SNAP)?, "sees").and_then(|word| word["outruns"].as_u64()).unwrap_or(0);
            // It thaws whatever happens.
            let said = host.does(&format!(
                "(sleep 60; fsfreeze -u / 2>/dev/null) & thaw=$!; sync; fsfreeze -f / && burn /dev/xenvols/burnt0 {} {}; fill=$(dmsetup status --noflush xenvols-burning0); fsfreeze -u /; kill $thaw; echo $fill",
                outruns / 3,
                40 << 20
            ))?;
            see.that(
                said.text().contains('/') && !said.text().contains("Invalid"),
                "the guard waited for a disk that took no write",
                || said.to_string(),
            );
            let heard = hear(host, "extended", SNAP)?;
            see.that(!extensions(&heard).is_empty(), "what was done is not told afterwards", || format!("{heard:?}"));
            host.does("guard_stop")?;
            let jobs = ask(host, see, &["jobs"])?;
            see.that(
                jobs.json.to_string().contains("Extend the store of xenvols/burning0"),
                "the record did not come to the disk afterwards",
                || jobs.json.to_string(),
            );
            Ok(())
        }),
        scenario("a guard that is killed in the middle of an extension is no loss: the next one finds what it did", |host, see| {
            origin(host)?;
            for round in 0..3 {
                start_guard(host)?;
                host.does(": >/root/lab/guard.log")?;
                snapshot(host, STORE_MIB)?;
                hear(host, "sees", SNAP)?;
                let said = host.does("(burn /dev/xenvols/burnt0 2000000 26214400 >/dev/null) & for i in $(seq 600); do if pgrep -x lvextend >/dev/null; then guard_kill; break; fi; sleep .02; done; wait $!; guard_start; echo killed=$i")?;
                let heard = hear(host, "watching", "")?;
                let alive = is_alive(host)?;
                host.does("guard_stop; sleep 1")?;
                let left = host.does("ls -A /run/domkeep/jobs")?;
                see.that(left.text().trim().is_empty(), "a killed guard left a job that nobody finished", || format!("{left}\n{heard:?}"));
                let jobs = ask(host, see, &["jobs"])?;
                see.that(!jobs.json.to_string().contains("leftover"), "a killed guard left a job half done", || jobs.json.to_string());
                let recovered = heard.iter().any(|word| word["word"] == "recovered");
                see.figure(format!("round {round}: recovered {recovered}, alive {alive}; {}", said.text().trim()));
                host.does(&format!("lvremove -q -y {SNAP}"))?;
            }
            Ok(())
        }),
    ]
}
