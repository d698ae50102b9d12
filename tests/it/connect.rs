//! `doorward connect` in scripts: the real binary, over WebSocket and TCP.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_on};
use crate::support::connect::Script;
use crate::support::connect::{command, ended, logins_are, messages, run, text, url};
use crate::support::tls;
use crate::support::tls::Identity;
use crate::support::transports::LiveClient;

async fn a_script_is_answered_and_signs_out<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let script = command(&[&url::<C>(&app), "--username", "ann", "--json"]);
    let input =
        format!("{PASSWORD}\nsecret\n\nping\n{{\"type\":\"sessions\"}}\n{{\"type\":\"no\",\"id\":\"x\"}}");
    let output = run(script, &input).await;
    ended(&output, 0, "");
    assert!(output.stderr.is_empty());
    let messages = messages(&output);
    let kinds: Vec<_> = messages.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["welcome", "secret", "pong", "sessions", "error"]);
    assert!(messages[1]["message"].as_str().unwrap().starts_with("ann, "));
    assert_eq!((&messages[1]["id"], &messages[2]["id"]), (&json!(1), &json!(3)));
    assert_eq!(messages[3]["sessions"][0]["carrier"], C::TRANSPORT);
    assert_eq!(messages[4]["id"], "x");
    logins_are(&app, &ann, 1).await;
}

async fn a_token_signs_in_and_its_login_is_not_revoked<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let at = url::<C>(&app);
    for (script, input) in [
        (command(&[&at, "--token", &ann.access]), "sessions\nquit\nsecret\n".to_owned()),
        (command(&[&at, "--token", "-"]), format!("{}\nsessions\n", ann.access)),
    ] {
        let output = run(script, &input).await;
        ended(&output, 0, "");
        let said = text(&output.stdout);
        assert!(said.contains("Signed in as ann until ") && said.contains("  this one\n"), "{said}");
        // No colours in a pipe, and nothing after `quit` is sent.
        assert!(!said.contains('\x1b') && said.lines().count() == 3, "{said}");
    }
    app.get("/api/me", &ann.access).await.expect(200);
}

async fn each_end_has_its_code<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let at = url::<C>(&app);
    let named = at.replace("://", "://ann@");
    let token = format!("{}\n", ann.access);
    let good = format!("{PASSWORD}\n");
    let ended_with = async |arguments: &[&str], input: &str, code, words| {
        ended(&run(command(arguments), input).await, code, words);
    };
    ended_with(&[&named], "wrong\n", 4, "sign-in refused: The login or the password is wrong.").await;
    ended_with(&[&at, "--token", "-"], "not.a.token\n", 4, "sign-in refused: ").await;
    ended_with(&[&at], &good, 2, "--username is missing").await;
    ended_with(&[&at, "--token", "a\nb"], "", 2, "that is not a token").await;
    ended_with(&[&named], "", 2, "ended before the password").await;
    ended_with(&[&named], &format!("{good}secrets\n"), 2, "line 1: unknown command: did you mean `secret`?")
        .await;
    let with_password = at.replace("://", &format!("://ann:{}@", PASSWORD.replace(' ', "%20")));
    ended_with(&[&with_password], "", 2, "a password in a URL").await;
    ended_with(&[&at, "--token", "-"], &format!("{token}{{\"id\":1,\"id\":2}}\n"), 5, "not a JSON object")
        .await;
    app.advance(Duration::from_hours(1));
    ended_with(&[&at, "--token", "-"], &token, 4, "expired").await;
}

async fn a_sign_out_elsewhere_ends_it<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut script = Script::with_password::<C>(&app).await;
    app.send(actix_web::http::Method::DELETE, "/api/logins?except=current", &ann.access, Value::Null)
        .await
        .expect(204);
    script.hear("goodbye").await;
    script.remark("doorward: the server ended it: signed out").await;
    script.is_ended(5).await;
}

async fn it_stays_connected_longer_than_its_first_token<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut script = Script::with_password::<C>(&app).await;
    // Tokens of 15 minutes. The client is active more often than once a heartbeat, and the clock stands still while
    // a newer token is fetched, which over TCP the server does after a third of that time.
    let (mut renewed, mut passed) = (0, 0);
    while renewed < 4 {
        app.advance(Duration::from_secs(10));
        passed += 10;
        script.say("ping\n").await;
        let (mut answered, mut asked) = (false, C::TRANSPORT == "tcp" && passed == 300);
        while !answered || asked {
            let message = script.next().await;
            match message["type"].as_str() {
                Some("pong") => answered = true,
                Some("expiring") => asked = true,
                Some("authenticated") => (renewed, asked, passed) = (renewed + 1, false, 0),
                _ => panic!("{message}"),
            }
        }
    }
    script.say("secret\n").await;
    while script.next().await["type"] != "secret" {}
    script.ends(0).await;
    app.get("/api/me", &ann.access).await.expect(401);
}

