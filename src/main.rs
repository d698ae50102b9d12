//! Reads the command line, runs a command, answers with an exit code: 0 done, 1 it failed while it ran,
//! 2 the command line or the configuration is wrong.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything can make a file.
    doorward::private_files::set_umask();
    cli::run()
}
