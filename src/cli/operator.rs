//! What the commands for operators share. They open the database, which a server may be using: they change rows, and
//! that server polls them every second.

use crate::accounts::LoginInfo;
use crate::accounts::operator::Account;
use crate::accounts::{Accounts, Caller, Error};
use crate::actors::{Db, Live};
use crate::app;
use crate::clock::Clock;
use crate::config::{Config, Log};
use crate::mail::Mail;
use crate::telemetry;
use nix::unistd::{Uid, User};

use super::failure::Failure;
use super::output;
use super::settings::Settings;

/// Runs `work` on the accounts of the database that the settings name.
pub fn with_accounts<T>(
    settings: Settings,
    work: impl AsyncFnOnce(Accounts) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = settings.load()?.config;
    require_database(&config, Absent::IsWrong)?;
    open(&config, work)
}

/// The same for a command that can create the database, if it is told to.
pub fn with_accounts_or_advice<T>(
    settings: Settings,
    work: impl AsyncFnOnce(Accounts) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = settings.load()?.config;
    require_database(&config, Absent::MayBeCreated)?;
    open(&config, work)
}

/// The same, but creates the database if there is none.
pub fn with_new_accounts<T>(
    settings: Settings,
    work: impl AsyncFnOnce(Accounts) -> Result<T, Failure>,
) -> Result<T, Failure> {
    open(&settings.load()?.config, work)
}

/// For a command that can create the database.
#[derive(clap::Args, Clone, Copy)]
pub struct Create {
    /// Creates the database if there is none, before the first start of the server
    #[arg(long)]
    pub create: bool,
}

/// What it means that there is no database.
#[derive(Clone, Copy)]
pub enum Absent {
    IsWrong,
    /// The command creates it with `--create`.
    MayBeCreated,
}

/// Refuses to create a database: in a wrong directory an empty one would say that there are no accounts, or take
/// accounts that the server never sees.
pub fn require_database(config: &Config, absent: Absent) -> Result<(), Failure> {
    let url = &config.database.url;
    if url.open_existing().map_err(Failure::Running)?.is_none() {
        let create = match absent {
            Absent::IsWrong => "",
            Absent::MayBeCreated => ", or pass --create",
        };
        let advice =
            format!("name its directory with --data-dir; to make a new one, start the server once{create}");
        return Err(Failure::Running(format!("there is no database {url}: {advice}")));
    }
    Ok(())
}

fn open<T>(config: &Config, work: impl AsyncFnOnce(Accounts) -> Result<T, Failure>) -> Result<T, Failure> {
    log_warnings(config)?;
    actix::System::new().block_on(async {
        let pool = app::open_database(config, 1).map_err(Failure::Running)?;
        let live = Live::alone(&config.sockets);
        // Emails wait in the outbox until a server sends them.
        let accounts =
            Accounts::start(Db::start(pool, 1), &live, Mail::default(), Clock::System, config).await;
        work(accounts.map_err(Failure::running)?).await
    })
}

/// The operator who runs this command, by the name of the account on the machine, for the audit trail.
pub fn caller() -> Caller {
    let account = User::from_uid(Uid::current()).ok().flatten();
    Caller::operator(account.map(|account| account.name).as_deref())
}

/// Logs warnings and errors only.
pub fn log_warnings(config: &Config) -> Result<(), Failure> {
    let level = config.log.level.min(tracing::Level::WARN);
    telemetry::init(&Log { level, ..config.log.clone() }).map_err(Failure::running)
}

/// The account with this username, verified email address or id.
pub async fn find(accounts: &Accounts, user: &str) -> Result<Account, Failure> {
    accounts.find_account(user).await.map_err(|error| match error {
        Error::NotFound => Failure::Running(format!("there is no account {user:?}")),
        error => error.into(),
    })
}

/// Logins as a user reads them.
pub fn logins_table(logins: &[LoginInfo]) -> String {
    let rows = logins.iter().map(|login| {
        [
            login.id.to_string(),
            login.kind.as_str().to_owned(),
            login.device.clone(),
            login.ip.clone().unwrap_or_default(),
            output::moment(login.created_at),
            output::moment(login.last_seen_at),
        ]
    });
    output::table(["login", "kind", "device", "address", "since", "last seen"], rows)
}
