//! Where distribution packages come from.

pub mod arch;
