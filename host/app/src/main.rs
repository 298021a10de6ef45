//! The binary `motet-host`.
fn main() {}
