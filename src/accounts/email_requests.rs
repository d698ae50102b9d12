//! Asking for emails, and how many there may be. The limits are counts of rows, so they hold on all nodes.

use std::net::IpAddr;

use chrono::TimeDelta;
use diesel::QueryResult;
use uuid::Uuid;

use super::pending_links::pending_address;
use super::{Accounts, Caller};
use crate::clock::Timestamp;
use crate::config::Rate;
use crate::db::{self, Conn};
use crate::models::outbox::{self, Counted, NewEmail};
use crate::models::users;
use doorward_core::domain::MailKind;
use doorward_core::domain::{Email, LoginId, UserId, network};

/// The same email is not sent twice within this time: a second click sends no second email.
const PAUSE: TimeDelta = TimeDelta::seconds(60);

/// A request for an email: who asks, and the language of their page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub asker: Asker,
    /// For an email about no account, or one that has no language.
    pub language: Option<&'a str>,
}

impl<'a> Asking<'a> {
    /// A client asks for it.
    pub fn by(caller: &'a Caller) -> Self {
        Self { asker: Asker::Client(caller.address), language: caller.language.as_deref() }
    }
}

impl From<Asker> for Asking<'_> {
    fn from(asker: Asker) -> Self {
        Self { asker, language: None }
    }
}

/// Who asks for an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// The command line; not limited.
    Operator,
    /// A client at this address, if it is known.
    Client(Option<IpAddr>),
    /// A device on which the account's user has signed in before. It has limits of its own, so that other clients that
    /// ask for the user's links do not keep the user from them.
    Device(Uuid),
}

/// What a row says of the one who asked for its email.
#[derive(Debug, Default)]
struct AskerNames {
    stored: Option<String>,
    /// As rows of earlier versions name the client: by its network.
    network: String,
}