async fn it_reconnects_after_a_restart<C: LiveClient>() {
    let mut app = spawn_app().await;
    app.register("ann").await;
    let mut script = Script::with_password::<C>(&app).await;
    script.say("watch\n").await;
    script.hear("sessions").await;
    let (address, tcp) = (app.address.to_string(), app.tcp.to_string());
    app.stop().await;
    script.hear("goodbye").await;
    script.remark("the server is restarting; trying again in ").await;
    let TestApp { data, mail, clock, .. } = app;
    let app = spawn_on(&[("http.listen", &address), ("tcp.listen", &tcp)], data, mail, clock).await;
    script.hear("welcome").await;
    // It watches again by itself.
    script.hear("sessions").await;
    script.say("secret\n").await;
    while script.next().await["type"] != "secret" {}
    script.ends(0).await;
    drop(app);
}

async fn a_signal_signs_out<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut script = Script::with_password::<C>(&app).await;
    logins_are(&app, &ann, 2).await;
    let pid = i32::try_from(script.child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    script.is_ended(143).await;
    logins_are(&app, &ann, 1).await;
}

crate::support::transports::on_json_transports!(
    a_script_is_answered_and_signs_out,
    a_token_signs_in_and_its_login_is_not_revoked,
    each_end_has_its_code,
    a_sign_out_elsewhere_ends_it,
    it_stays_connected_longer_than_its_first_token,
    it_reconnects_after_a_restart,
    a_signal_signs_out,
);

#[actix_web::test]
async fn a_private_authority_is_trusted_when_it_is_named() {
    let identity = Identity::new();
    let app = identity.app().await;
    let body = json!({"username": "ann", "password": PASSWORD});
    tls::post(&app, &tls::client(&identity.cert), "/api/register", body).await;
    let ports =
        [format!("tls://localhost:{}", app.tcp.port()), format!("wss://localhost:{}", app.address.port())];
    for url in ports {
        let mut trusting = command(&[&url, "--username", "ann", "--json"]);
        trusting.env("SSL_CERT_FILE", &identity.cert);
        let output = run(trusting, &format!("{PASSWORD}\nsecret\n")).await;
        ended(&output, 0, "");
        assert_eq!(messages(&output)[1]["type"], "secret");

        let other = Identity::new();
        let mut wary = command(&[&url, "--username", "ann"]);
        wary.env("SSL_CERT_FILE", &other.cert);
        ended(&run(wary, &format!("{PASSWORD}\n")).await, 3, "SSL_CERT_FILE");
    }
}

/// A proxy that serves an application under `/auth`.
async fn under_a_base_path(app: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_app, mut to_app) = TcpStream::connect(app).await.unwrap().into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_app, &mut to_client).await });
                let mut chunk = vec![0; 64 * 1024];
                while let Ok(read @ 1..) = from_client.read(&mut chunk).await {
                    // Heads of requests begin a chunk; what has no base path leads nowhere.
                    let head = String::from_utf8_lossy(&chunk[..read]).into_owned();
                    let sent = match head.split_once(" /auth/") {
                        Some((method, rest)) if method.len() < 8 => format!("{method} /{rest}").into_bytes(),
                        _ if head.contains(" HTTP/1.1\r\n") => {
                            head.replacen(" /", " /nowhere/", 1).into_bytes()
                        }
                        _ => chunk[..read].to_vec(),
                    };
                    to_app.write_all(&sent).await.unwrap();
                }
            });
        }
    });
    address
}

#[actix_web::test]
async fn a_base_path_is_kept() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let proxy = under_a_base_path(app.address).await;
    for end in ["/auth", "/auth/", "/auth/ws"] {
        let script = command(&[&format!("ws://ann@{proxy}{end}"), "--json"]);
        let output = run(script, &format!("{PASSWORD}\nsecret\n")).await;
        ended(&output, 0, "");
        assert_eq!(messages(&output)[1]["type"], "secret", "{end}");
        // Signed out under the same path.
        logins_are(&app, &ann, 1).await;
    }
    for (end, words) in [("", " to /api/login; the URL's path is "), ("/other/ws", " to /other/api/login; ")]
    {
        let output = run(command(&[&format!("http://ann@{proxy}{end}")]), &format!("{PASSWORD}\n")).await;
        ended(&output, 3, words);
    }
    for url in [
        format!("ws://{proxy}/auth?token=x"),
        format!("ws://{proxy}/socket.io/"),
        format!("ws://{proxy}/auth#x"),
    ] {
        ended(&run(command(&[&url, "--username", "ann"]), "x\n").await, 2, "URL");
    }
}

