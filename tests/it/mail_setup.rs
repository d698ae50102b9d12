//! A mail server that is set up wrongly: no email is lost, and the log says so in one line. Also the form of emails.

use std::time::Duration;

use diesel::prelude::*;
use doorward::internals::clock::Timestamp;
use doorward::internals::schema::audit_events;
use doorward_core::domain::MailKind;

use crate::support::logs;
use crate::support::mailer::TestMailer;
use crate::support::smtp::SmtpCatcher;

const ALICE: &str = "alice@example.org";

/// `smtp://` with credentials.
fn signed_in(catcher: &SmtpCatcher) -> String {
    format!("smtp://u:hunter2@{}", catcher.address())
}

/// A mail server, and how much was logged before it was there: its port may have been another one's.
struct Watched {
    catcher: SmtpCatcher,
    log: usize,
}

impl Watched {
    fn start() -> Self {
        logs::capture();
        let catcher = SmtpCatcher::start();
        Self { catcher, log: logs::text().len() }
    }

    /// How many lines of a level about this server hold these words.
    fn lines(&self, level: &str, words: &str) -> usize {
        let (text, level, address) =
            (logs::text(), format!("\"{level}\""), self.catcher.address().to_string());
        let has_all = |line: &&str| [level.as_str(), &address, words].iter().all(|word| line.contains(word));
        text[self.log..].lines().filter(has_all).count()
    }
}

impl std::ops::Deref for Watched {
    type Target = SmtpCatcher;

    fn deref(&self) -> &SmtpCatcher {
        &self.catcher
    }
}

/// Waits until the only email has failed this often; returns how long it waits now.
async fn fails(mailer: &TestMailer, attempts: i32) -> Duration {
    let wait = |attempt: i32| Duration::from_secs(5 << (attempt - 1));
    for attempt in 1..attempts {
        mailer.until_put_back(attempt, wait(attempt)).await;
        mailer.time.advance(wait(attempt));
    }
    mailer.until_put_back(attempts, wait(attempts)).await;
    wait(attempts)
}

#[actix::test]
async fn a_failure_before_a_recipient_is_named_delays_all_emails() {
    for (command, answer) in [
        ("greeting", "421 4.3.2 busy"),
        ("greeting", "554-5.7.1 no\r\n554 5.7.1 not you"),
        ("greeting", ""),
        ("EHLO", "501 5.5.2 what a name"),
        ("EHLO", "550 no"),
        ("EHLO", ""),
        ("AUTH", "535 5.7.8 hunter2 is not the password"),
        ("AUTH", "534 5.7.9 application-specific password required"),
        ("AUTH", "530 5.7.0 must issue a STARTTLS command first"),
        ("AUTH", "504 5.5.4 unknown mechanism"),
        ("AUTH", "454 4.7.0 temporary failure"),
        ("AUTH", ""),
        ("MAIL", "530 5.7.0 authentication required"),
        ("MAIL", "550-5.7.1 sender\r\n550 5.7.1 refused"),
        ("MAIL", "552 5.3.4 too large"),
        ("MAIL", "451 4.3.0 later"),
        ("MAIL", ""),
        ("RCPT", "530 5.7.0 authentication required"),
    ] {
        let catcher = Watched::start();
        catcher.offer(&["AUTH PLAIN LOGIN"]);
        catcher.answer(command, Some(answer));
        let mailer = TestMailer::open_with(&signed_in(&catcher), &[]);
        let alice = mailer.user("alice", ALICE).await;
        mailer.enqueue(MailKind::ResetPassword, alice, ALICE).await;
        // More often than a server may say "never".
        let wait = fails(&mailer, 5).await;
        assert_eq!(catcher.lines("ERROR", "all email waits"), 1, "{command} {answer}: {}", logs::text());
        assert_eq!(catcher.caught().len(), 0);
        // The mail server is fixed.
        catcher.answer(command, None);
        mailer.time.advance(wait);
        catcher.wait_for(1).await;
        mailer.until("sent", |rows| rows[0].2.is_some()).await;
        assert_eq!(catcher.lines("WARN", "email can be sent again"), 1, "{command} {answer}");
    }
    assert_eq!(logs::lines_with(&["hunter2"]), [""; 0]);
}

