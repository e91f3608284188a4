//! The `factfs` command.

fn main() {}
