//! The descriptions of the demo machines, assets/demo/NAME.toml.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

use super::content::Format;
use super::ids::size;
use super::machine::{Host, Power, Script};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// One sentence for `--help`.
    pub about: String,
    pub clock: DateTime<Utc>,
    pub host: Host,
    #[serde(default)]
    pub drive: Vec<Drive>,
    #[serde(default)]
    pub group: Vec<Group>,
    #[serde(default)]
    pub mount: Vec<Mount>,
    #[serde(default)]
    pub image: Vec<Image>,
    #[serde(default)]
    pub file: Vec<TextFile>,
    #[serde(default)]
    pub link: Vec<Link>,
    /// Hotplug scripts of the host's own.
    #[serde(default)]
    pub script: Vec<Script>,
    #[serde(default)]
    pub save: Vec<SaveImage>,
    /// Domains that xl knows now, in the order of their start.
    #[serde(default)]
    pub domain: Vec<Domain>,
    /// xenstore nodes that a guest wrote: [path, value].
    #[serde(default)]
    pub xenstore: Vec<(String, String)>,
    /// Guests of libvirt's QEMU driver.
    #[serde(default)]
    pub kvm: Vec<super::kvm::Kvm>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drive {
    pub name: String,
    pub numbers: (u32, u32),
    #[serde(deserialize_with = "bytes")]
    pub size: u64,
    pub of: Option<String>,
    pub fs: Option<String>,
    pub label: Option<String>,
    /// What is written on it, of a drive that a guest may have.
    pub format: Option<Format>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub drive: String,
    #[serde(default)]
    pub volume: Vec<Volume>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    pub name: String,
    /// Not given for a snapshot: it has its origin's.
    #[serde(default, deserialize_with = "some_bytes")]
    pub size: Option<u64>,
    pub created: DateTime<Utc>,
    pub format: Option<Format>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Of a snapshot, classic (with a `store`) or thin (without).
    pub origin: Option<String>,
    #[serde(default, deserialize_with = "some_bytes")]
    pub store: Option<u64>,
    /// Of a classic snapshot: bytes of its store in use. At its size the snapshot is lost.
    #[serde(default, deserialize_with = "some_bytes")]
    pub used: Option<u64>,
    /// Makes it a thin pool with so much metadata.
    #[serde(default, deserialize_with = "some_bytes")]
    pub pool_metadata: Option<u64>,
    /// The pool of a thin volume.
    pub pool: Option<String>,
    #[serde(default, deserialize_with = "some_bytes")]
    pub mapped: Option<u64>,
    #[serde(default)]
    pub inactive: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    pub source: String,
    pub at: String,
    pub fs: String,
    #[serde(default)]
    pub read_only: bool,
    #[serde(default, deserialize_with = "some_bytes")]
    pub size: Option<u64>,
    #[serde(default, deserialize_with = "some_bytes")]
    pub free: Option<u64>,
}

/// A disk image in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    pub path: String,
    #[serde(deserialize_with = "bytes")]
    pub size: u64,
    pub modified: DateTime<Utc>,
    pub format: Option<Format>,
    #[serde(default)]
    pub qcow2: bool,
    pub backing: Option<String>,
    /// Bytes of data in it, beside its file system's first blocks.
    #[serde(default, deserialize_with = "some_bytes")]
    pub data: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    pub path: String,
    pub text: String,
    pub modified: Option<DateTime<Utc>>,
    pub mode: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub path: String,
    pub to: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaveImage {
    pub path: String,
    /// The config whose guest is in it, as it would be started from there.
    pub config: String,
    #[serde(default)]
    pub overrides: Vec<String>,
    pub saved: DateTime<Utc>,
    /// Where the file ends too early.
    #[serde(default, deserialize_with = "some_bytes")]
    pub cut: Option<u64>,
    pub mode: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    pub config: String,
    #[serde(default)]
    pub overrides: Vec<String>,
    pub started: DateTime<Utc>,
    #[serde(default)]
    pub power: Power,
    #[serde(default)]
    pub cpu_seconds: f64,
    /// Disks plugged in while it ran.
    #[serde(default)]
    pub attached: Vec<String>,
    /// A name that no config could carry.
    pub name: Option<String>,
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    size(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no size: a number and KiB, MiB, GiB or TiB")))
}

fn some_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    bytes(deserializer).map(Some)
}
