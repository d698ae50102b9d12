//! Invitations to register: made by an operator or an administrator, each good for one account.

use std::time::Duration;

use serde::Serialize;

use super::{Accounts, Caller, Error, time_delta};
use crate::auth::secret::{hash_token, random_token, trim_token};
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::config;
use crate::db::{self, Conn};
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::invitations::{self, Invitation, NewInvitation};
use crate::models::outbox::{self, NewEmail};
use doorward_core::domain::{Email, MailKind, Roles, UserId};

/// Whom to invite. Without an address, anyone who has the link may register.
#[derive(Debug, Clone)]
pub struct Invite {
    pub email: Option<Email>,
    /// The new user gets them at the registration.
    pub roles: Roles,
    /// How long it works.
    pub ttl: Duration,
}

/// An invitation that was made. No `Debug`: the link lets anyone register.
#[derive(Serialize)]
pub struct Invited {
    pub id: String,
    /// None if the link is sent by email: it is made when the email is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub expires_at: Timestamp,
}

/// An open invitation, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvitationInfo {
    pub id: String,
    pub email: Option<String>,
    pub roles: Roles,
    pub invited_by: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub expires_at: Timestamp,
}

impl From<Invitation> for InvitationInfo {
    fn from(invitation: Invitation) -> Self {
        Self {
            roles: invitation.roles(),
            id: invitation.id,
            email: invitation.email,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

impl Accounts {
    /// Makes an invitation. One with an address is sent there, and replaces an earlier one to it; of any other one the
    /// link is answered, and shown nowhere else.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`].
    pub async fn invite(&self, invite: Invite, caller: &Caller) -> Result<Invited, Error> {
        let token = invite.email.is_none().then(random_token);
        let (this, caller) = (self.clone(), caller.clone());
        let hash = token.as_deref().map(hash_token);
        let (id, email, expires_at) = self
            .0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let event = caller.event(this.0.clock.new_id(), Action::Invited, None);
                let new = NewInvitation {
                    id: this.0.clock.new_id(),
                    hash,
                    email: invite.email,
                    roles: invite.roles,
                    invited_by: event.actor_id.clone(),
                    expires_at: now + time_delta(invite.ttl),
                };
                if let Some(email) = &new.email {
                    // In the order of the mailer, which claims the email first.
                    let recipient = this.recipient(email.as_str());
                    db::lock_name(conn, &recipient)?;
                    outbox::cancel_invitations(conn, email.as_str(), now)?;
                    invitations::revoke_to(conn, email.as_str())?;
                    let (kind, address) = (MailKind::Invitation, email.as_str());
                    let mail = NewEmail { kind, user: None, address, recipient: &recipient, client: None };
                    outbox::enqueue(conn, this.0.clock.new_id(), mail, now)?;
                }
                invitations::insert(conn, &new, now)?;
                let id = new.id.to_string();
                audit_events::insert(conn, &NewEvent { detail: Some(&id), ..event }, now)?;
                Ok::<_, Error>((id, new.email, new.expires_at))
            })
            .await?;
        self.0.mail.wake();
        let link = token.map(|token| config::link(&self.0.public_url, &format!("/invitation/{token}")));
        Ok(Invited { id, link, email: email.map(|email| email.as_str().to_owned()), expires_at })
    }

    /// The open invitations, the newest first, a thousand at most.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`].
    pub async fn list_invitations(&self) -> Result<Vec<InvitationInfo>, Error> {
        let clock = self.0.clock.clone();
        let list = move |conn: &mut Conn| Ok::<_, Error>(invitations::list(conn, clock.now())?);
        Ok(self.0.db.run(list).await?.into_iter().map(Into::into).collect())
    }

    /// Revokes an open invitation: its link stops working.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no open one of this id.
    pub async fn revoke_invitation(&self, id: &str, caller: &Caller) -> Result<(), Error> {
        let (this, id, caller) = (self.clone(), id.to_owned(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                if !invitations::revoke(conn, &id, now)? {
                    return Err(Error::NotFound);
                }
                let event = caller.event(this.0.clock.new_id(), Action::InvitationRevoked, None);
                Ok(audit_events::insert(conn, &NewEvent { detail: Some(&id), ..event }, now)?)
            })
            .await
    }

    /// The address that an open invitation is for, if it is for one. It stays open.
    ///
    /// # Errors
    /// [`Error::InvalidInvitation`] if it was used or revoked, has expired, or never was one;
    /// [`Error::RegistrationClosed`].
    pub async fn check_invitation(&self, token: &str) -> Result<Option<String>, Error> {
        self.0.registration.check_open()?;
        let (hash, clock) = (hash_token(trim_token(token)), self.0.clock.clone());
        let find = move |conn: &mut Conn| Ok::<_, Error>(invitations::peek(conn, &hash, clock.now())?);
        Ok(self.0.db.run(find).await?.ok_or(Error::InvalidInvitation)?.email)
    }
}

/// Finds the open invitation of a token, inside the transaction that will use it.
pub(super) fn find(conn: &mut Conn, token: &str, now: Timestamp) -> Result<Invitation, Error> {
    let hash = hash_token(trim_token(token));
    invitations::peek(conn, &hash, now)?.ok_or(Error::InvalidInvitation)
}

/// Uses up an invitation for a new user.
pub(super) fn redeem(
    conn: &mut Conn,
    invitation: &Invitation,
    user: UserId,
    now: Timestamp,
) -> Result<(), Error> {
    // Of two at the same time, the other one was first.
    if invitations::redeem(conn, &invitation.id, user, now)? { Ok(()) } else { Err(Error::InvalidInvitation) }
}
