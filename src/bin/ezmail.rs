//! `ezmail`: the build host's tool.
fn main() {}
