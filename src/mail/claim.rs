//! Claims an email from the outbox: decides whether it may still be sent, and mints its link.

use chrono::TimeDelta;
use diesel::QueryResult;
use doorward_core::domain::{LoginId, MailKind, UserId};

use crate::auth::secret;
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::jobs::{Claim, Claimed};
use crate::models::address_links;
use crate::models::invitations;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::outbox::{self, Recipient, UnsentEmail};
use crate::models::sign_in_places::{self, Place};

/// How long a link works that verifies an address.
const VERIFY_TTL: TimeDelta = TimeDelta::minutes(30);
/// How long a link works that resets a password: as long as the limits on emails may hold back the next one.
pub const RESET_TTL: TimeDelta = TimeDelta::hours(1);
/// How long a link works that undoes a change of address, or a sign-in.
const UNDO_TTL: TimeDelta = TimeDelta::days(7);

/// An email that was claimed for one attempt.
pub(super) struct OutgoingEmail {
    pub kind: MailKind,
    /// None if it is about no account.
    pub user: Option<UserId>,
    pub address: String,
    /// None unless the address is verified: an unauthenticated client may have chosen both.
    pub username: Option<String>,
    /// The language of the account that it is about, otherwise that of the page that asked for it, if there is one.
    pub language: Option<String>,
    pub token: Option<MintedToken>,
    /// Where and when the login was begun that it tells of.
    pub sign_in: Option<(Place, Timestamp)>,
}

/// The token of this attempt's link. In the clear it exists here and in the email, nowhere else.
pub(super) struct MintedToken {
    pub token: String,
    pub expires_at: Timestamp,
}

/// Claims the row and mints its link, or deletes it if it must not be sent any more.
pub(super) fn claim(
    conn: &mut Conn,
    row: UnsentEmail,
    now: Timestamp,
    lease_ends_at: Timestamp,
) -> QueryResult<Claim<OutgoingEmail>> {
    // The user is locked first, so that whatever invalidates their links comes before this one is minted, or after.
    let recipient = outbox::lock_recipient(conn, &row.user_id)?;
    if !outbox::claim(conn, &row, now, lease_ends_at)? {
        return Ok(Claim::Lost);
    }
    let Some(kind) = MailKind::parse(&row.kind) else {
        return drop_row(conn, &row, "this version does not know its kind");
    };
    if kind == MailKind::Invitation {
        let token = secret::random_token();
        let expires_at = invitations::set_token(conn, &row.address, &secret::hash_token(&token), now)?;
        let Some(expires_at) = expires_at else {
            return drop_row(conn, &row, "its invitation was revoked or used, or has expired");
        };
        return Ok(claimed(row, kind, (None, None), Some(MintedToken { token, expires_at }), None));
    }
    if kind == MailKind::ResetByAddress {
        let token = mint(conn, kind, None, &row, now)?;
        return Ok(claimed(row, kind, (None, None), token, None));
    }
    let (Ok(user), Some(recipient)) = (row.user_id.parse::<UserId>(), recipient) else {
        return drop_row(conn, &row, "its account was deleted");
    };
    if let Some(why) = obstacle(kind, &row.address, &recipient) {
        return drop_row(conn, &row, why);
    }
    let login = row.login_id.as_deref().and_then(|login| login.parse().ok());
    let sign_in = login.map(|login| sign_in_places::of_login(conn, login)).transpose()?.flatten();
    let token = match (kind, login) {
        (MailKind::NewDevice, Some(login)) if sign_in.is_some() => {
            Some(mint_not_me(conn, (user, login), &row.address, now)?)
        }
        (MailKind::NewDevice, _) => return drop_row(conn, &row, "nothing is stored of its login any more"),
        _ => mint(conn, kind, Some(user), &row, now)?,
    };
    let may_name = may_name_user(kind, &row.address, &recipient);
    let reader = (may_name.then_some(recipient.username), recipient.language);
    Ok(claimed(row, kind, reader, token, sign_in))
}

fn claimed(
    row: UnsentEmail,
    kind: MailKind,
    (username, language): (Option<String>, Option<String>),
    token: Option<MintedToken>,
    sign_in: Option<(Place, Timestamp)>,
) -> Claim<OutgoingEmail> {
    let language = language.or(row.language);
    let (user, address) = (row.user_id.parse().ok(), row.address);
    let job = OutgoingEmail { kind, user, address, username, language, token, sign_in };
    Claim::Claimed(Claimed { id: row.id, attempt: row.attempts + 1, created_at: row.created_at, job })
}

