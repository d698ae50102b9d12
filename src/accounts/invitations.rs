//! Invitations to register: made by an operator or an administrator, each good for one account.

use std::ops::RangeInclusive;
use std::time::Duration;
use utoipa::ToSchema;

use serde::Serialize;
use uuid::Uuid;

use super::authority::Authority;
use super::{Accounts, Caller, Error, time_delta};
use crate::auth::secret::{hash_token, random_token, trim_token};
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::config;
use crate::db::{self, Conn};
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::invitations::{self, Invitation, NewInvitation};
use crate::models::outbox::{self, NewEmail};
use doorward_core::domain::{ADMIN, Email, KeyScope, MailKind, Roles, UserId};

/// Whom to invite. Without an address, anyone who has the link may register.
#[derive(Debug, Clone)]
pub struct Invite {
    pub email: Option<Email>,
    /// The new user gets them at the registration.
    pub roles: Roles,
    /// How long it works: one of [`INVITATION_TTL`].
    pub ttl: Duration,
}

impl Invite {
    pub const DEFAULT_TTL: Duration = Duration::from_hours(7 * 24);
}

/// A year at most: a link that is forgotten must not work for ever.
pub const INVITATION_TTL: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(366 * 24);

/// An invitation that was made. No `Debug`: the link lets anyone register.
#[derive(Serialize, ToSchema)]
pub struct MadeInvitation {
    #[schema(format = Uuid)]
    pub id: String,
    /// None if the link is sent by email: it is made when the email is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://login.example.org/invitation/pV3...")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "bob@example.org")]
    pub email: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub expires_at: Timestamp,
}

/// An open invitation, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationInfo {
    #[schema(format = Uuid)]
    pub id: String,
    #[schema(example = "bob@example.org")]
    pub email: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["editor"]))]
    pub roles: Roles,
    #[schema(example = "0190f3c4-0000-7000-8000-000000000000")]
    pub invited_by: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
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
    /// [`super::AdminError::MissingScope`] or [`super::AdminError::AdminBeyondOwnRights`] about the roles; [`Error::ApiKey`] or
    /// [`Error::Token`] if the caller may no longer do it.
    pub async fn invite(&self, invite: Invite, caller: &Caller) -> Result<MadeInvitation, Error> {
        let token = invite.email.is_none().then(random_token);
        let (this, caller) = (self.clone(), caller.clone());
        let hash = token.as_deref().map(hash_token);
        let (id, email, expires_at) = self
            .0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let authority = Authority::lock(conn, &caller, now)?;
                if !invite.roles.is_empty() {
                    authority.require(KeyScope::RolesWrite)?;
                }
                if invite.roles.has(ADMIN) {
                    authority.check_admin_role()?;
                }
                let event = caller.event(this.0.clock.new_id(), Action::Invited, None);
                let new = NewInvitation {
                    id: this.0.clock.new_id(),
                    hash,
                    email: invite.email,
                    roles: invite.roles,
                    invited_by: event.actor_id.clone(),
                    expires_at: authority.ends_before(now + time_delta(invite.ttl)),
                };
                if let Some(email) = &new.email {
                    // In the order of the mailer, which claims the email first.
                    let recipient = this.recipient(email.as_str());
                    db::lock_name(conn, &recipient)?;
                    outbox::cancel_invitations(conn, email.as_str(), now)?;
                    invitations::revoke_to(conn, email.as_str())?;
                    let (kind, address) = (MailKind::Invitation, email.as_str());
                    let recipient = recipient.as_str();
                    let (user, client, language, login) = (None, None, None, None);
                    let mail = NewEmail { kind, user, address, recipient, client, language, login };
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
        Ok(MadeInvitation { id, link, email: email.map(|email| email.as_str().to_owned()), expires_at })
    }

    /// Up to `limit` open invitations past `after`, the newest first.
    pub async fn list_invitations(
        &self,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<InvitationInfo>, Error> {
        let clock = self.0.clock.clone();
        let list = move |conn: &mut Conn| Ok::<_, Error>(invitations::list(conn, after, limit, clock.now())?);
        Ok(self.0.db.run(list).await?.into_iter().map(Into::into).collect())
    }

    /// Revokes an open invitation: its link stops working.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no open one of this id; [`Error::ApiKey`] or [`Error::Token`] if the caller may no
    /// longer do it.
    pub async fn revoke_invitation(&self, id: &str, caller: &Caller) -> Result<(), Error> {
        let (this, id, caller) = (self.clone(), id.to_owned(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                Authority::lock(conn, &caller, now)?;
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
