//! `doorward completions`: a script that lets a shell complete the commands.

use clap_complete::Shell;

use super::failure::Failure;
use super::output;

const EXAMPLES: &str = "\
Examples:
  doorward completions bash > ~/.local/share/bash-completion/completions/doorward
  doorward completions zsh > ~/.zfunc/_doorward
  doorward completions fish > ~/.config/fish/completions/doorward.fish";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The shell that reads the script
    shell: Shell,
}

/// `command` is the whole command line.
pub fn run(arguments: &Arguments, command: &mut clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "doorward", &mut script);
    output::write(&String::from_utf8_lossy(&script))
}
