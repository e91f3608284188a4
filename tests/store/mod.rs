//! What a store promises, shown on whole processes.

pub mod again;
mod clone;
mod credentials;
mod damage;
mod golden;
mod kill;
mod long;
mod power;
#[cfg(feature = "aws")]
mod profiles;
mod race;
mod s3;
mod soak;
mod table;
