//! `doorward user`: adds, lists and changes accounts.

mod access;
mod examples;
mod profile;

use self::access::{ClaimsArguments, RolesArguments};
use self::profile::EmailArguments;
use crate::accounts::FailureInfo;
use crate::accounts::operator::{Account, Listing, NewAccount};
use crate::accounts::{Accounts, Caller};
use clap::{Args, Subcommand};
use doorward_core::domain::{Email, Roles, Username, escape_display_controls};
use serde_json::json;

use super::ask;
use super::failure::Failure;
use super::operator::{
    Create, caller, find, logins_table, with_accounts, with_accounts_or_advice, with_new_accounts,
};
use super::output::{self, Format};
use super::settings::Settings;

#[derive(Args)]
#[command(after_help = examples::ALL)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Adds an account; the password is asked for, or read from standard input
    #[command(after_help = examples::ADD)]
    Add(NewUser),
    /// Lists accounts by username
    #[command(after_help = examples::LIST)]
    List(Filter),
    /// Shows one account, where it is signed in, and its wrong passwords of the last day
    #[command(after_help = examples::SHOW)]
    Show {
        #[command(flatten)]
        user: Who,
        #[command(flatten)]
        format: Format,
    },
    /// Disables an account: all its logins are revoked, and it cannot sign in
    #[command(after_help = examples::DISABLE)]
    Disable {
        #[command(flatten)]
        user: Who,
        #[command(flatten)]
        force: Force,
    },
    /// Enables a disabled account
    #[command(after_help = examples::ENABLE)]
    Enable(Who),
    /// Forgets wrong passwords: the next attempt to sign in is accepted at once
    #[command(after_help = examples::UNLOCK)]
    Unlock(Who),
    /// Sets a password, asked for or read from standard input, and revokes all logins of the account
    #[command(after_help = examples::PASSWORD)]
    Password(Who),
    /// Deletes an account and the personal data of its user
    #[command(after_help = examples::DELETE)]
    Delete {
        #[command(flatten)]
        user: Who,
        /// Skips the confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        force: Force,
    },
    /// Changes the display name of an account
    #[command(after_help = examples::RENAME)]
    Rename {
        #[command(flatten)]
        user: Who,
        /// The new display name; the username stays
        name: String,
    },
    /// Changes the email address of an account: a link to verify it is sent there
    #[command(after_help = examples::EMAIL)]
    Email(EmailArguments),
    /// Marks the address of an account as verified
    #[command(after_help = examples::VERIFY_EMAIL)]
    VerifyEmail(Who),
    /// Prints what is stored about one person, as JSON
    #[command(after_help = examples::EXPORT)]
    Export(Who),
    /// Changes the roles of an account; without an option shows them
    #[command(after_help = examples::ROLES)]
    Roles(RolesArguments),
    /// Changes the claims of an account; without an option shows them
    #[command(after_help = examples::CLAIMS)]
    Claims(ClaimsArguments),
}

/// The account that a command is about.
#[derive(Args)]
pub struct Who {
    /// A username, a verified email address, or an id
    user: String,
}

/// For what may take the last administrator away.
#[derive(Args, Clone, Copy)]
pub struct Force {
    /// Does it even if no administrator is left then
    #[arg(long)]
    force: bool,
}

impl Force {
    pub fn caller(self) -> Caller {
        caller().removing_last_admin(self.force)
    }
}

#[derive(Args)]
struct NewUser {
    /// The username
    username: String,
    /// An email address; a link to verify it is sent there
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Marks the address as verified: no link is sent
    #[arg(long, requires = "email")]
    verified: bool,
    /// A role, such as `admin`; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    database: Create,
    #[command(flatten)]
    format: Format,
}

#[derive(Args)]
struct Filter {
    /// Only accounts whose username or email address contains TEXT
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Only accounts after this username
    #[arg(long, value_name = "USERNAME", default_value = "")]
    after: String,
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: Format,
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Add(user) if user.database.create => {
            with_new_accounts(settings, async |accounts| add(&accounts, user).await)
        }
        Action::Add(user) => with_accounts_or_advice(settings, async |accounts| add(&accounts, user).await),
        Action::List(filter) => with_accounts(settings, async |accounts| list(&accounts, filter).await),
        Action::Show { user, format } => {
            with_account(settings, &user, async |accounts, account| show(&accounts, account, &format).await)
        }
        Action::Disable { user, force } => with_account(settings, &user, async |accounts, account| {
            accounts.set_disabled(account.id, true, &force.caller()).await?;
            print_revoked(&account, "is disabled")
        }),
        Action::Enable(user) => with_account(settings, &user, async |accounts, account| {
            accounts.set_disabled(account.id, false, &caller()).await?;
            output::print(&format!("{} is enabled\n", account.username))
        }),
        Action::Unlock(user) => with_account(settings, &user, async |accounts, account| {
            let was_locked = accounts.unlock(account.id, &caller()).await?;
            let what =
                if was_locked { "wrong passwords are forgotten" } else { "no wrong passwords were counted" };
            output::print(&format!("{}: {what}\n", account.username))
        }),
        Action::Password(user) => with_account(settings, &user, async |accounts, account| {
            let password = accounts.choose_password(ask::new_password()?)?;
            accounts.set_password(account.id, password, &caller()).await?;
            print_revoked(&account, "has a new password")
        }),
        Action::Delete { user, yes, force } => with_account(settings, &user, async |accounts, account| {
            ask::confirm(&format!("Delete {} for good?", account.username), yes)?;
            accounts.remove_user(account.id, &force.caller()).await?;
            print_revoked(&account, "is deleted")
        }),
        Action::Rename { user, name } => profile::rename(settings, &user, &name),
        Action::Email(arguments) => profile::email(settings, arguments),
        Action::VerifyEmail(user) => profile::verify_email(settings, &user),
        Action::Export(user) => profile::export(settings, &user),
        Action::Roles(arguments) => access::roles(settings, arguments),
        Action::Claims(arguments) => access::claims(settings, arguments),
    }
}

