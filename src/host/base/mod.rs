//! Where distribution packages come from: Arch's mirrors, or the stand-in composed here.

pub mod standin;
