//! Request + Inventory + Facts -> Plan | Refusal: pure. The types are in [`crate::model::plan`]; the plans come with the first change.
