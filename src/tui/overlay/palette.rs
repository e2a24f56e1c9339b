//! `:` goes anywhere: screens, actions, and domains by their names.

use super::changes;
use super::picker::{Choice, Item};
use crate::model::Wish;
use crate::tui::changing::wishes;
use crate::tui::keymap::{self, Action, Context};
use crate::tui::model::Model;
use crate::tui::whynot;
use crate::tui::widget::text;

pub fn items(model: &Model) -> Vec<Item> {
    let moves = [
        Action::Up,
        Action::Down,
        Action::First,
        Action::Last,
        Action::HalfDown,
        Action::HalfUp,
        Action::PageDown,
        Action::PageUp,
        Action::Palette,
    ];
    let actions = keymap::of(model.screen().contexts())
        .filter(|binding| {
            binding.context != Context::Everywhere && !moves.contains(&binding.action) && wishes::of(binding.action).is_none()
        })
        .map(|binding| Item {
            key: format!("{:?}", binding.action),
            left: binding.label.to_lowercase(),
            right: binding.help.to_owned(),
            also: "",
            why_not: whynot::why_not(model, binding.action),
            choice: Choice::Act(binding.action),
        });
    let domains = model.inventory().map_or(&[][..], |inventory| &inventory.domains).iter().map(|domain| Item {
        key: format!("domain {}", domain.id),
        left: text::brief(&domain.id),
        right: format!("domain, {}", domain.power.as_str()),
        also: "",
        why_not: None,
        choice: Choice::Domain(domain.id.clone()),
    });
    let screens = |item: &Item| {
        matches!(
            item.choice,
            Choice::Act(
                Action::Domains | Action::Domain | Action::Storage | Action::Findings | Action::Commands | Action::Jobs | Action::Backups
            )
        )
    };
    let (first, rest): (Vec<Item>, Vec<Item>) = actions.partition(screens);
    let wishes = Wish::ALL.iter().map(|wish| changes::item(model, *wish)).filter(|_| model.screen().contexts().contains(&Context::Host));
    let wishes: Vec<Item> = wishes.collect();
    first.into_iter().chain(domains).chain(wishes).chain(rest).collect()
}