async fn all_fail(mailer: &TestMailer, attempt: i32, wait: i64) {
    let due = mailer.now() + chrono::TimeDelta::seconds(wait);
    let failed = |rows: &[(i32, Timestamp, Option<Timestamp>)]| {
        rows.iter().all(|(attempts, next, _)| (*attempts, *next) == (attempt, due))
    };
    mailer.until("put back", failed).await;
}

#[actix::test]
async fn an_outage_has_one_line_for_all_emails_and_a_reminder() {
    let catcher = Watched::start();
    catcher.offer(&["AUTH PLAIN"]);
    catcher.answer("AUTH", Some("535 5.7.8 no"));
    let mailer = TestMailer::open_with(&signed_in(&catcher), &[]);
    let alice = mailer.user("alice", ALICE).await;
    for _ in 0..3 {
        mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
    }
    all_fail(&mailer, 1, 5).await;
    mailer.time.advance(Duration::from_secs(5));
    all_fail(&mailer, 2, 10).await;
    assert_eq!(catcher.lines("ERROR", "all email waits"), 1, "{}", logs::text());
    assert_eq!(catcher.lines("ERROR", "password in mail.url is wrong"), 1, "it says what to do");
    mailer.time.advance(Duration::from_mins(20));
    all_fail(&mailer, 3, 20).await;
    assert_eq!(catcher.lines("ERROR", "all email waits"), 2, "{}", logs::text());
    assert_eq!(logs::lines_with(&["WARN", "email not sent", &alice.to_string()]), [""; 0], "no line a mail");
}

#[actix::test]
async fn after_an_outage_of_a_day_an_email_is_given_up() {
    let catcher = SmtpCatcher::start();
    catcher.offer(&["AUTH PLAIN"]);
    catcher.answer("AUTH", Some("535 5.7.8 no"));
    let mailer = TestMailer::open_with(&signed_in(&catcher), &[]);
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::ResetPassword, alice, ALICE).await;
    fails(&mailer, 3).await;
    mailer.time.advance(Duration::from_hours(23));
    mailer.until("tried after a night", |rows| rows.first().is_some_and(|row| row.0 == 4)).await;
    mailer.time.advance(Duration::from_hours(1));
    mailer.until("given up", <[_]>::is_empty).await;
}

#[actix::test]
async fn answers_about_an_email_count_against_that_email_alone() {
    for (command, answer) in [
        ("RCPT", "550-5.1.1 no\r\n550 5.1.1 such user"),
        ("RCPT", "551 moved"),
        ("RCPT", "552 mailbox full"),
        ("DATA", "554 no valid recipients"),
        ("END", "552 5.3.4 too large"),
        ("END", "554 5.7.1 spam"),
    ] {
        let catcher = SmtpCatcher::start();
        let mailer = TestMailer::open_with(&catcher.url(), &[]);
        let alice = mailer.user("alice", ALICE).await;
        // Five attempts that never came so far as to be refused: the network was away.
        catcher.answer("greeting", Some("421 later"));
        mailer.enqueue(MailKind::ResetPassword, alice, ALICE).await;
        let wait = fails(&mailer, 5).await;
        catcher.answer("greeting", None);
        catcher.answer(command, Some(answer));
        mailer.time.advance(wait);
        mailer.until_put_back(6, Duration::from_secs(160)).await;
        mailer.time.advance(Duration::from_secs(160));
        mailer.until_put_back(7, Duration::from_secs(320)).await;
        mailer.time.advance(Duration::from_secs(320));
        mailer.until("given up at the third refusal", <[_]>::is_empty).await;
    }
}

#[actix::test]
async fn one_refused_recipient_delays_no_other_email() {
    let catcher = Watched::start();
    let mailer = TestMailer::open_with(&catcher.url(), &[]);
    let alice = mailer.user("alice", ALICE).await;
    catcher.refuse_with(550);
    mailer.enqueue(MailKind::PasswordChanged, alice, "gone@example.org").await;
    fails(&mailer, 1).await;
    catcher.refuse_with(0);
    mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
    assert_eq!(catcher.wait_for(1).await[0].to, [ALICE]);
    assert_eq!(catcher.lines("ERROR", "all email waits"), 0);
    // A temporary answer is no refusal, however often.
    let catcher = Watched::start();
    catcher.answer("END", Some("451 4.3.0 later"));
    let mailer = TestMailer::open_with(&catcher.url(), &[]);
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
    let wait = fails(&mailer, 5).await;
    catcher.answer("END", None);
    mailer.time.advance(wait);
    catcher.wait_for(1).await;
}

