//! `doorward invite`: makes, lists and revokes invitations to register.

use std::time::Duration;

use clap::{Args, Subcommand};
use doorward_core::domain::{Email, Roles, escape_display_controls};

use crate::accounts::{Accounts, Error, INVITATION_TTL, Invite};

use super::failure::Failure;
use super::operator::{caller, with_accounts};
use super::output::{self, Format};
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward invite                           # print a link with which anyone can register once
  doorward invite --email bob@example.org   # send the link; Bob's address is then verified
  doorward invite --role editor --expires 12h
  doorward invite list
  doorward invite revoke 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708

An invitation by email replaces an earlier one to the same address; a running server sends it.";

const LIST_EXAMPLES: &str = "\
Examples:
  doorward invite list
  doorward invite list --json";

const REVOKE_EXAMPLES: &str = "\
Examples:
  doorward invite revoke 0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";

/// Invitations that are listed.
const MAX_LISTED: i64 = 10_000;

#[derive(Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    invitation: Invitation,
}

#[derive(Args)]
struct Invitation {
    /// The only address that may register with it; the link is sent there
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// A role of the new account, such as editor; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How long the link works, from `1m` to `366d`
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = humantime::parse_duration)]
    expires: Duration,
    #[command(flatten)]
    format: Format,
}

#[derive(Subcommand)]
enum Action {
    /// Lists the open invitations: neither used nor expired
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Revokes an invitation: its link stops working
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// The id of the invitation, as `doorward invite list` shows it
        id: String,
    },
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        None => with_accounts(settings, async |accounts| invite(&accounts, arguments.invitation).await),
        Some(Action::List { format }) => {
            with_accounts(settings, async |accounts| list(&accounts, &format).await)
        }
        Some(Action::Revoke { id }) => with_accounts(settings, async |accounts| {
            accounts.revoke_invitation(&id, &caller()).await.map_err(|error| match error {
                Error::NotFound => Failure::Running(format!("there is no open invitation {id:?}")),
                error => error.into(),
            })?;
            output::print("The invitation is revoked\n")
        }),
    }
}

async fn invite(accounts: &Accounts, invitation: Invitation) -> Result<(), Failure> {
    let Invitation { email, roles, expires, format } = invitation;
    let usage = |error: doorward_core::domain::Invalid| Failure::Usage(error.detail);
    let email = email.as_deref().map(Email::parse).transpose().map_err(usage)?;
    let roles = Roles::parse(roles).map_err(usage)?;
    if !INVITATION_TTL.contains(&expires) {
        return Err(Failure::Usage("--expires takes a duration from 1m to 366d, such as 7d".to_owned()));
    }
    let invited = accounts.invite(Invite { email, roles, ttl: expires }, &caller()).await?;
    if format.json {
        return output::print_json(&invited);
    }
    match (&invited.link, &invited.email) {
        // Alone, so that a script can use it.
        (Some(link), _) => output::print(&format!("{link}\n")),
        (None, email) => {
            let email = email.as_deref().map(Email::display_form).unwrap_or_default();
            output::print(&format!("An invitation is sent to {}\n", escape_display_controls(&email)))
        }
    }
}

async fn list(accounts: &Accounts, format: &Format) -> Result<(), Failure> {
    let invitations = accounts.list_invitations(None, MAX_LISTED).await?;
    if format.json {
        return output::print_json(&invitations);
    }
    let rows = invitations.into_iter().map(|invitation| {
        [
            invitation.id,
            invitation.email.as_deref().map(|email| Email::display_form(email).into()).unwrap_or_default(),
            invitation.roles.to_string(),
            invitation.invited_by.unwrap_or_default(),
            output::moment(invitation.created_at),
            output::moment(invitation.expires_at),
        ]
    });
    output::print(&output::table(["invitation", "email", "roles", "invited by", "since", "until"], rows))
}
