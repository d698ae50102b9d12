//! One email in a conversation: MAIL FROM, RCPT TO, DATA.

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};

use super::timing::Attempt;
use crate::mail::failure::{Failure, Stage, Verdict};

fn is_ascii(address: &Address) -> bool {
    address.user().is_ascii() && address.domain().is_ascii()
}

/// Hands one email over.
pub(super) async fn transact(
    attempt: &Attempt,
    connection: &mut AsyncSmtpConnection,
    message: &Message,
) -> Result<(), Failure> {
    let envelope = message.envelope();
    let sender_is_ascii = envelope.from().is_none_or(is_ascii);
    let needs_utf8 = !sender_is_ascii || !envelope.to().iter().all(is_ascii);
    if needs_utf8 && !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        return Err(if sender_is_ascii {
            Failure::unsendable(
                "the address has non-ASCII letters before the @, which this server does not support (SMTPUTF8)",
            )
        } else {
            let why =
                "mail.from has non-ASCII letters before the @, which this server does not support (SMTPUTF8)";
            Failure::server(Stage::Sender, why)
        });
    }
    let bytes = message.formatted();
    let mut parameters = Vec::new();
    if needs_utf8 {
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let sender = connection.command(Mail::new(envelope.from().cloned(), parameters));
    let refused = |error| {
        let failure = Failure::smtp(Stage::Sender, &error);
        // SMTPUTF8 is more than most emails ask for, so a refusal is about this one, unless the server closes (421).
        match failure.code {
            Some(500..) if needs_utf8 && sender_is_ascii => failure.judged(Verdict::Refused),
            Some(code) if needs_utf8 && sender_is_ascii && code != 421 => failure.judged(Verdict::Temporary),
            _ => failure,
        }
    };
    attempt.step(Stage::Sender, sender, refused).await?;
    for recipient in envelope.to() {
        let named = connection.command(Rcpt::new(recipient.clone(), Vec::new()));
        attempt.step(Stage::Recipient, named, |error| Failure::smtp(Stage::Recipient, &error)).await?;
    }
    let announced = connection.command(Data);
    attempt.step(Stage::Data, announced, |error| Failure::smtp(Stage::Data, &error)).await?;
    // Some servers examine an email for a long time before they accept it.
    let accepted = connection.message(&bytes);
    attempt.patient().step(Stage::Data, accepted, |error| Failure::smtp(Stage::Data, &error)).await.map(drop)
}
