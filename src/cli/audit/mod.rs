//! `doorward audit`: what happened to accounts, and what failed.

mod follow;
mod rows;

use std::net::IpAddr;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use doorward_core::domain::UserId;
use serde_json::{Value, json};

use self::rows::{Rows, summary_table};
use super::failure::Failure;
use super::operator::{find, with_accounts};
use super::output::{self, Format};
use super::settings::Settings;
use crate::accounts::{Accounts, AuditAction, AuditFilter, Ended, GroupBy, Outcome, Summary, SummaryOf};
use crate::clock::Timestamp;

const EXAMPLES: &str = "\
Examples:
  doorward audit --failures --by address            # who guesses passwords?
  doorward audit --address 203.0.113.7              # what was requested from there?
  doorward audit --failures --by user --since 1h    # which accounts are attacked?
  doorward audit --user alice --since 2026-11-01    # what happened to this account?
  doorward audit --action disabled --json
  doorward audit --failures --follow                # shows failures as they happen

Failures that are alike share a row for a minute, with the number of times. docs/OPERATIONS.md
lists the actions and reasons, and says how to ban addresses with fail2ban.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Counts by this instead of listing, the most frequent first
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Shows the newest, stays, and shows what happens
    #[arg(long, short, conflicts_with_all = ["by", "until"])]
    follow: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Args)]
struct Which {
    /// Only what was done to this account: a username, a verified email address, or an id
    #[arg(long)]
    user: Option<String>,
    /// Only this action, such as `sign_in_failed`
    #[arg(long, hide_possible_values = true, value_parser = actions())]
    action: Option<String>,
    /// Only what ended like this
    #[arg(long, value_enum)]
    outcome: Option<Ending>,
    /// Only what failed or was refused
    #[arg(long, conflicts_with = "outcome")]
    failures: bool,
    /// Only requests from this address
    #[arg(long)]
    address: Option<IpAddr>,
    /// Only from then on: `1h` ago, or a date such as `2026-11-27` or `2026-11-27T12:00Z`
    #[arg(long, value_name = "WHEN", value_parser = super::when::parse)]
    since: Option<Timestamp>,
    /// Only before then
    #[arg(long, value_name = "WHEN", value_parser = super::when::parse)]
    until: Option<Timestamp>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ending {
    Succeeded,
    Failed,
    Refused,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Address,
    User,
    Action,
    Reason,
}

impl By {
    const fn group(self) -> GroupBy {
        match self {
            Self::Address => GroupBy::Address,
            Self::User => GroupBy::User,
            Self::Action => GroupBy::Action,
            Self::Reason => GroupBy::Reason,
        }
    }
}

impl Which {
    fn ended(&self) -> Option<Ended> {
        let as_named = self.outcome.map(|outcome| {
            Ended::As(match outcome {
                Ending::Succeeded => Outcome::Succeeded,
                Ending::Failed => Outcome::Failed,
                Ending::Refused => Outcome::Refused,
            })
        });
        as_named.or(self.failures.then_some(Ended::Unsuccessful))
    }

    /// The id of the account. One that was deleted is known by its id alone.
    async fn subject(&self, accounts: &Accounts) -> Result<Option<UserId>, Failure> {
        match &self.user {
            None => Ok(None),
            Some(user) => match user.parse() {
                Ok(id) => Ok(Some(id)),
                Err(_) => Ok(Some(find(accounts, user).await?.id)),
            },
        }
    }

    fn address(&self) -> Option<IpAddr> {
        self.address.map(|address| address.to_canonical())
    }

    fn filter(&self, subject: Option<UserId>) -> AuditFilter {
        AuditFilter {
            subject,
            action: self.action.clone(),
            outcome: self.ended(),
            address: self.address(),
            since: self.since,
            until: self.until,
            ..AuditFilter::default()
        }
    }

    fn summary_of(&self, by: GroupBy, subject: Option<UserId>) -> SummaryOf {
        SummaryOf {
            by,
            outcome: self.ended(),
            action: self.action.clone(),
            address: self.address(),
            subject,
            since: self.since,
            until: self.until,
        }
    }
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    with_accounts(settings, async |accounts| {
        let Arguments { which, limit, by, follow, format } = arguments;
        if let (Some(since), Some(until)) = (which.since, which.until)
            && since >= until
        {
            return Err(Failure::Usage("--since is not before --until".to_owned()));
        }
        let subject = which.subject(&accounts).await?;
        match by {
            Some(by) => {
                let of = which.summary_of(by.group(), subject);
                // One more than is printed, to tell whether there are more.
                let (mut groups, names) = accounts.audit_summary(of, i64::from(limit) + 1).await?;
                let has_more = cut(&mut groups, limit);
                if format.json {
                    let values =
                        groups.iter().map(|group| named(group, by)).collect::<Result<Vec<_>, _>>()?;
                    output::print_json(&values)?;
                } else {
                    output::print(&summary_table(by.group(), &groups, &names))?;
                }
                if has_more {
                    eprintln!("There are more: --limit");
                }
                Ok(())
            }
            None if follow => follow::run(&accounts, which.filter(subject), limit, &format).await,
            None => list(&accounts, which.filter(subject), limit, &format).await,
        }
    })
}

async fn list(accounts: &Accounts, filter: AuditFilter, limit: u32, format: &Format) -> Result<(), Failure> {
    // One more than is printed, to tell whether there are more.
    let (mut events, names) = accounts.audit_events_with_names(filter, i64::from(limit) + 1).await?;
    let has_more = cut(&mut events, limit);
    if format.json {
        output::print_json(&events)?;
    } else {
        output::print(&Rows(&names).table(&events))?;
    }
    if has_more {
        eprintln!("There are more: --limit, or --until with the time of the last one");
    }
    Ok(())
}

/// Keeps the first `limit`; returns whether there were more.
fn cut<T>(rows: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    has_more
}

/// The words of the audit trail.
fn actions() -> PossibleValuesParser {
    PossibleValuesParser::new(AuditAction::ALL.iter().map(|action| action.as_str()))
}

/// A group whose name says what it is.
fn named(group: &Summary, by: By) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(group).map_err(Failure::running)?;
    let key = by.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        let name = fields.remove("name").unwrap_or(json!(null));
        fields.insert(key, name);
    }
    Ok(value)
}
