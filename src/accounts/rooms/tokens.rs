//! Revokes room tokens.

use chrono::SubsecRound;

use super::super::authority::Authority;
use super::super::{Accounts, Caller, Error};
use super::LOCK;
use crate::clock::{Timestamp, rfc3339};
use crate::cluster::message::NodeId;
use crate::db::{self, Conn};
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::{room_changes, room_token_revocations, users};
use doorward_core::domain::{Invalid, UserId};
use doorward_core::rooms::{LONGEST_TOKEN_ID, RevokedTokens};

impl Accounts {
    /// Revokes room tokens: sessions that are in a room by one of them leave it, and no join with one succeeds. Answers like
    /// [`Accounts::change_room_right`] when all nodes have applied it, or with those that have not said so.
    ///
    /// # Errors
    /// [`Error::Invalid`] about the `jti`, or a moment that has not come; [`Error::NotFound`] if there is no such user;
    /// [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do it.
    pub async fn revoke_room_tokens(
        &self,
        tokens: RevokedTokens,
        caller: &Caller,
    ) -> Result<Vec<NodeId>, Error> {
        let tokens = checked(tokens, self.0.clock.now())?;
        let (this, caller) = (self.clone(), caller.clone());
        let write = move |conn: &mut Conn| {
            let number = db::write(conn, |conn| this.write_revoked_tokens(conn, &tokens, &caller))?;
            this.0.logins.rooms_changed_here(conn, number);
            Ok::<_, Error>(number)
        };
        let number = self.0.db.run_revoking(write).await?;
        Ok(self.0.logins.cluster.all_applied_rooms(number).await)
    }

    /// All room tokens that were issued until now, of one user or of all.
    #[must_use]
    pub fn room_tokens_until_now(&self, user: Option<UserId>) -> RevokedTokens {
        RevokedTokens::IssuedBefore(self.0.clock.now(), user)
    }

    /// Inside one transaction. Answers the number of the last change.
    fn write_revoked_tokens(
        &self,
        conn: &mut Conn,
        tokens: &RevokedTokens,
        caller: &Caller,
    ) -> Result<i64, Error> {
        let now = self.0.clock.now();
        db::lock_name(conn, LOCK)?;
        Authority::lock(conn, caller, now)?;
        let user = user_of(tokens);
        if let Some(user) = user {
            users::find(conn, user)?.ok_or(Error::NotFound)?;
        }
        if room_token_revocations::insert(conn, tokens, now)? {
            let detail = match tokens {
                RevokedTokens::One(id) => format!("jti {id}"),
                RevokedTokens::IssuedBefore(before, _) => format!("issued before {}", rfc3339(*before)),
            };
            let event = caller.event(self.0.clock.new_id(), Action::RoomTokensRevoked, user);
            audit_events::insert(conn, &NewEvent { detail: Some(&detail), ..event }, now)?;
        }
        Ok(room_changes::newest(conn)?.unwrap_or_default())
    }
}

const fn user_of(tokens: &RevokedTokens) -> Option<UserId> {
    match tokens {
        RevokedTokens::One(_) => None,
        RevokedTokens::IssuedBefore(_, user) => *user,
    }
}

/// In the precision of rows.
fn checked(tokens: RevokedTokens, now: Timestamp) -> Result<RevokedTokens, Invalid> {
    match tokens {
        RevokedTokens::One(id) if id.is_empty() || id.len() > LONGEST_TOKEN_ID => {
            Err(Invalid::new("jti", "The `jti` of a room token has 1 to 128 bytes."))
        }
        // PostgreSQL has no text with it.
        RevokedTokens::One(id) if id.contains('\0') => {
            Err(Invalid::new("jti", "The `jti` of a room token has no character U+0000."))
        }
        RevokedTokens::IssuedBefore(before, _) if before > now => {
            Err(Invalid::new("issued_before", "The moment must not be in the future."))
        }
        RevokedTokens::IssuedBefore(before, user) => {
            Ok(RevokedTokens::IssuedBefore(before.trunc_subsecs(6), user))
        }
        one @ RevokedTokens::One(_) => Ok(one),
    }
}
