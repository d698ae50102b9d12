//! `doorward room token` makes a room token for tests, and `doorward room revoke-tokens` takes tokens back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use doorward_core::rooms::{LONGEST_TOKEN_LIFE, RevokedTokens, TokenRooms};
use serde_json::json;

use super::Who;
use crate::accounts::Accounts;
use crate::auth::room_tokens;
use crate::clock::{Clock, Timestamp};
use crate::ownership::{self, Need};

use super::super::ask;
use super::super::failure::Failure;
use super::super::operator::{caller, find};
use super::super::{output, when};

pub const TOKEN_EXAMPLES: &str = "\
Examples:
  openssl genpkey -algorithm ed25519 -out backend.pem
  openssl pkey -in backend.pem -pubout -out backend.pub.pem    # rooms.token_key names this file
  doorward room token order:17 ada --key backend.pem
  doorward room token 'order:*' ada --key backend.pem --for 1h --ops presence

For tests: in production the application's backend makes the tokens, and its private key stays there.";

pub const REVOKE_EXAMPLES: &str = "\
Examples:
  doorward room revoke-tokens --jti 0190f3c4-order-17
  doorward room revoke-tokens --user ada                          # those that were issued until now
  doorward room revoke-tokens --user ada --issued-before 1h       # until an hour ago
  doorward room revoke-tokens --everybody --yes                   # those of all users";

#[derive(Args)]
pub struct Token {
    /// The room, or all rooms whose names begin alike: order:17, 'order:17:*', 'order:*'
    #[arg(value_parser = parse_rooms)]
    room: String,
    #[command(flatten)]
    who: Who,
    /// The PEM file with the backend's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How long the token is valid, at most 24h
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = parse_lifetime)]
    lifetime: Duration,
    /// What it allows besides being in the room [default: all that the policies allow by a token]
    #[arg(long, value_name = "OPS", value_delimiter = ',', value_parser = ["send", "presence"])]
    ops: Option<Vec<String>>,
    /// The `jti`, by which the token can be revoked alone
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// The `kid` of the key in `rooms.token_jwks` [default: its thumbprint, RFC 7638]
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
}

#[derive(Args)]
pub struct Revoke {
    #[command(flatten)]
    which: Which,
    /// Only tokens that were issued before: a date, or how long ago, such as 1h [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse, conflicts_with = "jti")]
    issued_before: Option<Timestamp>,
    /// Skips the confirmation
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Revokes one token, by its `jti`
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// Revokes the tokens of an account
    #[arg(long)]
    user: Option<String>,
    /// Revokes the tokens of all accounts
    #[arg(long)]
    everybody: bool,
}

fn parse_rooms(text: &str) -> Result<String, String> {
    let why = "a room is named kind:rest, and all that begin alike kind:prefix*";
    TokenRooms::parse(text).map(|_| text.to_owned()).ok_or_else(|| why.to_owned())
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let most = LONGEST_TOKEN_LIFE.to_std().unwrap_or_default();
    let lifetime = humantime::parse_duration(text).ok();
    let good = lifetime.filter(|lifetime| (Duration::from_secs(1)..=most).contains(lifetime));
    good.ok_or_else(|| "a duration from 1s to 24h, such as 10m".to_owned())
}

/// Prints a token, and nothing else.
pub async fn make(accounts: &Accounts, arguments: Token) -> Result<(), Failure> {
    let Token { room, who, key: path, lifetime, ops, jti, kid } = arguments;
    let wrong = |why: String| Failure::Running(format!("cannot use {}: {why}", path.display()));
    let pem = ownership::explained(fs::read(&path), &path, Need::Read).map_err(wrong)?;
    let key = room_tokens::private_key(&pem).map_err(wrong)?;
    let user = find(accounts, &who.user).await?;
    let now = Clock::System.now().and_utc().timestamp();
    let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or_default();
    let mut claims = json!({"sub": user.id, "room": room, "iat": now, "exp": now + lifetime});
    if let Some(ops) = ops {
        claims["ops"] = ops.into();
    }
    if let Some(jti) = jti {
        claims["jti"] = jti.into();
    }
    let token = room_tokens::sign(&key, kid.as_deref(), &claims).map_err(Failure::running)?;
    output::write(&format!("{token}\n"))
}

/// Revokes tokens.
pub async fn revoke(accounts: &Accounts, arguments: Revoke) -> Result<(), Failure> {
    let Revoke { which, issued_before, yes } = arguments;
    let (tokens, said) = match which {
        Which { jti: Some(jti), .. } => {
            let said = format!("The token {jti} is revoked\n");
            (RevokedTokens::One(jti.into()), said)
        }
        Which { user: Some(user), .. } => {
            let user = find(accounts, &user).await?;
            (
                issued(accounts, issued_before, Some(user.id)),
                format!("The tokens of {} are revoked\n", user.username),
            )
        }
        Which { .. } => {
            ask::confirm("Revoke the room tokens of all users?", yes)?;
            (issued(accounts, issued_before, None), "The tokens of all users are revoked\n".to_owned())
        }
    };
    accounts.revoke_room_tokens(tokens, &caller()).await?;
    output::print(&said)
}

fn issued(
    accounts: &Accounts,
    before: Option<Timestamp>,
    user: Option<doorward_core::domain::UserId>,
) -> RevokedTokens {
    before.map_or_else(
        || accounts.room_tokens_until_now(user),
        |before| RevokedTokens::IssuedBefore(before, user),
    )
}
