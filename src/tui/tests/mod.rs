//! The screens as a person meets them.

mod backups;
mod budgets;
mod changes;
mod hostile;
mod jobs;
mod journeys;
mod looking;
mod pictures;
