//! `factfs completions`: what a shell needs to complete commands and options.

use super::Cli;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs completions bash > ~/.local/share/bash-completion/completions/factfs
  factfs completions zsh > ~/.zfunc/_factfs
  factfs completions fish > ~/.config/fish/completions/factfs.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "factfs", &mut text);
    Ok(std::io::stdout().write_all(&text)?)
}
