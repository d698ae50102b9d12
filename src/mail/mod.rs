//! Email: what is in the outbox is rendered and sent. [`Mail`] is the handle.
//!
//! An email is a row that was committed with the change that it reports, so neither a crash nor an unreachable server
//! loses one, and no request waits for one. [`crate::jobs`] runs the rows.
//!
//! | file | what it holds |
//! |---|---|
//! | `job.rs` | an email's way from a row to the server and back: the job kind |
//! | `claim.rs` | whether an email may still be sent; its link |
//! | `render.rs`, `templates/` | what emails say |
//! | `message.rs` | headers and encoding |
//! | `delivery.rs`, `smtp/`, `preview.rs` | to a mail server, or to a file |
//! | `failure.rs`, `refusals.rs`, `outage.rs` | why an email was not sent, and what follows |

mod claim;
mod delivery;
mod failure;
mod job;
mod message;
mod outage;
pub mod preview;
mod refusals;
pub mod render;
#[cfg(test)]
mod render_tests;
mod smtp;

use std::path::PathBuf;
use std::sync::Arc;

pub use claim::RESET_TTL;

use crate::actors::Db;
use crate::brand::Brand;
use crate::clock::Clock;
use crate::config::{Config, MailUrl};
use crate::jobs::{self, JobKind};
use crate::metrics::Registry;
use crate::private_files;
use crate::text::Languages;
use delivery::Delivery;
use doorward_core::domain::Email;
use failure::Failure;
use job::SendEmail;
use message::Settings;
use smtp::Pace;

/// Wakes and stops the task that sends emails. The default wakes no task: for tests without email.
#[derive(Clone, Debug)]
pub struct Mail(jobs::Handle);

impl Default for Mail {
    fn default() -> Self {
        Self(jobs::Handle::idle(SendEmail::SCHEDULE.concurrency))
    }
}

impl Mail {
    /// Starts to send emails, on this thread's runtime.
    ///
    /// # Errors
    /// A sentence that names what is wrong with `mail.url`, or with the directory for kept emails.
    pub fn start(
        db: Db,
        clock: Clock,
        config: &Config,
        languages: Languages,
        brand: Arc<Brand>,
    ) -> Result<Self, String> {
        let delivery = Delivery::new(config, Pace::DELIVERY)?;
        let kind = SendEmail::new(clock.clone(), Settings::new(config, languages, brand), delivery);
        Ok(Self(jobs::start(kind, db, clock)))
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.0.register_metrics(registry);
    }

    /// Sends what the outbox holds now. To be called after the commit.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// Starts no more emails and waits for those being sent. A caller that stops waiting loses no email: it is sent
    /// again when its lease ends.
    pub async fn finish(&self) {
        self.0.finish().await;
    }
}

/// Sends a test email now, without the outbox, so that an operator sees how the server answers.
///
/// # Errors
/// A sentence with the server's answer, and what is likely to be wrong.
pub async fn send_test(config: &Config, clock: &Clock, address: &Email) -> Result<(), String> {
    let delivery = Delivery::new(config, Pace::TEST)?;
    let (now, id) = (clock.now(), clock.new_id().to_string());
    let text = format!(
        "This is a test email from Doorward at {}\nIf you can read it, this server can send email.\n",
        config.link("")
    );
    let brand = Arc::new(Brand::load(&config.brand)?);
    let settings = Settings::new(config, Languages::of(config)?, brand);
    let sent = async {
        let message = settings.address(address.as_str(), &id, now)?;
        let message = message.subject("Test email from Doorward").singlepart(message::plain(text));
        let message = message.map_err(|error| Failure::unsendable(error.to_string()))?;
        delivery.send("test", &id, now, message).await
    };
    sent.await.map_err(|failure| failure.describe(&[]))
}

/// The directory of kept emails, for the page that shows them; none unless `mail.url` is `preview`.
#[must_use]
pub fn preview_directory(config: &Config) -> Option<PathBuf> {
    matches!(config.mail.url, MailUrl::Preview).then(|| private_files::kept_emails(&config.data_dir))
}
