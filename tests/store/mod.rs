//! What a store promises, shown on whole processes.

mod clone;
mod damage;
mod golden;
mod kill;
mod long;
mod power;
mod race;
mod s3;
mod soak;
mod table;
