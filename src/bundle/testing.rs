//! Bundles for tests.
#![allow(clippy::disallowed_methods, reason = "a test lays bundles out in a directory of its own")]

use std::path::{Path, PathBuf};

use chrono::DateTime;

use super::hash_list::{BlockHash, Writer};
use super::manifest::{MANIFEST_VERSION, Manifest, Piece};
use super::seal::Sealed;
use super::verify::{OpenPiece, Shelf};
use crate::model::bundle_names::hashes_name;

pub fn disk(name: &str, bytes: u64) -> Piece {
    Piece {
        name: name.into(),
        kind: "disk".into(),
        bytes,
        source: "/dev/vg/web1".into(),
        source_identity: "lv:RZ2V3w".into(),
        vdev: Some("xvda".into()),
        source_kind: Some("lvm".into()),
        format: None,
        digest: format!("blake3:{}", "0".repeat(64)),
        compression: "none".into(),
        segment_bytes: None,
        unreadable: vec![],
        increment: None,
    }
}

pub fn manifest(pieces: Vec<Piece>) -> Manifest {
    let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    Manifest {
        version: MANIFEST_VERSION,
        id: "0123456789abcdef".into(),
        domain: "web1".into(),
        uuid: None,
        host: "host.example.com".into(),
        tool: "0.1.0".into(),
        consistency: "the domain was off".into(),
        strategy: None,
        torn: None,
        full_because: None,
        started: time,
        instant: time,
        ended: time,
        pieces,
        left_out: vec![],
    }
}

/// Data, zeros, data, and a short last block.
pub fn image() -> Vec<u8> {
    let mut image = vec![0; (3 << 20) + 777];
    image[5] = 1;
    image[(2 << 20) + 9..][..5].copy_from_slice(b"\0data");
    image[(3 << 20) + 770] = 0xff;
    image
}

/// Writes pieces with their lists of hashes; sizes and digests are filled in.
pub fn lay_out_pieces(dir: &Path, manifest: &mut Manifest, bytes: &[Vec<u8>]) {
    for (piece, bytes) in manifest.pieces.iter_mut().zip(bytes) {
        std::fs::write(dir.join(&piece.name), bytes).unwrap();
        let mut list = Writer::new(Vec::new());
        bytes.chunks(1 << 20).for_each(|block| list.push(BlockHash::of(block)).unwrap());
        let (list, summary) = list.finish().unwrap();
        std::fs::write(dir.join(hashes_name(&piece.name)), list).unwrap();
        piece.bytes = bytes.len() as u64;
        piece.digest = summary.digest;
    }
}

/// The same with its manifest and RESTORE.txt.
pub fn lay_out(dir: &Path, manifest: &mut Manifest, bytes: &[Vec<u8>]) {
    lay_out_pieces(dir, manifest, bytes);
    for (name, text) in Sealed::new(manifest).unwrap().files() {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

/// A bundle in a directory of this machine.
pub struct DirShelf(pub PathBuf);

impl Shelf for DirShelf {
    fn open(&self, name: &str) -> Result<Option<OpenPiece>, String> {
        match std::fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(OpenPiece { length: bytes.len() as u64, bytes: Box::new(bytes), extents: Vec::new() })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, String> {
        Ok(std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_encoded_bytes()).collect())
    }
}
