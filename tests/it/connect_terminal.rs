//! `doorward connect` at a terminal: a real binary in a pseudo-terminal.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::Value;

use crate::support::app::{PASSWORD, spawn_app};
use crate::support::connect::url;
use crate::support::terminal::{Terminal, at_terminal, sign_in, typed};
use crate::support::tls::Identity;
use crate::support::transports::LiveClient;

async fn a_user_signs_in_and_tries_the_commands<C: LiveClient>() {
    let app = spawn_app().await;
    app.register("ann").await;
    let url = url::<C>(&app);
    at_terminal(move || {
        let mut terminal = Terminal::start(&[&url], &[]);
        terminal.sees("Username: ");
        terminal.types("ann");
        terminal.sees("Password: ");
        terminal.types_hidden(PASSWORD);
        let echoed = terminal.sees("\x1b[32mSigned in as ann until ");
        assert!(!echoed.contains("correct"), "{echoed}");
        terminal.sees("> ");
        terminal.types("secret");
        terminal.sees("ann, ");
        terminal.types("sessions");
        terminal.sees("transport");
        terminal.sees(C::TRANSPORT);
        terminal.sees("this one");
        terminal.types("ping");
        terminal.sees("pong after ");
        terminal.types(r#"{"type":"nothing"}"#);
        terminal.sees("error unknown_type: ");
        terminal.types("sesions");
        terminal.sees("did you mean `sessions`?");
        // The lines before, by the arrow up: the third is `ping`.
        terminal.presses("\x1b[A\x1b[A\x1b[A\r");
        terminal.sees("pong after ");
        terminal.presses("sec\t\r");
        terminal.sees("ann, ");
        terminal.types("help");
        terminal.sees("how long the server takes");
        terminal.presses("\x04");
        terminal.ends(0);
    })
    .await;
}

async fn messages_arrive_while_a_user_types<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let terminal = sign_in::<C>(&app).await;
    let terminal = typed(terminal, |terminal| {
        terminal.types("watch");
        terminal.sees("this one");
        terminal.presses("sec");
        terminal.sees("sec");
    })
    .await;
    let other = C::live(&app, &ann).await;
    // Lists are a second apart.
    app.advance(Duration::from_secs(1));
    let login = ann.login.clone();
    at_terminal(move || {
        let mut terminal = terminal;
        terminal.sees(&login);
        // What was typed is still there, and goes on.
        terminal.sees("> sec");
        terminal.presses("ret\r");
        terminal.sees("ann, ");
        terminal.types("quit");
        terminal.ends(0);
    })
    .await;
    drop(other);
}

async fn a_sign_out_elsewhere_restores_the_terminal<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut terminal = sign_in::<C>(&app).await;
    terminal = typed(terminal, |terminal| {
        terminal.presses("half a li");
        terminal.sees("half a li");
        assert!(!terminal.echoes());
    })
    .await;
    app.send(Method::DELETE, "/api/logins?except=current", &ann.access, Value::Null).await.expect(204);
    at_terminal(move || {
        let rest = terminal.ends(5);
        assert!(rest.contains("doorward: the server ended it: signed out"), "{rest}");
    })
    .await;
}

async fn leaving_the_password_prompt_restores_the_terminal<C: LiveClient>() {
    let app = spawn_app().await;
    let url = url::<C>(&app);
    at_terminal(move || {
        let mut terminal = Terminal::start(&[&url, "--username", "ann"], &[]);
        terminal.sees("Password: ");
        terminal.presses("\x03");
        terminal.ends(130);
        let mut terminal = Terminal::start(&[&url, "--username", "ann"], &[]);
        terminal.sees("Password: ");
        terminal.types_hidden("wrong");
        assert!(terminal.ends(4).contains("The login or the password is wrong."));
    })
    .await;
}

crate::support::transports::on_json_transports!(
    a_user_signs_in_and_tries_the_commands,
    messages_arrive_while_a_user_types,
    a_sign_out_elsewhere_restores_the_terminal,
    leaving_the_password_prompt_restores_the_terminal,
);

#[actix_web::test]
async fn a_server_that_is_not_there_is_reported_before_a_password_is_asked_for() {
    let app = spawn_app().await;
    let secure = Identity::new();
    let encrypted = secure.app().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = other.local_addr().unwrap();
    let speaks = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = other.accept().unwrap();
            std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_10.0\r\n").unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
        }
    });
    let cases = [
        (format!("ws://ann@{closed}"), "refused"),
        (format!("tcp://{closed}"), "refused"),
        (format!("ws://ann@{}", app.tcp), "the URL of the TCP port begins with tcp://"),
        (format!("tcp://ann@{}", app.address), "the URL begins with ws://"),
        (format!("wss://ann@{}", app.address), "this port speaks no TLS"),
        (format!("tls://ann@{}", app.tcp), "this port speaks no TLS"),
        (format!("ws://ann@localhost:{}", encrypted.address.port()), "the URL begins with wss://"),
        (format!("tcp://ann@localhost:{}", encrypted.tcp.port()), "the URL begins with tls://"),
        (format!("wss://ann@localhost:{}", encrypted.address.port()), "SSL_CERT_FILE"),
        (format!("ws://ann@{}/auth", app.address), "404"),
        (format!("ws://ann@{at}"), "this port speaks no HTTP"),
        (format!("tcp://{at}"), "does not speak as Doorward does"),
    ];
    at_terminal(move || {
        for (url, words) in cases {
            let said = Terminal::start(&[&url], &[]).ends(3);
            assert!(said.contains("doorward: cannot connect to ") && said.contains(words), "{url}: {said}");
            assert!(!said.contains("Username") && !said.contains("Password"), "{url}: {said}");
        }
    })
    .await;
    speaks.join().unwrap();
}
