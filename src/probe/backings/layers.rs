//! From a backing down to the metal: the lines of the state map.

use super::Backings;
use crate::model::{Backing, HostPath, Layer, LogicalVolume};
use crate::probe::devices::Device;

impl Backings<'_, '_> {
    pub(super) fn volume_layers(&self, volume: &LogicalVolume) -> Vec<Layer> {
        let mut layers = vec![Layer {
            what: if volume.is_classic_snapshot() { "snapshot" } else { "volume" }.into(),
            name: volume.full_name(),
            bytes: Some(volume.bytes),
            used: None,
        }];
        if let Some(origin) = &volume.origin {
            layers.push(layer("snapshot of", format!("{}/{origin}", volume.vg), None));
        }
        if let Some(pool) = &volume.pool {
            let found = self.ground.volumes.iter().find(|other| other.vg == volume.vg && &other.name == pool);
            layers.push(Layer {
                what: "thin pool".into(),
                name: format!("{}/{pool}", volume.vg),
                bytes: found.map(|pool| pool.bytes),
                used: found.and_then(|pool| Some(share(pool.bytes, pool.data_percent?))),
            });
        }
        layers.push(layer("volume group", volume.vg.clone(), None));
        for physical in self.ground.physical_volumes.iter().filter(|physical| physical.vg == volume.vg) {
            layers.push(Layer {
                what: "physical volume".into(),
                name: physical.path.to_string(),
                bytes: Some(physical.bytes),
                used: Some(physical.bytes.saturating_sub(physical.free)),
            });
        }
        layers
    }

    pub(super) fn file_layers(&self, backing: &Backing, real: &HostPath) -> Vec<Layer> {
        let mut layers = vec![Layer {
            what: "file".into(),
            name: backing.path.to_string(),
            bytes: backing.file_bytes.or(backing.bytes),
            used: backing.allocated,
        }];
        let mount =
            self.ground.mounts.iter().filter(|mount| real.starts_with(&mount.mount.at)).max_by_key(|mount| mount.mount.at.as_bytes().len());
        if let Some(mount) = mount {
            layers.push(layer("file system", format!("{} on {}", mount.mount.fs, mount.mount.at), None));
            let number =
                mount.number.filter(|number| number.0 != 0).or_else(|| self.number_named(&HostPath::from(mount.mount.source.as_str())));
            if let Some(device) = number.and_then(|number| self.ground.devices.by_number.get(&number)) {
                layers.push(layer(device_word(device), device_name(device), device.bytes));
                for below in self.ground.devices.below(device.number) {
                    layers.push(layer(device_word(below), device_name(below), below.bytes));
                }
            } else {
                layers.push(layer("source", crate::model::shown::text(&mount.mount.source), None));
            }
        }
        layers
    }
}

pub(super) fn layer(what: &str, name: String, bytes: Option<u64>) -> Layer {
    Layer { what: what.to_owned(), name, bytes, used: None }
}

pub(super) fn device_word(device: &Device) -> &'static str {
    match device.kind.as_str() {
        "part" => "partition",
        "disk" => "disk",
        "loop" => "loop",
        "lvm" => "volume",
        "crypt" => "encrypted",
        "mpath" => "multipath",
        kind if kind.starts_with("raid") => "RAID",
        _ => "device",
    }
}

pub(super) fn device_name(device: &Device) -> String {
    let name = crate::model::shown::text(&format!("/dev/{}", device.kname));
    match &device.model {
        Some(model) => format!("{name} ({})", crate::model::shown::text(model)),
        None => name,
    }
}

/// A percentage of a size, in bytes; LVM reports two decimals.
pub(super) fn share(bytes: u64, percent: f64) -> u64 {
    let hundredths = percent.clamp(0.0, 100.0) * 100.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=10000")]
    let hundredths = hundredths.round() as u64;
    u64::try_from(u128::from(bytes) * u128::from(hundredths) / 10_000).unwrap_or(bytes)
}
