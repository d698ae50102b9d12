//! The table `authorization_codes`: codes that bring a sign-in back to an app, stored as hashes, each valid once.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::authorization_codes;
use doorward_core::domain::{LoginId, UserId};

/// A code to add.
#[derive(Debug, Clone)]
pub struct NewCode {
    pub hash: String,
    pub user_id: UserId,
    /// The browser's login.
    pub login_id: LoginId,
    pub redirect_uri: String,
    /// The app's origin.
    pub client: String,
    pub code_challenge: String,
    pub expires_at: Timestamp,
}

/// A code that was issued, whatever became of it.
#[derive(Debug, Clone, Queryable)]
pub struct IssuedCode {
    #[diesel(deserialize_as = String)]
    pub user_id: UserId,
    #[diesel(deserialize_as = String)]
    pub login_id: LoginId,
    pub redirect_uri: String,
    pub client: String,
    pub code_challenge: String,
    app_login_id: Option<String>,
}

impl IssuedCode {
    /// The login that was made for it.
    #[must_use]
    pub fn app_login(&self) -> Option<LoginId> {
        self.app_login_id.as_deref()?.parse().ok()
    }
}

pub fn insert(conn: &mut Conn, code: &NewCode) -> QueryResult<()> {
    diesel::insert_into(authorization_codes::table)
        .values((
            authorization_codes::hash.eq(&code.hash),
            authorization_codes::user_id.eq(code.user_id.to_string()),
            authorization_codes::login_id.eq(code.login_id.to_string()),
            authorization_codes::redirect_uri.eq(&code.redirect_uri),
            authorization_codes::client.eq(&code.client),
            authorization_codes::code_challenge.eq(&code.code_challenge),
            authorization_codes::expires_at.eq(code.expires_at),
        ))
        .execute(conn)
        .map(drop)
}

pub fn find(conn: &mut Conn, hash: &str) -> QueryResult<Option<IssuedCode>> {
    authorization_codes::table
        .find(hash)
        .select((
            authorization_codes::user_id,
            authorization_codes::login_id,
            authorization_codes::redirect_uri,
            authorization_codes::client,
            authorization_codes::code_challenge,
            authorization_codes::app_login_id,
        ))
        .get_result(conn)
        .optional()
}

/// Uses up a code, in one statement: of two transactions that race, one gets it. Returns whether this one did.
pub fn redeem(conn: &mut Conn, hash: &str, now: Timestamp) -> QueryResult<bool> {
    let row = authorization_codes::table
        .find(hash)
        .filter(authorization_codes::used_at.is_null())
        .filter(authorization_codes::expires_at.gt(now));
    Ok(diesel::update(row).set(authorization_codes::used_at.eq(now)).execute(conn)? == 1)
}

/// Records which login was made for a code.
pub fn set_app_login(conn: &mut Conn, hash: &str, login: LoginId) -> QueryResult<()> {
    diesel::update(authorization_codes::table.find(hash))
        .set(authorization_codes::app_login_id.eq(login.to_string()))
        .execute(conn)
        .map(drop)
}

/// Deletes the codes of a user.
pub fn delete_of(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    diesel::delete(authorization_codes::table.filter(authorization_codes::user_id.eq(user.to_string())))
        .execute(conn)
        .map(drop)
}

/// Deletes up to `limit` the codes that expired before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, authorization_codes.hash: String, authorization_codes::expires_at.lt(before), limit)
}
