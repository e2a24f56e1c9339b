//! Asking those who keep book which bytes of a disk changed. What they say is kept in the job's folder: a copy that is interrupted goes on with it.
//!
//! When nobody can tell, all of the disk is read and compared: slower, never wrong.

use serde::{Deserialize, Serialize};

use super::copying::path_of;
use super::{Deed, Runner, Trouble};
use crate::changed::{store, thin};
use crate::copy::{FileSource, Source as _, read_aligned};
use crate::model::{BlockSet, Book, Cmd, FindChanged, HostPath};

const MOST_FOUND: u64 = 64 << 20;
/// `thin_delta` walks the mappings of both devices: of many TiB that takes its time.
const DELTA_SECONDS: u64 = 3600;

/// What may have changed on one disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub changed: BlockSet,
    /// Why that is all of it.
    pub because: Option<String>,
}

/// A pool whose metadata snapshot this job holds, or is about to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Holding {
    device: String,
}

fn found_name(label: &str) -> String {
    let hash = blake3::hash(label.as_bytes()).to_hex();
    format!("changed-{}.json", hash.get(..16).unwrap_or_default())
}

fn holding_name(step: usize) -> String {
    format!("holding-{step}.json")
}

/// The name of a volume's device: every dash inside a name is doubled.
fn mapped(vg: &str, lv: &str) -> String {
    format!("{}-{}", vg.replace('-', "--"), lv.replace('-', "--"))
}

