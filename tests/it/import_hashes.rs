//! `doorward import` and the password hashes of other systems: each signs its user in once, and is then
//! replaced.

use serde_json::{Value, json};

use crate::support::app::spawn_app;
use crate::support::import::{data_dir, import, import_json, sign_in, stored_hash};

const PASSWORD: &str = "correct horse bättery staple";

/// Made by werkzeug 3.1, Django 5.2, ASP.NET Core (its own test vector), better-auth 1.7, and argon2-cffi 25.1.
/// The user's name, the password, and the hash.
const PEOPLE: [(&str, &str, &str); 6] = [
    (
        "flask",
        PASSWORD,
        "scrypt:32768:8:1$NRRJ3iNQgBzZqqd5$b458b0c8ca7bbcf9f04149da27df585dba60ed76cb59af19ae4c61eeed7666c75f852ff6\
         80966c057670d4e4d7901caf04013df08ae2474576e62e4213b44de2",
    ),
    (
        "flask2",
        PASSWORD,
        "pbkdf2:sha256:1000$uNUDj5AKT4tcXbS8$3126d37a31c462e2dd56417a18f22c4ec67718c2b71fff368a59e9f50496c9ec",
    ),
    ("django", PASSWORD, "pbkdf2_sha256$1000$seasalt2aX9$4N1FpHAjSG4euS6oYQoeCZaTukrXLZK1qfpaAYhPp8Y="),
    (
        "aspnet",
        "my password",
        "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    ),
    (
        "better",
        PASSWORD,
        "9fe58e1c9c52bfa59127440a628b7ddb:d5be60e1331ad14d03db391e6c2c94b053a034ffdfc6b4f7374d83d0c9f7f9d6393b0d694d\
         a8ada6d509533d1b6b70f458f4a4dc1b42217daa501d9bdfe4ea9f",
    ),
    (
        "argon",
        PASSWORD,
        "$argon2id$v=19$m=64,t=2,p=2$nmPks0ijU8edaigX9FyTbQ$KRqMRHpH9ITEuS4bnyYaHYHKFn9tHRSav9CyLYy6x6s",
    ),
];

fn csv(rows: &[(&str, &str, &str)]) -> String {
    let rows = rows.iter().map(|(name, _, hash)| format!("{name},\"{hash}\"\n"));
    format!("username,hash\n{}", rows.collect::<String>())
}

#[actix_web::test]
async fn a_user_of_another_system_signs_in_with_the_old_password_and_the_hash_is_replaced() {
    let app = spawn_app().await;
    let file = app.data.path().join("people.csv");
    std::fs::write(&file, csv(&PEOPLE)).unwrap();
    assert_eq!(import_json(&app, &file), (0, (6, 6, 0, 0)));
    for (name, password, _) in PEOPLE {
        assert!(!stored_hash(&app, name).starts_with("$bcrypt"));
        // Also with a wrong password before, and twice.
        sign_in(&app, name, password).await;
    }
    assert_eq!(import_json(&app, &file), (0, (6, 0, 6, 0)));
}

#[actix_web::test]
async fn a_keycloak_credential_is_imported_as_an_object_a_list_and_a_text() {
    let app = spawn_app().await;
    let credential = json!({
        "type": "password",
        "secretData": json!({
            "salt": "AAECAwQFBgcICQoLDA0ODw==",
            "value": "vx+iReXI4m30lDS0mkshvY0veziDZ8ZGy54Jy9Ho8NnhNGFQGCh+NFVuQr312rafvxlRgeyAqwagiYabwDTcCw==",
        }).to_string(),
        "credentialData": json!({"hashIterations": 1000, "algorithm": "pbkdf2-sha256"}).to_string(),
    });
    // The last one as `kc.sh export` writes a user.
    let rows = [
        json!({"username": "object", "hash": credential}),
        json!({"username": "text", "hash": credential.to_string()}),
        json!({"username": "list", "email": "list@example.org", "emailVerified": true, "credentials": [credential]}),
    ];
    let file = app.data.path().join("people.jsonl");
    std::fs::write(&file, rows.map(|row| row.to_string()).join("\n")).unwrap();
    assert_eq!(import_json(&app, &file), (0, (3, 3, 0, 0)));
    for name in ["object", "text", "list"] {
        sign_in(&app, name, PASSWORD).await;
    }
    app.post("/api/login", json!({"login": "list@example.org", "password": PASSWORD})).await.expect(200);
}

/// A stranger can make the server compute any stored hash, by a sign-in with a wrong password.
#[actix_web::test]
async fn a_hash_that_takes_too_long_or_too_much_memory_is_refused_with_its_row() {
    let app = spawn_app().await;
    let costly = [
        PEOPLE[0].2.replace("32768:8:1", "1048576:8:1"),
        PEOPLE[1].2.replace("1000", "999999999"),
        PEOPLE[2].2.replace("1000", "1"),
        "AQAAAAEAmJaBAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==".to_owned(),
        PEOPLE[5].2.replace("m=64,t=2", "m=1048576,t=2"),
        PEOPLE[5].2.replace("t=2", "t=4294967295"),
    ];
    let mut rows: Vec<_> =
        PEOPLE.iter().zip(&costly).map(|((name, ..), hash)| (*name, "", &**hash)).collect();
    rows.push(("fine", "", PEOPLE[2].2));
    let file = app.data.path().join("people.csv");
    std::fs::write(&file, csv(&rows)).unwrap();
    let outcome = import(&data_dir(&app), &[file.to_str().unwrap(), "--json"]);
    assert_eq!((outcome.code, outcome.counts()), (1, (7, 1, 0, 6)), "{}", outcome.stderr);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["refused_by_reason"], json!({"absurd_cost": 6}));
    for (line, bound) in [
        (2, "scrypt up to 257 MiB"),
        (3, "PBKDF2 from 1,000 to 10,000,000 iterations"),
        (4, "PBKDF2 from 1,000 to 10,000,000 iterations"),
        (5, "PBKDF2 from 1,000 to 10,000,000 iterations"),
        (6, "Argon2 up to 256 MiB"),
        (7, "Argon2 up to 256 MiB"),
    ] {
        let refused = outcome.stderr.lines().find(|refused| refused.starts_with(&format!("line {line}, ")));
        assert!(refused.is_some_and(|refused| refused.contains(bound)), "{line}: {}", outcome.stderr);
    }
    for hash in &costly {
        assert!(!outcome.stderr.contains(hash) && !outcome.stdout.contains(hash));
    }
    sign_in(&app, "fine", PASSWORD).await;
}
