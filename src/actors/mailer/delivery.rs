//! Where a mail goes: an SMTP server, or a file.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::runtime::Handle;

use super::AT_ONCE;
use super::preview::{self, Preview};
use crate::clock::Timestamp;
use crate::config::{Config, MailUrl};

/// For each step of a conversation.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole conversation: a server that answers each step in time can make it last. Shorter than a lease.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);
/// Characters of a server's answer that are worth a place in the log.
const DESCRIPTION: usize = 300;

pub(super) enum Delivery {
    Smtp(Smtp),
    Preview(Preview),
}

/// lettre's pool spawns a task when it is dropped, and a connection does so too: outside a runtime that
/// panics, and while another panic unwinds it ends the process. So the pool is dropped inside its runtime, and
/// conversations are the runtime's own tasks.
pub(super) struct Smtp {
    /// There until it is dropped.
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
    runtime: Handle,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.transport = None;
    }
}

/// Why a mail did not leave. It may hold what the server was sent: log only what [`Failure::describe`] gives.
pub(super) struct Failure {
    pub permanent: bool,
    causes: String,
}

impl Failure {
    /// A mail that no attempt will ever send.
    pub fn unsendable(error: &dyn Error) -> Self {
        Self { permanent: true, causes: chain(error) }
    }

    fn temporary(causes: String) -> Self {
        Self { permanent: false, causes }
    }

    /// The causes in one line, without the texts in `secrets`.
    pub fn describe(&self, secrets: &[&str]) -> String {
        let mut text = self.causes.clone();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        // Whatever link the server's answer holds besides.
        let words = text.split_whitespace().map(|word| if word.contains("://") { "***" } else { word });
        words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(DESCRIPTION).collect()
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // lettre repeats its cause's words in its own.
        if !text.ends_with(&cause_text) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl Delivery {
    /// What `mail.url` names.
    pub fn new(config: &Config) -> Result<Self, String> {
        match &config.mail.url {
            MailUrl::Smtp(url) => Self::smtp(url),
            MailUrl::Preview => Self::preview(preview::directory(&config.data_dir)),
        }
    }

    fn smtp(url: &str) -> Result<Self, String> {
        // The error is not shown: it may repeat the URL, which may hold a password.
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "mail.url is no URL that an SMTP transport can be made from".to_owned())?;
        let pool = PoolConfig::new().max_size(AT_ONCE);
        let runtime = Handle::try_current().map_err(|_| "mail needs a runtime".to_owned())?;
        let transport = Some(builder.timeout(Some(STEP_TIMEOUT)).pool_config(pool).build());
        Ok(Self::Smtp(Smtp { transport, runtime }))
    }

    fn preview(directory: PathBuf) -> Result<Self, String> {
        let shown = directory.display().to_string();
        Preview::open(directory)
            .map(Self::Preview)
            .map_err(|error| format!("cannot keep mails in {shown}: {error}"))
    }

    pub async fn send(&self, kind: &str, id: &str, now: Timestamp, message: Message) -> Result<(), Failure> {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::Preview(preview) => {
                let preview = preview.clone();
                let name = format!("{}-{}-{id}", now.format("%Y%m%dT%H%M%S%6f"), kind);
                let kept = tokio::task::spawn_blocking(move || preview.keep(&name, &message.formatted()));
                match kept.await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(Failure::temporary(chain(&error))),
                    Err(error) => Err(Failure::temporary(chain(&error))),
                }
            }
        }
    }
}

impl Smtp {
    async fn send(&self, message: Message) -> Result<(), Failure> {
        let Some(transport) = self.transport.clone() else {
            return Err(Failure::temporary("the mailer has stopped".to_owned()));
        };
        #[expect(clippy::disallowed_methods, reason = "a conversation with a server takes real time")]
        let conversation =
            async move { tokio::time::timeout(ATTEMPT_TIMEOUT, transport.send(message)).await };
        match self.runtime.spawn(conversation).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(error))) => Err(Failure { permanent: error.is_permanent(), causes: chain(&error) }),
            Ok(Err(_)) => {
                Err(Failure::temporary(format!("the server took more than {} s", ATTEMPT_TIMEOUT.as_secs())))
            }
            Err(error) => Err(Failure::temporary(chain(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_holds_no_link_and_no_address() {
        let failure = Failure::temporary(
            "permanent error (550): no <a@b.example>, T0K is bad\r\nsee http://x/T0K and https://y/other"
                .to_owned(),
        );
        assert_eq!(
            failure.describe(&["T0K", "a@b.example", ""]),
            "permanent error (550): no <***>, *** is bad see *** and ***"
        );
        let long = Failure::temporary("x".repeat(5000));
        assert_eq!(long.describe(&[]).len(), DESCRIPTION);
    }

    #[test]
    fn a_bad_url_is_refused_without_being_shown() {
        let error = Delivery::smtp("nonsense://u:hunter2@host").err().unwrap();
        assert!(error.contains("mail.url") && !error.contains("hunter2"), "{error}");
    }
}
