//! The block copier's room. Its words ([`crate::model::Location`], [`crate::model::Extent`]) are settled; the copier itself comes next.
