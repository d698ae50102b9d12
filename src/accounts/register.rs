//! Registering an account.

use super::email_requests::Asker;
use super::error::on_duplicate;
use super::{Accounts, Caller, Device, Error, Grant};
use crate::actors::hasher::{Class, Lane};
use crate::models::audit_events::Action;
use crate::models::events::{self, Kind};
use crate::models::users::{self, NewUser};
use doorward_core::domain::MailKind;
use doorward_core::domain::{Email, Password, UserId, Username};

impl Accounts {
    /// Registers an account and signs it in. The client is not told whether an address is known: it is only claimed
    /// until the link that is sent to it is followed.
    ///
    /// # Errors
    /// [`Error::UsernameReserved`], [`Error::UsernameTaken`], [`Error::UsernameLooksTaken`], [`Error::WeakPassword`];
    /// [`Error::Hash`] if too much password work is queued.
    pub async fn register(
        &self,
        username: Username,
        password: Password,
        email: Option<Email>,
        device: Device,
        caller: &Caller,
    ) -> Result<Grant, Error> {
        if self.0.reserved_names.contains(&username) {
            return Err(Error::UsernameReserved);
        }
        let (wanted, allow_lookalikes) = (username.clone(), self.0.allow_lookalikes);
        // First a cheap check; the unique indexes below decide.
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
            .await?;
        let about = [Some(username.folded()), email.as_ref().map(Email::as_str)]
            .into_iter()
            .flatten()
            .map(str::to_owned);
        let lane = Lane::new(Class::Registration, caller.requester());
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, about.collect()).await?;
        let has_email = email.is_some();
        let user =
            NewUser { id: UserId(self.0.clock.new_id()), username, email, password_hash, on_trial: true };
        let (this, caller) = (self.clone(), caller.clone());
        let (user, credential, now) = self
            .0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let insert = if allow_lookalikes { users::insert_lookalike } else { users::insert };
                insert(conn, &user, now).map_err(|error| on_duplicate(error, Error::UsernameTaken))?;
                if let Some(email) = &user.email {
                    let kind = (MailKind::VerifyEmail, Some(user.id));
                    this.post_link(conn, kind, email.as_str(), Asker::Client(caller.address), now)?;
                }
                events::insert_user(conn, Kind::UserCreated, user.id, now)?;
                let credential = this.begin_login(conn, user.id, &device, &caller, now)?;
                let caller = caller.with_login(user.id, credential.login);
                this.record(conn, &caller, Action::Registered, Some(user.id), now)?;
                let user = users::find(conn, user.id)?.ok_or(Error::NotFound)?;
                Ok::<_, Error>((user, credential, now))
            })
            .await?;
        if has_email {
            self.0.mail.wake();
        }
        let token = self.device_token((user.id, &user.password_hash), None);
        self.grant(user, credential, now).map(|grant| Grant { device_token: Some(token), ..grant })
    }
}
