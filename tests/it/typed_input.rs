//! What people type: one password in every normal form, blanks, fields that were left empty, byte order marks, addresses.

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::auth::hash_password as hash;
use doorward::internals::schema::{audit_events, one_time_tokens, outbox, users};
use doorward_core::domain::Password;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Answer, PASSWORD, TestApp, post_form, read, spawn_app, start_again};
use crate::support::commands::run;
use crate::support::connect;
use crate::support::tcp::TcpClient;
use crate::support::transports::LiveClient;

/// One sentence, composed and decomposed.
const NFC: &str = "cr\u{e8}me br\u{fb}l\u{e9}e f\u{fc}r Zo\u{eb} im M\u{e4}rz";
const NFD: &str = "cre\u{300}me bru\u{302}le\u{301}e fu\u{308}r Zoe\u{308} im Ma\u{308}rz";
/// The same with full-width letters and the wide blank of a Japanese keyboard.
const WIDE: &str = "cr\u{e8}me\u{3000}br\u{fb}l\u{e9}e f\u{fc}r \u{ff3a}o\u{eb} im\u{a0}M\u{e4}rz";
const BOM: &str = "\u{feff}";

async fn try_login(app: &TestApp, login: &str, password: &str) -> Answer {
    app.post("/api/login", json!({"login": login, "password": password})).await
}

async fn login(app: &TestApp, login: &str, password: &str) -> u16 {
    try_login(app, login, password).await.status.as_u16()
}

async fn login_page(app: &TestApp, login: &str, password: &str) -> Answer {
    post_form(app.address, "/login", "", &[("login", login), ("password", password)]).await
}

/// What the prompts answer.
async fn login_line(app: &TestApp, username: &str, password: &str) -> String {
    let mut line = TcpClient::connect(app.tcp).await;
    line.expect("Username: ").await;
    line.say(format!("{username}\n")).await;
    line.expect("Password: ").await;
    line.say(format!("{password}\n")).await;
    line.line().await.unwrap_or_default()
}

async fn register(app: &TestApp, body: Value) -> Answer {
    app.post("/api/register", body).await
}

/// A body as it is.
async fn post_text(app: &TestApp, path: &str, text: String) -> Answer {
    let request = awc::Client::default()
        .post(format!("http://{}{path}", app.address))
        .insert_header(("content-type", "application/json"));
    read(request.send_body(text).await.unwrap()).await
}

fn stored_hash(app: &TestApp, username: &str) -> String {
    let hash = users::table.filter(users::username.eq(username.to_owned())).select(users::password_hash);
    app.query(|conn| hash.first(conn))
}

fn set_hash(app: &TestApp, username: &str, hash: &str) {
    let row = users::table.filter(users::username.eq(username.to_owned()));
    app.query(|conn| diesel::update(row).set(users::password_hash.eq(hash)).execute(conn));
}

#[actix_web::test]
async fn a_password_is_one_whatever_form_the_keyboard_sends() {
    let app = spawn_app().await;
    let ann = register(&app, json!({"username": "ann", "password": NFD})).await.expect(201);
    for form in [NFC, NFD, WIDE] {
        assert_eq!(login(&app, "ann", form).await, 200);
        assert_eq!(login_page(&app, "ann", form).await.status.as_u16(), 303);
        assert_eq!(login_line(&app, "ann", form).await, "Login successful!");
    }
    assert_eq!(login(&app, "ann", &NFC.replace('\u{e9}', "e")).await, 401);
    // The current password that is asked for again, and the new one.
    let access = ann.str("access_token");
    let body = json!({"current_password": NFC, "new_password": format!("{NFD} two")});
    app.send(Method::POST, "/api/me/password", &access, body).await.expect(204);
    assert_eq!(login(&app, "ann", &format!("{NFC} two")).await, 200);
    let body = json!({"current_password": format!("{WIDE} two")});
    app.send(Method::DELETE, "/api/me", &access, body).await.expect(204);
    // The command line, both ways.
    run(&app, &["user", "add", "bob"], NFD).await.ok();
    assert_eq!(login(&app, "bob", NFC).await, 200);
    run(&app, &["user", "password", "bob"], &format!("{BOM}{NFC} three\r\n")).await.ok();
    assert_eq!(login(&app, "bob", &format!("{NFD} three")).await, 200);
    // A link.
    app.register_with_email("eve", "eve@example.org").await;
    app.mail.wait_for(1).await;
    app.post("/api/forgot-password", json!({"login": "eve"})).await.expect(202);
    let token = app.mail.link_token("reset-password").await;
    app.post("/api/reset-password", json!({"token": token, "password": NFD})).await.expect(204);
    assert_eq!(login(&app, "eve", NFC).await, 200);
}

