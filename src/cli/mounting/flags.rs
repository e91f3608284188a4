//! The options of a mount on the command line: `--NAME VALUE`, and `-o NAME=VALUE,...`.
//!
//! **Invariant:** made from the table of options alone; a value that would not do is a mistake on
//! the command line.

use super::options::{self, Row, TABLE};
use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// Options of the whole program, whose values come from there.
const OF_THE_PROGRAM: [&str; 2] = ["cache", "cache-bytes"];

/// What was given, in the order in which it counts.
#[derive(Clone, Default)]
pub struct OptionArgs(pub Vec<(&'static Row, String)>);

impl std::fmt::Debug for OptionArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(row, value)| (row.name, value))).finish()
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| !OF_THE_PROGRAM.contains(&row.name))
}

fn arg(row: &'static Row) -> Arg {
    let arg = Arg::new(row.name).long(row.long.unwrap_or(row.name));
    let arg = arg.help(format!("{} [default: {}]", row.help, row.default));
    match row.value {
        None => arg.action(ArgAction::SetTrue).aliases(row.long.map(|_| row.name)),
        Some(value) => {
            let read = move |text: &str| options::check(row, text).map(|()| text.to_owned());
            arg.value_name(value).value_parser(read).allow_hyphen_values(row.name == "log")
        }
    }
}

impl clap::Args for OptionArgs {
    fn augment_args(command: Command) -> Command {
        let list = Arg::new("options")
            .short('o')
            .value_name("NAME[=VALUE],...")
            .action(ArgAction::Append)
            .value_parser(|text: &str| options::list(text).map(|_| text.to_owned()))
            .help("Options as in fstab: those below by their names, ro, and cache=, cache-bytes=");
        command.arg(list).args(rows().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Vec::new();
        for text in matches.get_many::<String>("options").into_iter().flatten() {
            // It was read before, by the parser of the value.
            given.extend(options::list(text).unwrap_or_default());
        }
        for row in rows() {
            match row.value {
                None if matches.get_flag(row.name) => given.push((row, String::new())),
                None => {}
                Some(_) => given
                    .extend(matches.get_one::<String>(row.name).map(|value| (row, value.clone()))),
            }
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
