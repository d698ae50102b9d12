//! Where a mail goes: an SMTP server, or a file.

use std::path::PathBuf;

use lettre::Message;

use super::failure::{Failure, chain};
use super::preview::{self, Preview};
use super::smtp::{Pace, Smtp};
use crate::clock::Timestamp;
use crate::config::{self, Config, MailUrl};

pub(super) enum Delivery {
    Smtp(Smtp),
    Preview(Preview),
}

impl Delivery {
    /// What `mail.url` names.
    pub fn new(config: &Config, pace: Pace) -> Result<Self, String> {
        match &config.mail.url {
            MailUrl::Smtp(server) => {
                let own = || config.public_url.host().as_ref().and_then(config::domain_for_helo);
                let helo_name = config.mail.helo_name.clone().or_else(own);
                Smtp::new(server.clone(), helo_name, pace).map(Self::Smtp)
            }
            MailUrl::Preview => Self::preview(preview::directory(&config.data_dir)),
        }
    }

    fn preview(directory: PathBuf) -> Result<Self, String> {
        let shown = directory.display().to_string();
        Preview::open(directory)
            .map(Self::Preview)
            .map_err(|error| format!("cannot keep mails in {shown}: {error}"))
    }

    /// For logs: the mail server.
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
