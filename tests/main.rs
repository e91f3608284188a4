//! The integration tests: one binary, and in this file only the list of its modules.

mod cli;
mod mount;
mod store;
mod support;
mod tidy;
