//! Parses the command line, runs a command, and exits with 0 if it succeeded, 1 if it failed, and 2 if the
//! command line or the configuration is wrong.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Must come before anything that creates a file.
    doorward::private_files::set_umask();
    cli::run()
}
