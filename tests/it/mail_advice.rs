//! `doorward mail test` and errors about `mail.*`: they name the mistake and what to write instead.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::app::spawn_app;
use crate::support::commands::Said;
use crate::support::config::Settings;
use crate::support::programs::Needs;
use crate::support::scenario;
use crate::support::smtp::SmtpCatcher;
use crate::support::time::PATIENCE;
use crate::support::tls::Identity;

/// aiosmtpd in a role.
struct MailServer {
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl MailServer {
    async fn start(role: &[&str]) -> Option<Self> {
        let mut command = scenario::python("mail_server.py", "import aiosmtpd", Needs::Pip("aiosmtpd"))?;
        command.args(role).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut server = Self { port: 0, lines, _process: process };
        server.port = u16::try_from(server.next().await["port"].as_u64().unwrap()).unwrap();
        Some(server)
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("it says nothing");
        serde_json::from_str(&line.unwrap().expect("it has ended")).unwrap()
    }
}

/// `doorward` with these arguments, which trusts this certificate alone.
async fn doorward(arguments: &[&str], trusted: Option<&Identity>) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::from(Settings::on(dir.path()).command());
    command.current_dir(dir.path()).args(arguments);
    if let Some(trusted) = trusted {
        command.env("SSL_CERT_FILE", &trusted.cert);
    }
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output());
    let said = Said::from(output.await.expect("it does not end").unwrap());
    assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{}{}", said.out, said.err);
    assert!(said.err.lines().count() <= 1, "{}", said.err);
    said
}

async fn mail_test(url: &str, trusted: Option<&Identity>) -> Said {
    let url = format!("mail.url={url}");
    doorward(&["mail", "test", "you@example.org", "--set", &url], trusted).await
}

#[track_caller]
fn assert_advice(said: &Said, words: &[&str]) {
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    for word in words {
        assert!(said.err.contains(word), "{word}: {}", said.err);
    }
}

/// What the server of `mail_server.py` takes, percent-encoded.
const USER: &str = "doorward%40example.org:p%25s%2F%23%40%3A%20hunter2";

#[actix::test]
async fn the_test_names_the_wrong_kind_of_tls() {
    let identity = Identity::new();
    let (cert, key) = (identity.cert.to_str().unwrap(), identity.key.to_str().unwrap());
    let files = ["--cert", cert, "--key", key];
    let start = [&["--auth", "--tls", "start"][..], &files].concat();
    let starttls = [&["--auth", "--tls", "starttls"][..], &files].concat();
    let (Some(mut start), Some(mut starttls)) =
        (MailServer::start(&start).await, MailServer::start(&starttls).await)
    else {
        return;
    };

    let port = start.port;
    for url in
        [format!("smtp://{USER}@localhost:{port}?tls=required"), format!("smtp://{USER}@localhost:{port}")]
    {
        let said = mail_test(&url, Some(&identity)).await;
        let right = format!("TLS from the start: set mail.url to smtps://USER:PASSWORD@localhost:{port}");
        assert_advice(&said, &[&right]);
    }
    let said = mail_test(&format!("smtps://{USER}@localhost:{port}"), Some(&identity)).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mail = start.next().await;
    assert_eq!((&mail["encrypted"], &mail["user"]), (&json!(true), &json!("doorward@example.org")));

    let port = starttls.port;
    let said = mail_test(&format!("smtps://{USER}@localhost:{port}"), Some(&identity)).await;
    assert_advice(&said, &[&format!("set mail.url to smtp://USER:PASSWORD@localhost:{port}?tls=required")]);
    let said = mail_test(&format!("smtp://{USER}@localhost:{port}"), Some(&identity)).await;
    assert_advice(
        &said,
        &["only over TLS", &format!("set mail.url to smtp://USER:PASSWORD@localhost:{port}?tls=required")],
    );
    let said = mail_test(&format!("smtp://localhost:{port}"), Some(&identity)).await;
    assert_advice(
        &said,
        &["530", "only over TLS", &format!("set mail.url to smtp://localhost:{port}?tls=required")],
    );
    let said = mail_test(&format!("smtp://localhost:{port}?tls=required"), Some(&identity)).await;
    assert_advice(
        &said,
        &["530", "users who sign in", &format!("smtp://USER:PASSWORD@localhost:{port}?tls=required")],
    );
    let said = mail_test(&format!("smtp://u:hunter2@localhost:{port}?tls=required"), Some(&identity)).await;
    assert_advice(&said, &["AUTH: 535", "the password in mail.url is wrong"]);
    for tls in ["required", "opportunistic"] {
        let said = mail_test(&format!("smtp://{USER}@localhost:{port}?tls={tls}"), Some(&identity)).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert_eq!(starttls.next().await["encrypted"], true);
    }
}