fn drop_row(conn: &mut Conn, row: &UnsentEmail, why: &'static str) -> QueryResult<Claim<OutgoingEmail>> {
    tracing::info!(id = row.id, kind = row.kind, why, "email dropped");
    outbox::delete(conn, &row.id)?;
    Ok(Claim::Dropped)
}

/// Why an email about an account must not be sent any more.
fn obstacle(kind: MailKind, address: &str, recipient: &Recipient) -> Option<&'static str> {
    if recipient.disabled_at.is_some() && !kind.is_notice() {
        return Some("its account is disabled");
    }
    // A reset goes only to the account's present address. The other kinds may go elsewhere: to an address that is yet
    // to be verified, or to one that was replaced and has to learn of it.
    if kind == MailKind::ResetPassword && recipient.email.as_deref() != Some(address) {
        return Some("its account has another address now");
    }
    None
}

/// Whether an email may contain the username.
fn may_name_user(kind: MailKind, address: &str, recipient: &Recipient) -> bool {
    let is_verified = recipient.email.as_deref() == Some(address) && recipient.email_verified_at.is_some();
    kind.is_notice() || is_verified
}

/// Makes the link of an email, if its kind has one.
fn mint(
    conn: &mut Conn,
    kind: MailKind,
    user: Option<UserId>,
    row: &UnsentEmail,
    now: Timestamp,
) -> QueryResult<Option<MintedToken>> {
    let (purpose, ttl) = match kind {
        MailKind::VerifyEmail => (Some(Purpose::VerifyEmail), VERIFY_TTL),
        MailKind::ResetPassword => (Some(Purpose::ResetPassword), RESET_TTL),
        MailKind::EmailChangedUndo => (Some(Purpose::UndoEmail), UNDO_TTL),
        MailKind::ResetByAddress => (None, RESET_TTL),
        MailKind::PasswordChanged | MailKind::EmailChanged | MailKind::Invitation | MailKind::NewDevice => {
            return Ok(None);
        }
    };
    let token = secret::random_token();
    let (hash, expires_at) = (secret::hash_token(&token), now + ttl);
    match (purpose, user) {
        (Some(purpose), Some(user)) => {
            one_time_tokens::insert(conn, &hash, purpose, user, &row.address, expires_at)?;
        }
        _ => address_links::insert(conn, &hash, &row.address, row.created_at, expires_at)?,
    }
    Ok(Some(MintedToken { token, expires_at }))
}

/// Makes the link for a user who did not begin a login.
fn mint_not_me(
    conn: &mut Conn,
    login: (UserId, LoginId),
    address: &str,
    now: Timestamp,
) -> QueryResult<MintedToken> {
    let (token, expires_at) = (secret::random_token(), now + UNDO_TTL);
    one_time_tokens::insert_not_me(conn, &secret::hash_token(&token), login, address, expires_at)?;
    Ok(MintedToken { token, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const ADDRESS: &str = "alice@example.org";

    fn alice() -> Recipient {
        Recipient {
            username: "alice".to_owned(),
            email: Some(ADDRESS.to_owned()),
            email_verified_at: Some(Clock::System.now()),
            disabled_at: None,
            language: None,
        }
    }

    #[test]
    fn a_disabled_account_gets_notices_only() {
        let disabled = Recipient { disabled_at: Some(Clock::System.now()), ..alice() };
        for kind in MailKind::ALL {
            assert_eq!(obstacle(kind, ADDRESS, &alice()), None, "{kind:?}");
            assert_eq!(obstacle(kind, ADDRESS, &disabled).is_none(), kind.is_notice(), "{kind:?}");
        }
    }

    #[test]
    fn only_a_reset_needs_the_accounts_present_address() {
        for kind in MailKind::ALL {
            let is_obsolete = obstacle(kind, "old@example.org", &alice()).is_some();
            assert_eq!(is_obsolete, kind == MailKind::ResetPassword, "{kind:?}");
        }
    }

    #[test]
    fn an_unverified_address_is_not_told_the_username() {
        let unverified = Recipient { email_verified_at: None, ..alice() };
        for kind in MailKind::ALL {
            assert!(may_name_user(kind, ADDRESS, &alice()));
            for (address, recipient) in [(ADDRESS, &unverified), ("new@example.org", &alice())] {
                assert_eq!(may_name_user(kind, address, recipient), kind.is_notice(), "{kind:?}");
            }
        }
    }
}