#[actix_web::test]
async fn a_hash_of_the_characters_as_typed_is_good_once_more_and_replaced() {
    let app = spawn_app().await;
    let old = hash(&Password::typed(NFD.to_owned()).as_typed().unwrap(), 4).unwrap();
    // Of a Mac, before; and of another system, in bcrypt.
    for (name, old) in [("ann", old), ("bob", bcrypt::hash(NFD, 4).unwrap())] {
        let user = app.register(name).await;
        set_hash(&app, name, &old);
        let confirmed = json!({"email": "new@example.org", "current_password": NFD});
        app.send(Method::POST, "/api/me/email", &user.access, confirmed).await.expect(202);
        assert_eq!(stored_hash(&app, name), old);
        assert_eq!(login(&app, name, "cre\u{300}me").await, 401);
        assert_eq!(login(&app, name, NFC).await, 401, "it was never typed like that");
        assert_eq!(login(&app, name, NFD).await, 200);
        assert_ne!(stored_hash(&app, name), old);
        for form in [NFC, NFD, WIDE] {
            assert_eq!(login(&app, name, form).await, 200);
        }
    }
    // The form as typed is tried for its hash alone, not for names without an account or with another password.
    for name in ["nobody", "ann"] {
        let refused = try_login(&app, name, "cre\u{300}me fu\u{308}r alle").await.expect(401);
        assert_eq!(refused.code(), "invalid_credentials");
    }
}

#[actix_web::test]
async fn a_passwords_length_is_that_of_its_normal_form() {
    let app = spawn_app().await;
    let short = json!({"username": "ann", "password": "a\u{308}o\u{308}u\u{308}e\u{308}"});
    assert_eq!(register(&app, short).await.expect(422).code(), "invalid_password");
    let long = json!({"username": "ann", "password": "\u{fdfa}".repeat(15)});
    assert_eq!(register(&app, long).await.expect(422).code(), "invalid_password");
    // It is judged as it is hashed, and what it must not hold is found in every form.
    let named = json!({"username": "zoë-maria", "password": "plural Zoe\u{308}-\u{ff2d}aria teapot"});
    assert_eq!(register(&app, named).await.expect(422).code(), "weak_password");
    let weak = json!({"username": "ann", "password": "\u{ff50}assword1"});
    assert_eq!(register(&app, weak).await.expect(422).code(), "weak_password");
}

#[actix_web::test]
async fn blanks_around_a_name_do_not_count_on_any_transport() {
    let app = spawn_app().await;
    register(&app, json!({"username": " ann\u{a0}", "email": "\tann@example.org ", "password": PASSWORD}))
        .await
        .expect(201);
    let page = [("username", "\u{3000}bob "), ("email", " \u{a0}"), ("password", PASSWORD)];
    assert_eq!(post_form(app.address, "/register", "", &page).await.status.as_u16(), 303);
    run(&app, &["user", "add", " eve\t", "--email", " eve@example.org\u{a0}", "--verified"], PASSWORD)
        .await
        .ok();
    for name in ["ann", "bob", "eve"] {
        for typed in
            [format!(" {name}"), format!("{name}\u{a0}"), format!("\t{name}\t"), format!("\u{2003}{name}")]
        {
            assert_eq!(login(&app, &typed, PASSWORD).await, 200, "{typed:?}");
            assert_eq!(login_page(&app, &typed, PASSWORD).await.status.as_u16(), 303, "{typed:?}");
            assert_eq!(login_line(&app, &typed, PASSWORD).await, "Login successful!", "{typed:?}");
            run(&app, &["user", "show", &typed], "").await.ok();
        }
    }
    assert_eq!(login(&app, " eve@example.org\u{a0}", PASSWORD).await, 200);
    let before = app.mail.caught().len();
    app.post("/api/forgot-password", json!({"login": " eve\u{a0}"})).await.expect(202);
    assert_eq!(app.mail.wait_for(before + 1).await.last().unwrap().to, ["eve@example.org"]);
    let token = app.mail.link_token("reset-password").await;
    let body = json!({"token": token, "password": format!(" {PASSWORD} "), "username": " eve "});
    app.post("/api/reset-password", body).await.expect(204);
    // Blanks around a password count.
    assert_eq!(login(&app, "eve", PASSWORD).await, 401);
    assert_eq!(login(&app, "eve", &format!(" {PASSWORD} ")).await, 200);
    assert_eq!(login_page(&app, "eve", PASSWORD).await.status.as_u16(), 401);
    assert_eq!(login_line(&app, "eve", &format!(" {PASSWORD} ")).await, "Login successful!");
}

