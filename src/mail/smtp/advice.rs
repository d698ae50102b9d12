//! What is likely to be wrong with the settings, judged by where a conversation with the mail server ended.

use lettre::transport::smtp::client::AsyncSmtpConnection;

use super::encryption;
use super::first_bytes::Speaks;
use crate::config::{Encryption, SmtpServer};
use crate::mail::failure::{Failure, Stage};

/// What a conversation has revealed about the server.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub speaks: Speaks,
    /// What the port speaks if the client begins.
    pub probed: Option<Speaks>,
    pub tls_error: Option<rustls::Error>,
    pub helo: String,
    is_encrypted: bool,
    offers_starttls: bool,
}

impl Facts {
    pub fn note(&mut self, server: &SmtpServer, connection: &AsyncSmtpConnection) {
        self.is_encrypted = server.encryption == Encryption::Implicit || connection.is_encrypted();
        self.offers_starttls = !self.is_encrypted && connection.can_starttls();
    }
}

/// A `mail.url` for the same server, with another way to encrypt. The credentials are placeholders.
fn url(server: &SmtpServer, encryption: Encryption, has_user: bool) -> String {
    let user = if has_user { "USER:PASSWORD@" } else { "" };
    let (scheme, query) = match encryption {
        Encryption::Implicit => ("smtps", ""),
        Encryption::Required => ("smtp", "?tls=required"),
        Encryption::Opportunistic => ("smtp", "?tls=opportunistic"),
        Encryption::None => ("smtp", ""),
    };
    format!("{scheme}://{user}{}:{}{query}", server.host, server.port)
}

/// The ports on which mail servers accept email that is to be sent on (RFC 6409, RFC 8314).
const SUBMISSION: &str =
    "Mail servers accept email for sending on port 587 (smtp://…?tls=required) or 465 (smtps://…).";

/// A sentence or two on what to change. None where the server's answer says it all.
pub(super) fn advise(server: &SmtpServer, failure: &Failure, facts: &Facts, from: &str) -> Option<String> {
    let has_user = server.credentials.is_some();
    let implicit = url(server, Encryption::Implicit, has_user);
    let required = url(server, Encryption::Required, has_user);
    match failure.stage? {
        Stage::Lookup => {
            Some(format!("{} has no address: check the spelling of the host in mail.url.", server.host))
        }
        Stage::Connect => Some(if failure.mentions("refused") {
            format!("Nothing listens on this port. {SUBMISSION}")
        } else {
            format!(
                "Check the host, the port, and any firewall in between. Many networks block port 25. {SUBMISSION}"
            )
        }),
        Stage::Tls => match &facts.tls_error {
            Some(error) if facts.speaks == Speaks::Tls || server.encryption != Encryption::Implicit => {
                encryption::advise(error, &server.host)
            }
            _ => other_protocol(facts.speaks).or_else(|| {
                Some(format!(
                    "This port does not seem to expect TLS from the start: set mail.url to {required}"
                ))
            }),
        },
        Stage::Greeting => greeting(server, failure, facts, &implicit),
        Stage::Hello if failure.code.is_some() => Some(format!(
            "Doorward introduced itself as {}. Set mail.helo_name to a name that resolves to this machine.",
            facts.helo
        )),
        Stage::StartTls if failure.code.is_none() && failure.mentions("not offer") => Some(format!(
            "Do not remove tls=required: the password and every email would cross the network unencrypted. If this \
             port expects TLS from the start, set mail.url to {implicit}"
        )),
        Stage::Hello | Stage::StartTls => None,
        Stage::Auth => auth(failure, facts, &required),
        Stage::Sender | Stage::Recipient | Stage::Data => transaction(server, failure, facts, from),
    }
}

/// For a port that is not a mail server's, or that speaks another protocol of mail.
fn other_protocol(speaks: Speaks) -> Option<String> {
    let what = match speaks {
        Speaks::Http => "a web server (HTTP)",
        Speaks::Imap => "an IMAP server, from which email is only read",
        Speaks::Pop3 => "a POP3 server, from which email is only read",
        Speaks::Ssh => "an SSH server",
        Speaks::SomethingElse => "a server that does not speak SMTP",
        Speaks::Nothing | Speaks::Smtp | Speaks::Tls => return None,
    };
    Some(format!("This port belongs to {what}. {SUBMISSION}"))
}