#[actix_web::test]
async fn a_scheme_without_tls_at_a_port_that_speaks_it_names_the_right_one() {
    let identity = Identity::new();
    let app = identity.app().await;
    for (url, words) in [
        (format!("ws://{}", app.address), "this port speaks HTTPS: the URL begins with wss://"),
        (format!("tcp://{}", app.tcp), "this port speaks TLS: the URL begins with tls://"),
    ] {
        ended(&run(command(&[&url, "--username", "ann"]), "x\n").await, 3, words);
    }
}

#[actix_web::test]
async fn a_url_of_another_port_is_told_what_that_one_speaks() {
    let app = spawn_app().await;
    for (url, words) in [
        (format!("wss://{}", app.address), "this port speaks no TLS"),
        (format!("tls://{}", app.tcp), "this port speaks no TLS"),
        (format!("ws://{}", app.tcp), "this port speaks no HTTP"),
        (format!("tcp://{}", app.address), "this port speaks HTTP: the URL begins with ws://"),
    ] {
        ended(&run(command(&[&url, "--username", "ann"]), "x\n").await, 3, words);
    }
}

/// A server that says this to every client.
async fn speaks(words: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(words.as_bytes()).await;
        }
    });
    address
}

#[actix_web::test]
async fn a_busy_server_is_tried_again() {
    let goodbye =
        r#"{"type":"goodbye","code":1013,"reason":"the server is overloaded","reconnect":"backoff"}"#;
    let tcp = speaks(Box::leak(format!("{goodbye}\n").into_boxed_str())).await;
    let web = speaks("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    let limited =
        speaks("HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n").await;
    let limits = "too many attempts from this network; trying again in ";
    for (url, words, first) in [
        (format!("tcp://{tcp}"), "the server is overloaded; trying again in ", "0."),
        (format!("ws://{web}"), "the server is busy; trying again in ", "0."),
        // No sooner than it asked for.
        (format!("ws://{limited}"), limits, "1."),
    ] {
        let mut script = Script::start(command(&[&url, "--username", "ann"]), "x\n").await;
        script.remark(&format!("{words}{first}")).await;
        script.remark(words).await;
        let pid = i32::try_from(script.child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        script.is_ended(130).await;
    }
}

#[actix_web::test]
async fn a_server_that_asks_for_an_hour_is_not_waited_for() {
    let hour = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
    let address = speaks(hour).await;
    let output = run(command(&[&format!("ws://{address}"), "--username", "ann"]), "x\n").await;
    ended(&output, 3, "gave up: too many attempts from this network");
}

#[actix_web::test]
async fn a_lost_request_fails_a_script_and_a_hostile_name_is_shown_harmless() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let welcome = json!({"type": "welcome", "session": "s", "user": {"username": "a\x1b[2J\u{9b}b"}});
            let words = format!("Username: Password: Login successful!\n{welcome}\n");
            stream.write_all(words.as_bytes()).await.unwrap();
            // The server is gone when the client asks for something, or leaves.
            let mut line = String::new();
            while !line.contains("secret") && stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {}
        }
    });
    let script = command(&[&format!("tcp://{address}"), "--username", "ann"]);
    let output = run(script, "x\nsecret\n").await;
    ended(&output, 1, "requests without an answer: 1");
    let said = text(&output.stdout);
    assert!(said.starts_with("Signed in as a\\u{1b}[2J\\u{9b}b until "), "{said}");
}

#[actix_web::test]
async fn a_server_that_is_missing_or_another_program_is_exit_code_3() {
    // A port on which nothing listens any more.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let ssh: SocketAddr = speaks("SSH-2.0-OpenSSH_9.9\r\n").await;
    let web = speaks("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let moved =
        speaks("HTTP/1.1 301 Moved Permanently\r\nlocation: https://h/\r\ncontent-length: 0\r\n\r\n").await;
    let cut = speaks("Usern").await;
    for (url, words) in [
        (format!("tcp://{closed}"), "cannot connect to 127.0.0.1:"),
        (format!("ws://{closed}"), "cannot connect to 127.0.0.1:"),
        (format!("tcp://{ssh}"), "does not speak as Doorward does"),
        (format!("ws://{web}"), "the server answered 404"),
        (
            format!("http://{moved}"),
            "the server answered 301 Moved Permanently to /api/login, which leads elsewhere",
        ),
        (format!("tcp://{cut}"), "cannot connect"),
    ] {
        let script = command(&[&url, "--username", "ann"]);
        ended(&run(script, "x\n").await, 3, words);
    }
}
