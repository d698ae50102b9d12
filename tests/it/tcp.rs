//! The prompts of the TCP endpoint, and how clients answer them.

use std::process::Command;
use std::time::Duration;

use doorward::internals::models::users;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_with};
use crate::support::commands::converse;
use crate::support::process::Process;
use crate::support::programs::{self, Needs};
use crate::support::tcp::{TcpClient, active_logins};
use crate::support::transports::LiveClient;

#[actix_web::test]
async fn an_answer_ends_at_a_newline_or_in_silence() {
    let app = spawn_app().await;
    app.register("ann").await;
    for end in ["\n", "\r\n", "\r", "\r\0", ""] {
        let mut line = TcpClient::connect(app.tcp).await;
        app.passing(line.sign_in("Ann", PASSWORD, end)).await;
        app.passing(line.expect("Login successful!\n")).await;
        assert_eq!(line.next().await["user"]["username"], "ann");
        line.ping().await;

        for (name, password) in [("ann", "not the password"), ("nobody", PASSWORD)] {
            let mut line = TcpClient::connect(app.tcp).await;
            app.passing(line.sign_in(name, password, end)).await;
            assert_eq!(app.passing(line.rest()).await, "Login failed\n");
        }
    }
}

#[actix_web::test]
async fn a_newline_that_comes_late_is_no_answer() {
    let app = spawn_app().await;
    app.register("ann").await;
    for late in ["\n", "\r\n"] {
        let mut line = TcpClient::connect(app.tcp).await;
        line.expect("Username: ").await;
        line.say("ann").await;
        app.passing(line.expect("Password: ")).await;
        line.say(late).await;
        // A client that has sent a newline sends another: its pauses end nothing.
        line.say(&PASSWORD[..8]).await;
        silent(&app, &mut line).await;
        line.say(format!("{}{late}", &PASSWORD[8..])).await;
        line.expect("Login successful!\n").await;
        assert_eq!(line.next().await["type"], "welcome");
        line.say(late).await;
        line.ping().await;
    }
}

/// Half a minute passes, in which nothing is said.
async fn silent(app: &TestApp, line: &mut TcpClient) {
    for _ in 0..10 {
        // What was sent before is read by then, and what it leads to comes.
        let said = tokio::time::timeout(Duration::from_millis(20), line.line_or_prompt()).await;
        assert!(said.is_err(), "{said:?}");
        app.advance(Duration::from_secs(3));
    }
}

/// Types key by key, each in a packet of its own, with a pause after each.
async fn type_slowly(app: &TestApp, line: &mut TcpClient, keys: &[u8], pause: Duration) {
    for key in keys {
        line.say([*key]).await;
        // The server has it before the clock goes on.
        tokio::time::sleep(Duration::from_millis(5)).await;
        app.advance(pause);
    }
}

#[actix_web::test]
async fn a_user_who_types_slowly_signs_in() {
    let app = spawn_with(&[("sockets.auth_timeout", "5s")]).await;
    app.register("alina").await;
    let second = Duration::from_secs(1);
    for (name, pause, end) in [
        (&b"alina"[..], second * 2 / 5, &b"\n"[..]),
        (b"alina", second, b"\r\n"),
        (b"alina", second * 3, b"\r"),
        // With mistakes, and what Telnet says by itself.
        (b"alx\x7fina", second * 2 / 5, b"\r\0"),
        (b"bob\x15al\xff\xf1ina", second * 2 / 5, b"\n"),
    ] {
        let mut line = TcpClient::connect(app.tcp).await;
        line.expect("Username: ").await;
        type_slowly(&app, &mut line, name, pause).await;
        line.say(end).await;
        line.expect("Password: ").await;
        type_slowly(&app, &mut line, PASSWORD.as_bytes(), second * 2 / 5).await;
        line.say(end).await;
        line.expect("Login successful!\n").await;
        assert_eq!(line.next().await["user"]["username"], "alina");
        line.ping().await;
    }
}

#[actix_web::test]
async fn a_user_whose_keys_arrive_a_few_at_a_time_signs_in() {
    let app = spawn_app().await;
    app.register("alina").await;
    let mut line = TcpClient::connect(app.tcp).await;
    line.expect("Username: ").await;
    for keys in ["al", "in", "a"] {
        line.say(keys).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        app.advance(Duration::from_secs(1));
    }
    line.say("\n").await;
    line.expect("Password: ").await;
    // Begun before the prompt was there to be seen, and looked up in between.
    line.say(&PASSWORD[..3]).await;
    silent(&app, &mut line).await;
    line.say(format!("{}\n", &PASSWORD[3..])).await;
    line.expect("Login successful!\n").await;
}

