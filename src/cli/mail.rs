//! `doorward mail test`: sends a test email.

use crate::clock::Clock;
use crate::mail;
use clap::{Args, Subcommand};
use doorward_core::domain::Email;

use super::failure::Failure;
use super::settings::Settings;
use super::{operator, output};

const EXAMPLES: &str = "\
Examples:
  doorward mail test you@example.org

  # with another mail server than the configured one
  doorward mail test you@example.org --set mail.url='smtp://user:PASSWORD@mail.example.org:587'";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Sends an email now, as `mail.url` says, and shows why it cannot be sent
    #[command(after_help = EXAMPLES)]
    Test {
        /// The email address to send it to
        address: String,
    },
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    let Action::Test { address } = arguments.action;
    let config = settings.load()?.config;
    let address = Email::parse(&address).map_err(|error| Failure::Usage(error.detail))?;
    operator::log_warnings(&config)?;
    let sent = actix::System::new().block_on(mail::send_test(&config, &Clock::System, &address));
    sent.map_err(|error| Failure::Running(format!("the email was not sent: {error}")))?;
    output::print(&match mail::preview_directory(&config) {
        Some(directory) => format!("kept in {}: mail.url is preview\n", directory.display()),
        None => format!("the mail server accepted an email for {}\n", address.as_str()),
    })
}
