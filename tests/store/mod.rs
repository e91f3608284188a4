//! What a store promises, shown on whole processes.

mod kill;
mod race;
