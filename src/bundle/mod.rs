//! The backup format: what a bundle is, and how it is read, checked and restored without domkeep.
//!
//! | file | what |
//! | --- | --- |
//! | [`manifest`] | `manifest.toml`: reading a stranger's, writing ours |
//! | [`hash_list`] | `<piece>.hashes` |
//! | [`piece`] | reading one piece against its hashes |
//! | [`segments`] | a piece that lies as a directory of segments |
//! | [`verify`] | reading a whole bundle so |
//! | [`restore`] | `RESTORE.txt` |
//! | [`seal`] | from a draft and what the copies told to the finished files |
//!
//! The words are in [`crate::model::bundle`], the names of files in [`crate::model::bundle_names`]. Nothing here opens a path: bytes and
//! open files are handed in.

pub mod hash_list;
pub mod manifest;
pub mod piece;
pub mod restore;
pub mod seal;
pub mod segments;
#[cfg(test)]
pub mod testing;
pub mod verify;
