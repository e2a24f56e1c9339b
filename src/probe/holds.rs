//! Whether something that a plan takes for granted holds now.

use crate::host::Look;
use crate::model::{Check, Held};

pub fn holds(_host: &dyn Look, _check: &Check) -> Held {
    Held::Unknown { why: "not built".into() }
}
