//! `doorward api-key`: the credentials of applications' backends.

use std::time::Duration;

use crate::accounts::{Accounts, ApiKeyInfo, Error, KeyRequest};
use crate::clock::Clock;
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use doorward_core::domain::{ApiKeyId, KeyScope};
use ipnet::IpNet;

use super::failure::Failure;
use super::operator::{caller, with_accounts};
use super::output::{self, Format};
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward api-key create --name shop --scope users:read --scope tokens:introspect > shop.key
  doorward api-key list
  doorward api-key rotate 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708 --overlap 1h
  doorward api-key revoke 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";

const CREATE_EXAMPLES: &str = "\
Examples:
  doorward api-key create --name shop --scope users:read --scope tokens:introspect > shop.key
  doorward api-key create --name shop --scope users:read --expires 90d --address 10.0.0.0/8

The key is shown once, alone on standard output. docs/ADMIN.md lists the scopes.";

const LIST_EXAMPLES: &str = "\
Examples:
  doorward api-key list
  doorward api-key list --json";

const ROTATE_EXAMPLES: &str = "\
Examples:
  doorward api-key rotate 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708 > shop.key
  doorward api-key rotate 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708 --overlap 1h

With --overlap, the old secret stays valid for that long, so that no request fails meanwhile.";

const REVOKE_EXAMPLES: &str = "\
Examples:
  doorward api-key revoke 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708

Every node refuses it within two seconds.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Creates a key and prints it
    #[command(after_help = CREATE_EXAMPLES)]
    Create(NewKey),
    /// Lists the keys, without their secrets
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Gives a key a new secret and prints it
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// The id of the key, as `doorward api-key list` shows it
        id: ApiKeyId,
        /// How long the old secret stays valid, at most `7d`
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
        overlap: Duration,
    },
    /// Revokes a key
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// The id of the key, as `doorward api-key list` shows it
        id: ApiKeyId,
    },
}

#[derive(Args)]
struct NewKey {
    /// What the key is for, 1 to 64 characters
    #[arg(long)]
    name: String,
    /// What the key may do, such as `users:read`; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope)]
    scopes: Vec<KeyScope>,
    /// How long the key is valid, such as `90d` [default: forever]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// An address or network from which the key may be used; may be repeated [default: any]
    #[arg(long = "address", value_name = "NETWORK", value_parser = network)]
    networks: Vec<IpNet>,
}

fn scope(word: &str) -> Result<KeyScope, String> {
    KeyScope::parse(word).map_err(|invalid| invalid.detail)
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "write 203.0.113.7 or 10.0.0.0/8".to_owned())
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    with_accounts(settings, async |accounts| match arguments.action {
        Action::Create(key) => create(&accounts, key).await,
        Action::List { format } => list(&accounts, &format).await,
        Action::Rotate { id, overlap } => {
            let overlap = TimeDelta::from_std(overlap).unwrap_or(TimeDelta::MAX);
            let rotated = accounts.rotate_api_key(id, overlap, &caller()).await;
            print_key(&rotated.map_err(missing)?.plain.expose())
        }
        Action::Revoke { id } => {
            accounts.revoke_api_key(id, &caller()).await.map_err(missing)?;
            output::print(&format!("{id} is revoked\n"))
        }
    })
}

async fn create(accounts: &Accounts, key: NewKey) -> Result<(), Failure> {
    let too_long = || Failure::Usage("the end of the key is too far away".to_owned());
    let end = |after| {
        let after = TimeDelta::from_std(after).map_err(|_| too_long())?;
        Clock::System.now().checked_add_signed(after).ok_or_else(too_long)
    };
    let expires_at = key.expires.map(end).transpose()?;
    let scopes = key.scopes.into_iter().collect();
    let request = KeyRequest::new(&key.name, scopes, expires_at, &key.networks).map_err(Error::from)?;
    let new = accounts.create_api_key(request, &caller()).await?;
    eprintln!("The key {} is shown once. Keep it like a password.", new.info.id);
    print_key(&new.plain.expose())
}

async fn list(accounts: &Accounts, format: &Format) -> Result<(), Failure> {
    let mut keys: Vec<ApiKeyInfo> = Vec::new();
    loop {
        let page = accounts.list_api_keys(keys.last().map(|key| key.id), 500).await?;
        if page.is_empty() {
            break;
        }
        keys.extend(page);
    }
    if format.json {
        return output::print_json(&keys);
    }
    let rows = keys.into_iter().map(|key| {
        let scopes: Vec<_> = key.scopes.iter().map(KeyScope::as_str).collect();
        [
            key.id.to_string(),
            key.name,
            key.state.to_owned(),
            scopes.join(","),
            key.addresses.join(","),
            key.expires_at.unwrap_or_default(),
            key.last_used_at.unwrap_or_default(),
        ]
    });
    let header = ["key", "name", "state", "scopes", "addresses", "expires", "last used"];
    output::print(&output::table(header, rows))
}

fn print_key(key: &str) -> Result<(), Failure> {
    output::write(&format!("{key}\n"))
}

fn missing(error: Error) -> Failure {
    match error {
        Error::NotFound => Failure::Running("there is no active API key with this id".to_owned()),
        error => error.into(),
    }
}
