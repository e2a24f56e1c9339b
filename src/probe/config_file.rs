//! stub
use crate::model::*;
pub struct Reading { pub config: Option<Config>, pub unreadable: Option<crate::model::inventory::UnreadableConfig> }
pub fn read(_path: &HostPath, _bytes: &[u8]) -> Reading { Reading { config: None, unreadable: None } }
