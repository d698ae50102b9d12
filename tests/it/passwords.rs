//! How passwords are kept: in a form that others can read, and whole.

use std::process::Command;

use diesel::prelude::*;
use doorward::internals::schema::users;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_with};
use crate::support::programs::{self, Needs};

fn stored_hash(app: &TestApp, username: &str) -> String {
    app.query(|conn| {
        users::table.filter(users::username.eq(username)).select(users::password_hash).first(conn)
    })
}

#[actix_web::test]
async fn passlib_verifies_what_is_stored() {
    // Newer ones of bcrypt are there and not what passlib asks for.
    let works =
        "import bcrypt; from passlib.hash import bcrypt_sha256; bcrypt_sha256.using(rounds=4).hash('x' * 80)";
    let Some(python) = programs::python(works, Needs::Pip("passlib 'bcrypt<4.1'")) else { return };
    let app = spawn_app().await;
    let long = format!("pässwörd mit Umlauten {}", "lang ".repeat(30));
    for (name, password) in [("ann", PASSWORD), ("bob", long.as_str())] {
        app.post("/api/register", json!({"username": name, "password": password})).await.expect(201);
        let stored = stored_hash(&app, name);
        assert!(stored.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{stored}");
        let script = "import sys; from passlib.hash import bcrypt_sha256 as scheme\n\
                      print(scheme.identify(sys.argv[1]), scheme.verify(sys.argv[2], sys.argv[1]), \
                      scheme.verify(sys.argv[2] + 'x', sys.argv[1]))";
        let run = Command::new(&python).args(["-c", script, &stored, password]).output().unwrap();
        let errors = String::from_utf8_lossy(&run.stderr);
        assert_eq!(String::from_utf8_lossy(&run.stdout).trim(), "True True False", "{errors}");
    }
}

#[actix_web::test]
async fn no_byte_of_a_long_password_is_ignored() {
    let app = spawn_app().await;
    let password: String = PASSWORD.chars().cycle().take(100).collect();
    let mut other = password.clone();
    other.replace_range(90..91, "#");
    assert_eq!((password.len(), password[..90] == other[..90]), (100, true));
    app.post("/api/register", json!({"username": "ann", "password": password})).await.expect(201);
    app.post("/api/login", json!({"login": "ann", "password": other})).await.expect(401);
    app.post("/api/login", json!({"login": "ann", "password": &password[..99]})).await.expect(401);
    app.post("/api/login", json!({"login": "ann", "password": password})).await.expect(200);
}

#[actix_web::test]
async fn a_password_signs_in_however_its_hash_is_computed() {
    for hashing in ["interleaved", "single"] {
        let app = spawn_with(&[("password.hashing", hashing)]).await;
        let names = ["ann", "bob", "cid", "dan", "eve", "fay"];
        for name in names {
            app.post("/api/register", json!({"username": name, "password": PASSWORD})).await.expect(201);
        }
        let sign_in = |name: &'static str, password| {
            app.post("/api/login", json!({"login": name, "password": password}))
        };
        for reply in join_all(names.map(|name| sign_in(name, PASSWORD))).await {
            reply.expect(200);
        }
        sign_in("ann", "wrong").await.expect(401);
    }
}

#[actix_web::test]
async fn a_password_with_the_name_of_the_site_in_it_is_refused() {
    let app = spawn_with(&[("brand.name", "Acme Shop")]).await;
    for bad in
        ["plural ACME shop teapot orbit", "plural teapot acmeshop orbit", "plural doorward teapot orbit"]
    {
        let refused = app.post("/api/register", json!({"username": "ann", "password": bad})).await;
        refused.assert_problem(422, "weak_password");
        assert_eq!(refused.body["reason"], "contains_name", "{bad}");
        let rated = app.post("/api/password-strength", json!({"password": bad})).await.expect(200);
        assert_eq!(
            (&rated.body["ok"], &rated.body["reason"]),
            (&json!(false), &json!("contains_name")),
            "{bad}"
        );
    }
    app.register("ann").await;
}
