//! Inventory -> findings. One rule a file; the table of rules is here.
