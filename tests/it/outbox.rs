//! The outbox and the mailer, through a real SMTP conversation.

use std::time::Duration;

use diesel::prelude::*;
use doorward::internals::db;
use doorward::internals::models::one_time_tokens;
use doorward::internals::models::one_time_tokens::Purpose;
use doorward::internals::models::outbox;
use doorward::internals::schema::audit_events;
use doorward_core::domain::MailKind;
use doorward_core::domain::UserId;

use crate::support::logs;
use crate::support::mailer::{TestMailer, mail};
use crate::support::smtp::SmtpCatcher;
use crate::support::time::pause;

const ALICE: &str = "alice@example.org";

#[actix::test]
async fn a_link_is_created_when_its_email_is_sent_and_works_once() {
    let catcher = SmtpCatcher::start();
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::ResetPassword, alice, ALICE).await;

    let mail = catcher.wait_for(1).await.remove(0);
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("no-reply@localhost", &[ALICE.to_owned()][..]));
    assert_eq!(mail.subject, "Reset your id.example password");
    let token = mail.token("reset-password");
    assert_eq!(token.len(), 43, "256 bits in base64url");
    assert!(mail.links()[0].starts_with("https://id.example/reset-password/"));
    assert!(mail.html.contains(&token));
    for header in ["Auto-Submitted: auto-generated", "@id.example>", "multipart/alternative"] {
        assert!(mail.raw.contains(header), "{header} in {}", mail.raw);
    }
    let date = mailer.clock.now().format("%a, %d %b %Y %H:%M:%S +0000").to_string();
    assert!(mail.raw.contains(&format!("Date: {date}")), "{date} in {}", mail.raw);
    mailer.until("sent", |rows| rows[0].2.is_some()).await;

    let hash = doorward::internals::auth::hash_token(&token);
    let now = mailer.clock.now();
    let redeemed = mailer
        .run(move |conn| {
            let verify = one_time_tokens::redeem(conn, &hash, Purpose::VerifyEmail, now)?;
            let late = one_time_tokens::redeem(
                conn,
                &hash,
                Purpose::ResetPassword,
                now + chrono::TimeDelta::minutes(60),
            )?;
            let first = one_time_tokens::redeem(conn, &hash, Purpose::ResetPassword, now)?;
            let second = one_time_tokens::redeem(conn, &hash, Purpose::ResetPassword, now)?;
            Ok((verify, late, first, second))
        })
        .await;
    assert_eq!(redeemed, (false, false, true, false));
}

#[actix::test]
async fn every_kind_is_sent_and_notices_hold_no_token() {
    let catcher = SmtpCatcher::start();
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    let kinds =
        [MailKind::VerifyEmail, MailKind::ResetPassword, MailKind::PasswordChanged, MailKind::EmailChanged];
    for kind in kinds {
        mailer.enqueue(kind, alice, ALICE).await;
    }
    let mails = catcher.wait_for(4).await;
    let with = |page: &str| mails.iter().filter(|mail| mail.text.contains(page)).count();
    assert_eq!((with("/verify-email/"), with("/reset-password/")), (1, 1));
    mailer
        .until("sent", |rows| rows.iter().all(|(attempts, _, sent)| *attempts == 1 && sent.is_some()))
        .await;
}

#[actix::test]
async fn a_refused_email_is_retried_with_growing_delays() {
    let catcher = SmtpCatcher::start();
    catcher.set_refusing(true);
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::VerifyEmail, alice, ALICE).await;
    for (attempt, wait) in [(1, 5), (2, 10), (3, 20), (4, 40)] {
        mailer.until_put_back(attempt, Duration::from_secs(wait)).await;
        // Not earlier.
        mailer.time.advance(Duration::from_secs(wait - 1));
        mailer.mail.wake();
        for _ in 0..10 {
            pause().await;
        }
        assert_eq!(mailer.rows().await[0].0, attempt);
        if attempt == 4 {
            catcher.set_refusing(false);
        }
        mailer.time.advance(Duration::from_secs(1));
    }
    let mails = catcher.wait_for(1).await;
    assert_eq!(mails[0].subject, "Confirm your email for id.example");
    mailer.until("sent", |rows| rows[0].0 == 5 && rows[0].2.is_some()).await;
}

#[actix::test]
async fn emails_are_sent_when_the_server_is_back() {
    let catcher = SmtpCatcher::start();
    let (address, url) = (catcher.address(), catcher.url());
    drop(catcher);
    let mailer = TestMailer::open(&url);
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::ResetPassword, alice, ALICE).await;
    mailer.until_put_back(1, Duration::from_secs(5)).await;
    let catcher = SmtpCatcher::start_at(address);
    mailer.time.advance(Duration::from_secs(5));
    catcher.wait_for(1).await;
    mailer.until("sent", |rows| rows[0].2.is_some()).await;
}

#[actix::test]
async fn a_permanent_refusal_is_final_the_third_time() {
    let catcher = SmtpCatcher::start();
    catcher.refuse_with(550);
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::VerifyEmail, alice, ALICE).await;
    for (attempt, wait) in [(1, 5), (2, 10)] {
        mailer.until_put_back(attempt, Duration::from_secs(wait)).await;
        mailer.time.advance(Duration::from_secs(wait));
    }
    mailer.until("given up", <[_]>::is_empty).await;
    assert_eq!(catcher.attempts(), 3);
    let events: Vec<(String, Option<String>, Option<String>)> = mailer
        .run(|conn| {
            let columns = (audit_events::action, audit_events::subject, audit_events::detail);
            audit_events::table.filter(audit_events::actor.eq("server")).select(columns).load(conn)
        })
        .await;
    let expected = ("mail_given_up".to_owned(), Some(alice.to_string()), Some("verify_email".to_owned()));
    assert_eq!(events, [expected]);
}

