//! `doorward user`: accounts.

use clap::{Args, Subcommand};
use doorward::accounts::Accounts;
use doorward::accounts::operator::{Account, FailureInfo, Listing, NewAccount};
use doorward_core::domain::{Email, Username, escape_obeyed};
use serde_json::json;

use super::ask;
use super::failure::Failure;
use super::operator::{find, logins_table, with_accounts, with_new_accounts};
use super::output::{self, Format};
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward user add alice --email alice@example.org
  echo 'plum tree in march rain' | doorward user add alice
  doorward user list --search example.org
  doorward user unlock alice            Takes her next try to sign in at once
  doorward user disable alice           Ends all her logins; her sockets close at once
  doorward user password alice          Sets a new password; she is told by mail

USER is a username, an address that was proved, or an id. A running server need not be stopped: what ends here
is closed there within two seconds, and mails leave through it.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Opens an account; the password is asked for, or read from standard input
    Add {
        username: String,
        /// An address; a link to prove it is sent there
        #[arg(long)]
        email: Option<String>,
        /// Takes the address as proved: no link is sent
        #[arg(long, requires = "email")]
        verified: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Lists accounts by name
    List {
        /// Only those whose name or address holds TEXT
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
        /// Only those after this name
        #[arg(long, value_name = "USERNAME", default_value = "")]
        after: String,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        #[command(flatten)]
        format: Format,
    },
    /// Shows one account, where it is signed in, and wrong passwords of the last day
    Show {
        user: String,
        #[command(flatten)]
        format: Format,
    },
    /// Shuts an account: all its logins end, and nobody can sign in
    Disable { user: String },
    /// Opens a disabled account again
    Enable { user: String },
    /// Forgets wrong passwords: the next try to sign in is taken at once
    Unlock { user: String },
    /// Sets a password, asked for or read from standard input; all logins of the account end
    Password { user: String },
    /// Deletes an account and what is known of its owner
    Delete {
        user: String,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Add { username, email, verified, format } => with_new_accounts(settings, async |accounts| {
            let username = Username::parse(&username).map_err(|error| Failure::Running(error.detail))?;
            let email = email.filter(|text| !text.trim().is_empty());
            if verified && email.is_none() {
                return Err(Failure::Usage("--verified wants an address: --email".to_owned()));
            }
            let email = email.map(|text| Email::parse(&text)).transpose();
            let email = email.map_err(|error| Failure::Running(error.detail))?;
            let password = accounts.choose_password(ask::new_password()?)?;
            if let Some(other) = accounts.find_lookalike(username.clone()).await? {
                eprintln!("doorward: this username looks like another one: {other}");
            }
            let account = accounts.add_user(NewAccount { username, password, email, verified }).await?;
            show(&[account], format.json)
        }),
        Action::List { search, after, limit, format } => {
            with_accounts(settings, async |accounts| list(&accounts, search, after, limit, format.json).await)
        }
        Action::Show { user, format } => with_accounts(settings, async |accounts| {
            let account = find(&accounts, &user).await?;
            let signed_in = accounts.logins_of(account.id).await?;
            let failures = accounts.failures_of(account.id).await?;
            if format.json {
                let all = json!({ "account": account, "logins": signed_in, "failures": failures });
                return output::print_json(&all);
            }
            output::print(
                &(details(&account) + &wrong_passwords(&failures) + "\n" + &logins_table(&signed_in)),
            )
        }),
        Action::Disable { user } => with_accounts(settings, async |accounts| {
            let account = find(&accounts, &user).await?;
            accounts.set_disabled(account.id, true).await?;
            done(&account, "is disabled", account.logins)
        }),
        Action::Enable { user } => with_accounts(settings, async |accounts| {
            let account = find(&accounts, &user).await?;
            accounts.set_disabled(account.id, false).await?;
            output::print(&format!("{} is enabled\n", account.username))
        }),
        Action::Unlock { user } => with_accounts(settings, async |accounts| {
            let account = find(&accounts, &user).await?;
            let locked = accounts.unlock(account.id).await?;
            let what =
                if locked { "wrong passwords are forgotten" } else { "no wrong passwords were counted" };
            output::print(&format!("{}: {what}\n", account.username))
        }),
        Action::Password { user } => with_accounts(settings, async |accounts| {
            let account = find(&accounts, &user).await?;
            let password = accounts.choose_password(ask::new_password()?)?;
            accounts.set_password(account.id, password).await?;
            done(&account, "has a new password", account.logins)
        }),
        Action::Delete { user, yes } => with_accounts(settings, async |accounts| {
            let account = find(&accounts, &user).await?;
            ask::confirm(&format!("Delete {} for good?", account.username), yes)?;
            accounts.remove_user(account.id).await?;
            done(&account, "is deleted", account.logins)
        }),
    }
}

async fn list(
    accounts: &Accounts,
    search: String,
    after: String,
    limit: u32,
    json: bool,
) -> Result<(), Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // One more than is shown tells whether there are more.
    let after = Username::lookup(&after).map_or(after, |name| name.folded().to_owned());
    let listing = Listing { search, after, limit: i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1 };
    let mut found = accounts.list_users(listing).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    show(&found, json)?;
    if let (true, Some(last)) = (more, found.last()) {
        eprintln!("There are more: --after {}", last.username);
    }
    Ok(())
}

fn done(account: &Account, what: &str, ended: i64) -> Result<(), Failure> {
    output::print(&format!("{} {what}; logins ended: {ended}\n", account.username))
}

fn show(found: &[Account], json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&found);
    }
    let rows = found.iter().map(|account| {
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
        Some(email) => format!("{email} (not proved)"),
        None => String::new(),
    }
}

fn state(account: &Account) -> &'static str {
    if account.disabled_at.is_some() { "disabled" } else { "active" }
}

fn wrong_passwords(failures: &[FailureInfo]) -> String {
    let line = |failure: &FailureInfo| {
        let until = failure.blocked_until.as_ref().map(|until| format!(", no further try until {until}"));
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
        ("created", output::moment(account.created_at)),
    ];
    rows.map(|(name, value)| format!("{name:14}{}", escape_obeyed(&value))).join("\n") + "\n"
}
