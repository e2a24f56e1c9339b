//! All keys of the screen below, from the one key table.

use super::picker::{Choice, Item};
use crate::tui::keymap;
use crate::tui::model::Model;
use crate::tui::whynot;

pub fn items(model: &Model) -> Vec<Item> {
    keymap::of(model.screen().contexts())
        .map(|binding| Item {
            key: format!("{:?}/{:?}", binding.context, binding.action),
            left: binding.keys.join(", "),
            right: binding.help.to_owned(),
            also: binding.label,
            why_not: whynot::why_not(model, binding.action),
            choice: Choice::Act(binding.action),
        })
        .collect()
}