#[actix::test]
async fn a_server_without_a_way_to_sign_in_is_waited_for() {
    for (offers, words) in
        [(&[][..], "no way to sign in"), (&["AUTH XOAUTH2"], "XOAUTH2"), (&["AUTH CRAM-MD5"], "no way")]
    {
        let catcher = Watched::start();
        catcher.offer(offers);
        let mailer = TestMailer::open_with(&signed_in(&catcher), &[]);
        let alice = mailer.user("alice", ALICE).await;
        mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
        let wait = fails(&mailer, 4).await;
        assert_eq!(catcher.lines("ERROR", words), 1, "{}", logs::text());
        catcher.offer(&["AUTH LOGIN PLAIN"]);
        mailer.time.advance(wait);
        catcher.wait_for(1).await;
    }
}

#[actix::test]
async fn no_password_is_sent_without_the_encryption_that_is_required() {
    for (offers, answer) in [
        (&["AUTH PLAIN"][..], None),
        (&["STARTTLS", "AUTH PLAIN"], Some("454 4.7.0 no certificate")),
        (&["STARTTLS", "AUTH PLAIN"], Some("220 go on, in the clear")),
        (&["STARTTLS", "AUTH PLAIN"], Some("")),
    ] {
        let catcher = Watched::start();
        catcher.offer(offers);
        catcher.answer("STAR", answer);
        let mailer = TestMailer::open_with(&format!("{}?tls=required", signed_in(&catcher)), &[]);
        let alice = mailer.user("alice", ALICE).await;
        mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
        // What follows 220 is no TLS: the catcher waits for a line, the mailer for an answer.
        if answer.is_none_or(|answer| !answer.starts_with("220")) {
            fails(&mailer, 4).await;
            assert_eq!(catcher.lines("ERROR", "all email waits"), 1, "{}", logs::text());
        }
        let commands = catcher.commands();
        assert!(
            !commands.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")),
            "{commands:?}"
        );
    }
}

#[actix::test]
async fn the_server_is_greeted_with_a_proper_name() {
    for (settings, name) in [
        (&[][..], "id.example"),
        (&[("mail.helo_name", "mx1.example.org")], "mx1.example.org"),
        (&[("mail.helo_name", "[192.0.2.7]")], "[192.0.2.7]"),
        (&[("public_url", "https://b\u{fc}cher.example")], "xn--bcher-kva.example"),
        (&[("public_url", "http://localhost:8080")], "[127.0.0.1]"),
        (&[("public_url", "http://doorward")], "[127.0.0.1]"),
        (&[("public_url", "http://192.168.1.50:8080")], "[127.0.0.1]"),
    ] {
        let catcher = SmtpCatcher::start();
        let mailer = TestMailer::open_with(&catcher.url(), settings);
        let alice = mailer.user("alice", ALICE).await;
        mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
        catcher.wait_for(1).await;
        let commands = catcher.commands();
        assert!(commands.contains(&format!("EHLO {name}")), "{name}: {commands:?}");
    }
}

#[actix::test]
async fn an_international_domain_leaves_in_a_labels() {
    let catcher = SmtpCatcher::start();
    let mailer =
        TestMailer::open_with(&catcher.url(), &[("mail.from", "B\u{fc}cher <no-reply@b\u{fc}cher.example>")]);
    let alice = mailer.user("alice", "info@b\u{fc}cher.example").await;
    mailer.enqueue(MailKind::PasswordChanged, alice, "info@b\u{fc}cher.example").await;
    let mail = catcher.wait_for(1).await.remove(0);
    assert_eq!(mail.from, "no-reply@xn--bcher-kva.example");
    assert_eq!(mail.to, ["info@xn--bcher-kva.example"]);
    assert!(mail.raw.contains("To: info@xn--bcher-kva.example\r\n"), "{}", mail.raw);
    assert!(mail.raw.contains("<no-reply@xn--bcher-kva.example>\r\n"), "{}", mail.raw);
    assert!(mail.raw.is_ascii() && !catcher.commands().iter().any(|line| line.contains("SMTPUTF8")));
}

