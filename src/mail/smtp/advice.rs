//! What is likely to be wrong with the settings, told from where a conversation with the mail server ended.

use lettre::transport::smtp::client::AsyncSmtpConnection;

use super::encryption;
use super::tap::Speaks;
use crate::config::{Encryption, SmtpServer};
use crate::mail::failure::{Failure, Stage};

/// What a conversation has shown of the server.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub speaks: Speaks,
    /// What the port speaks when the client begins.
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

/// A sentence or two on what to change; none where the server's answer says it all.
pub(super) fn advise(server: &SmtpServer, failure: &Failure, facts: &Facts, from: &str) -> Option<String> {
    let has_user = server.credentials.is_some();
    let implicit = url(server, Encryption::Implicit, has_user);
    let required = url(server, Encryption::Required, has_user);
    match failure.stage? {
        Stage::Lookup => {
            Some(format!("Is the host in mail.url spelled right? No address is known for {}.", server.host))
        }
        Stage::Connect => Some(if failure.mentions("refused") {
            "Nothing listens there: is the port right? Mail is handed in at 587 (smtp://…?tls=required) or 465 \
             (smtps://…)."
                .to_owned()
        } else {
            "Are host and port right, and does no firewall stand in between? Many networks close port 25: mail is \
             handed in at 587 (smtp://…?tls=required) or 465 (smtps://…)."
                .to_owned()
        }),
        Stage::Tls => match &facts.tls_error {
            Some(error) if facts.speaks == Speaks::Tls || server.encryption != Encryption::Implicit => {
                encryption::advise(error, &server.host)
            }
            _ => other_protocol(facts.speaks).or_else(|| {
                Some(format!("This port does not seem to speak TLS from the start: write {required}"))
            }),
        },
        Stage::Greeting => greeting(server, failure, facts, &implicit),
        Stage::Hello if failure.code.is_some() => Some(format!(
            "The server was greeted as {}: set mail.helo_name to a name that leads to this machine.",
            facts.helo
        )),
        Stage::StartTls if failure.code.is_none() && failure.mentions("not offer") => Some(format!(
            "If this port speaks TLS from the start, write {implicit}; without tls=required the password and every \
             email would cross the network in the clear."
        )),
        Stage::Hello | Stage::StartTls => None,
        Stage::Auth => auth(failure, facts, &required),
        Stage::Sender | Stage::Recipient | Stage::Data => handing_in(server, failure, facts, from),
    }
}

/// What a port that is no mail server's, or of the wrong protocol, speaks.
fn other_protocol(speaks: Speaks) -> Option<String> {
    let (what, which) = match speaks {
        Speaks::Http => ("a web server (HTTP)", ""),
        Speaks::Imap => ("a mailbox server (IMAP)", ", which only gives mail out"),
        Speaks::Pop3 => ("a mailbox server (POP3)", ", which only gives mail out"),
        Speaks::Ssh => ("an SSH server", ""),
        Speaks::SomethingElse => ("no mail server", " that speaks SMTP"),
        Speaks::Nothing | Speaks::Smtp | Speaks::Tls => return None,
    };
    Some(format!(
        "This port belongs to {what}{which}: mail is handed in at 587 (smtp://…?tls=required) or 465 (smtps://…)."
    ))
}

