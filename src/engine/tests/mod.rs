//! Plans on machines as they are met: the demo's, and small ones made by hand.

mod config_text;
