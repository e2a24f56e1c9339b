//! The same things without a screen; one file a subcommand.