#[actix_web::test]
async fn wrong_passwords_count_for_a_name_whatever_blanks_are_around_it() {
    let app = spawn_app().await;
    app.register("ann").await;
    for name in ["ann", "nobody", "no/name"] {
        let mut answers = Vec::new();
        for blanks in ["", " ", "\t", "\u{a0}", "  ", "\u{3000}"] {
            answers.push(login(&app, &format!("{blanks}{name}{blanks}"), "wrong").await);
        }
        assert_eq!(answers, [401, 401, 401, 401, 401, 429], "{name}");
    }
}

#[actix_web::test]
async fn an_empty_field_counts_as_absent() {
    let app = spawn_app().await;
    for (name, email) in [("ann", json!("")), ("bob", json!(" \u{a0}")), ("eve", json!(null))] {
        let body = json!({"username": name, "password": PASSWORD, "email": email, "cookie": null});
        let user = register(&app, body).await.expect(201);
        assert_eq!(user.body["user"].get("email"), None);
        let body = json!({"login": name, "password": PASSWORD, "device_token": email, "cookie": null});
        app.post("/api/login", body).await.expect(200);
        app.post("/api/forgot-password", json!({"login": name, "device_token": email})).await.expect(202);
        let body = json!({"password": PASSWORD, "username": email, "email": email});
        app.post("/api/password-strength", body).await.expect(200);
    }
    let page = [("username", "joe"), ("email", ""), ("password", PASSWORD)];
    assert_eq!(post_form(app.address, "/register", "", &page).await.status.as_u16(), 303);
    run(&app, &["user", "add", "kim", "--email", ""], PASSWORD).await.ok();
    assert_eq!(run(&app, &["user", "add", "lea", "--email", "", "--verified"], PASSWORD).await.code, Some(2));
    app.register_with_email("max", "max@example.org").await;
    app.mail.wait_for(1).await;
    app.post("/api/forgot-password", json!({"login": "max"})).await.expect(202);
    let token = app.mail.link_token("reset-password").await;
    let body = json!({"token": token, "password": format!("{PASSWORD} 2"), "username": ""});
    app.post("/api/reset-password", body).await.expect(204);
    // Required fields are still required.
    let refused = register(&app, json!({"username": "", "password": PASSWORD})).await.expect(422);
    assert_eq!(refused.code(), "invalid_username");
    let refused = register(&app, json!({"username": null, "password": PASSWORD})).await.expect(422);
    assert_eq!(refused.code(), "invalid_username");
}

