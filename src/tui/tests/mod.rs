//! The screens as a person meets them.

mod budgets;
mod hostile;
mod journeys;
mod looking;
mod pictures;
