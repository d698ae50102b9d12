//! What whoever runs the server may do to accounts, at the machine's own command line. Nobody's password is asked:
//! who can read the database file could change it as well.

use std::collections::HashMap;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::error::on_duplicate;
use super::mails::Asker;
use super::profile::{about, erase};
use super::recovery::close_undo;
use super::sign_in::LoginName;
use super::{Accounts, Error};
use crate::actors::hasher::{Caller, Class, Lane};
use crate::clock::{Timestamp, rfc3339, serialize_rfc3339};
use crate::db::{self, Conn};
use crate::models::audit_events::Action;
use crate::models::failed_attempts;
use crate::models::logins::{self, LiveLogin, Scope};
use crate::models::users::{self, NewUser, User};
use doorward_core::domain::MailKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Email, LoginId, Password, UserId, Username, describe_user_agent};

/// Users to ask for in one statement.
const CHUNK: usize = 500;

/// An account as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub email_verified: bool,
    /// Since when nobody can sign in to it.
    pub disabled_at: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub created_at: Timestamp,
    /// How many logins of it stand.
    pub logins: i64,
}

/// A login that stands, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoginInfo {
    pub id: LoginId,
    pub kind: String,
    pub device: String,
    pub ip: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub last_seen_at: Timestamp,
}

impl From<LiveLogin> for LoginInfo {
    fn from(login: LiveLogin) -> Self {
        Self {
            id: login.id,
            device: describe_user_agent(login.user_agent.as_deref()),
            kind: login.kind,
            ip: login.ip,
            created_at: login.created_at,
            last_seen_at: login.last_seen_at,
        }
    }
}

/// Wrong passwords at an account, as an operator sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureInfo {
    /// `account by name`, `account by email`, a known `device`, all `devices`, a `login` (its id follows) whose current
    /// password was asked for again, or all of these (`confirm`).
    pub counted_at: String,
    /// In a row.
    pub failures: u32,
    pub last_at: Option<String>,
    /// Until when no further try is taken.
    pub blocked_until: Option<String>,
}

/// Which accounts to list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Part of a name or address.
    pub search: String,
    /// The last name of the page before.
    pub after: String,
    pub limit: i64,
}

/// A new account. Its address is only claimed, and a link to prove it is sent, unless it is `verified`.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub username: Username,
    pub password: Password,
    pub email: Option<Email>,
    pub verified: bool,
}

impl Accounts {
    /// # Errors
    /// Those of the database.
    pub async fn list_users(&self, listing: Listing) -> Result<Vec<Account>, Error> {
        let clock = self.0.clock.clone();
        let search: String = listing.search.trim().nfkc().collect();
        self.0
            .db
            .run(move |conn| {
                let users = users::list(conn, &search, &listing.after, listing.limit)?;
                accounts(conn, users, clock.now())
            })
            .await
    }

