//! The stores of this job's own classic snapshots, and the pools of its thin ones, while they are copied. The kernel tells of a full store only when it is too late, so they are
//! looked at every two seconds: one that fills is extended; where that is not possible, the copy is let run as fast as it goes; a snapshot that
//! was lost all the same ends the backup, for what was read of it may be anything. A pool is not the job's to extend: when it is nearly full the
//! backup is given up, so that its snapshots give their room back before all that lies on the pool stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Deed, Runner, Trouble};
use crate::copy::Pacer;
use crate::model::{Cmd, DiskCopy, Location, What, bytes, shown};

const EVERY: Duration = Duration::from_secs(2);
/// Percent: what LVM's own monitoring is usually set to.
const THREATENS: f64 = 70.0;
/// Percent between two words about the same store.
const WORTH_TELLING: f64 = 5.0;
const LEAST_MORE: u64 = 32 << 20;
/// Percent of a thin pool, data or metadata, at which the backup is given up.
const POOL_THREATENS: f64 = 95.0;

/// One store, as `lvs` tells it.
#[derive(Clone, Debug, PartialEq)]
struct Store {
    /// `vg/lv`
    name: String,
    bytes: u64,
    percent: f64,
    lost: bool,
}

/// What is to be done about one.
#[derive(Clone, Debug, PartialEq)]
enum Need {
    Nothing,
    More(u64),
    /// It is invalid: for ever.
    Lost,
}

impl Store {
    fn need(&self) -> Need {
        if self.lost {
            Need::Lost
        } else if self.percent >= THREATENS {
            Need::More((self.bytes / 2).max(LEAST_MORE))
        } else {
            Need::Nothing
        }
    }
}

/// What was seen so far.
pub(super) struct Filling {
    looked: Instant,
    told: BTreeMap<String, f64>,
    /// They could not be extended.
    given_up: BTreeSet<String>,
}

/// What one look saw.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    stores: Vec<Store>,
    /// `vg/pool` of the thin snapshots.
    pools: BTreeSet<String>,
}

impl Filling {
    /// Nothing when no snapshot of this job is copied.
    pub fn of(copies: &[DiskCopy]) -> Option<Self> {
        let frozen = |copy: &DiskCopy| match &copy.from {
            Location::Device { path } => path.as_path().file_name().is_some_and(|name| name.to_string_lossy().starts_with("domkeep-")),
            _ => false,
        };
        copies.iter().any(frozen).then(|| Self { looked: Instant::now(), told: BTreeMap::new(), given_up: BTreeSet::new() })
    }
}