#[actix_web::test]
async fn a_program_that_sends_its_answer_in_pieces_without_a_newline_signs_in() {
    let app = spawn_app().await;
    app.register("alina").await;
    let mut line = TcpClient::connect(app.tcp).await;
    for (prompt, answer) in [("Username: ", "alina"), ("Password: ", PASSWORD)] {
        app.passing(line.expect(prompt)).await;
        let (first, second) = answer.split_at(2);
        line.say(first).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        line.say(second).await;
    }
    app.passing(line.expect("Login successful!\n")).await;
    assert_eq!(line.next().await["type"], "welcome");
}

#[actix_web::test]
async fn a_client_that_closes_its_side_has_ended_its_answer() {
    let app = spawn_app().await;
    app.register("ann").await;
    let mut line = TcpClient::connect(app.tcp).await;
    line.say(format!("ann\n{PASSWORD}")).await;
    line.shutdown().await;
    assert!(line.rest().await.starts_with("Username: Password: Login successful!\n"));
}

#[actix_web::test]
async fn negotiation_is_no_answer_and_an_interrupt_is_the_end() {
    let app = spawn_app().await;
    // As PuTTY greets: it has sent no answer yet, so it has the time of a silent client.
    let mut line = TcpClient::unauthenticated(&app).await;
    line.say(b"\xff\xfb\x1f\xff\xfb\x18\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    app.advance(Duration::from_secs(5));
    line.ends(4408).await;
    for leave in [&b"al\x03"[..], b"\x04", b"\xff\xf4\xff\xfd\x06"] {
        let mut line = TcpClient::unauthenticated(&app).await;
        line.say(leave).await;
        assert_eq!(line.rest_lossy().await, "", "{}", leave.escape_ascii());
    }
}

#[actix_web::test]
async fn all_answers_may_arrive_at_once() {
    let app = spawn_app().await;
    app.register("ann").await;
    let mut line = TcpClient::connect(app.tcp).await;
    line.say(format!("ann\n{PASSWORD}\n{{\"type\":\"secret\",\"id\":1}}\n\n{{\"type\":\"ping\",\"id\":2}}"))
        .await;
    line.shutdown().await;
    let said = line.rest().await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "Username: Password: Login successful!", "{said}");
    assert!(lines[1].contains("\"welcome\"") && lines[2].contains("\"secret\""), "{said}");
    assert_eq!(&lines[3..], [r#"{"type":"pong","id":2}"#], "{said}");
    // The client has disconnected, and no login is left of it.
    while app.query(active_logins) > 1 {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn a_silent_client_has_five_seconds_and_a_slow_typist_a_minute() {
    let app = spawn_app().await;
    app.register("ann").await;
    let mut silent = TcpClient::unauthenticated(&app).await;
    let mut typist = TcpClient::unauthenticated(&app).await;
    typist.say("ann\n").await;
    typist.expect("Password: ").await;
    app.advance(Duration::from_secs(5));
    assert_eq!(silent.ends(4408).await.goodbye["reconnect"], "backoff");
    app.advance(Duration::from_secs(54));
    typist.say(format!("{PASSWORD}\n")).await;
    typist.expect("Login successful!\n").await;

    let mut slow = TcpClient::unauthenticated(&app).await;
    slow.say("ann\n").await;
    slow.expect("Password: ").await;
    app.advance(Duration::from_mins(1));
    slow.ends(4408).await;
}

#[actix_web::test]
async fn the_server_sends_pings() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut line = TcpClient::live(&app, &ann).await;
    for answer in ["{\"type\":\"pong\"}\n", "\n", "\r\n"] {
        app.advance(Duration::from_secs(25));
        assert_eq!(line.line().await.unwrap(), r#"{"type":"ping"}"#);
        line.say(answer).await;
        // It was taken by now, and without a word.
        line.ping().await;
    }
    app.advance(Duration::from_secs(50));
    line.ends(4408).await;
}

#[actix_web::test]
async fn an_answer_has_a_bounded_size() {
    let app = spawn_app().await;
    let mut line = TcpClient::unauthenticated(&app).await;
    line.say("x".repeat(8193)).await;
    line.ends(1009).await;
    let mut line = TcpClient::unauthenticated(&app).await;
    line.say("x".repeat(8192) + "\n").await;
    line.expect("Password: ").await;
}

#[actix_web::test]
async fn prompts_and_http_share_the_hashing_threads() {
    // One thread, with room for sixteen.
    let app = spawn_with(&[
        ("password.workers", "1"),
        ("password.cost", "10"),
        ("sockets.max_waiting_per_address", "50"),
    ])
    .await;
    let app = &app;
    // Each at another name: one alone would be locked.
    let tries = futures_util::future::join_all((0..30).map(|number| async move {
        let mut line = TcpClient::connect(app.tcp).await;
        line.sign_in(&format!("nobody{number}"), PASSWORD, "\n").await;
        line.rest().await
    }))
    .await;
    let overloaded = |said: &&String| said.starts_with("Login failed\n{") && said.contains("\"code\":1013");
    let refused = tries.iter().filter(overloaded).count();
    let wrong = tries.iter().filter(|said| *said == "Login failed\n").count();
    assert_eq!(refused + wrong, 30, "{tries:?}");
    assert!(refused > 0 && wrong >= 16, "{refused} {wrong}");
}

#[actix_web::test]
async fn tcp_can_be_turned_off() {
    let app = spawn_with(&[("tcp.listen", "off")]).await;
    assert_eq!(app.tcp.port(), 0);
    app.get("/healthz", "").await.expect(200);
}

/// What an imported account gets from its first sign-in, here as on every transport.
#[actix_web::test]
async fn an_old_hash_is_replaced_at_the_prompts_too() {
    let app = spawn_app().await;
    app.register("ann").await;
    // Made with passlib 1.7.4: `bcrypt.using(rounds=4).hash("plain bcrypt pw")`.
    let old = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";
    app.query(|conn| {
        use diesel::prelude::*;
        use doorward::internals::schema::users;
        diesel::update(users::table).set(users::password_hash.eq(old)).execute(conn)
    });
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", "plain bcrypt pw", "\n").await;
    line.expect("Login successful!\n").await;
    let stored: users::User = app.query(|conn| {
        use diesel::prelude::*;
        doorward::internals::schema::users::table.first(conn)
    });
    assert!(stored.password_hash.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{}", stored.password_hash);
}

/// What the older system's client does: it answers each prompt in one piece without a newline and prints what
/// it is told.
const OLD_CLIENT: &str = "import socket, sys
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
print(client.recv(1024).decode(), end='')
client.send(sys.argv[2].encode())
print(client.recv(1024).decode(), end='')
client.send(sys.argv[3].encode())
print(client.recv(1024).decode())
";

#[actix_web::test]
async fn the_client_of_the_older_system_signs_in_unchanged() {
    let Some(python) = programs::command("python3", Needs::Apt("python3")) else { return };
    let app = spawn_app().await;
    app.register("ann").await;
    for (password, outcome) in [(PASSWORD, "Login successful!"), ("wrong", "Login failed")] {
        let mut command = tokio::process::Command::new(&python);
        command.args(["-c", OLD_CLIENT, &app.tcp.port().to_string(), "ann", password]);
        let said = app.passing(command.output()).await.unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.starts_with(&format!("Username: Password: {outcome}")), "{said}");
    }
}

#[actix_web::test]
async fn nc_works_as_a_client() {
    let Some(nc) = programs::command("nc", Needs::Apt("netcat-openbsd")) else { return };
    let process = Process::start(&[]).await;
    process.post("/api/register", json!({"username": "ann", "password": PASSWORD})).await.expect(201);
    let port = process.tcp.port().to_string();
    let password = format!("{PASSWORD}\n");
    let said = converse(
        Command::new(&nc).args(["-N", "127.0.0.1", &port]),
        &[
            ("Username: ", "ann\n"),
            ("Password: ", &password),
            ("Login successful!\n", "{\"type\":\"secret\"}\n"),
            ("\"}\n", ""),
        ],
    )
    .await;
    assert!(said.contains(r#"{"type":"secret","message":"ann, "#), "{said}");
    let said =
        converse(Command::new(&nc).args(["-N", "127.0.0.1", &port]), &[("Username: ", "ann\nx\n")]).await;
    assert_eq!(said, "Username: Password: Login failed\n");
}