/// Runs `work` on the account that the command line names.
pub fn with_account(
    settings: Settings,
    Who { user }: &Who,
    work: impl AsyncFnOnce(Accounts, Account) -> Result<(), Failure>,
) -> Result<(), Failure> {
    with_accounts(settings, async |accounts| {
        let account = find(&accounts, user).await?;
        work(accounts, account).await
    })
}

async fn add(accounts: &Accounts, user: NewUser) -> Result<(), Failure> {
    let NewUser { username, email, verified, roles, format, .. } = user;
    let username = Username::parse(&username).map_err(|error| Failure::Running(error.detail))?;
    let email = email.filter(|text| !text.trim().is_empty());
    if verified && email.is_none() {
        return Err(Failure::Usage("--verified needs an address: --email".to_owned()));
    }
    let email = email.map(|text| Email::parse(&text)).transpose();
    let email = email.map_err(|error| Failure::Running(error.detail))?;
    let roles = Roles::parse(roles).map_err(|error| Failure::Usage(error.detail))?;
    let password = accounts.choose_password(ask::new_password()?)?;
    if let Some(other) = accounts.find_lookalike(username.clone()).await? {
        eprintln!("doorward: this username looks like another one: {other}");
    }
    let account = NewAccount { username, password, email, verified, roles };
    let account = accounts.add_user(account, &caller()).await?;
    print_accounts(&[account], &format)
}

async fn show(accounts: &Accounts, account: Account, format: &Format) -> Result<(), Failure> {
    let logins = accounts.logins_of(account.id).await?;
    let failures = accounts.failures_of(account.id).await?;
    if format.json {
        return output::print_json(&json!({ "account": account, "logins": logins, "failures": failures }));
    }
    output::print(&(details(&account) + &wrong_passwords(&failures) + "\n" + &logins_table(&logins)))
}

async fn list(accounts: &Accounts, filter: Filter) -> Result<(), Failure> {
    let Filter { search, after, limit, format } = filter;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = Username::lookup(&after).map_or(after, |name| name.folded().to_owned());
    // One more than is printed, to tell whether there are more.
    let listing = Listing { search, after, limit: i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1 };
    let mut found = accounts.list_users(listing).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    print_accounts(&found, &format)?;
    if let (true, Some(last)) = (has_more, found.last()) {
        eprintln!("There are more: --after {}", last.username);
    }
    Ok(())
}

/// Says what was done, and how many logins that revoked.
fn print_revoked(account: &Account, what: &str) -> Result<(), Failure> {
    output::print(&format!("{} {what}; logins revoked: {}\n", account.username, account.logins))
}

fn print_accounts(accounts: &[Account], format: &Format) -> Result<(), Failure> {
    if format.json {
        return output::print_json(&accounts);
    }
    let rows = accounts.iter().map(|account| {
        [
            account.username.clone(),
            address(account),
            state(account).to_owned(),
            account.logins.to_string(),
            output::moment(account.created_at),
        ]
    });
    output::print(&output::table(["username", "email", "state", "logins", "created"], rows))
}

fn address(account: &Account) -> String {
    match &account.email {
        Some(email) if account.email_verified => email.clone(),
        Some(email) => format!("{email} (not verified)"),
        None => String::new(),
    }
}

fn state(account: &Account) -> &'static str {
    if account.disabled_at.is_some() { "disabled" } else { "active" }
}

fn wrong_passwords(failures: &[FailureInfo]) -> String {
    let line = |failure: &FailureInfo| {
        let until = failure.blocked_until.as_ref().map(|until| format!(", no further attempt until {until}"));
        let FailureInfo { counted_at, failures, .. } = failure;
        format!("{:14}{failures} wrong in a row ({counted_at}){}\n", "passwords", until.unwrap_or_default())
    };
    failures.iter().map(line).collect()
}

fn details(account: &Account) -> String {
    let rows = [
        ("username", account.username.clone()),
        ("id", account.id.to_string()),
        ("display name", account.display_name.clone()),
        ("email", address(account)),
        ("state", state(account).to_owned()),
        ("roles", account.roles.to_string()),
        ("claims", account.claims.to_string()),
        ("password set", account.password_changed_at.map_or_else(|| "unknown".to_owned(), output::moment)),
        ("created", output::moment(account.created_at)),
    ];
    rows.map(|(name, value)| format!("{name:14}{}", escape_display_controls(&value))).join("\n") + "\n"
}
