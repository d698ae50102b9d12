//! Names: which may be chosen, which look like another, and how they are shown.

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::users;
use doorward_core::domain::Username;
use futures_util::future::join;
use serde_json::json;

use crate::support::app::{Answer, PASSWORD, TestApp, post_form, spawn_app, spawn_with, start_again};
use crate::support::commands::run;

async fn register(app: &TestApp, username: &str) -> Answer {
    app.post("/api/register", json!({"username": username, "password": PASSWORD})).await
}

async fn login(app: &TestApp, login: &str) -> u16 {
    app.post("/api/login", json!({"login": login, "password": PASSWORD})).await.status.as_u16()
}

async fn register_page(app: &TestApp, username: &str) -> Answer {
    post_form(app.address, "/register", "", &[("username", username), ("password", PASSWORD)]).await
}

fn set_username(app: &TestApp, old: &str, new: &str) {
    let row = users::table.filter(users::username.eq(old.to_owned()));
    let (new, none) = (new.to_owned(), None::<String>);
    let set = (users::username.eq(new), users::username_skeleton.eq(none));
    assert_eq!(app.query(|conn| diesel::update(row).set(set).execute(conn)), 1);
}

#[actix_web::test]
async fn names_of_scripts_with_marks_and_joiners_are_accepted_and_sign_in() {
    let app = spawn_app().await;
    for name in ["हिन्दी", "தமிழ்", "বাংলা", "ไทยดี", "עִבְרִית", "می\u{200c}خواهم", "ශ්\u{200d}රී"]
    {
        let user = register(&app, name).await.expect(201);
        assert_eq!(user.body["user"]["display_name"], name);
        assert_eq!(login(&app, name).await, 200, "{name}");
    }
    let page = register_page(&app, "नेपाली").await;
    assert_eq!(page.status.as_u16(), 303, "{}", page.text);
}

#[actix_web::test]
async fn invisible_characters_in_a_name_are_refused_everywhere() {
    let app = spawn_app().await;
    for name in [
        "\u{3164}\u{3164}\u{3164}",
        "alice\u{3164}",
        "alice\u{ffa0}",
        "\u{115f}\u{1160}",
        "al\u{ad}ice",
        "al\u{200b}ice",
        "alice\u{200d}",
        "alice\u{200e}",
        "\u{202e}alice",
        "alice\u{fe0f}",
        "alice\u{e0001}",
        "a\u{34f}lice",
        "alice\u{2060}",
        "\u{301}alice",
        "a\u{302}\u{302}lice",
        "al\u{2800}ice",
    ] {
        let refused = register(&app, name).await.expect(422);
        assert_eq!((refused.code(), refused.str("field").as_str()), ("invalid_username", "username"));
        assert_eq!(register_page(&app, name).await.status.as_u16(), 422, "{name:?}");
        let said = run(&app, &["user", "add", name], PASSWORD).await;
        assert_eq!(said.code, Some(1), "{name:?}: {}", said.err);
    }
}

#[actix_web::test]
async fn a_name_that_an_earlier_version_accepted_still_signs_in() {
    let app = spawn_app().await;
    for (number, old) in ["\u{3164}\u{3164}", "alice\u{3164}", "\u{1f170}"].into_iter().enumerate() {
        let name = format!("user{number}");
        register(&app, &name).await.expect(201);
        set_username(&app, &name, Username::lookup(old).unwrap().folded());
        assert_eq!(login(&app, old).await, 200, "{old:?}");
        assert_eq!(login(&app, &format!(" {old} ")).await, 200, "{old:?}");
        run(&app, &["user", "show", old], "").await.ok();
    }
    assert_eq!(register(&app, "alice\u{3164}").await.code(), "invalid_username");
}

