//! `Mailer`: sends what is in the outbox. [`Mail`] is the handle.
//!
//! A mail is a row that was committed with the change that it tells about, so neither a crash nor an
//! unreachable server loses one, and no request waits for one.

mod advice;
mod delivery;
mod encryption;
mod failure;
mod message;
mod outage;
mod pool;
pub mod preview;
pub mod render;
mod smtp;
mod tap;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, WrapFuture};
use tokio::sync::{Notify, Semaphore};

use crate::actors::Db;
use crate::actors::db::DbError;
use crate::clock::Clock;
use crate::config::{Config, MailUrl};
use delivery::Delivery;
use doorward_core::domain::Email;
use failure::Failure;
use message::Settings;
use smtp::Pace;
use work::{Claim, Job, WorkError};

/// Conversations with the server at a time: one that is slow must not hold the others up.
const AT_ONCE: u32 = 4;
/// Rows that another process adds wake nobody here.
const POLL: Duration = Duration::from_secs(30);
/// The wait after a database error.
const DATABASE_PAUSE: Duration = Duration::from_secs(5);

/// Tells the mailer that the outbox has something new. The default wakes nobody: for tests without mail.
#[derive(Clone, Debug)]
pub struct Mail {
    news: Arc<Notify>,
    slots: Arc<Semaphore>,
}

impl Default for Mail {
    fn default() -> Self {
        Self { news: Arc::default(), slots: Arc::new(Semaphore::new(AT_ONCE as usize)) }
    }
}

/// Sends one mail now, past the outbox, so that whoever sets a server up sees what it answers.
///
/// # Errors
/// A sentence with the server's answer, and what is likely to be wrong.
pub async fn send_trial(config: &Config, clock: &Clock, address: &Email) -> Result<(), String> {
    let delivery = Delivery::new(config, Pace::TRIAL)?;
    let (now, id) = (clock.now(), clock.new_id().to_string());
    let text = format!(
        "This is a test mail from Doorward at {}\nMails of this server arrive at this address.\n",
        config.link("")
    );
    let sent = async {
        let message = Settings::new(config).address(address.as_str(), &id, now)?;
        let message = message.subject("A test mail from Doorward").singlepart(message::plain(text));
        let message = message.map_err(|error| Failure::unsendable(error.to_string()))?;
        delivery.send("test", &id, now, message).await
    };
    sent.await.map_err(|failure| failure.describe(&[]))
}

impl Mail {
    /// Starts the mailer on this thread.
    ///
    /// # Errors
    /// A sentence that names what is wrong with `mail.url`, or with the directory for kept mails.
    pub fn start(db: Db, clock: Clock, config: &Config) -> Result<Self, String> {
        let mail = Self::default();
        let delivery = Delivery::new(config, Pace::DELIVERY)?;
        let job = Job::new(db, clock, Settings::new(config), delivery);
        Mailer { job, mail: mail.clone() }.start();
        Ok(mail)
    }

    /// Has the outbox looked at now. Call it after the commit.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Starts no more mails and waits until those under way have left. Whoever does not wait that long loses
    /// none: a claim ends with its lease, and the mail is sent again.
    pub async fn finish(&self) {
        // Never an error: nobody closes the semaphore. Its permits are kept, so that no mail starts again.
        if let Ok(all) = self.slots.acquire_many(AT_ONCE).await {
            all.forget();
        }
    }
}

/// Where kept mails are, for the page that shows them; none unless `mail.url` is `preview`.
#[must_use]
pub fn preview_directory(config: &Config) -> Option<PathBuf> {
    matches!(config.mail.url, MailUrl::Preview).then(|| preview::directory(&config.data_dir))
}

/// Claims mails one after the other and has up to [`AT_ONCE`] of them sent at a time.
struct Mailer {
    job: Job,
    mail: Mail,
}

impl Actor for Mailer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(run(self.job.clone(), self.mail.clone()).into_actor(self));
    }
}

async fn run(job: Job, mail: Mail) {
    let clock = job.clock.clone();
    // Whoever drops the semaphore, nobody does, ends the loop.
    while let Ok(slot) = Arc::clone(&mail.slots).acquire_owned().await {
        let soon = match job.claim().await {
            Ok(Claim::Send(message)) => {
                let (job, news) = (job.clone(), Arc::clone(&mail.news));
                actix::spawn(async move {
                    job.send(message).await;
                    drop(slot);
                    // One that failed is due again sooner than the lease that the loop saw.
                    news.notify_one();
                });
                continue;
            }
            // Somebody else was faster, or the row was for nobody: there may be another one.
            Ok(Claim::Skipped) => continue,
            Ok(Claim::NothingUntil(next)) => {
                let poll = clock.instant() + POLL;
                next.map_or(poll, |next| clock.instant_at(next).min(poll))
            }
            Err(WorkError::Db(DbError::Unwritable)) => clock.instant() + DATABASE_PAUSE,
            Err(error) => {
                tracing::warn!(%error, "cannot read the outbox");
                clock.instant() + DATABASE_PAUSE
            }
        };
        // `finish` must not wait for one that sleeps.
        drop(slot);
        tokio::select! {
            () = clock.sleep_until(soon) => {}
            () = mail.news.notified() => {}
        }
    }
}
