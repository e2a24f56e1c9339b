//! stub
use crate::model::*;
#[derive(Clone, Debug, Default)]
pub struct LibxlConfig { pub name: Option<String>, pub uuid: Option<String>, pub guest_type: Option<String>, pub memory_bytes: Option<u64>, pub kernel: Option<String>, pub ramdisk: Option<String>, pub cmdline: Option<String>, pub disks: Vec<Disk> }
pub fn config(_v: &serde_json::Value) -> LibxlConfig { LibxlConfig::default() }
impl LibxlConfig { pub fn nfs_root(&self) -> Option<Disk> { None } pub fn into_config(self, _p: HostPath) -> Config { unreachable!() } }
