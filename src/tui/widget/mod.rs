//! What screens are drawn from.

pub mod bar;
pub mod cursor;
pub mod pane;
pub mod text;
