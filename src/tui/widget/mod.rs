//! What screens are drawn from.

pub mod bar;
pub mod cursor;
pub mod map;
pub mod pane;
pub mod prose;
pub mod text;
