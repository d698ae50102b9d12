//! How a database's schema compares with the newest one of this program.

use diesel::dsl::sql;
use diesel::migration::MigrationSource;
use diesel::sql_types::Bool;
use diesel::sqlite::Sqlite;
use diesel::{QueryDsl, RunQueryDsl};

use super::{Conn, MIGRATIONS};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// Another program's database, or an empty one.
    None,
    Older,
    Newest,
    /// It has migrations that this program does not know.
    Newer,
}

/// The migrations of a database, and how they differ from those of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions {
    /// How many this program knows.
    pub(super) known: usize,
    /// The last of them.
    pub(super) newest: String,
    /// Known here, and not applied to the database.
    pub(super) missing: usize,
    /// Applied to the database, and not known here.
    pub(super) unknown: Vec<String>,
}

diesel::table! {
    /// Diesel's own table.
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

impl Versions {
    /// None for another program's database, or an empty one.
    pub(super) fn of(conn: &mut Conn) -> Result<Option<Self>, Error> {
        let is_there = sql::<Bool>(match conn {
            Conn::Sqlite(_) => {
                "EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations')"
            }
            Conn::Postgres(_) => "to_regclass('__diesel_schema_migrations') IS NOT NULL",
        });
        if !diesel::select(is_there).get_result(conn)? {
            return Ok(None);
        }
        let made: Vec<String> =
            __diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(conn)?;
        let known: Vec<String> = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)?
            .iter()
            .map(|migration| migration.name().version().to_string())
            .collect();
        let missing = known.iter().filter(|version| !made.contains(version)).count();
        let unknown = made.into_iter().filter(|version| !known.contains(version)).collect();
        let newest = known.iter().max().cloned().unwrap_or_default();
        Ok(Some(Self { known: known.len(), newest, missing, unknown }))
    }
}

/// Refuses a database that a newer version of this program has migrated: this one would not keep what that one stores.
///
/// # Errors
/// A sentence that names the migration.
pub(super) fn refuse_newer(conn: &mut Conn) -> Result<(), Error> {
    let Some(versions) = Versions::of(conn)? else { return Ok(()) };
    // One in between may be another program's, which keeps its tables in the same database.
    match versions.unknown.iter().filter(|version| **version > versions.newest).min() {
        None => Ok(()),
        Some(unknown) => Err(format!(
            "a newer version of Doorward has changed it (migration {unknown} is unknown here), or another program keeps its \
             migrations in the same table. Run that version, or restore the backup from before the upgrade: \
             docs/UPGRADE.md, \"Go back\""
        )
        .into()),
    }
}

impl Schema {
    pub(super) fn of(conn: &mut Conn) -> Result<Self, Error> {
        Ok(match Versions::of(conn)? {
            None => Self::None,
            Some(versions) if !versions.unknown.is_empty() => Self::Newer,
            Some(versions) if versions.missing > 0 => Self::Older,
            Some(_) => Self::Newest,
        })
    }
}