fn greeting(server: &SmtpServer, failure: &Failure, facts: &Facts, implicit: &str) -> Option<String> {
    let is_plain = server.encryption != Encryption::Implicit;
    let from_the_start = format!("This port speaks TLS from the start: write {implicit}");
    if is_plain && (facts.probed == Some(Speaks::Tls) || facts.speaks == Speaks::Tls) {
        return Some(from_the_start);
    }
    if failure.code.is_some() {
        let busy = "The server turns this machine away before it knows who asks: it may be busy, or serve certain \
                    addresses only.";
        return Some(busy.to_owned());
    }
    let speaks =
        if facts.speaks == Speaks::Nothing { facts.probed.unwrap_or_default() } else { facts.speaks };
    other_protocol(speaks).or_else(|| {
        Some(if is_plain && server.port == 465 {
            format!("Port 465 is for TLS from the start: write {implicit}")
        } else if is_plain {
            format!("Is this the port of a mail server? If it speaks TLS from the start, write {implicit}")
        } else {
            "Is this the port of a mail server? Mail is handed in at 465 (smtps://…) or 587 (smtp://…?tls=required)."
                .to_owned()
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
        return Some(format!("The server takes a password only under TLS: write {required}"));
    }
    match failure.code {
        Some(535) => Some(
            "The name or the password in mail.url is wrong; special characters in them are written \
             percent-encoded, such as % as %25. Some providers want a password made for applications."
                .to_owned(),
        ),
        Some(534) => Some("The server wants another way to sign in: many providers have passwords made for \
                           applications."
            .to_owned()),
        None if failure.mentions("xoauth2") => Some(
            "Doorward signs in with a name and a password (PLAIN or LOGIN): the provider may have passwords made for \
             applications, or a relay of its own for them."
                .to_owned(),
        ),
        None if failure.mentions("no way to sign in") => Some(
            "Is this the port where mail is handed in (587 or 465, not 25)? If the server wants no sign-in, leave \
             USER:PASSWORD@ out of mail.url."
                .to_owned(),
        ),
        Some(500..=504) => Some(
            "The server knows no sign-in of this kind: is the port right (587 or 465, not 25)?".to_owned(),
        ),
        _ => None,
    }
}

fn handing_in(server: &SmtpServer, failure: &Failure, facts: &Facts, from: &str) -> Option<String> {
    let code = failure.code?;
    let has_user = server.credentials.is_some();
    let relay = failure.mentions("relay") || failure.mentions("authenticat") || code == 530;
    if (code == 530 || failure.mentions("starttls")) && wants_encryption(failure, facts) {
        let required = url(server, Encryption::Required, has_user);
        return Some(format!("The server takes mail only under TLS: write {required}"));
    }
    if relay && !has_user && (500..600).contains(&code) {
        let encryption = match server.encryption {
            Encryption::None if facts.offers_starttls => Encryption::Required,
            encryption => encryption,
        };
        let signed_in = url(server, encryption, true);
        return Some(format!("The server sends on only for those who sign in: write {signed_in}"));
    }
    match (failure.stage?, code) {
        (Stage::Sender, 500..) => Some(format!(
            "The server takes no mail from {from}: set mail.from to an address that it lets you use."
        )),
        (Stage::Data, 552) => Some("The mail is too large for the server.".to_owned()),
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
        let silent = Failure::server(Stage::Greeting, "the server says nothing");
        for url in ["smtp://u:hunter2@h:465?tls=required", "smtp://u:hunter2@h:465"] {
            assert!(advice(url, &silent, &tls).ends_with("write smtps://USER:PASSWORD@h:465"));
            assert!(advice(url, &silent, &Facts::default()).ends_with("write smtps://USER:PASSWORD@h:465"));
        }
        let plain = Facts {
            speaks: Speaks::Smtp,
            tls_error: Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)),
            ..Facts::default()
        };
        let handshake = Failure::server(Stage::Tls, "corrupt message of type InvalidContentType");
        assert!(advice("smtps://h:587", &handshake, &plain).ends_with("write smtp://h:587?tls=required"));
        let starttls = Facts { offers_starttls: true, ..Facts::default() };
        let wanted = answer(Stage::Sender, 530, "5.7.0 Must issue a STARTTLS command first");
        assert!(advice("smtp://h:587", &wanted, &starttls).ends_with("write smtp://h:587?tls=required"));
        let offers_none =
            Failure::server(Stage::Auth, "the server offers no way to sign in with a name and a password");
        let said = advice("smtp://u:hunter2@h:587", &offers_none, &starttls);
        assert!(said.ends_with("write smtp://USER:PASSWORD@h:587?tls=required"), "{said}");
    }

    #[test]
    fn names_passwords_senders_and_ports_are_told_apart() {
        let facts = Facts { is_encrypted: true, helo: "[127.0.0.1]".to_owned(), ..Facts::default() };
        for (failure, words) in [
            (answer(Stage::Auth, 535, "5.7.8 Error: authentication failed"), "password in mail.url is wrong"),
            (
                answer(Stage::Auth, 534, "5.7.9 Application-specific password required"),
                "made for applications",
            ),
            (Failure::server(Stage::Auth, "the server offers XOAUTH2 only"), "PLAIN or LOGIN"),
            (answer(Stage::Sender, 550, "not your address"), "mail from a@b.org"),
            (answer(Stage::Hello, 501, "invalid name"), "[127.0.0.1]: set mail.helo_name"),
            (answer(Stage::Greeting, 554, "go away"), "turns this machine away"),
            (Failure::server(Stage::Connect, "127.0.0.1:1: Connection refused"), "is the port right"),
            (Failure::server(Stage::Lookup, "failed to lookup"), "spelled right"),
        ] {
            let said = advice("smtps://u:hunter2@h", &failure, &facts);
            assert!(said.contains(words), "{said}");
        }
        let relay = answer(Stage::Recipient, 554, "5.7.1 Relay access denied");
        let said = advice("smtps://h", &relay, &facts);
        assert!(said.ends_with("write smtps://USER:PASSWORD@h:465"), "{said}");
        for (speaks, words) in
            [(Speaks::Imap, "IMAP"), (Speaks::Pop3, "POP3"), (Speaks::Http, "HTTP"), (Speaks::Ssh, "SSH")]
        {
            let facts = Facts { speaks, ..Facts::default() };
            let said = advice("smtp://h:25", &Failure::server(Stage::Greeting, "response error"), &facts);
            assert!(said.contains(words), "{said}");
        }
    }
}