#[actix_web::test]
async fn a_name_that_looks_like_another_is_taken() {
    let app = spawn_app().await;
    register(&app, "alice").await.expect(201);
    // With one letter of Cyrillic, with all that there are, in capitals, and with a dotless i.
    for name in ["\u{430}lice", "аӏісе", "АLICE", "al\u{131}ce"] {
        let refused = register(&app, name).await.expect(409);
        assert_eq!((refused.code(), refused.str("field").as_str()), ("username_taken", "username"));
        let page = register_page(&app, name).await;
        assert_eq!(page.status.as_u16(), 409);
        assert!(page.text.contains("looks too much like one that is taken"), "{}", page.text);
    }
    // The other way round, and in a script of its own.
    register(&app, "b\u{43e}b").await.expect(201);
    register(&app, "bob").await.expect(409);
    register(&app, "على").await.expect(201);
    register(&app, "علی").await.expect(409);
    // What looks alike in ASCII, and what only is alike, are other names.
    for name in ["modern", "modem", "user1", "userl", "zoe", "zoë"] {
        register(&app, name).await.expect(201);
    }
    assert_eq!(login(&app, "\u{430}lice").await, 401, "it is not her name");
}

#[actix_web::test]
async fn of_two_that_look_alike_and_register_at_once_one_is_taken() {
    let app = spawn_app().await;
    for (one, other) in [("dasha", "d\u{430}sha"), ("\u{440}aul", "p\u{430}ul"), ("oleg", "oleg")] {
        let (one, other) = join(register(&app, one), register(&app, other)).await;
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text, other.text);
    }
}

#[actix_web::test]
async fn a_setting_and_the_command_line_admit_lookalikes() {
    let app = spawn_with(&[("accounts.confusable_usernames", "allow")]).await;
    for name in ["alice", "\u{430}lice", "аӏісе"] {
        register(&app, name).await.expect(201);
    }
    register(&app, "alice").await.expect(409);
    // Nor does a lookalike that was registered first block the plain name.
    for (lookalike, plain) in [("\u{435}ve", "eve"), ("m\u{430}x", "max")] {
        register(&app, lookalike).await.expect(201);
        register(&app, plain).await.expect(201);
        assert_eq!(login(&app, lookalike).await, 200);
    }
    let again = start_again(&app, &[]).await;
    register(&again, "\u{435}v\u{435}").await.expect(409);
    register(&again, "z\u{43e}e").await.expect(201);
    let said = run(&app, &["user", "add", "zoe"], PASSWORD).await.ok();
    assert!(said.err.contains("looks like another one"), "{}", said.err);
    register(&again, "al\u{456}ce").await.expect(409);
    let said = run(&app, &["user", "add", "al\u{456}ce"], PASSWORD).await.ok();
    assert!(said.err.contains("looks like another one: alice"), "{}", said.err);
    assert_eq!(login(&app, "al\u{456}ce").await, 200);
    let said = run(&app, &["user", "add", "bob"], PASSWORD).await.ok();
    assert_eq!(said.err, "");
    register(&again, "b\u{43e}b").await.expect(409);
}

#[actix_web::test]
async fn names_of_an_earlier_version_count_from_the_next_start_on() {
    let app = spawn_app().await;
    for (name, old) in [("one", "p\u{430}ypal"), ("two", "p\u{430}yp\u{430}l"), ("three", "иван")] {
        register(&app, name).await.expect(201);
        set_username(&app, name, old);
    }
    let again = start_again(&app, &[]).await;
    register(&again, "paypal").await.expect(409);
    // Both of the two that looked alike already are still there.
    for name in ["p\u{430}ypal", "p\u{430}yp\u{430}l", "иван"] {
        assert_eq!(login(&again, name).await, 200, "{name}");
    }
    let again = start_again(&app, &[]).await;
    register(&again, "paypal").await.expect(409);
    register(&again, "ivan").await.expect(201);
}