impl Runner<'_> {
    pub(super) fn find_changed(&mut self, step: usize, disks: &[FindChanged]) -> Deed {
        self.release_leftover(step)?;
        for disk in disks {
            let asked = match &disk.book {
                Book::Thin { vg, pool, old, new } => self.ask_the_pool(step, disk.bytes, [vg, pool, old, new]),
                Book::Bitmap { socket, export, bitmap } => self.ask_qemu(disk.bytes, socket, export, bitmap),
                Book::Store { vg, snapshot, origin } => self.read_the_store(vg, snapshot, &path_of(origin)?, disk.bytes),
            };
            let found = match asked {
                Ok(changed) => {
                    self.note(format!("{}: at most {} of {} blocks of 1 MiB have changed", disk.label, changed.count(), changed.blocks()))?;
                    Found { changed, because: None }
                }
                Err(Trouble::Failed(why)) => {
                    self.note(format!("{}: what changed could not be found out, so all of it is read: {why}", disk.label))?;
                    Found { changed: BlockSet::all(disk.bytes), because: Some(why) }
                }
                Err(other) => return Err(other),
            };
            let bytes = serde_json::to_vec(&found).unwrap_or_default();
            let put = self.folder.dir().put(&found_name(&disk.label), &bytes);
            put.map_err(|error| Trouble::Failed(format!("what changed could not be written down: {error}")))?;
            self.journal.sabotage().point();
            self.check_stop()?;
        }
        Ok(())
    }

    /// What is known to have changed; all, where nothing is.
    pub(super) fn what_changed(&self, label: &str, bytes: u64) -> Found {
        let read = self.folder.dir().read(&found_name(label), MOST_FOUND).ok().flatten();
        let found = read.and_then(|bytes| serde_json::from_slice::<Found>(&bytes).ok());
        found.unwrap_or_else(|| Found {
            changed: BlockSet::all(bytes),
            because: Some("nobody keeps book of what is written to the disk".to_owned()),
        })
    }

    fn ask_the_pool(&mut self, step: usize, bytes: u64, [vg, pool, old, new]: [&String; 4]) -> Deed<BlockSet> {
        let (left, right) = (self.thin_id(vg, old, pool)?, self.thin_id(vg, new, pool)?);
        let device = format!("{}-tpool", mapped(vg, pool));
        if self.is_held(&device)? {
            return Err(Trouble::Failed(format!(
                "somebody holds the metadata snapshot of the pool {vg}/{pool} already (thin_delta, or a tool that was killed)"
            )));
        }
        let holding = serde_json::to_vec(&Holding { device: device.clone() }).unwrap_or_default();
        // First the word, then the deed: whoever cleans up after a kill knows what to look for.
        let put = self.folder.dir().put(&holding_name(step), &holding);
        put.map_err(|error| Trouble::Failed(format!("it could not be written down: {error}")))?;
        self.journal.sabotage().point();
        let reserve = Cmd::changes("dmsetup", ["message", device.as_str(), "0", "reserve_metadata_snap"]);
        let compared = self.run_command(step, &reserve).and_then(|()| {
            self.journal.sabotage().point();
            let tmeta = format!("/dev/mapper/{}", mapped(vg, &format!("{pool}_tmeta")));
            let (left, right) = (left.to_string(), right.to_string());
            let delta = Cmd::reads("thin_delta", ["-m", "--snap1", &left, "--snap2", &right, &tmeta]).within(DELTA_SECONDS);
            let output = self.act.run(&delta).map_err(|error| Trouble::failed(format!("`{delta}` could not be run"), &error))?;
            if !output.ok() {
                return Err(Trouble::Failed(format!("`{delta}` ended with {}: {}", output.exit, output.complaint())));
            }
            Ok(output.stdout)
        });
        self.release_leftover(step)?;
        thin::parse(&compared?, left, right, bytes).map_err(|why| Trouble::Failed(format!("thin_delta: {why}")))
    }

    /// Lets go of a metadata snapshot that this job took: in its course, or after it was killed.
    pub(super) fn release_leftover(&mut self, step: usize) -> Deed {
        let Some(bytes) = self.folder.dir().read(&holding_name(step), 1 << 16).ok().flatten() else { return Ok(()) };
        let Ok(Holding { device }) = serde_json::from_slice(&bytes) else { return Ok(()) };
        if self.is_held(&device)? {
            self.run_command(step, &Cmd::changes("dmsetup", ["message", device.as_str(), "0", "release_metadata_snap"]))?;
            self.journal.sabotage().point();
        }
        let _ = self.folder.dir().remove(&holding_name(step));
        Ok(())
    }

    /// Whether anybody holds a pool's metadata snapshot: the seventh word of its status is a block then, else `-`.
    fn is_held(&self, device: &str) -> Deed<bool> {
        let cmd = Cmd::reads("dmsetup", ["status", device]);
        let output = self.act.run(&cmd).map_err(|error| Trouble::failed(format!("`{cmd}` could not be run"), &error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.split_ascii_whitespace().skip(2);
        match (output.ok(), words.next(), words.nth(3)) {
            (true, Some("thin-pool"), Some(root)) => Ok(root != "-"),
            _ => {
                Err(Trouble::Failed(format!("`{cmd}` does not tell whether the pool's metadata snapshot is held: {}", output.complaint())))
            }
        }
    }

    /// The number of a thin volume, which must be of this pool.
    fn thin_id(&self, vg: &str, lv: &str, pool: &str) -> Deed<u64> {
        let name = format!("{vg}/{lv}");
        let cmd = Cmd::reads("lvs", ["--reportformat", "json", "-a", "-o", "lv_name,pool_lv,thin_id", name.as_str()]);
        let output = self.act.run(&cmd).map_err(|error| Trouble::failed(format!("`{cmd}` could not be run"), &error))?;
        let failed = || Trouble::Failed(format!("`{cmd}` does not tell which thin volume it is: {}", output.complaint()));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| failed())?;
        let row = value.pointer("/report/0/lv/0").ok_or_else(failed)?;
        let text = |key: &str| row.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        if text("pool_lv").trim_matches(['[', ']']) != pool {
            return Err(Trouble::Failed(format!("{name} is not of the pool {pool}")));
        }
        text("thin_id").parse().map_err(|_| failed())
    }

    fn ask_qemu(&self, bytes: u64, socket: &HostPath, export: &str, bitmap: &str) -> Deed<BlockSet> {
        let could_not = |why: String| Trouble::Failed(format!("what QEMU wrote down of {export} could not be read: {why}"));
        let offered = self.open_export(socket, export, Some(bitmap))?;
        let has = offered.bytes().map_err(|error| could_not(error.to_string()))?;
        if has != bytes {
            return Err(could_not(format!("it has {has} bytes now, not {bytes}")));
        }
        let mut changed = BlockSet::none(bytes);
        for range in offered.dirty().map_err(|error| could_not(error.to_string()))?.ok_or_else(|| could_not("nothing is kept".into()))? {
            changed.insert_bytes(range);
        }
        Ok(changed)
    }

    fn read_the_store(&self, vg: &str, snapshot: &str, origin: &HostPath, bytes: u64) -> Deed<BlockSet> {
        let path = format!("/dev/mapper/{}-cow", mapped(vg, snapshot));
        let could_not = |why: String| Trouble::Failed(format!("{path} could not be read: {why}"));
        let has = self.act.device(origin.as_path()).map_err(|error| could_not(error.to_string()))?.bytes;
        if has != bytes {
            return Err(Trouble::Failed(format!("{origin} has {has} bytes now, not {bytes}")));
        }
        let blocks = self.act.open_for_reading(std::path::Path::new(&path)).map_err(|error| could_not(error.to_string()))?;
        let length = blocks.bytes;
        let source = FileSource::new(blocks.file).map_err(|error| could_not(error.to_string()))?;
        let mut read = |offset: u64, length: usize| read_aligned(&source, offset, length);
        store::read(&mut read, length, bytes).map_err(|why| Trouble::Failed(why.to_string()))
    }
}