#[actix_web::test]
async fn a_byte_order_mark_before_a_text_is_skipped() {
    let app = spawn_app().await;
    let register = json!({"username": "ann", "password": PASSWORD});
    post_text(&app, "/api/register", format!("{BOM}{register}")).await.expect(201);
    let login = json!({"login": "ann", "password": PASSWORD});
    let ann = post_text(&app, "/api/login", format!("{BOM} {login}")).await.expect(200);
    let refresh = json!({"refresh_token": ann.str("refresh_token")});
    let ann = post_text(&app, "/api/refresh", format!("{BOM}{refresh}")).await.expect(200);
    // The first is a mark; a second one is text.
    let refused = post_text(&app, "/api/login", format!("{BOM}{BOM}{login}")).await.expect(400);
    assert_eq!(refused.code(), "bad_json");

    let access = ann.str("access_token");
    let mut live = app.open(&[]).await.unwrap();
    let first = format!("{BOM}{}", json!({"type": "auth", "token": access}));
    live.send_raw(Message::Text(first.into())).await;
    assert_eq!(live.next().await["type"], "welcome");
    live.send_raw(Message::Text(format!("{BOM}{}", json!({"type": "ping", "id": 7})).into())).await;
    assert_eq!(live.next().await["id"], 7);

    assert_eq!(login_line(&app, &format!("{BOM}ann"), PASSWORD).await, "Login successful!");
    assert_eq!(
        login_line(&app, "ann", &format!("{BOM}{PASSWORD}")).await,
        "Login failed",
        "never of a password"
    );

    let file = app.data.path().join("marked.toml");
    std::fs::write(&file, format!("{BOM}[tokens]\naudience = \"marked\"\n")).unwrap();
    let said = run(&app, &["config", "--config", file.to_str().unwrap()], "").await.ok();
    assert!(said.out.contains("marked"), "{}", said.out);
}

#[actix_web::test]
async fn an_address_ends_in_a_domain() {
    let app = spawn_app().await;
    let ann =
        register(&app, json!({"username": "ann", "password": PASSWORD, "email": "Ann@Example.org."})).await;
    assert_eq!(ann.expect(201).body["user"]["email"], "ann@example.org");
    let long = format!("a@{}.org", "b".repeat(64));
    for (number, email) in [
        "a@1.2",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
        "a@example.0x7f",
        "a@example.org..",
        "a@b_c.org",
        "a@-b.org",
        "a\u{3164}@b.org",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}");
        let refused = register(&app, json!({"username": name, "password": PASSWORD, "email": email})).await;
        assert_eq!(refused.expect(422).code(), "invalid_email", "{email}");
        let page = [("username", name.as_str()), ("email", email), ("password", PASSWORD)];
        assert_eq!(post_form(app.address, "/register", "", &page).await.status.as_u16(), 422, "{email}");
        assert_eq!(
            run(&app, &["user", "add", &name, "--email", email], PASSWORD).await.code,
            Some(1),
            "{email}"
        );
    }
    let bob = app.register_holder("bob", "bob@example.org").await;
    assert_eq!(login(&app, "bob@example.org.", PASSWORD).await, 200);
    let body = json!({"email": "a@1.2", "current_password": PASSWORD});
    let refused = app.send(Method::POST, "/api/me/email", &bob.access, body).await.expect(422);
    assert_eq!(refused.code(), "invalid_email");
}

const ASCII: &str = "info@xn--bcher-kva.example";
const LETTERS: [&str; 4] =
    ["info@bücher.example", "INFO@BÜCHER.example", "info@bu\u{308}cher.example", "info@bücher。example."];

#[actix_web::test]
async fn an_international_domain_has_one_form_and_is_found_by_all() {
    let app = spawn_app().await;
    let ann = register(&app, json!({"username": "ann", "password": PASSWORD, "email": LETTERS[0]})).await;
    assert_eq!(ann.expect(201).body["user"]["email"], ASCII);
    let token = app.mail.link_token("verify-email").await;
    let page = app.call(Method::GET, &format!("/verify-email/{token}"), &[], None).await.expect(200);
    assert!(page.text.contains(LETTERS[0]), "{}", page.text);
    app.post("/api/verify-email", json!({ "token": token })).await.expect(204);
    for typed in LETTERS.into_iter().chain([ASCII, "Info@XN--BCHER-KVA.example"]) {
        assert_eq!(login(&app, typed, PASSWORD).await, 200, "{typed}");
        assert_eq!(login_line(&app, typed, PASSWORD).await, "Login successful!", "{typed}");
        run(&app, &["user", "show", typed], "").await.ok();
        let before = app.mail.caught().len();
        app.advance(std::time::Duration::from_mins(2));
        app.post("/api/forgot-password", json!({ "login": typed })).await.expect(202);
        app.mail.wait_for(before + 1).await;
    }
    let found = run(&app, &["user", "list", "--search", "bücher.ex", "--json"], "").await.ok().json();
    assert_eq!(found[0]["username"], "ann");
    // One mailbox has one holder.
    register(&app, json!({"username": "bob", "password": PASSWORD, "email": ASCII})).await.expect(201);
    let said = run(&app, &["user", "add", "eve", "--email", LETTERS[1], "--verified"], PASSWORD).await;
    assert!(said.code == Some(1) && said.err.contains("another account"), "{}", said.err);
}

