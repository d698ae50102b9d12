//! `doorward logins`: the devices on which accounts are signed in.

use crate::accounts::Error;
use crate::models::logins::Scope;
use clap::{Args, Subcommand};
use doorward_core::domain::LoginId;

use super::ask;
use super::failure::Failure;
use super::operator::{caller, find, logins_table, with_accounts};
use super::output::{self, Format};
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward logins list alice
  doorward logins revoke 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708
  doorward logins revoke --user alice   # all logins of alice
  doorward logins revoke --everybody    # signs every user out

Sockets of a revoked login close within two seconds.";

const LIST_EXAMPLES: &str = "\
Examples:
  doorward logins list alice
  doorward logins list alice@example.org --json";

const REVOKE_EXAMPLES: &str = "\
Examples:
  doorward logins revoke 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708
  doorward logins revoke --user alice         # all logins of alice
  doorward logins revoke --everybody --yes    # signs every user out, without a question

Their sockets close within two seconds.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists the active logins of an account
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// A username, a verified email address, or an id
        user: String,
        #[command(flatten)]
        format: Format,
    },
    /// Revokes logins: their tokens are refused and their sockets closed
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        #[command(flatten)]
        which: Which,
        /// Skips the confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The id of one login, as `doorward logins list` shows it
    login: Option<LoginId>,
    /// Revokes all logins of an account
    #[arg(long)]
    user: Option<String>,
    /// Revokes all logins of all accounts
    #[arg(long)]
    everybody: bool,
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    with_accounts(settings, async |accounts| match arguments.action {
        Action::List { user, format } => {
            let account = find(&accounts, &user).await?;
            let signed_in = accounts.logins_of(account.id).await?;
            if format.json {
                output::print_json(&signed_in)
            } else {
                output::print(&logins_table(&signed_in))
            }
        }
        Action::Revoke { which, yes } => {
            let scope = match which {
                Which { login: Some(login), .. } => Scope::Login(login),
                Which { user: Some(user), .. } => Scope::User(find(&accounts, &user).await?.id),
                Which { .. } => {
                    ask::confirm("Sign every user out?", yes)?;
                    Scope::Everybody
                }
            };
            let revoked = accounts.revoke_logins(scope, &caller()).await.map_err(|error| match error {
                Error::NotFound => Failure::Running("there is no active login with this id".to_owned()),
                error => error.into(),
            })?;
            output::print(&format!("logins revoked: {revoked}\n"))
        }
    })
}
