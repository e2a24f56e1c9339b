//! Who extends already on this host: dmeventd, when lvm.conf asks it to and it monitors the volume.

use serde_json::Value;

use crate::host::Look;
use crate::model::{Cmd, FusePart};

/// From which fill dmeventd extends, in percent; 100: never (lvm.conf(5), `snapshot_autoextend_threshold`, `thin_pool_autoextend_threshold`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Others {
    snapshot: u32,
    pool: u32,
    /// Volumes (`vg/lv`) that dmeventd monitors.
    monitored: Vec<String>,
}

impl Default for Others {
    fn default() -> Self {
        Self { snapshot: NEVER, pool: NEVER, monitored: Vec::new() }
    }
}

const NEVER: u32 = 100;

impl Others {
    /// Asks LVM. What does not answer extends nothing: the guard then works, and LVM's own lock keeps the two apart.
    pub fn ask(host: &dyn Look) -> Self {
        let keys = ["activation/snapshot_autoextend_threshold", "activation/thin_pool_autoextend_threshold"];
        let config = Cmd::reads("lvmconfig", ["--typeconfig", "full"].iter().copied().chain(keys));
        let text = host.run(&config).ok().filter(crate::model::Output::ok).map(|output| output.stdout).unwrap_or_default();
        let (snapshot, pool) = thresholds(&String::from_utf8_lossy(&text));
        if snapshot >= NEVER && pool >= NEVER {
            return Self::default();
        }
        // Asked only now: the question itself may start dmeventd.
        let lvs = Cmd::reads("lvs", ["--reportformat", "json", "-o", "vg_name,lv_name,seg_monitor"]).within(20);
        let text = host.run(&lvs).ok().map(|output| output.stdout).unwrap_or_default();
        Self { snapshot, pool, monitored: monitored(&text) }
    }

    /// Why a fuse is nobody's business but dmeventd's.
    pub fn has(&self, lv: &str, part: FusePart) -> Option<String> {
        let (threshold, setting) = match part {
            FusePart::Store => (self.snapshot, "snapshot_autoextend_threshold"),
            FusePart::Data | FusePart::Metadata => (self.pool, "thin_pool_autoextend_threshold"),
        };
        (threshold < NEVER && self.monitored.iter().any(|known| known == lv)).then(|| {
            format!(
                "dmeventd extends it from {threshold} % on ({setting} in lvm.conf); it looks every 10 s, and a fast writer can overrun it"
            )
        })
    }
}

fn thresholds(text: &str) -> (u32, u32) {
    let value = |key: &str| {
        let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
        line.trim().parse().ok()
    };
    (value("snapshot_autoextend_threshold").unwrap_or(NEVER), value("thin_pool_autoextend_threshold").unwrap_or(NEVER))
}

fn monitored(json: &[u8]) -> Vec<String> {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    let parts = value.get("report").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rows = parts.iter().filter_map(|part| part.get("lv")?.as_array()).flatten();
    let named = rows.filter_map(|row| {
        let text = |field: &str| row.get(field).and_then(Value::as_str);
        (text("seg_monitor")? == "monitored").then(|| Some(format!("{}/{}", text("vg_name")?, text("lv_name")?)))?
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_monitored_volume_below_a_threshold_is_dmeventds() {
        let text = "activation {\n\tsnapshot_autoextend_threshold=70\n\tthin_pool_autoextend_threshold=100\n}\n";
        let (snapshot, pool) = thresholds(text);
        assert_eq!((snapshot, pool), (70, 100));
        assert_eq!(thresholds("snapshot_autoextend_threshold=60\n"), (60, 100), "as lvmconfig prints one setting");
        assert_eq!(thresholds("garbage"), (100, 100));
        let json = br#"{"report":[{"lv":[{"vg_name":"vg","lv_name":"a","seg_monitor":"monitored"},{"vg_name":"vg","lv_name":"b","seg_monitor":"not monitored"}]}]}"#;
        let others = Others { snapshot, pool, monitored: monitored(json) };
        assert!(others.has("vg/a", FusePart::Store).is_some(), "two would extend one snapshot");
        assert!(others.has("vg/b", FusePart::Store).is_none(), "a snapshot that nobody monitors would be left to its fate");
        assert!(others.has("vg/a", FusePart::Data).is_none(), "a threshold of 100 means never");
        assert!(monitored(b"no json").is_empty());
    }
}