#[actix::test]
async fn after_a_day_an_email_is_given_up() {
    let catcher = SmtpCatcher::start();
    catcher.set_refusing(true);
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::VerifyEmail, alice, ALICE).await;
    mailer.until_put_back(1, Duration::from_secs(5)).await;
    mailer.time.advance(Duration::from_hours(24));
    mailer.until("given up", <[_]>::is_empty).await;
    assert_eq!(catcher.attempts(), 2);
}

#[actix::test]
async fn a_slow_conversation_does_not_delay_the_others() {
    let catcher = SmtpCatcher::start();
    catcher.set_stalled(true);
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    for _ in 0..6 {
        mailer.enqueue(MailKind::PasswordChanged, alice, ALICE).await;
    }
    // Four at a time, not a fifth.
    catcher.wait_for_attempts(4).await;
    for _ in 0..20 {
        pause().await;
    }
    assert_eq!(catcher.attempts(), 4);
    catcher.set_stalled(false);
    catcher.wait_for(6).await;
    mailer.mail.finish().await;
    assert!(mailer.rows().await.iter().all(|(_, _, sent)| sent.is_some()), "finish waits for the last one");
    assert_eq!(catcher.caught().len(), 6);
}

#[actix::test]
async fn an_email_of_a_dead_process_is_sent_when_its_lease_expires() {
    let catcher = SmtpCatcher::start();
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    let (id, now) = (mailer.clock.new_id(), mailer.clock.now());
    let claims = mailer
        .run(move |conn| {
            // In one transaction, or the mailer's own first query may be faster.
            db::write(conn, |conn| {
                outbox::enqueue(conn, id, mail(MailKind::PasswordChanged, alice, ALICE), now)?;
                let mail = outbox::first(conn)?.expect("it waits");
                let lease = now + chrono::TimeDelta::minutes(2);
                Ok((outbox::claim(conn, &mail, now, lease)?, outbox::claim(conn, &mail, now, lease)?))
            })
        })
        .await;
    assert_eq!(claims, (true, false), "of two that read the same row one gets it");
    mailer.mail.wake();
    for _ in 0..10 {
        pause().await;
    }
    assert_eq!(catcher.attempts(), 0);
    mailer.time.advance(Duration::from_mins(2));
    catcher.wait_for(1).await;
}

#[actix::test]
async fn emails_for_removed_accounts_and_addresses_are_dropped() {
    let catcher = SmtpCatcher::start();
    let mailer = TestMailer::open(&catcher.url());
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::ResetPassword, alice, "old@example.org").await;
    mailer.enqueue(MailKind::PasswordChanged, UserId(mailer.clock.new_id()), ALICE).await;
    mailer.until("dropped", <[_]>::is_empty).await;
    // The owner of the former address must be told of the change.
    mailer.enqueue(MailKind::EmailChanged, alice, "old@example.org").await;
    assert_eq!(catcher.wait_for(1).await[0].to, ["old@example.org"]);
    assert_eq!(catcher.attempts(), 1);
}

#[actix::test]
async fn no_log_holds_an_address_or_a_link() {
    const ADDRESS: &str = "quiet@example.org";
    logs::capture();
    let catcher = SmtpCatcher::start();
    // Its refusal repeats the recipient, and a link.
    catcher.set_refusing(true);
    let mailer = TestMailer::open(&catcher.url());
    let quiet = mailer.user("quiet", ADDRESS).await;
    mailer.enqueue(MailKind::ResetPassword, quiet, ADDRESS).await;
    mailer.until_put_back(1, Duration::from_secs(5)).await;
    catcher.set_refusing(false);
    mailer.time.advance(Duration::from_secs(5));
    let token = catcher.wait_for(1).await[0].token("reset-password");
    mailer.mail.finish().await;

    let user = quiet.to_string();
    assert_eq!(logs::lines_with(&["email not sent", "451", "not now", &user]).len(), 1, "{}", logs::text());
    assert_eq!(logs::lines_with(&["email sent", &user]).len(), 1, "{}", logs::text());
    for secret in [ADDRESS, &token, "catcher.test/why"] {
        assert_eq!(logs::lines_with(&[secret]), [""; 0], "{secret}");
    }
}

#[actix::test]
async fn preview_keeps_emails_in_files() {
    let mailer = TestMailer::open("preview");
    let alice = mailer.user("alice", ALICE).await;
    mailer.enqueue(MailKind::VerifyEmail, alice, ALICE).await;
    mailer.until("kept", |rows| rows[0].2.is_some()).await;
    let preview = doorward::internals::mail::Preview::at(mailer.dir.path().join("mail"));
    let mails = preview.list().unwrap();
    assert_eq!((mails.len(), mails[0].to.as_deref()), (1, Some(ALICE)));
    assert!(mails[0].id.contains("-verify_email-"), "{}", mails[0].id);
    assert!(mails[0].links[0].starts_with("https://id.example/verify-email/"), "{:?}", mails[0].links);
}
