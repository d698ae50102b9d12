//! Rewrites names and addresses that an earlier version stored in the form in which they are looked up now. It runs at
//! each start, because a node of that version may have written since; a start that finds none writes nothing.

use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::Error;
use crate::actors::Db;
use crate::db::{self, Conn};
use crate::models::stored_forms::{self, AddressColumn};
use crate::models::users;
use doorward_core::domain::{Email, Username};

/// Rows per transaction.
const BATCH: usize = 500;

enum Change {
    Address { column: AddressColumn, key: String, old: String, new: String },
    Skeleton { id: String, skeleton: String },
}

/// A server that cannot do this starts all the same: all else works.
pub(super) async fn renew(db: &Db) {
    let renewed = async {
        let changes = db.run(|conn| Ok::<_, Error>(find_changes(conn)?)).await?;
        if changes.is_empty() {
            return Ok(0);
        }
        db.run_writing(move |conn| apply(conn, &changes)).await
    };
    match renewed.await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "converted stored names and addresses"),
        Err::<_, Error>(error) => {
            tracing::warn!(%error, "could not convert stored names and addresses");
        }
    }
}

fn find_changes(conn: &mut Conn) -> QueryResult<Vec<Change>> {
    let mut changes = Vec::new();
    for column in AddressColumn::ALL {
        for (key, old) in stored_forms::find_international(conn, column)? {
            // An address that today's rules refuse stays as it is.
            let new = Email::parse(&old).map(|email| email.as_str().to_owned()).unwrap_or_default();
            if !new.is_empty() && new != old {
                changes.push(Change::Address { column, key, old, new });
            }
        }
    }
    for (id, name) in stored_forms::find_without_skeleton(conn)? {
        let Some(username) = Username::lookup(&name) else { continue };
        let skeleton = username.skeleton();
        // Of names that look alike already, the first gets the skeleton and the others stay as they are.
        if skeleton != name && users::find_lookalike(conn, &username)?.is_none() {
            changes.push(Change::Skeleton { id, skeleton });
        }
    }
    Ok(changes)
}

/// Returns how many rows were changed.
fn apply(conn: &mut Conn, changes: &[Change]) -> Result<usize, Error> {
    let mut applied = 0;
    for batch in changes.chunks(BATCH) {
        let all = db::write(conn, |conn| batch.iter().try_for_each(|change| change.apply(conn)));
        if !is_duplicate(&all) {
            all?;
            applied += batch.len();
            continue;
        }
        for change in batch {
            let one = db::write(conn, |conn| change.apply(conn));
            if is_duplicate(&one) {
                change.report_duplicate();
            } else {
                one?;
                applied += 1;
            }
        }
    }
    Ok(applied)
}

fn is_duplicate(done: &QueryResult<()>) -> bool {
    matches!(done, Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)))
}

impl Change {
    fn apply(&self, conn: &mut Conn) -> QueryResult<()> {
        match self {
            Self::Address { column, key, old, new } => {
                stored_forms::set_address(conn, *column, key, (old, new))
            }
            Self::Skeleton { id, skeleton } => stored_forms::set_skeleton(conn, id, skeleton),
        }
    }

    fn report_duplicate(&self) {
        if let Self::Address { column: AddressColumn::Users, key, .. } = self {
            tracing::warn!(
                user = key,
                "this account's address is also held by another account, which wrote its domain in another form"
            );
        }
    }
}
