//! `factfs mount-helper`: what `mount -t factfs` runs, under the name `mount.factfs`.

use crate::cli::exit::Problem;
use crate::cli::mounting::config::Store;
use crate::cli::mounting::{Config, Source, mount8, of_entry, of_stores, stay};
use crate::cli::open;
use std::path::Path;
use std::process::ExitCode;

/// Mount as mount(8) asks for it: what a link /sbin/mount.factfs to this program does
#[derive(Debug, clap::Args)]
#[command(after_help = "\
SPEC is databases, NAME=URL;NAME=URL, or the name of a mount of the config file. OPTIONS are those
of factfs mount; what fstab says to others (noauto, nofail, _netdev, x-systemd.automount) is taken.

Examples:
  factfs mount-helper 'catalog=/srv/catalog;inventory=/srv/inventory' /mnt -o ro
  ln -s $(command -v factfs) /sbin/mount.factfs
  mount -t factfs 'catalog=/srv/catalog;inventory=/srv/inventory' /mnt -o ro")]
pub struct Args {
    /// SPEC DIR [-sfnvrw] [-o OPTIONS]
    #[arg(value_name = "ARG", required = true, num_args = 1..)]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let asked = mount8::read(&args.args).map_err(Problem::invalid)?;
    if asked.is_fake {
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::find(None, &open::settings().env)?;
    let source = Source { config: config.as_ref(), given: &asked.options };
    let is_name = !asked.spec.contains(['=', '/', ':', ';']);
    let setup = match &config {
        Some(config) if is_name => {
            let mut setup = of_entry(config.mount(&asked.spec)?, source)?;
            // mount(8) says where.
            setup.point = asked.point.into();
            setup
        }
        _ => {
            let specs = asked.spec.split(';').filter(|spec| !spec.is_empty());
            let stores = specs.map(Store::named).collect::<Result<_, _>>()?;
            of_stores(Path::new(&asked.point), stores, source)?
        }
    };
    stay(&setup, false)
}
