//! The examples of the manual pages, run as they are written there.

use super::{Sandbox, session};

#[test]
fn the_examples_of_the_dialect_are_true() {
    let steps = session::of_manual(include_str!("../../man/factfs-query.7"));
    assert!(steps.len() > 20, "{} steps", steps.len());
    session::run(&steps, &Sandbox::demo());
}
