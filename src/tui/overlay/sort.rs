//! Columns to sort the domains by.

use super::picker::{Choice, Item};
use crate::tui::model::Model;
use crate::tui::screen::domains::Column;

pub fn items(model: &Model) -> Vec<Item> {
    Column::ALL
        .iter()
        .map(|column| {
            let now = model.sort.column == *column;
            let right = match (now, model.sort.descending) {
                (true, false) => "now, upwards; again turns it round",
                (true, true) => "now, downwards; again turns it round",
                _ => "",
            };
            Item {
                key: column.word().to_owned(),
                left: column.word().to_owned(),
                right: right.to_owned(),
                also: "",
                why_not: None,
                choice: Choice::Sort(*column),
            }
        })
        .collect()
}
