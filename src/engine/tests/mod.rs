//! Plans on machines as they are met: the demo's, and texts read back with xl's own rules.

mod config_text;
mod plans;
