//! Where an email goes: to an SMTP server, or into a file.

use std::path::Path;

use lettre::Message;

use super::failure::{Failure, chain};
use super::preview::Preview;
use super::smtp::{Pace, Smtp};
use crate::clock::Timestamp;
use crate::config::{self, Config, MailUrl};
use crate::ownership::{self, Need};
use crate::private_files;

pub(super) enum Delivery {
    Smtp(Smtp),
    Preview(Preview),
}

impl Delivery {
    /// The delivery that `mail.url` names.
    pub fn new(config: &Config, pace: Pace) -> Result<Self, String> {
        match &config.mail.url {
            MailUrl::Smtp(server) => {
                let own = || config.public_url.host().as_ref().and_then(config::domain_for_helo);
                let helo_name = config.mail.helo_name.clone().or_else(own);
                Smtp::new(server.clone(), helo_name, pace).map(Self::Smtp)
            }
            MailUrl::Preview => Self::preview(&private_files::kept_emails(&config.data_dir)),
        }
    }

    fn preview(directory: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| {
            let why = ownership::explain(error, directory, Need::Fill);
            format!("cannot keep emails in {}: {why}", directory.display())
        };
        let preview = Preview::open(directory.to_owned()).map_err(|error| failed(&error))?;
        // Checked now, and not when the first email is sent.
        match ownership::obstacle(directory, Need::Fill) {
            Some(_) => Err(failed(&"permission denied")),
            None => Ok(Self::Preview(preview)),
        }
    }

    /// The mail server, for logs.
    pub fn address(&self) -> String {
        match self {
            Self::Smtp(smtp) => smtp.address(),
            Self::Preview(_) => String::new(),
        }
    }

    pub async fn send(&self, kind: &str, id: &str, now: Timestamp, message: Message) -> Result<(), Failure> {
        match self {
            Self::Smtp(smtp) => smtp.send(&message).await,
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
