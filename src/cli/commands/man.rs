//! `factfs man`: the manual pages of the commands, made from what `--help` is made of.

use super::Cli;
use crate::cli::exit::Problem;
use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;
use std::fs;
use std::path::PathBuf;

/// Write the manual pages to a folder, or show the page of a command
///
/// The folder gets a page for each command, factfs-mount.1 and so on, and those about paths,
/// queries, stores and the config file: factfs-tree.7, factfs-query.7, factfs-store.5,
/// factfs.toml.5.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs man ~/.local/share/man
  factfs man ./pages && man -M ./pages factfs-mount
  factfs man --page mount | man -l -")]
pub struct Args {
    /// The folder, made if it is not there; pages go to man1, man5 and man7 in it
    #[arg(value_name = "DIR", required_unless_present = "page")]
    folder: Option<PathBuf>,
    /// Print the page of this command, or of factfs itself
    #[arg(long, value_name = "COMMAND", conflicts_with = "folder")]
    page: Option<String>,
}

/// The pages that are written by hand.
const WRITTEN: [(&str, &str); 4] = [
    ("man7/factfs-tree.7", include_str!("../../../man/factfs-tree.7")),
    ("man7/factfs-query.7", include_str!("../../../man/factfs-query.7")),
    ("man5/factfs-store.5", include_str!("../../../man/factfs-store.5")),
    ("man5/factfs.toml.5", include_str!("../../../man/factfs.toml.5")),
];

pub fn run(args: Args) -> anyhow::Result<()> {
    let commands = commands();
    let Some(folder) = args.folder else {
        let asked = args.page.unwrap_or_default();
        let full = if asked == "factfs" { asked.clone() } else { format!("factfs-{asked}") };
        let found = commands.into_iter().find(|command| name(command) == full);
        let missing = || Problem::invalid(format!("there is no command `{asked}`"));
        return Ok(Man::new(found.ok_or_else(missing)?).render(&mut std::io::stdout())?);
    };
    if !folder.exists()
        && let Some(asked) = folder.to_str()
        && commands.iter().any(|command| name(command) == format!("factfs-{asked}"))
    {
        let text = format!("`{asked}` is a command, and no folder");
        let hint = "--page shows its page; ./ before it is a folder";
        return Err(Problem::invalid(text).hint(hint).into());
    }
    let write = |name: &str, text: &[u8]| -> anyhow::Result<()> {
        let file = folder.join(name);
        file.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&file, text))
            .with_context(|| file.display().to_string())
    };
    for command in commands {
        let mut text = Vec::new();
        let name = format!("man1/{}.1", name(&command));
        Man::new(command).render(&mut text)?;
        write(&name, &text)?;
    }
    WRITTEN.iter().try_for_each(|(name, text)| write(name, text.as_bytes()))
}

/// The program, then its commands.
fn commands() -> Vec<clap::Command> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Gives commands the names that their pages have.
    program.build();
    let commands: Vec<_> = program.get_subcommands().cloned().collect();
    [vec![program], commands].concat()
}

fn name(command: &clap::Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}
