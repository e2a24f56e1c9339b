//! Carries plans out; the only room that will be handed a [`crate::host::Act`]. The journal's words are in [`crate::model::job`].
