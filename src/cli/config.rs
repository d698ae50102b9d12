//! `doorward config`: the settings in force, and where each comes from; `doorward config init` writes a file to begin
//! with.

use std::path::{Path, PathBuf};

use crate::config::{Setting, starter_file};

use super::failure::Failure;
use super::output;
use super::private_output::PrivateOutput;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward config
  doorward config --config /etc/doorward/doorward.toml
  doorward config --listen :9000   # what would be in force with this option
  doorward config init             # writes doorward.toml to begin with";

const INIT_EXAMPLES: &str = "\
Examples:
  doorward config init
  doorward config init --set public_url=https://id.example.org
  doorward config init --file /etc/doorward/doorward.toml --data-dir /var/lib/doorward

The file explains the settings that people change first. Each is a comment that shows its default, so the file changes
nothing until you edit it. Settings given with --set are in effect in it. Only its owner can read it, because it may
hold the passwords of the database and the mail server.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Writes a commented configuration file to begin with
    #[command(after_help = INIT_EXAMPLES)]
    Init(Init),
}

#[derive(clap::Args)]
struct Init {
    /// Where to write it; `-` prints it
    #[arg(long, value_name = "FILE", default_value = "doorward.toml")]
    file: PathBuf,
    /// Replaces an existing file, keeping its owner and mode
    #[arg(long)]
    force: bool,
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None => output::print(&table(&settings.load()?.settings)),
        Some(Action::Init(init)) => write(settings, init),
    }
}

fn write(settings: Settings, Init { file, force }: &Init) -> Result<(), Failure> {
    if settings.names_file() {
        let why = "--config names a file to read: say with --file where to write one".to_owned();
        return Err(Failure::Usage(why));
    }
    let text = starter_file(settings.flags())?;
    if file == Path::new("-") {
        return output::write(&text);
    }
    let output = if *force {
        PrivateOutput::over(file)?
    } else {
        PrivateOutput::anywhere(file, "add --force to replace it")?
    };
    output.fill(&text)?;
    output.place()?;
    let name = file.display();
    output::print(&if file == Path::new("doorward.toml") {
        format!("{name} is written. `doorward` reads it when it starts in this directory.\n")
    } else {
        format!("{name} is written. `doorward --config {name}` reads it.\n")
    })
}

fn table(settings: &[Setting]) -> String {
    let rows = settings.iter().map(|s| [s.key.to_owned(), s.value.clone(), s.origin.to_string()]);
    output::table(["key", "value", "from"], rows)
}

#[cfg(test)]
mod tests {
    use crate::config::ValueSource;

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let settings = [
            Setting { key: "a.long_key", value: "x".to_owned(), origin: ValueSource::Default },
            Setting { key: "b", value: "a value".to_owned(), origin: ValueSource::CommandLine },
        ];
        assert_eq!(
            table(&settings),
            "key         value    from\na.long_key  x        default\nb           a value  command line\n"
        );
    }
}
