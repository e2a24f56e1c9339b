//! The backup format: what a bundle is, and its manifest.

pub mod manifest;
