//! A mailer on a database of its own, without a server around it.

use std::time::Duration;

use diesel::prelude::*;
use doorward::Clock;
use doorward::internals::actors::Db;
use doorward::internals::actors::DbError;
use doorward::internals::brand::Brand;
use doorward::internals::clock::{ManualClock, Timestamp};
use doorward::internals::db;
use doorward::internals::db::Conn;
use doorward::internals::mail::Mail;
use doorward::internals::models::outbox;
use doorward::internals::models::outbox::NewEmail;
use doorward::internals::schema::{outbox as rows, users};
use doorward::internals::text::Languages;
use doorward_core::domain::{MailKind, UserId};

use crate::support::config::Settings;
use crate::support::time::{now, pause};

pub fn mail(kind: MailKind, user: UserId, address: &str) -> NewEmail<'_> {
    let (client, language, login) = (None, None, None);
    NewEmail { kind, user: Some(user), address, recipient: address, client, language, login }
}

#[derive(Debug)]
struct Trouble(#[expect(dead_code, reason = "shown by a failed test")] String);

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self(error.to_string())
    }
}

impl From<diesel::result::Error> for Trouble {
    fn from(error: diesel::result::Error) -> Self {
        Self(error.to_string())
    }
}

/// A mailer with a database, a manual clock and an address to send to.
pub struct TestMailer {
    pub dir: tempfile::TempDir,
    pub time: ManualClock,
    pub clock: Clock,
    db: Db,
    pub mail: Mail,
}

impl TestMailer {
    pub fn open(mail_url: &str) -> Self {
        Self::open_with(mail_url, &[])
    }

    pub fn open_with(mail_url: &str, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Settings::on(dir.path())
            .with(&[
                ("data_dir", dir.path().to_str().unwrap()),
                ("mail.url", mail_url),
                ("public_url", "https://id.example/"),
            ])
            .with(settings)
            .config();
        let pool = db::open(&config.database.url, 2).unwrap();
        let db = Db::start(pool, 2);
        let time = ManualClock::default();
        let clock = Clock::Manual(time.clone());
        let brand = Brand::load(&config.brand).unwrap();
        let mail =
            Mail::start(db.clone(), clock.clone(), &config, Languages::built_in(), brand.into()).unwrap();
        Self { dir, time, clock, db, mail }
    }

    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> T {
        self.db.run::<T, Trouble>(move |conn| Ok(work(conn)?)).await.unwrap()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn user(&self, name: &'static str, email: &'static str) -> UserId {
        let (id, now) = (UserId(self.clock.new_id()), self.clock.now());
        self.run(move |conn| {
            diesel::insert_into(users::table)
                .values((
                    users::id.eq(id.to_string()),
                    users::username.eq(name),
                    users::display_name.eq(name),
                    users::email.eq(email),
                    users::email_verified_at.eq(now),
                    users::password_hash.eq("x"),
                    users::created_at.eq(now),
                    users::updated_at.eq(now),
                ))
                .execute(conn)
        })
        .await;
        id
    }

    pub async fn enqueue(&self, kind: MailKind, user: UserId, address: &'static str) {
        let (id, now) = (self.clock.new_id(), self.clock.now());
        self.run(move |conn| outbox::enqueue(conn, id, mail(kind, user, address), now)).await;
        self.mail.wake();
    }

    /// Attempts, next attempt and sending of each row.
    pub async fn rows(&self) -> Vec<(i32, Timestamp, Option<Timestamp>)> {
        self.run(|conn| {
            rows::table
                .order(rows::id)
                .select((rows::attempts, rows::next_attempt_at, rows::sent_at))
                .load(conn)
        })
        .await
    }

    pub async fn until(&self, what: &str, good: impl Fn(&[(i32, Timestamp, Option<Timestamp>)]) -> bool) {
        let deadline = now() + Duration::from_secs(10);
        loop {
            let rows = self.rows().await;
            if good(&rows) {
                return;
            }
            assert!(now() < deadline, "{what}: {rows:?}");
            pause().await;
        }
    }

    pub async fn until_put_back(&self, attempts: i32, after: Duration) {
        let due = self.clock.now() + chrono::TimeDelta::from_std(after).unwrap();
        self.until("put back", |rows| rows[0].0 == attempts && rows[0].1 == due).await;
    }
}
