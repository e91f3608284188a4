//! The commands, one file each: its arguments, and what it does.
//!
//! **Invariant:** a command's file holds all that `--help` says about it, with examples.

// floor 0
mod branch;
mod check_store;
mod clone;
mod completions;
mod demo;
mod diff;
mod doctor;
mod gc;
mod import;
mod init;
mod log;
mod man;
mod merge;
mod mount;
mod mount8;
mod pull;
mod purge;
mod query;
mod status;
mod tag;
mod transact;
mod umount;
mod verify;
mod verify_result;

use super::{exit, open};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A database that teams share without a server, mounted as folders.
#[derive(Debug, Parser)]
#[command(name = "factfs", version, after_help = after_help(), max_term_width = 100)]
#[command(arg_required_else_help = true, infer_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Where nodes of remote stores are kept on disk
    #[arg(long, global = true, hide = true, value_name = "DIR|off")]
    cache: Option<String>,
    /// How many bytes of them
    #[arg(long, global = true, hide = true, value_name = "BYTES")]
    cache_bytes: Option<String>,
}

/// What all commands have in common is said here once, and not in the help of each.
fn after_help() -> String {
    let cache = "\
Every command keeps what it reads of remote stores on disk, for the next one:
  --cache DIR|off      where [default: factfs in the user's caches; or FACTFS_CACHE]
  --cache-bytes BYTES  how much, such as 500M [default: 2G; or FACTFS_CACHE_BYTES]
";
    format!("{cache}\n{}", exit::table())
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Mount(mount::Args),
    #[command(name = "mount-helper", hide = true)]
    Mount8(mount8::Args),
    Umount(umount::Args),
    Transact(transact::Args),
    Query(query::Args),
    Pull(pull::Args),
    Import(import::Args),
    Log(log::Args),
    Diff(diff::Args),
    Branch(branch::Args),
    Merge(merge::Args),
    Tag(tag::Args),
    Gc(gc::Args),
    Purge(purge::Args),
    Status(status::Args),
    Doctor(doctor::Args),
    Verify(verify::Args),
    VerifyResult(verify_result::Args),
    Clone(clone::Args),
    CheckStore(check_store::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs one.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    open::set_cache(cli.cache, cli.cache_bytes);
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Init(args) => init::run(args),
        Command::Mount(args) => return mount::run(args),
        Command::Mount8(args) => return mount8::run(args),
        Command::Umount(args) => umount::run(args),
        Command::Transact(args) => transact::run(args),
        Command::Query(args) => query::run(args),
        Command::Pull(args) => pull::run(args),
        Command::Import(args) => import::run(args),
        Command::Log(args) => log::run(args),
        Command::Diff(args) => return diff::run(args),
        Command::Branch(args) => branch::run(args),
        Command::Merge(args) => return merge::run(args),
        Command::Tag(args) => tag::run(args),
        Command::Gc(args) => gc::run(args),
        Command::Purge(args) => purge::run(args),
        Command::Status(args) => status::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Verify(args) => verify::run(args),
        Command::VerifyResult(args) => verify_result::run(args),
        Command::Clone(args) => clone::run(args),
        Command::CheckStore(args) => check_store::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }?;
    Ok(ExitCode::SUCCESS)
}
