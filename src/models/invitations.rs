//! The table `invitations`: each is good for one account.

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::{Timestamp, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::db::Conn;
use crate::schema::invitations;
use doorward_core::domain::{Email, Roles, UserId};

/// An invitation to add.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    pub id: Uuid,
    /// None if the token is made when its email is sent.
    pub hash: Option<String>,
    pub email: Option<Email>,
    pub roles: Roles,
    pub invited_by: Option<String>,
    pub expires_at: Timestamp,
}

/// An invitation that was neither used nor has expired.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Invitation {
    pub id: String,
    pub email: Option<String>,
    roles: String,
    pub invited_by: Option<String>,
    pub expires_at: Timestamp,
    pub created_at: Timestamp,
}

impl Invitation {
    /// The roles that the new user gets. Roles that were written by hand and are not valid count as none.
    #[must_use]
    pub fn roles(&self) -> Roles {
        let roles = serde_json::from_str(&self.roles);
        roles
            .inspect_err(|error| tracing::error!(id = self.id, %error, "ignored the roles of an invitation"))
            .unwrap_or_default()
    }
}

const OPEN: (
    invitations::id,
    invitations::email,
    invitations::roles,
    invitations::invited_by,
    invitations::expires_at,
    invitations::created_at,
) = (
    invitations::id,
    invitations::email,
    invitations::roles,
    invitations::invited_by,
    invitations::expires_at,
    invitations::created_at,
);

pub fn insert(conn: &mut Conn, new: &NewInvitation, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(invitations::table)
        .values((
            invitations::id.eq(new.id.to_string()),
            invitations::hash.eq(&new.hash),
            invitations::email.eq(new.email.as_ref().map(Email::as_str)),
            // Names only: this always is JSON.
            invitations::roles.eq(serde_json::to_string(&new.roles).unwrap_or_else(|_| "[]".to_owned())),
            invitations::invited_by.eq(&new.invited_by),
            invitations::expires_at.eq(new.expires_at),
            invitations::created_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

/// The open invitation of this hash. It stays open.
pub fn peek(conn: &mut Conn, hash: &str, now: Timestamp) -> QueryResult<Option<Invitation>> {
    invitations::table
        .filter(invitations::hash.eq(hash))
        .filter(invitations::used_at.is_null())
        .filter(invitations::expires_at.gt(now))
        .select(OPEN)
        .get_result(conn)
        .optional()
}

/// The invitation with which a user registered, as it is shown to that user.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize, ToSchema)]
pub struct UsedInvitation {
    #[schema(format = Uuid)]
    pub id: String,
    #[schema(example = "alice@example.org")]
    pub email: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-12-04T12:00:00.000Z")]
    pub expires_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-27T13:00:00.000Z")]
    pub used_at: Option<Timestamp>,
}

/// The invitation with which a user registered, if there was one and it is still stored.
pub fn used_by(conn: &mut Conn, user: UserId) -> QueryResult<Option<UsedInvitation>> {
    invitations::table
        .filter(invitations::user_id.eq(user.to_string()))
        .select((
            invitations::id,
            invitations::email,
            invitations::created_at,
            invitations::expires_at,
            invitations::used_at,
        ))
        .first(conn)
        .optional()
}

/// Uses up an invitation for this user, in one statement: of two transactions that race, one gets it. Returns whether
/// this one did.
pub fn redeem(conn: &mut Conn, id: &str, user: UserId, now: Timestamp) -> QueryResult<bool> {
    let row = invitations::table
        .find(id)
        .filter(invitations::used_at.is_null())
        .filter(invitations::expires_at.gt(now));
    let redeemed = (invitations::used_at.eq(now), invitations::user_id.eq(user.to_string()));
    Ok(diesel::update(row).set(redeemed).execute(conn)? == 1)
}

/// Gives the newest open invitation to this address its token. Answers until when it works; `None` if there is no such
/// invitation any more.
pub fn set_token(conn: &mut Conn, email: &str, hash: &str, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    let newest: Option<(String, Timestamp)> = invitations::table
        .filter(invitations::email.eq(email))
        .filter(invitations::used_at.is_null())
        .filter(invitations::expires_at.gt(now))
        .order((invitations::created_at.desc(), invitations::id.desc()))
        .select((invitations::id, invitations::expires_at))
        .first(conn)
        .optional()?;
    let Some((id, expires_at)) = newest else { return Ok(None) };
    let row = invitations::table.find(id).filter(invitations::used_at.is_null());
    let set = diesel::update(row).set(invitations::hash.eq(hash)).execute(conn)? == 1;
    Ok(set.then_some(expires_at))
}

/// Up to `limit` open invitations past `after`, the newest first: their ids are in the order of creation.
pub fn list(
    conn: &mut Conn,
    after: Option<Uuid>,
    limit: i64,
    now: Timestamp,
) -> QueryResult<Vec<Invitation>> {
    // Past every id, in every collation: ids begin with a hexadecimal digit.
    let after = after.map_or_else(|| "g".to_owned(), |id| id.to_string());
    invitations::table
        .filter(invitations::used_at.is_null())
        .filter(invitations::expires_at.gt(now))
        .filter(invitations::id.lt(after))
        .order(invitations::id.desc())
        .limit(limit)
        .select(OPEN)
        .load(conn)
}

/// Deletes an open invitation; returns whether there was one.
pub fn revoke(conn: &mut Conn, id: &str, now: Timestamp) -> QueryResult<bool> {
    let row = invitations::table
        .find(id)
        .filter(invitations::used_at.is_null())
        .filter(invitations::expires_at.gt(now));
    Ok(diesel::delete(row).execute(conn)? == 1)
}

/// Deletes the open invitations that a user or an API key made; returns how many.
pub fn revoke_by(conn: &mut Conn, maker: &str) -> QueryResult<usize> {
    let made = invitations::table.filter(invitations::invited_by.eq(maker));
    diesel::delete(made.filter(invitations::used_at.is_null())).execute(conn)
}

/// Deletes the open invitations to an address: a new one replaces them.
pub fn revoke_to(conn: &mut Conn, email: &str) -> QueryResult<()> {
    let open = invitations::table.filter(invitations::email.eq(email)).filter(invitations::used_at.is_null());
    diesel::delete(open).execute(conn).map(drop)
}

/// Deletes the invitation with which a user registered: it has the user's address.
pub fn delete_of(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    diesel::delete(invitations::table.filter(invitations::user_id.eq(user.to_string())))
        .execute(conn)
        .map(drop)
}

/// Deletes up to `limit` the invitations that expired before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, invitations.id: String, invitations::expires_at.lt(before), limit)
}
