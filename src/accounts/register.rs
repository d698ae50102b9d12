//! Registering an account.

use diesel::QueryResult;

use super::access::RightsChange;
use super::authority::{Authority, lock_admins};
use super::email_requests::Asking;
use super::error::on_duplicate;
use super::{Accounts, Caller, Device, Error, Grant, Profile, invitations};
use crate::actors::hasher::{Class, Lane};
use crate::auth::refresh::Credential;
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::events::{self, Kind};
use crate::models::users::{self, NewUser, User};
use doorward_core::domain::{Email, Invalid, LanguageTag, MailKind, Password, RolesChange, UserId, Username};

/// What a new user has chosen.
#[derive(Debug, Clone)]
pub struct Registrant {
    pub username: Username,
    pub password: Password,
    pub email: Option<Email>,
    /// The token of an invitation.
    pub invitation: Option<String>,
    /// The language for pages and emails.
    pub language: Option<LanguageTag>,
}

/// What a registration leads to.
pub enum Registered {
    SignedIn(Grant),
    /// The address has to be verified before the first sign-in.
    ToVerify(Profile),
}

/// An invitation of which the new account makes use.
struct Invited {
    token: String,
    /// It was sent to the new account's address: registering with it verifies that.
    proves_address: bool,
}

impl Accounts {
    /// Registers an account and signs it in, unless its address has to be verified first. The client is not told whether
    /// an address is known: it is only claimed until the link that is sent to it is followed, or if the invitation was
    /// sent there.
    ///
    /// # Errors
    /// [`Error::RegistrationClosed`], [`Error::InvitationRequired`], [`Error::InvalidInvitation`]; [`Error::Invalid`]
    /// about an address that is not allowed; [`Error::UsernameReserved`], [`Error::UsernameTaken`],
    /// [`Error::UsernameLooksTaken`], [`Error::WeakPassword`]; [`Error::EmailHeld`] if another account has verified the
    /// address of the invitation; [`Error::Hash`] if too much password work is queued.
    pub async fn register(
        &self,
        registrant: Registrant,
        device: Device,
        caller: &Caller,
    ) -> Result<Registered, Error> {
        let Registrant { username, password, email, invitation, language } = registrant;
        let (email, invited) = self.admit(email, invitation).await?;
        self.check_name(&username).await?;
        let about = [Some(username.folded()), email.as_ref().map(Email::as_str)]
            .into_iter()
            .flatten()
            .map(str::to_owned);
        let lane = Lane::new(Class::Registration, caller.requester());
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, about.collect()).await?;
        let id = UserId(self.0.clock.new_id());
        let user =
            NewUser { id, username, email, password_hash, has_new_password: true, on_trial: true, language };
        let (this, caller) = (self.clone(), caller.clone());
        let token = self.device_token((user.id, &user.password_hash), None);
        let (user, credential, now) = self
            .0
            .db
            .transaction(move |conn| this.add_registrant(conn, &user, invited.as_ref(), &device, &caller))
            .await?;
        if user.email.is_some() {
            self.0.mail.wake();
        }
        let Some(credential) = credential else { return Ok(Registered::ToVerify(user.into())) };
        let grant = self.grant(user, credential, now)?;
        Ok(Registered::SignedIn(Grant { device_token: Some(token), ..grant }))
    }

    /// Whether a client may register, and with which address.
    async fn admit(
        &self,
        email: Option<Email>,
        invitation: Option<String>,
    ) -> Result<(Option<Email>, Option<Invited>), Error> {
        let rules = &self.0.registration;
        rules.check(invitation.is_some())?;
        let Some(token) = invitation else {
            rules.check_address(email.as_ref())?;
            return Ok((email, None));
        };
        let Some(invited) = self.check_invitation(&token).await? else {
            rules.check_address(email.as_ref())?;
            return Ok((email, Some(Invited { token, proves_address: false })));
        };
        // The operator who invited an address has decided about its domain.
        let invited = Email::parse(&invited)?;
        if email.is_some_and(|email| email != invited) {
            let why = "This invitation is for another address.";
            return Err(Error::Invalid(Invalid::new("email", why).because("invited")));
        }
        Ok((Some(invited), Some(Invited { token, proves_address: true })))
    }

    /// First a cheap check; the unique indexes decide.
    async fn check_name(&self, username: &Username) -> Result<(), Error> {
        if self.0.reserved_names.contains(username) {
            return Err(Error::UsernameReserved);
        }
        let (wanted, allow_lookalikes) = (username.clone(), self.0.allow_lookalikes);
        self.0
            .db
            .run(move |conn| {
                if users::find_by_username(conn, &wanted)?.is_some() {
                    return Err(Error::UsernameTaken);
                }
                if !allow_lookalikes && users::find_lookalike(conn, &wanted)?.is_some() {
                    return Err(Error::UsernameLooksTaken);
                }
                Ok(())
            })
            .await
    }

    /// Inside one transaction: the account, and its first login unless its address has to be verified first.
    fn add_registrant(
        &self,
        conn: &mut Conn,
        user: &NewUser,
        invited: Option<&Invited>,
        device: &Device,
        caller: &Caller,
    ) -> Result<(User, Option<Credential>, Timestamp), Error> {
        let now = self.0.clock.now();
        let invitation = match invited {
            Some(invited) => {
                lock_admins(conn)?;
                Some(invitations::find(conn, &invited.token, now)?)
            }
            None => None,
        };
        let insert = if self.0.allow_lookalikes { users::insert_lookalike } else { users::insert };
        insert(conn, user, now).map_err(|error| on_duplicate(error, Error::UsernameTaken))?;
        events::insert_user(conn, Kind::UserCreated, user.id, now)?;
        if let Some(invitation) = &invitation {
            invitations::redeem(conn, invitation, user.id, now)?;
            let roles = RightsChange { roles: Some(RolesChange::Replace(invitation.roles())), claims: None };
            let added = users::find(conn, user.id)?.ok_or(Error::NotFound)?;
            // Before a link is sent: a new role may invalidate those that were sent before.
            self.change_rights(conn, &added, &roles, (&Authority::Operator, caller))?;
        }
        match &user.email {
            Some(email) if invited.is_some_and(|invited| invited.proves_address) => {
                users::set_held_email(conn, user.id, email.as_str(), now)
                    .map_err(|error| on_duplicate(error, Error::EmailHeld))?;
            }
            Some(email) => {
                let kind = (MailKind::VerifyEmail, Some(user.id));
                self.post_link(conn, kind, email.as_str(), Asking::by(caller), now)?;
            }
            None => {}
        }
        let added = users::find(conn, user.id)?.ok_or(Error::NotFound)?;
        let credential = if self.must_verify(&added) {
            None
        } else {
            Some(self.begin_login(conn, user.id, device, caller, now)?)
        };
        let caller = match &credential {
            Some(credential) => caller.clone().with_login(user.id, credential.login),
            None => caller.clone(),
        };
        let event = caller.event(self.0.clock.new_id(), Action::Registered, Some(user.id));
        let detail = invitation.as_ref().map(|invitation| invitation.id.as_str());
        audit_events::insert(conn, &NewEvent { detail, ..event }, now)?;
        Ok((added, credential, now))
    }

    /// Whether this user has to verify their address before the first sign-in. Accounts that an operator or an import
    /// added, and those that were in use before the setting, need not.
    pub(super) fn must_verify(&self, user: &User) -> bool {
        self.0.registration.require_verified_email
            && user.unused_since.is_some()
            && user.email.is_some()
            && user.email_verified_at.is_none()
    }

    /// Sends another link to a user who has to verify their address, as far as the limits on emails allow.
    pub(super) fn send_verification(
        &self,
        conn: &mut Conn,
        user: &User,
        caller: &Caller,
        now: Timestamp,
    ) -> QueryResult<()> {
        let Some(email) = &user.email else { return Ok(()) };
        let kind = (MailKind::VerifyEmail, Some(user.id));
        self.post_link(conn, kind, email, Asking::by(caller), now).map(drop)
    }
}
