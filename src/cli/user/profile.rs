//! `doorward user rename`, `email`, `verify-email`, and `export`.

use clap::Args;
use doorward_core::domain::{DisplayName, Email, escape_display_controls};

use super::{Who, with_account};
use crate::accounts::operator::Account;
use crate::accounts::{Accounts, Expected, UserChange};
use crate::cli::failure::Failure;
use crate::cli::operator::caller;
use crate::cli::output;
use crate::cli::settings::Settings;

#[derive(Args)]
pub struct EmailArguments {
    #[command(flatten)]
    user: Who,
    /// The new address; it becomes the account's when the user follows the link sent there
    address: String,
    /// Marks the address as verified: it is the account's at once, and no link is sent
    #[arg(long)]
    verified: bool,
}

pub fn rename(settings: Settings, user: &Who, name: &str) -> Result<(), Failure> {
    let name = DisplayName::parse(name).map_err(|error| Failure::Usage(error.detail))?;
    with_account(settings, user, async |accounts, account| {
        let shown = escape_display_controls(name.as_str());
        let change = UserChange { display_name: Some(name), ..UserChange::default() };
        change_account(&accounts, &account, change).await?;
        output::print(&format!("{} is shown as {shown}\n", account.username))
    })
}

pub fn email(settings: Settings, arguments: EmailArguments) -> Result<(), Failure> {
    let EmailArguments { user, address, verified } = arguments;
    let address = Email::parse(&address).map_err(|error| Failure::Usage(error.detail))?;
    with_account(settings, &user, async |accounts, account| {
        let shown = Email::display_form(address.as_str()).into_owned();
        let change = UserChange {
            email: Some(address),
            email_verified: verified.then_some(true),
            ..UserChange::default()
        };
        change_account(&accounts, &account, change).await?;
        output::print(&if verified {
            format!("{} has the verified address {shown}\n", account.username)
        } else {
            format!("{}: a link to verify it is sent to {shown}\n", account.username)
        })
    })
}

pub fn verify_email(settings: Settings, user: &Who) -> Result<(), Failure> {
    with_account(settings, user, async |accounts, account| {
        let Some(address) = &account.email else {
            let why = format!("{} has no address: doorward user email", account.username);
            return Err(Failure::Running(why));
        };
        let change = UserChange { email_verified: Some(true), ..UserChange::default() };
        change_account(&accounts, &account, change).await?;
        let shown = Email::display_form(address);
        output::print(&format!("{} has the verified address {shown}\n", account.username))
    })
}

pub fn export(settings: Settings, user: &Who) -> Result<(), Failure> {
    with_account(settings, user, async |accounts, account| {
        output::print_json(&accounts.personal_data(account.id, &caller()).await?)
    })
}

async fn change_account(accounts: &Accounts, account: &Account, change: UserChange) -> Result<(), Failure> {
    accounts.change_user(account.id, change, Expected::Any, &caller()).await?;
    Ok(())
}
