//! The `factfs` command: everything it does is in `cli`.

mod cli;

fn main() -> std::process::ExitCode {
    // The mounting process runs this program again to clean up after it.
    if factfs_mount::child::was_watchdog() {
        return std::process::ExitCode::SUCCESS;
    }
    cli::run()
}
