//! The backup format: what a bundle is, and its manifest.

pub mod hash_list;
pub mod manifest;