#[actix::test]
async fn a_local_part_beyond_ascii_needs_a_server_that_accepts_it() {
    let catcher = Watched::start();
    let mailer = TestMailer::open_with(&catcher.url(), &[]);
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::PasswordChanged, alice, "j\u{f6}rg@b\u{fc}cher.example").await;
    mailer.until("given up at once", <[_]>::is_empty).await;
    assert_eq!(
        logs::lines_with(&["gave up on an email", "SMTPUTF8", &alice.to_string()]).len(),
        1,
        "{}",
        logs::text()
    );
    assert_eq!(catcher.lines("ERROR", "all email waits"), 0);
    let events: Vec<(String, String)> = mailer
        .run(|conn| {
            let columns = (audit_events::action, audit_events::subject.assume_not_null());
            audit_events::table.select(columns).load(conn)
        })
        .await;
    assert_eq!(events, [("mail_given_up".to_owned(), alice.to_string())]);

    let catcher = Watched::start();
    catcher.offer(&["SMTPUTF8"]);
    let mailer = TestMailer::open_with(&catcher.url(), &[]);
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::PasswordChanged, alice, "j\u{f6}rg@b\u{fc}cher.example").await;
    let mail = catcher.wait_for(1).await.remove(0);
    assert_eq!(mail.to, ["j\u{f6}rg@xn--bcher-kva.example"]);
    let commands = catcher.commands();
    assert!(commands.iter().any(|line| line.ends_with("SMTPUTF8 BODY=8BITMIME")), "{commands:?}");

    // A sender like that is a matter of the settings, so all email waits.
    let catcher = Watched::start();
    let mailer = TestMailer::open_with(&catcher.url(), &[("mail.from", "j\u{f6}rg@example.org")]);
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
    fails(&mailer, 4).await;
    assert_eq!(catcher.lines("ERROR", "mail.from has non-ASCII letters"), 1, "{}", logs::text());
}

#[actix::test]
async fn every_kind_arrives_with_its_link_in_one_piece() {
    let catcher = SmtpCatcher::start();
    let mailer = TestMailer::open_with(&catcher.url(), &[]);
    let alice = mailer.user("alice", ALICE).await;
    // An invitation goes to no account, a new device is that of a login: see `registration` and `new_device`.
    let others = [MailKind::Invitation, MailKind::NewDevice];
    let kinds: Vec<_> = MailKind::ALL.into_iter().filter(|kind| !others.contains(kind)).collect();
    for kind in &kinds {
        mailer.enqueue(*kind, alice, ALICE).await;
    }
    let mut links = 0;
    for mail in catcher.wait_for(kinds.len()).await {
        assert_eq!(mail.raw.matches("Content-Transfer-Encoding: 7bit\r\n").count(), 2, "{}", mail.raw);
        assert!(!mail.raw.contains("quoted-printable") && mail.raw.is_ascii());
        // Those with a token: in the text once, in the HTML twice to follow and once to read.
        for link in mail.links().into_iter().filter(|link| link.len() > 43) {
            assert_eq!(mail.raw.matches(&link).count(), 4, "{link} in {}", mail.raw);
            links += 1;
        }
        for header in ["Date: ", "Message-ID: <", "Auto-Submitted: auto-generated"] {
            assert_eq!(mail.raw.lines().filter(|line| line.starts_with(header)).count(), 1, "{}", mail.raw);
        }
    }
    assert_eq!(links, 4);
}

#[actix::test]
async fn consecutive_emails_share_a_connection() {
    let catcher = SmtpCatcher::start();
    let mailer = TestMailer::open_with(&catcher.url(), &[]);
    let alice = mailer.user("alice", ALICE).await;
    for n in 1..=4 {
        mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
        catcher.wait_for(n).await;
        mailer.until("noted", |rows| rows.iter().all(|(_, _, sent)| sent.is_some())).await;
    }
    let greeted = catcher.commands().iter().filter(|line| *line == "greeting").count();
    assert_eq!(greeted, 1, "{:?}", catcher.commands());
}