#[actix_web::test]
async fn names_of_the_operator_are_reserved() {
    let app = spawn_with(&[("accounts.reserved_usernames", "Acme, acme-bot")]).await;
    for name in [
        "admin",
        "Root",
        "SUPPORT",
        "postmaster",
        "no-reply",
        "noreply",
        "аdmin",
        "ad.min",
        "acme",
        "\u{430}\u{441}m\u{435}",
        "acmebot",
    ] {
        let refused = register(&app, name).await.expect(409);
        assert_eq!((refused.code(), refused.str("field").as_str()), ("username_reserved", "username"));
    }
    let page = register_page(&app, "admin").await;
    assert_eq!(page.status.as_u16(), 409);
    assert!(page.text.contains("This username is reserved."), "{}", page.text);
    for name in ["admiral", "acme2", "rooted"] {
        register(&app, name).await.expect(201);
    }
    // The command line gives them out, and their owners sign in.
    run(&app, &["user", "add", "admin"], PASSWORD).await.ok();
    assert_eq!(login(&app, "admin").await, 200);
    assert_eq!(register(&app, "admin").await.expect(409).code(), "username_reserved");
}

#[actix_web::test]
async fn a_display_name_is_safe_to_show() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let rename = async |name: &str| {
        app.send(Method::PATCH, "/api/me", &ann.access, json!({ "display_name": name })).await
    };
    let cookie = {
        let page = post_form(app.address, "/login", "", &[("login", "ann"), ("password", PASSWORD)]).await;
        page.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    for name in [
        "\u{202e}nimda",
        "Ann\u{202e}",
        "\u{2066}Ann\u{2069}",
        "Ann\u{200f}",
        "A\u{200b}nn",
        "Ann\u{3164}",
        "\u{3164}",
        "\u{2800}",
        "A\u{ad}nn",
        "An\u{2028}n",
        "Ann\u{1b}[31m",
        "Ann\u{9b}",
        "Ann\u{200d}",
        "Ann\u{e0041}",
        "Ann\u{e000}",
        " ",
    ] {
        assert_eq!(rename(name).await.expect(422).code(), "invalid_display_name", "{name:?}");
        let page = post_form(app.address, "/dashboard/profile", &cookie, &[("display_name", name)]).await;
        assert_eq!(page.status.as_u16(), 422, "{name:?}");
    }
    for name in ["علی\u{200c}رضا", "Ann 👩\u{200d}💻", "1\u{fe0f}\u{20e3} Ann", "葛\u{e0100}城", "हिन्दी"]
    {
        assert_eq!(rename(name).await.expect(200).body["display_name"], name);
    }
    assert_eq!(rename(" \u{a0}Ann\t").await.expect(200).body["display_name"], "Ann");
}

#[actix_web::test]
async fn what_was_stored_before_is_shown_without_harm() {
    let app = spawn_app().await;
    app.register("ann").await;
    let name = "\u{202e}nimda\u{1b}[2J\u{9b}\nstate         disabled";
    let set = users::display_name.eq(name);
    app.query(|conn| diesel::update(users::table).set(set).execute(conn));
    let page = post_form(app.address, "/login", "", &[("login", "ann"), ("password", PASSWORD)]).await;
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = app.call(Method::GET, "/dashboard", &[("cookie", &cookie)], None).await.expect(200);
    assert!(page.text.contains("Hello, <bdi>\u{202e}nimda"), "{}", page.text);
    for arguments in
        [&["user", "show", "ann"][..], &["user", "show", "ann", "--json"], &["user", "list", "--json"]]
    {
        let said = run(&app, arguments, "").await.ok();
        assert!(!said.out.contains(['\u{202e}', '\u{1b}', '\u{9b}']), "{}", said.out);
        assert!(said.out.contains("u{202e}nimda") || said.out.contains("\\u202enimda"), "{}", said.out);
        assert!(!said.out.lines().any(|line| line.starts_with("state         disabled")), "{}", said.out);
    }
    let json = run(&app, &["user", "show", "ann", "--json"], "").await.ok().json();
    assert_eq!(json["account"]["display_name"], name);
}
