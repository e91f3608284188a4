//! What a store promises, shown on whole processes.

mod clone;
mod damage;
mod kill;
mod race;
mod s3;
mod table;
