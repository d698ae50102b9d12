//! What is stored about one person, for that person (GDPR article 15).

use serde::Serialize;

use super::administration::AdminUser;
use super::operator::FailureInfo;
use super::{Accounts, Error};
use crate::db::{self, Conn};
use crate::models::audit_pages::{self, StoredEvent};
use crate::models::login_pages::{self, StoredLogin};
use crate::models::outbox::{self, StoredEmail};
use crate::models::users;
use doorward_core::domain::UserId;

/// Everything about one person but hashes of secrets.
#[derive(Debug, Clone, Serialize)]
pub struct PersonalData {
    pub account: AdminUser,
    /// Also those that have ended, the newest first.
    pub logins: Vec<StoredLogin>,
    pub emails: Vec<StoredEmail>,
    pub wrong_passwords: Vec<FailureInfo>,
    /// What was done to the account and by its user, the oldest first.
    pub events: Vec<StoredEvent>,
}

impl Accounts {
    /// All that is stored about a person, as of one moment.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account.
    pub async fn personal_data(&self, user: UserId) -> Result<PersonalData, Error> {
        let wrong_passwords = self.failures_of(user).await?;
        let collect = move |conn: &mut Conn| {
            db::snapshot(conn, |conn| {
                let account = AdminUser::from(&users::find(conn, user)?.ok_or(Error::NotFound)?);
                Ok::<_, Error>(PersonalData {
                    account,
                    logins: login_pages::all_of_user(conn, user)?,
                    emails: outbox::of_user(conn, user)?,
                    wrong_passwords,
                    events: audit_pages::about(conn, user)?,
                })
            })
        };
        self.0.db.run(collect).await
    }
}