impl Runner<'_> {
    /// `now`: whenever that was last done.
    pub(super) fn look_at_stores(&mut self, step: usize, filling: &mut Option<Filling>, pace: Option<&Pacer>, now: bool) -> Deed {
        let Some(seen) = filling.as_mut().filter(|seen| now || seen.looked.elapsed() >= EVERY) else { return Ok(()) };
        seen.looked = Instant::now();
        // A look that fails is tried again; the last one, after the copy, must not.
        let found = match self.stores() {
            Ok(found) => found,
            Err(why) if now => return Err(Trouble::Failed(format!("whether the snapshots are still good could not be found out: {why}"))),
            Err(_) => return Ok(()),
        };
        // What was copied already is whole, however full the pool is now.
        if !now {
            self.look_at_pools(&found.pools)?;
        }
        for store in found.stores {
            let before = seen.told.get(&store.name).copied().unwrap_or(0.0);
            if (store.percent - before).abs() >= WORTH_TELLING {
                seen.told.insert(store.name.clone(), store.percent);
                let line =
                    format!("the snapshot {} is {:.0} % full, of {}", shown::text(&store.name), store.percent, bytes::human(store.bytes));
                self.tell(What::Said { step, line })?;
            }
            match store.need() {
                Need::Nothing => {}
                Need::Lost => {
                    return Err(Trouble::Failed(format!(
                        "the snapshot {} overflowed and is lost: the domain wrote more than its {} while it was copied. The domain itself is not harmed; \
                         make room in the volume group, copy when less is written, or faster",
                        shown::text(&store.name),
                        bytes::human(store.bytes)
                    )));
                }
                Need::More(_) if now || seen.given_up.contains(&store.name) => {}
                Need::More(more) => {
                    let cmd = Cmd::changes("lvextend", ["-L".to_owned(), format!("+{more}b"), store.name.clone()]);
                    let output = self.run_and_hear(step, &cmd)?;
                    if !output.ok() {
                        seen.given_up.insert(store.name.clone());
                        pace.inspect(|pace| pace.lift());
                        let fast = if pace.is_some() { "; the copy is no longer slowed down" } else { "" };
                        self.note(format!(
                            "the snapshot {} fills and could not be extended: {}{fast}",
                            shown::text(&store.name),
                            output.complaint()
                        ))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn look_at_pools(&mut self, pools: &BTreeSet<String>) -> Deed {
        for pool in pools {
            let words = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o", "data_percent,metadata_percent", pool];
            // A look that fails is tried again.
            let Ok(output) = self.act.run(&Cmd::reads("lvs", words)) else { continue };
            let Some(percent) = fullest(&output.stdout).filter(|_| output.ok()) else { continue };
            if percent >= POOL_THREATENS {
                return Err(Trouble::Failed(format!(
                    "the thin pool {} is {percent:.0} % full: before it is full, and all that lies on it stands still, the backup is given up, and its \
                     snapshots are removed. Give the pool more room (`domkeep grow {pool}`), and back up again",
                    shown::text(pool)
                )));
            }
        }
        Ok(())
    }

    fn stores(&self) -> Result<Seen, String> {
        let select = format!("lv_tags=domkeep.{}", self.plan.id);
        let words = [
            "--reportformat",
            "json",
            "--units",
            "b",
            "--nosuffix",
            "-o",
            "lv_full_name,lv_attr,lv_size,data_percent,lv_snapshot_invalid,vg_name,pool_lv",
            "-S",
            &select,
        ];
        let output = self.act.run(&Cmd::reads("lvs", words)).map_err(|error| error.to_string())?;
        if !output.ok() {
            return Err(output.complaint());
        }
        read(&output.stdout)
    }
}

fn rows(json: &[u8]) -> Result<Vec<Value>, String> {
    let value: Value = serde_json::from_slice(json).map_err(|error| format!("not the JSON that LVM prints: {error}"))?;
    value.pointer("/report/0/lv").and_then(Value::as_array).cloned().ok_or_else(|| "a report without its part `lv`".to_owned())
}

/// The larger of a pool's two shares.
fn fullest(json: &[u8]) -> Option<f64> {
    let rows = rows(json).ok()?;
    let percent = |field: &str| rows.first()?.get(field)?.as_str()?.parse::<f64>().ok();
    let (data, metadata) = (percent("data_percent")?, percent("metadata_percent").unwrap_or(0.0));
    Some(data.max(metadata))
}

/// A thin snapshot has no store of its own, but a pool.
fn read(json: &[u8]) -> Result<Seen, String> {
    let rows = rows(json)?;
    let text = |row: &Value, field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let pool =
        |row: &Value| Some(text(row, "pool_lv")).filter(|pool| !pool.is_empty()).map(|pool| format!("{}/{pool}", text(row, "vg_name")));
    let pools = rows.iter().filter_map(pool).collect();
    let classic = rows.iter().filter(|row| text(row, "lv_attr").starts_with(['s', 'S']));
    let stores = classic
        .map(|row| Store {
            name: text(row, "lv_full_name"),
            bytes: text(row, "lv_size").trim_end_matches('B').parse().unwrap_or(0),
            percent: text(row, "data_percent").parse().unwrap_or(0.0),
            lost: text(row, "lv_attr").as_bytes().get(4) == Some(&b'I') || text(row, "lv_snapshot_invalid") == "snapshot invalid",
        })
        .collect();
    Ok(Seen { stores, pools })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(attr: &str, percent: &str) -> String {
        format!(
            r#"{{"report":[{{"lv":[{{"lv_full_name":"vg/domkeep-1-0","lv_attr":"{attr}","lv_size":"104857600","data_percent":"{percent}","lv_snapshot_invalid":""}}]}}]}}"#
        )
    }

    fn need(attr: &str, percent: &str) -> Need {
        read(row(attr, percent).as_bytes()).unwrap().stores[0].need()
    }

    #[test]
    fn a_store_is_extended_before_it_is_full_and_a_lost_one_is_seen() {
        assert_eq!(need("swi-aos---", "69.99"), Need::Nothing);
        assert_eq!(need("swi-aos---", "70.00"), Need::More(50 << 20), "a snapshot would be let fill up");
        assert_eq!(need("swi-I-s---", "100.00"), Need::Lost, "what was read of a lost snapshot would be called good");
        assert!(read(row("Vwi-a-tz--", "99").as_bytes()).unwrap().stores.is_empty(), "a thin snapshot would be extended");
        assert!(read(b"{\"report\":[]}").is_err(), "an answer without volumes would be taken for no trouble");
    }

    #[test]
    fn the_pool_of_a_thin_snapshot_is_looked_at_data_and_metadata() {
        let thin = r#"{"report":[{"lv":[{"lv_full_name":"vg/domkeep-1-0","lv_attr":"Vwi-a-tz-k","vg_name":"vg","pool_lv":"pool"}]}]}"#;
        assert_eq!(read(thin.as_bytes()).unwrap().pools.into_iter().collect::<Vec<_>>(), ["vg/pool"], "nobody would see the pool fill");
        let pool = |data: &str, meta: &str| format!(r#"{{"report":[{{"lv":[{{"data_percent":"{data}","metadata_percent":"{meta}"}}]}}]}}"#);
        assert_eq!(fullest(pool("12.50", "96.10").as_bytes()), Some(96.1), "a pool whose metadata is full stops too");
        assert_eq!(fullest(pool("", "").as_bytes()), None);
    }
}
