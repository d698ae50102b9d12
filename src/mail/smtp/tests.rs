//! Every stage of a conversation, with a server that hangs, disconnects, or refuses at that stage.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::config::{Config, MailUrl};

const QUICK: Pace = Pace { connect: Duration::from_secs(5), step: Duration::from_millis(300), probe: None };

#[derive(Debug, Clone, Copy)]
enum Fault {
    Hangs,
    Disconnects,
    Says(&'static str),
}

const STAGES: [(&str, Stage); 6] = [
    ("greeting", Stage::Greeting),
    ("EHLO", Stage::Hello),
    ("AUTH", Stage::Auth),
    ("MAIL", Stage::Sender),
    ("RCPT", Stage::Recipient),
    ("DATA", Stage::Data),
];

/// Accepts connections until it is dropped, and misbehaves at one stage.
fn serve(at: &'static str, fault: Fault) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (commands, seen) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let commands = commands.clone();
            thread::spawn(move || drop(converse(stream, at, fault, |line| drop(commands.send(line)))));
        }
    });
    (address, seen)
}

fn converse(stream: TcpStream, at: &str, fault: Fault, note: impl Fn(String)) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let mut line = "greeting".to_owned();
    let mut emails = 0;
    loop {
        note(line.trim_end().to_owned());
        let mut verb = line.trim_end().split(' ').next().unwrap_or_default().to_owned();
        emails += usize::from(verb == "MAIL");
        if verb == "MAIL" && emails == 2 && at == "second MAIL" {
            at.clone_into(&mut verb);
        }
        let good = match verb.as_str() {
            "greeting" => "220 test",
            "EHLO" => "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
            "AUTH" => "235 ok",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        match fault {
            Fault::Hangs if verb == at => {
                // Until the client disconnects.
                while lines.read_line(&mut line)? > 0 {}
                return Ok(());
            }
            Fault::Disconnects if verb == at => return Ok(()),
            Fault::Says(answer) if verb == at => out.write_all(format!("{answer}\r\n").as_bytes())?,
            _ => {
                out.write_all(format!("{good}\r\n").as_bytes())?;
                while verb == "DATA" && line != ".\r\n" {
                    line.clear();
                    lines.read_line(&mut line)?;
                }
                if verb == "DATA" {
                    out.write_all(b"250 taken\r\n")?;
                }
            }
        }
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
}

fn smtp(url: &str, pace: Pace) -> Smtp {
    let MailUrl::Smtp(server) = Config::from_pairs([("mail.url", url)]).unwrap().mail.url else {
        panic!("{url} is no server")
    };
    Smtp::new(server, None, pace).unwrap()
}

fn message() -> Message {
    Message::builder()
        .from("a@b.org".parse().unwrap())
        .to("c@d.org".parse().unwrap())
        .body("hello".to_owned())
        .unwrap()
}

async fn fail(smtp: &Smtp) -> Failure {
    smtp.send(&message()).await.expect_err("it fails")
}

#[tokio::test]
async fn the_stage_is_named_and_before_the_recipient_it_is_about_the_server() {
    for (at, stage) in STAGES {
        let is_about_server = stage < Stage::Recipient;
        for (fault, code, otherwise) in [
            (Fault::Hangs, None, Verdict::Temporary),
            (Fault::Disconnects, None, Verdict::Temporary),
            (Fault::Says("421 4.3.2 later, u:hunter2"), Some(421), Verdict::Temporary),
            (Fault::Says("451 4.3.0 later"), Some(451), Verdict::Temporary),
            (Fault::Says("550-no\r\n550 5.7.1 never"), Some(550), Verdict::Refused),
            (Fault::Says("530 5.7.0 sign in"), Some(530), Verdict::Server),
            (Fault::Says("535 5.7.8 hunter2 is wrong"), Some(535), Verdict::Server),
            // AUTH PLAIN with name and password, and the password alone.
            (Fault::Says("500 what is AHUAaHVudGVyMg== or aHVudGVyMg=="), Some(500), Verdict::Refused),
            (Fault::Says("what?"), None, Verdict::Temporary),
        ] {
            let (address, _seen) = serve(at, fault);
            let smtp = smtp(&format!("smtp://u:hunter2@{address}"), QUICK);
            let failure = fail(&smtp).await;
            let verdict = if is_about_server { Verdict::Server } else { otherwise };
            let said = failure.describe(&[]);
            assert_eq!((failure.stage, failure.code), (Some(stage), code), "{at} {fault:?}: {said}");
            assert_eq!(failure.verdict, verdict, "{at} {fault:?}: {said}");
            assert!(said.starts_with(&format!("at {stage}: ")) && !said.contains("hunter2"), "{said}");
            assert!(!said.contains("HVudGVyMg") && !said.contains("incomplete"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_replaced_when_it_is_gone() {
    let (address, seen) = serve("", Fault::Hangs);
    let smtp = smtp(&format!("smtp://{address}"), QUICK);
    for _ in 0..3 {
        smtp.send(&message()).await.unwrap_or_else(|failure| panic!("{}", failure.describe(&[])));
    }
    let greetings = |seen: &Receiver<String>| seen.try_iter().filter(|line| line == "greeting").count();
    assert_eq!(greetings(&seen), 1);
    // The server disconnects when asked whether it is still there.
    for fault in [Fault::Disconnects, Fault::Says("421 bye")] {
        let (address, seen) = serve("NOOP", fault);
        let smtp = smtp_at(address);
        for _ in 0..2 {
            smtp.send(&message()).await.unwrap_or_else(|failure| panic!("{}", failure.describe(&[])));
        }
        assert_eq!(greetings(&seen), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_one_email_per_connection_gets_the_next_on_another() {
    for fault in [Fault::Disconnects, Fault::Says("421 4.7.0 too many emails")] {
        let (address, seen) = serve("second MAIL", fault);
        let smtp = smtp_at(address);
        for _ in 0..3 {
            smtp.send(&message()).await.unwrap_or_else(|failure| panic!("{}", failure.describe(&[])));
        }
        assert_eq!(seen.try_iter().filter(|line| line == "greeting").count(), 3, "{fault:?}");
    }
}

fn smtp_at(address: SocketAddr) -> Smtp {
    smtp(&format!("smtp://{address}"), QUICK)
}

#[tokio::test]
async fn while_another_conversation_works_a_full_server_delays_only_one_email() {
    let (address, _seen) = serve("greeting", Fault::Says("421 too many connections"));
    let smtp = smtp_at(address);
    let busy = Busy::new(&smtp.busy);
    assert_eq!(fail(&smtp).await.verdict, Verdict::Temporary);
    drop(busy);
    assert_eq!(fail(&smtp).await.verdict, Verdict::Server);
    let (address, _seen) = serve("AUTH", Fault::Says("535 no"));
    let smtp = self::smtp(&format!("smtp://u:p@{address}"), QUICK);
    let _busy = Busy::new(&smtp.busy);
    assert_eq!(fail(&smtp).await.verdict, Verdict::Server, "a wrong password is wrong for all");
}

#[tokio::test]
async fn without_a_name_of_its_own_the_client_introduces_itself_by_address() {
    let (address, seen) = serve("", Fault::Hangs);
    assert!(smtp_at(address).send(&message()).await.is_ok());
    assert!(seen.try_iter().any(|line| line == "EHLO [127.0.0.1]"));
}