    /// The account that `text` names: a username, the address that it holds, or its id.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of the database.
    pub async fn find_account(&self, text: &str) -> Result<Account, Error> {
        let (text, clock) = (text.to_owned(), self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                let by_name = match LoginName::parse(&text) {
                    Some(name) => name.find_user(conn)?,
                    None => None,
                };
                let user = match (by_name, text.parse::<UserId>()) {
                    (None, Ok(id)) => users::find(conn, id)?,
                    (by_name, _) => by_name,
                };
                let user = user.ok_or(Error::NotFound)?;
                accounts(conn, vec![user], clock.now())?.pop().ok_or(Error::NotFound)
            })
            .await
    }

    /// The logins of a user that stand, the newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn logins_of(&self, user: UserId) -> Result<Vec<LoginInfo>, Error> {
        Ok(self.list_logins(user).await?.into_iter().map(LoginInfo::from).collect())
    }

    /// Wrong passwords in a row at an account, of the last day.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failures_of(&self, user: UserId) -> Result<Vec<FailureInfo>, Error> {
        let now = self.0.clock.now();
        let counted =
            self.0.db.run(move |conn| Ok::<_, Error>(failed_attempts::of_user(conn, user)?)).await?;
        let lately = counted.into_iter().filter(|counted| {
            counted.failures.failed_at.is_some_and(|at| now - at < crate::auth::guessing::MEMORY)
        });
        Ok(lately
            .map(|counted| FailureInfo {
                counted_at: place(&counted.slot),
                failures: counted.failures.count,
                last_at: counted.failures.failed_at.map(rfc3339),
                blocked_until: counted.failures.blocked_until.filter(|until| *until > now).map(rfc3339),
            })
            .collect())
    }

    /// Forgets the wrong passwords at an account, so that the next try is taken at once. Answers whether there were
    /// any.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of the database.
    pub async fn unlock(&self, user: UserId) -> Result<bool, Error> {
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    users::lock(conn, user)?.ok_or(Error::NotFound)?;
                    let cleared = failed_attempts::clear_user(conn, user)?;
                    this.note_operator(conn, Action::Unlocked, Some(user), this.0.clock.now())?;
                    Ok(cleared > 0)
                })
            })
            .await
    }

    /// The name of an account that `username` could be taken for.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_lookalike(&self, username: Username) -> Result<Option<String>, Error> {
        let other = move |conn: &mut Conn| {
            let found = users::find_lookalike(conn, &username)?;
            Ok::<_, Error>(found.filter(|other| other != username.folded()))
        };
        self.0.db.run(other).await
    }

    /// Opens an account without signing in. Its name may be reserved, or look like another.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`], [`Error::EmailHeld`], [`Error::WeakPassword`], those of the database and the
    /// hasher.
    pub async fn add_user(&self, account: NewAccount) -> Result<Account, Error> {
        let NewAccount { username, password, email, verified } = account;
        let known = [Some(username.folded()), email.as_ref().map(Email::as_str)];
        let known = known.into_iter().flatten().map(str::to_owned).collect();
        let password_hash = self
            .0
            .hasher
            .hash_chosen::<Error>(Lane::new(Class::Registration, Caller::default()), password, known)
            .await?;
        let user =
            NewUser { id: UserId(self.0.clock.new_id()), username, email, password_hash, on_trial: false };
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    users::insert_lookalike(conn, &user, now)
                        .map_err(|error| on_duplicate(error, Error::UsernameTaken))?;
                    match &user.email {
                        Some(email) if verified => users::set_held_email(conn, user.id, email.as_str(), now)
                            .map_err(|error| on_duplicate(error, Error::EmailHeld))?,
                        Some(email) => {
                            let kind = (MailKind::VerifyEmail, Some(user.id));
                            this.post_link(conn, kind, email.as_str(), Asker::Operator, now)?;
                        }
                        None => {}
                    }
                    this.note_operator(conn, Action::Registered, Some(user.id), now)?;
                    let user = users::find(conn, user.id)?.ok_or(Error::NotFound)?;
                    accounts(conn, vec![user], now)?.pop().ok_or(Error::NotFound)
                })
            })
            .await
    }

    /// Shuts a user out, ending all their logins, or lets them sign in again.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of the database.
    pub async fn set_disabled(&self, user: UserId, disabled: bool) -> Result<(), Error> {
        let this = self.clone();
        self.0
            .logins
            .revoke_with(RevokeReason::AccountDisabled, move |conn| {
                let now = this.0.clock.now();
                if !users::set_disabled(conn, user, disabled, now)? {
                    return Err(Error::NotFound);
                }
                if disabled {
                    close_undo(conn, user, now)?;
                }
                let action = if disabled { Action::Disabled } else { Action::Enabled };
                this.note_operator(conn, action, Some(user), now)?;
                Ok(((), disabled.then_some(Scope::User(user))))
            })
            .await
    }

    /// Sets a password, ends all logins of the user and tells them by mail.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WeakPassword`], those of the database and the hasher.
    pub async fn set_password(&self, user: UserId, password: Password) -> Result<(), Error> {
        let found = self.0.db.run(move |conn| users::find(conn, user)?.ok_or(Error::NotFound)).await?;
        let hash = self
            .0
            .hasher
            .hash_chosen::<Error>(Lane::new(Class::Owner, Caller::default()), password, about(&found))
            .await?;
        let this = self.clone();
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordReset, move |conn| {
                let now = this.0.clock.now();
                let user = users::lock(conn, user)?.ok_or(Error::NotFound)?;
                close_undo(conn, user.id, now)?;
                failed_attempts::clear_user(conn, user.id)?;
                this.replace_password(conn, &user, &hash, now)?;
                this.note_operator(conn, Action::PasswordReset, Some(user.id), now)?;
                Ok::<_, Error>(((), Some(Scope::User(user.id))))
            })
            .await
    }

    /// Deletes an account, as its owner could.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of the database.
    pub async fn remove_user(&self, user: UserId) -> Result<(), Error> {
        let this = self.clone();
        self.0
            .logins
            .revoke_with(RevokeReason::AccountDeleted, move |conn| {
                users::lock(conn, user)?.ok_or(Error::NotFound)?;
                erase(conn, user, this.0.clock.now())?;
                this.note_operator(conn, Action::Deleted, Some(user), this.0.clock.now())?;
                Ok::<_, Error>(((), Some(Scope::User(user))))
            })
            .await
    }

    /// Ends logins; answers how many stood.
    ///
    /// # Errors
    /// [`Error::NotFound`] if a single one does not stand, those of the database.
    pub async fn revoke_logins(&self, scope: Scope) -> Result<usize, Error> {
        let clock = self.0.clock.clone();
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let standing = logins::count_in(conn, scope, clock.now())?;
                if standing == 0 && matches!(scope, Scope::Login(_)) {
                    return Err(Error::NotFound);
                }
                if let Scope::User(user) = scope {
                    close_undo(conn, user, clock.now())?;
                }
                Ok((usize::try_from(standing).unwrap_or(usize::MAX), Some(scope)))
            })
            .await
    }
}

/// Where failures are counted, without the user's id.
fn place(slot: &str) -> String {
    match slot.split(':').collect::<Vec<_>>()[..] {
        ["account", _, form] => format!("account by {form}"),
        ["login", login] => format!("login {login}"),
        [kind, ..] => kind.to_owned(),
        [] => String::new(),
    }
}

fn accounts(conn: &mut Conn, users: Vec<User>, now: Timestamp) -> Result<Vec<Account>, Error> {
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let mut counts = HashMap::new();
    for ids in ids.chunks(CHUNK) {
        counts.extend(logins::count_live(conn, ids, now)?);
    }
    let account = |user: User| Account {
        logins: counts.get(&user.id.to_string()).copied().unwrap_or_default(),
        id: user.id,
        username: user.username,
        display_name: user.display_name,
        email_verified: user.email_verified_at.is_some(),
        email: user.email,
        disabled_at: user.disabled_at.map(rfc3339),
        created_at: user.created_at,
    };
    Ok(users.into_iter().map(account).collect())
}
