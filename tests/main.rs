//! The integration tests: one binary, and in this file only the list of its modules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends so")]

mod cli;
mod conformance;
mod mount;
mod store;
mod support;
mod tidy;
