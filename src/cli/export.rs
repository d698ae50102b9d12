//! `doorward export`: all accounts, as `doorward import` reads them.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::accounts::export::export;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;

use super::failure::Failure;
use super::operator::{self, Absent, caller};
use super::private_output::PrivateOutput;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward export --to accounts.jsonl
  doorward export | jq -r 'select(.roles | index(\"admin\")) | .username'
  doorward export | ssh new-host doorward import --from - --allow-admins --create

One JSON object a line: id, username, display_name, language, email, email_verified, hash, roles,
claims, disabled, created. It is a consistent snapshot, even while a server writes. It contains the password
hashes and addresses of all users: protect it like the database, and delete it when it was imported.
See docs/IMPORT.md.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where to write the accounts; an existing file is not overwritten, and `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    to: PathBuf,
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let config = settings.load()?.config;
    operator::require_database(&config, Absent::IsWrong)?;
    if arguments.to.as_os_str() == "-" {
        let count = write(&config, io::stdout().lock())?;
        // Standard output holds the accounts.
        let _ = writeln!(io::stderr(), "exported {count} accounts");
        return Ok(());
    }
    let output = PrivateOutput::create(&arguments.to)?;
    let count = write(&config, output.open()?)?;
    output.place()?;
    super::output::print(&format!("{} holds {count} accounts\n", arguments.to.display()))
}

fn write(config: &Config, out: impl Write) -> Result<usize, Failure> {
    let pool = app::open_database(config, 1).map_err(Failure::Running)?;
    let mut conn = pool.get().map_err(Failure::running)?;
    let mut out = BufWriter::new(out);
    let count = export(&mut conn, &Clock::System, &caller(), &mut out).map_err(Failure::running)?;
    out.flush().map_err(|error| Failure::Running(format!("cannot write: {error}")))?;
    Ok(count)
}
