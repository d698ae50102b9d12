//! `doorward keys`: the keys that sign access tokens.

use crate::accounts::KeyState;
use clap::{Args, Subcommand};

use super::ask;
use super::failure::Failure;
use super::operator::{caller, with_accounts};
use super::output::{self, Format};
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward keys list
  doorward keys rotate         # no user notices: the new key signs after six minutes
  doorward keys rotate --now   # after a key has leaked

A running server reads the keys every second.";

const LIST_EXAMPLES: &str = "\
Examples:
  doorward keys list
  doorward keys list --json";

const ROTATE_EXAMPLES: &str = "\
Examples:
  doorward keys rotate         # no user notices: the new key signs after six minutes
  doorward keys rotate --now   # after a key has leaked: tokens that it signed are refused
  doorward logins revoke --everybody   # after that, to close the sockets that they opened

The new key is of the algorithm that tokens.algorithm names.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists the signing keys
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Creates a signing key, which replaces the current one
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// Destroys all other signing keys now: access tokens that they signed are refused
        #[arg(long)]
        now: bool,
        /// Skips the confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        format: Format,
    },
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    with_accounts(settings, async |accounts| {
        let json = match arguments.action {
            Action::List { format } => format.json,
            Action::Rotate { now, yes, format } => {
                if now {
                    ask::confirm("Refuse every access token that was issued?", yes)?;
                }
                accounts.rotate_keys(now, &caller()).await?;
                format.json
            }
        };
        let keys = accounts.list_keys().await?;
        if json {
            return output::print_json(&keys);
        }
        let rows = keys.into_iter().map(|key| {
            let created = output::moment(key.created_at);
            [key.kid, key.algorithm.name().to_owned(), word(key.state).to_owned(), created]
        });
        output::print(&output::table(["key", "algorithm", "state", "created"], rows))
    })
}

const fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next: signs soon",
        KeyState::Signing => "signing",
        KeyState::Retiring => "retiring: only verifies",
        KeyState::Retired => "retired",
    }
}