#[actix_web::test]
async fn an_international_domain_of_an_earlier_version_is_found_from_the_next_start_on() {
    let app = spawn_app().await;
    app.register_holder("ann", ASCII).await;
    app.register_with_email("bob", "bob@xn--bcher-kva.example").await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let link = app.mail.link_token("reset-password").await;
    // As it was stored then, in every place.
    let (old, old_bob) = (LETTERS[0], "bob@bücher.example");
    app.query(|conn| {
        diesel::update(users::table.filter(users::email.eq(ASCII)))
            .set(users::email.eq(old))
            .execute(conn)?;
        diesel::update(users::table.filter(users::username.eq("bob")))
            .set(users::email.eq(old_bob))
            .execute(conn)?;
        diesel::update(one_time_tokens::table.filter(one_time_tokens::email.eq(ASCII)))
            .set(one_time_tokens::email.eq(old))
            .execute(conn)?;
        diesel::update(outbox::table.filter(outbox::address.eq(ASCII)))
            .set(outbox::address.eq(old))
            .execute(conn)
    });
    let app = &start_again(&app, &[]).await;
    for typed in LETTERS.into_iter().chain([ASCII]) {
        assert_eq!(login(app, typed, PASSWORD).await, 200, "{typed}");
    }
    let emails: Vec<Option<String>> =
        app.query(|conn| users::table.select(users::email).order(users::username).load(conn));
    assert_eq!(emails[..2], [Some(ASCII.to_owned()), Some("bob@xn--bcher-kva.example".to_owned())]);
    app.post("/api/reset-password", json!({"token": link, "password": format!("{PASSWORD} 2")}))
        .await
        .expect(204);
    assert_eq!(login(app, LETTERS[0], &format!("{PASSWORD} 2")).await, 200);
}

#[actix_web::test]
async fn a_refused_sign_in_says_what_is_true_for_every_cause() {
    const SENTENCE: &str = "The login or the password is wrong. An email address counts once it is verified; a username \
                            always does.";
    let app = spawn_app().await;
    app.register_with_email("ann", "ann@example.org").await;
    app.register_with_email("bob", "bob@example.org").await;
    run(&app, &["user", "disable", "bob"], "").await.ok();
    let causes = [
        ("ann@example.org", PASSWORD),
        ("ann", "wrong"),
        ("bob", PASSWORD),
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("", PASSWORD),
        ("a@1.2", PASSWORD),
        ("no/name", "cre\u{300}me"),
        ("a\0b", PASSWORD),
        ("a\0b@c.d", "a\0b"),
    ];
    let mut answers = Vec::new();
    for (name, password) in causes {
        let refused = try_login(&app, name, password).await.expect(401);
        assert_eq!((refused.code(), refused.str("detail").as_str()), ("invalid_credentials", SENTENCE));
        answers.push(refused.text);
        let page = login_page(&app, name, password).await;
        assert_eq!(page.status.as_u16(), 401);
        assert!(page.text.contains("Wrong username, email or password."), "{}", page.text);
        assert_eq!(login_line(&app, name, password).await, "Login failed");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(login(&app, "ann", PASSWORD).await, 200, "a username always counts");
    for url in [format!("ws://{}", app.address), format!("tcp://{}", app.tcp)] {
        let client = connect::command(&[&url, "--username", "ann@example.org"]);
        let said = connect::run(client, PASSWORD).await;
        let errors = connect::text(&said.stderr);
        assert_eq!(said.status.code(), Some(4), "{errors}");
        assert!(errors.contains(SENTENCE), "{errors}");
    }
    let noted: i64 = app.query(|conn| {
        audit_events::table.filter(audit_events::action.eq("signed_in")).count().get_result(conn)
    });
    assert_eq!(noted, 1);
}