fn greeting(server: &SmtpServer, failure: &Failure, facts: &Facts, implicit: &str) -> Option<String> {
    let is_plain = server.encryption != Encryption::Implicit;
    if is_plain && (facts.probed == Some(Speaks::Tls) || facts.speaks == Speaks::Tls) {
        return Some(format!("This port expects TLS from the start: set mail.url to {implicit}"));
    }
    if failure.code.is_some() {
        let busy = "The server rejects this machine before any sign-in: it may be busy, or serve certain addresses only.";
        return Some(busy.to_owned());
    }
    let speaks =
        if facts.speaks == Speaks::Nothing { facts.probed.unwrap_or_default() } else { facts.speaks };
    other_protocol(speaks).or_else(|| {
        let check = "Check that this is the port of a mail server.";
        Some(if is_plain && server.port == 465 {
            format!("Port 465 expects TLS from the start: set mail.url to {implicit}")
        } else if is_plain {
            format!("{check} If it expects TLS from the start, set mail.url to {implicit}")
        } else {
            format!("{check} {SUBMISSION}")
        })
    })
}

fn wants_encryption(failure: &Failure, facts: &Facts) -> bool {
    let says_so = failure.mentions("starttls") || failure.mentions("tls") || failure.mentions("encrypt");
    !facts.is_encrypted && (facts.offers_starttls || says_so)
}

