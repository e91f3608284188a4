//! `factfs umount`: takes a mount away.

use std::path::PathBuf;
use std::time::Duration;

/// Unmount what is mounted at folders
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Files that are open stay readable until they are closed.

Examples:
  factfs umount ~/data")]
pub struct Args {
    /// The folder
    #[arg(value_name = "DIR", required = true)]
    points: Vec<PathBuf>,
    /// How many seconds to wait for the process behind the mount to end
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    for point in &args.points {
        factfs_mount::point::unmount(point, Duration::from_secs(args.wait))?;
    }
    Ok(())
}
