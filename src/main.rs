//! The program: everything is in the library, so that the compiler sees what no command uses.

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward::run()
}
