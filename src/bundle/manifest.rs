//! `manifest.toml`: the words are in [`crate::model::bundle`].

pub use crate::model::bundle::{HASH_BLOCK, LeftOut, MANIFEST_VERSION, Manifest};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bundle::Piece;
    use chrono::DateTime;

    #[test]
    fn a_manifest_survives_its_file() {
        let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            id: "0123456789abcdef".into(),
            domain: "web1".into(),
            uuid: None,
            host: "host.example.com".into(),
            tool: "0.1.0".into(),
            consistency: "the domain was off".into(),
            torn: None,
            started: time,
            instant: time,
            ended: time,
            pieces: vec![Piece {
                name: "xvda.img".into(),
                kind: "disk".into(),
                bytes: 1 << 30,
                source: "/dev/vg/web1".into(),
                source_identity: "lv:RZ2V3w".into(),
                vdev: Some("xvda".into()),
                source_kind: Some("lvm".into()),
                digest: "blake3:00".into(),
                compression: "none".into(),
                unreadable: vec![(4096, 512)],
            }],
            left_out: vec![],
        };
        let text = toml::to_string(&manifest).unwrap();
        assert_eq!(toml::from_str::<Manifest>(&text).unwrap(), manifest, "a backup could not be read back:\n{text}");
    }
}
