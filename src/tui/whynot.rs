//! Why an action cannot be done now. Such an action stays listed, with this reason.

use super::changing::{draft, follow, proposal, wishes};
use super::keymap::Action;
use super::model::{Model, Screen};
use super::overlay::copy;
use crate::engine::Work;

pub fn why_not(model: &Model, action: Action) -> Option<String> {
    let no = |why: &str| Some(why.to_owned());
    if let Some(wish) = wishes::of(action) {
        return wishes::why_not(model, wish);
    }
    match action {
        Action::Mend => wishes::why_not_mend(model),
        Action::Launch => match &model.changing.fixed {
            Some(fixed) => Some(fixed.clone()),
            None => proposal::why_not(model),
        },
        Action::Browse => draft::why_not_browse(model),
        Action::DryRun | Action::Script => proposal::why_not(model),
        Action::CancelJob => follow::why_not_cancel(model),
        Action::FinishJob => follow::why_not_resume(model, Work::Finish),
        Action::UndoJob => follow::why_not_resume(model, Work::Undo),
        Action::Follow if !matches!(model.screen(), Screen::Job(_)) => no("Enter opens the job; its log is there"),
        Action::Filter if matches!(model.screen(), Screen::Job(_) | Screen::Plan) => no("there is no list of things here"),
        // A form's Enter and Esc always do something.
        Action::Open if *model.screen() == Screen::Form => None,
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
