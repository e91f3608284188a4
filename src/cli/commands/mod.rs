//! The commands, one file each: its arguments, and what it does.
//!
//! **Invariant:** a command's file holds all that `--help` says about it, with examples.

// floor 0
mod branch;
mod check_store;
mod completions;
mod demo;
mod import;
mod init;
mod log;
mod mount;
mod pull;
mod query;
mod status;
mod tag;
mod transact;
mod umount;

use super::exit;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A database that teams share without a server, mounted as folders.
#[derive(Debug, Parser)]
#[command(name = "factfs", version, after_help = exit::table(), max_term_width = 100)]
#[command(arg_required_else_help = true, infer_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Mount(mount::Args),
    Umount(umount::Args),
    Transact(transact::Args),
    Query(query::Args),
    Pull(pull::Args),
    Import(import::Args),
    Log(log::Args),
    Branch(branch::Args),
    Tag(tag::Args),
    Status(status::Args),
    CheckStore(check_store::Args),
    Completions(completions::Args),
}

/// Runs one.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Init(args) => init::run(args),
        Command::Mount(args) => return mount::run(args),
        Command::Umount(args) => umount::run(args),
        Command::Transact(args) => transact::run(args),
        Command::Query(args) => query::run(args),
        Command::Pull(args) => pull::run(args),
        Command::Import(args) => import::run(args),
        Command::Log(args) => log::run(args),
        Command::Branch(args) => branch::run(args),
        Command::Tag(args) => tag::run(args),
        Command::Status(args) => status::run(args),
        Command::CheckStore(args) => check_store::run(args),
        Command::Completions(args) => completions::run(args),
    }?;
    Ok(ExitCode::SUCCESS)
}