impl Accounts {
    /// Adds an email with a link that was asked for, unless there were too many. Returns whether it did; the client is
    /// not told. After the commit, wake the mailer.
    pub(super) fn post_link<'a>(
        &self,
        conn: &mut Conn,
        (kind, user): (MailKind, Option<UserId>),
        address: &str,
        asking: impl Into<Asking<'a>>,
        now: Timestamp,
    ) -> QueryResult<bool> {
        let Asking { asker, language } = asking.into();
        let (recipient, names) = (self.recipient(address), self.asker_names(asker));
        let client = names.stored.as_deref();
        let mail = NewEmail { kind, user, address, recipient: &recipient, client, language, login: None };
        // Two transactions that count at the same time would both find room for one.
        db::lock_name(conn, &recipient)?;
        if Self::asked_lately(conn, kind, user, address, now)? {
            return Ok(false);
        }
        if asker != Asker::Operator && !self.has_room(conn, &mail, (asker, &names), now)? {
            tracing::info!(kind = kind.as_str(), "an email was not sent: too many were asked for");
            return Ok(false);
        }
        outbox::enqueue(conn, self.0.clock.new_id(), mail, now)?;
        Ok(true)
    }

    /// What emails to a mailbox are counted by: a keyed hash, because it is kept when the account is deleted.
    pub(super) fn recipient(&self, address: &str) -> String {
        self.0.name_key.digest(&Email::mailbox_of(address))
    }

    /// A network as a keyed hash, because the row is kept when the account is deleted.
    fn asker_names(&self, asker: Asker) -> AskerNames {
        match asker {
            Asker::Client(Some(address)) => {
                let network = network(address).to_string();
                let stored = Some(format!("{}{}", outbox::NETWORK, self.0.name_key.digest(&network)));
                AskerNames { stored, network }
            }
            Asker::Device(device) => {
                AskerNames { stored: Some(format!("device:{device}")), ..AskerNames::default() }
            }
            Asker::Operator | Asker::Client(None) => AskerNames::default(),
        }
    }

    /// Whether the same email was asked for a moment ago. About a user it is not the same if another address was sent a
    /// link since, or all links were invalidated: then the one that was sent no longer works.
    pub(super) fn asked_lately(
        conn: &mut Conn,
        kind: MailKind,
        user: Option<UserId>,
        address: &str,
        now: Timestamp,
    ) -> QueryResult<bool> {
        let since = now - PAUSE;
        let Some(user) = user else {
            return Ok(outbox::count_since(conn, Counted::ToAddress(kind, address), since)? > 0);
        };
        // One to an address whose change was canceled no longer works.
        if kind == MailKind::VerifyEmail && pending_address(conn, user, now)?.as_deref() != Some(address) {
            return Ok(false);
        }
        let ended_at = users::find(conn, user)?.and_then(|user| user.links_ended_at);
        let latest = outbox::latest(conn, kind, user)?;
        Ok(latest.is_some_and(|(to, asked_at)| {
            to == address && asked_at > since && ended_at.is_none_or(|ended_at| asked_at > ended_at)
        }))
    }

    fn has_room(
        &self,
        conn: &mut Conn,
        mail: &NewEmail<'_>,
        (asker, names): (Asker, &AskerNames),
        now: Timestamp,
    ) -> QueryResult<bool> {
        let limits = &self.0.mail_limits;
        let mut room = |rates: &[Rate], counted: Counted<'_>| has_room(conn, rates, counted, now);
        let client = mail.client.unwrap_or_default();
        if let (Asker::Device(_), Some(user)) = (asker, mail.user) {
            // All devices together are bounded, too: each sign-in may have made one.
            return Ok(room(&limits.recipient, Counted::Device(client))?
                && room(&limits.account, Counted::Devices(user))?);
        }
        let about_user = match mail.user {
            Some(user) => room(&limits.account, Counted::User(user))?,
            None => true,
        };
        // Accounts that only claim an address cannot use up what is left for its owner.
        let as_claim = mail.kind != MailKind::VerifyEmail || {
            let rates: Vec<Rate> = limits.recipient.iter().copied().map(share_of_claims).collect();
            room(&rates, Counted::Claims(mail.recipient))?
                && (client.is_empty()
                    || room(&limits.client, Counted::Client([client, names.network.as_str()]))?)
        };
        Ok(about_user && as_claim && room(&limits.recipient, Counted::Recipient(mail.recipient))?)
    }

    /// Adds a notice about something that was done with the account's own password or link. Returns whether it did: it
    /// does not once there were too many, about the same few changes again and again.
    pub(super) fn post_notice(
        &self,
        conn: &mut Conn,
        kind: MailKind,
        user: UserId,
        address: &str,
        now: Timestamp,
    ) -> QueryResult<bool> {
        // The notice that takes a change back is always sent, and there is one at a time.
        let limited = kind != MailKind::EmailChangedUndo;
        if limited && !has_room(conn, &self.0.mail_limits.account, Counted::Notices(user), now)? {
            return Ok(false);
        }
        self.add_notice(conn, kind, (user, None), address, now)?;
        Ok(true)
    }

    /// Adds a notice about a login, as long as there is room for one: such notices have limits of their own, which links
    /// and other notices do not share. The user is locked.
    pub(super) fn post_new_device(
        &self,
        conn: &mut Conn,
        (user, login): (UserId, LoginId),
        address: &str,
        now: Timestamp,
    ) -> QueryResult<bool> {
        if !has_room(conn, &self.0.mail_limits.account, Counted::NewDevices(user), now)? {
            tracing::info!(%user, "no new-device email: limit reached");
            return Ok(false);
        }
        self.add_notice(conn, MailKind::NewDevice, (user, Some(login)), address, now)?;
        Ok(true)
    }

    fn add_notice(
        &self,
        conn: &mut Conn,
        kind: MailKind,
        (user, login): (UserId, Option<LoginId>),
        address: &str,
        now: Timestamp,
    ) -> QueryResult<()> {
        let recipient = self.recipient(address);
        let (user, recipient) = (Some(user), recipient.as_str());
        let mail = NewEmail { kind, user, address, recipient, client: None, language: None, login };
        outbox::enqueue(conn, self.0.clock.new_id(), mail, now)
    }
}

/// Whether one more fits into all of the rates.
fn has_room(conn: &mut Conn, rates: &[Rate], counted: Counted<'_>, now: Timestamp) -> QueryResult<bool> {
    for rate in rates {
        if outbox::count_since(conn, counted, now - period(*rate))? >= i64::from(rate.count.get()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The time that a rate is about, 30 days at most.
pub(super) fn period(rate: Rate) -> TimeDelta {
    TimeDelta::from_std(rate.per).unwrap_or(TimeDelta::days(30))
}

/// What unverified claims may use of a mailbox's rate: all but a third of it, at least one and, where there is room for
/// more than one, never all.
fn share_of_claims(rate: Rate) -> Rate {
    let kept = rate.count.get().div_ceil(3);
    let share = rate.count.get().saturating_sub(kept);
    Rate { count: std::num::NonZeroU32::new(share).unwrap_or(std::num::NonZeroU32::MIN), ..rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_leave_room_for_the_owner() {
        let share = |text: &str| share_of_claims(Rate::parse(text).unwrap()).count.get();
        assert_eq!(share("3/1h"), 2);
        assert_eq!(share("10/1d"), 6);
        assert_eq!(share("2/1h"), 1);
        assert_eq!(share("1/1h"), 1);
    }
}
