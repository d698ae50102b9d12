//! Opening an account.

use super::error::on_duplicate;
use super::mails::Asker;
use super::{Accounts, Device, Error, Grant};
use crate::actors::hasher::{Class, Lane};
use crate::db;
use crate::models::audit_events::Action;
use crate::models::users::{self, NewUser};
use doorward_core::domain::MailKind;
use doorward_core::domain::{Email, Password, UserId, Username};

impl Accounts {
    /// Opens an account and signs it in. Whether an address is known to us is not told: it is only claimed
    /// until the link that goes to it is followed.
    ///
    /// # Errors
    /// [`Error::UsernameReserved`], [`Error::UsernameTaken`], [`Error::UsernameLooksTaken`], [`Error::WeakPassword`],
    /// those of the database and the hasher.
    pub async fn register(
        &self,
        username: Username,
        password: Password,
        email: Option<Email>,
        device: Device,
    ) -> Result<Grant, Error> {
        if self.0.reserved_names.contains(&username) {
            return Err(Error::UsernameReserved);
        }
        let (wanted, allow_lookalikes) = (username.clone(), self.0.allow_lookalikes);
        // First the cheap question; the indexes below have the last word.
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
        let lane = Lane::new(Class::Registration, device.caller());
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, about.collect()).await?;
        let has_mail = email.is_some();
        let user =
            NewUser { id: UserId(self.0.clock.new_id()), username, email, password_hash, on_trial: true };
        let this = self.clone();
        let grant = self
            .0
            .db
            .run_writing(move |conn| {
                let (user, credential, now) = db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let insert = if allow_lookalikes { users::insert_lookalike } else { users::insert };
                    insert(conn, &user, now).map_err(|error| on_duplicate(error, Error::UsernameTaken))?;
                    if let Some(email) = &user.email {
                        let asker = Asker::Client(device.ip);
                        this.post_link(
                            conn,
                            (MailKind::VerifyEmail, Some(user.id)),
                            email.as_str(),
                            asker,
                            now,
                        )?;
                    }
                    this.note(conn, Action::Registered, Some(user.id), device.ip, now)?;
                    let credential = this.begin_login(conn, user.id, &device, now)?;
                    let user = users::find(conn, user.id)?.ok_or(Error::NotFound)?;
                    Ok::<_, Error>((user, credential, now))
                })?;
                let token = this.device_token((user.id, &user.password_hash), None);
                this.grant(user, credential, now).map(|grant| Grant { device_token: Some(token), ..grant })
            })
            .await?;
        if has_mail {
            self.0.mail.wake();
        }
        Ok(grant)
    }
}
