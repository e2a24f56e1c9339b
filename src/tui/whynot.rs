//! Why an action cannot be done now. Such an action stays listed, with this reason.

use super::keymap::Action;
use super::model::{Model, Screen};
use super::overlay::copy;

pub fn why_not(model: &Model, action: Action) -> Option<String> {
    let no = |why: &str| Some(why.to_owned());
    match action {
        Action::Filter if matches!(model.screen(), Screen::Domain(_)) => no("there is one domain here; the lists can be filtered"),
        Action::Sort if *model.screen() != Screen::Domains => no("only the list of domains is sorted by column: press 1"),
        Action::Domain if model.selected_domain().is_none() => no("no domain is selected"),
        Action::Gaps if model.picture.is_none() => no("the host is still being looked at"),
        Action::Gaps if model.inventory().is_some_and(|inventory| inventory.gaps.is_empty()) => {
            no("everything that was asked could be read")
        }
        Action::Copy if copy::items(model).is_empty() => no("nothing is selected"),
        Action::Open if !super::screen::opens(model) => no("there is nothing behind this line"),
        Action::Back if model.trail.len() < 2 => no("this is the first screen; q leaves"),
        Action::NextPane | Action::PreviousPane if super::screen::pane_count(model) < 2 => no("there is one pane here"),
        _ => None,
    }
}