fn auth(failure: &Failure, facts: &Facts, required: &str) -> Option<String> {
    let is_about_encryption = matches!(failure.code, None | Some(500..=504 | 523 | 530 | 538))
        || failure.mentions("starttls")
        || failure.mentions("encrypt");
    if is_about_encryption && wants_encryption(failure, facts) {
        return Some(format!("The server accepts a password only over TLS: set mail.url to {required}"));
    }
    let advice = match failure.code {
        Some(535) => {
            "The user name or the password in mail.url is wrong. Special characters in them must be percent-encoded \
             (% as %25). Some providers require an application password."
        }
        Some(534) => {
            "The server requires another way to sign in. Many providers offer application passwords."
        }
        None if failure.mentions("xoauth2") => {
            "Doorward signs in with a user name and a password (PLAIN or LOGIN). The provider may offer application \
             passwords, or a separate relay for applications."
        }
        None if failure.mentions("no way to sign in") => {
            "Check that the port accepts email for sending (587 or 465, not 25). If the server requires no sign-in, \
             remove USER:PASSWORD@ from mail.url."
        }
        Some(500..=504) => {
            "The server does not support this way to sign in. Check the port (587 or 465, not 25)."
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

fn transaction(server: &SmtpServer, failure: &Failure, facts: &Facts, from: &str) -> Option<String> {
    let code = failure.code?;
    let has_user = server.credentials.is_some();
    let relay = failure.mentions("relay") || failure.mentions("authenticat") || code == 530;
    if (code == 530 || failure.mentions("starttls")) && wants_encryption(failure, facts) {
        let required = url(server, Encryption::Required, has_user);
        return Some(format!("The server accepts email only over TLS: set mail.url to {required}"));
    }
    if relay && !has_user && (500..600).contains(&code) {
        let encryption = match server.encryption {
            Encryption::None if facts.offers_starttls => Encryption::Required,
            encryption => encryption,
        };
        let signed_in = url(server, encryption, true);
        return Some(format!(
            "The server relays email only for users who sign in: set mail.url to {signed_in}"
        ));
    }
    match (failure.stage?, code) {
        (Stage::Sender, 500..) => Some(format!(
            "The server accepts no email from {from}. Set mail.from to an address that this account may use."
        )),
        (Stage::Data, 552) => Some("The email is too large for the server.".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, MailUrl};

    fn advice(url: &str, failure: &Failure, facts: &Facts) -> String {
        let MailUrl::Smtp(server) = Config::from_pairs([("mail.url", url)]).unwrap().mail.url else {
            panic!("{url} is no server")
        };
        let advice = advise(&server, failure, facts, "a@b.org").unwrap_or_default();
        assert!(!advice.contains("hunter2"), "{advice}");
        advice
    }

    fn answer(stage: Stage, code: u16, text: &str) -> Failure {
        let mut failure = Failure::server(stage, format!("{code} {text}"));
        failure.code = Some(code);
        failure
    }

    #[test]
    fn the_wrong_kind_of_encryption_is_named_with_the_right_url() {
        let tls = Facts { probed: Some(Speaks::Tls), ..Facts::default() };
        let silent = Failure::server(Stage::Greeting, "the server sent nothing");
        for url in ["smtp://u:hunter2@h:465?tls=required", "smtp://u:hunter2@h:465"] {
            assert!(advice(url, &silent, &tls).ends_with("set mail.url to smtps://USER:PASSWORD@h:465"));
            assert!(
                advice(url, &silent, &Facts::default())
                    .ends_with("set mail.url to smtps://USER:PASSWORD@h:465")
            );
        }
        let plain = Facts {
            speaks: Speaks::Smtp,
            tls_error: Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)),
            ..Facts::default()
        };
        let handshake = Failure::server(Stage::Tls, "corrupt message of type InvalidContentType");
        assert!(
            advice("smtps://h:587", &handshake, &plain)
                .ends_with("set mail.url to smtp://h:587?tls=required")
        );
        let starttls = Facts { offers_starttls: true, ..Facts::default() };
        let wanted = answer(Stage::Sender, 530, "5.7.0 Must issue a STARTTLS command first");
        assert!(
            advice("smtp://h:587", &wanted, &starttls).ends_with("set mail.url to smtp://h:587?tls=required")
        );
        let offers_none = Failure::server(
            Stage::Auth,
            "the server offers no way to sign in with a user name and a password",
        );
        let said = advice("smtp://u:hunter2@h:587", &offers_none, &starttls);
        assert!(said.ends_with("set mail.url to smtp://USER:PASSWORD@h:587?tls=required"), "{said}");
    }

    #[test]
    fn names_passwords_senders_and_ports_are_told_apart() {
        let facts = Facts { is_encrypted: true, helo: "[127.0.0.1]".to_owned(), ..Facts::default() };
        for (failure, words) in [
            (answer(Stage::Auth, 535, "5.7.8 Error: authentication failed"), "password in mail.url is wrong"),
            (
                answer(Stage::Auth, 534, "5.7.9 Application-specific password required"),
                "application passwords",
            ),
            (Failure::server(Stage::Auth, "the server offers XOAUTH2 only"), "PLAIN or LOGIN"),
            (answer(Stage::Sender, 550, "not your address"), "email from a@b.org"),
            (answer(Stage::Hello, 501, "invalid name"), "[127.0.0.1]. Set mail.helo_name"),
            (answer(Stage::Greeting, 554, "go away"), "rejects this machine"),
            (Failure::server(Stage::Connect, "127.0.0.1:1: Connection refused"), "listens on this port"),
            (Failure::server(Stage::Lookup, "failed to lookup"), "the spelling"),
        ] {
            let said = advice("smtps://u:hunter2@h", &failure, &facts);
            assert!(said.contains(words), "{said}");
        }
        let relay = answer(Stage::Recipient, 554, "5.7.1 Relay access denied");
        let said = advice("smtps://h", &relay, &facts);
        assert!(said.ends_with("set mail.url to smtps://USER:PASSWORD@h:465"), "{said}");
        for (speaks, words) in
            [(Speaks::Imap, "IMAP"), (Speaks::Pop3, "POP3"), (Speaks::Http, "HTTP"), (Speaks::Ssh, "SSH")]
        {
            let facts = Facts { speaks, ..Facts::default() };
            let said = advice("smtp://h:25", &Failure::server(Stage::Greeting, "response error"), &facts);
            assert!(said.contains(words), "{said}");
        }
    }
}