#[actix::test]
async fn the_test_names_what_is_wrong_with_a_certificate() {
    let old = Identity::new();
    let expired = {
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = parameters.self_signed(&key).unwrap();
        std::fs::write(&old.cert, cert.pem()).unwrap();
        std::fs::write(&old.key, key.serialize_pem()).unwrap();
        old
    };
    let (identity, untrusted) = (Identity::new(), Identity::new());
    for (tls, scheme, query) in [("start", "smtps", ""), ("starttls", "smtp", "?tls=required")] {
        for (server, host, trusted, words) in [
            (&identity, "localhost", &untrusted, "self-signed"),
            (&identity, "127.0.0.1", &identity, "is for localhost, not for 127.0.0.1"),
            (&expired, "localhost", &expired, "expired"),
        ] {
            let files = (server.cert.to_str().unwrap(), server.key.to_str().unwrap());
            let role = ["--tls", tls, "--cert", files.0, "--key", files.1];
            let Some(server) = MailServer::start(&role).await else { return };
            let said = mail_test(&format!("{scheme}://{host}:{}{query}", server.port), Some(trusted)).await;
            assert_advice(&said, &["TLS handshake", words]);
        }
    }
}

#[actix::test]
async fn the_test_names_the_wrong_port_host_and_sender() {
    let app = spawn_app().await;
    let said = mail_test(&format!("smtp://{}", app.address), None).await;
    assert_advice(&said, &["a web server"]);
    let said = mail_test(&format!("smtps://{}", app.address), None).await;
    assert_advice(&said, &["a web server"]);
    let said = mail_test("smtp://no-such-host.invalid", None).await;
    assert_advice(&said, &["at the name lookup", "the spelling", "no-such-host.invalid"]);
    let free = SmtpCatcher::reserve().url();
    let said = mail_test(&free, None).await;
    assert_advice(&said, &["refused", "587"]);
    for (command, answer, words) in [
        ("greeting", "* OK [CAPABILITY IMAP4rev1] ready", "IMAP"),
        ("greeting", "+OK POP3 ready", "POP3"),
        ("greeting", "SSH-2.0-OpenSSH_10.0", "SSH"),
        ("greeting", "554 5.7.1 not you", "rejects this machine"),
        ("greeting", "", "port of a mail server"),
        ("EHLO", "501 5.5.4 invalid name", "mail.helo_name"),
        ("MAIL", "553 5.7.1 not yours", "no email from no-reply@localhost. Set mail.from"),
        ("MAIL", "530 5.7.0 authentication required", "users who sign in"),
        ("RCPT", "554 5.7.1 relay access denied", "users who sign in"),
        ("END", "552 5.3.4 too large", "too large"),
    ] {
        let catcher = SmtpCatcher::start();
        catcher.answer(command, Some(answer));
        let said = mail_test(&catcher.url(), None).await;
        assert_advice(&said, &[words]);
        let code = answer.get(..3).filter(|code| code.parse::<u16>().is_ok());
        assert_advice(&said, &[code.unwrap_or_default()]);
    }
    let catcher = SmtpCatcher::start();
    let said = mail_test(&format!("{}?tls=required", catcher.url()), None).await;
    assert_advice(&said, &["STARTTLS", "smtps://127.0.0.1"]);
}

#[actix::test]
async fn settings_that_cannot_be_read_say_what_to_write() {
    for (key, value, words) in [
        ("mail.from", "Doorward, Inc. <a@b.org>", "write \"Doorward, Inc.\" <a@b.org>"),
        ("mail.from", "Example: Door <a@b.org>", "write \"Example: Door\" <a@b.org>"),
        ("mail.from", "Support (Billing) <a@b.org>", "write \"Support (Billing)\" <a@b.org>"),
        ("mail.from", "a@b.org <a@b.org>", "write \"a@b.org\" <a@b.org>"),
        ("mail.from", "Doorward <a@b.org", "write Doorward <a@b.org>"),
        ("mail.from", "Doorward", "such as Doorward <no-reply@example.org>"),
        ("mail.url", "smtp://u:p%hunter2@h", "% as %25"),
        ("mail.url", "smtp://u:12#hunter2@h", "# as %23"),
        ("mail.url", "smtp://u:12/hunter2@h", "/ as %2F"),
        ("mail.url", "smtp://u:12?hunter2@h", "? as %3F"),
        ("mail.url", "smtp://u@example.org:pass/hunter2@h:587", "@ as %40"),
        ("mail.url", "smtp://h?tls=on", "tls must be required or opportunistic"),
        ("mail.helo_name", "mailer", "a domain name with a dot"),
        ("mail.helo_name", "localhost", "a domain name with a dot"),
    ] {
        let said = doorward(&["config", "--set", &format!("{key}={value}")], None).await;
        assert_eq!(said.code, Some(2), "{key}={value}: {}", said.out);
        assert!(said.err.contains(key) && said.err.contains(words), "{}", said.err);
    }
    for (key, value) in [
        ("mail.from", "\"Doorward, Inc.\" <a@b.org>"),
        ("mail.url", "smtp://u:p%25s%2F@h"),
        ("mail.helo_name", "id.example.org"),
    ] {
        let said = doorward(&["config", "--set", &format!("{key}={value}")], None).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
}
