use super::*;

#[actix_web::test]
async fn registering_signs_in_and_the_token_opens_me() {
    let api = start().await;
    let answer = api.post("/api/register", json!({"username": "Ada", "password": PASSWORD})).await;
    assert_eq!(answer.status, 201);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&"Bearer".into(), &900.into()));
    assert_eq!(body["user"]["username"], "ada");
    assert_eq!(body["user"]["display_name"], "Ada");
    let me = api.get("/api/me", &answer.token("access_token")).await;
    assert_eq!((me.status, me.json()), (200, body["user"].clone()));
    let taken = api.post("/api/register", json!({"username": "ADA", "password": PASSWORD})).await;
    assert_eq!(taken.code(), (409, "username_taken".to_owned()));
}

#[actix_web::test]
async fn every_failed_sign_in_is_the_same_answer() {
    let api = start().await;
    api.register_holder("ada", "ada@example.org").await;
    api.register_with("claimer", "claimed@example.org").await;
    let disabled = api.register("banned").await;
    api.accounts.set_disabled(id_of(&disabled).parse().unwrap(), true, &operator()).await.unwrap();
    let wrong = api.login("ada", "wrong").await;
    assert_eq!(wrong.code(), (401, "invalid_credentials".to_owned()));
    assert_eq!(wrong.header("www-authenticate"), "Bearer");
    for (login, password) in [
        ("nobody", PASSWORD),
        ("banned", PASSWORD),
        ("claimed@example.org", PASSWORD),
        ("ada@example.org", "wrong"),
        ("", ""),
        ("a\0b", PASSWORD),
        ("ada", &"x".repeat(5000)),
    ] {
        let answer = api.login(login, password).await;
        assert_eq!((answer.status, &answer.text), (401, &wrong.text), "{login}");
    }
    assert_eq!(api.login("ADA", PASSWORD).await.status, 200);
    assert_eq!(api.login("Ada@Example.org", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn an_older_hash_is_replaced_at_sign_in() {
    let api = start().await;
    let id = id_of(&api.register("ada").await);
    let plain = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";
    let user = id.clone();
    api.query(move |conn| {
        diesel::update(users::table.find(user)).set(users::password_hash.eq(plain)).execute(conn)
    })
    .await;
    // Two at once: the one that comes second finds another hash than it checked.
    let both = futures_util::join!(api.login("ada", "plain bcrypt pw"), api.login("ada", "plain bcrypt pw"));
    assert_eq!((both.0.status, both.1.status), (200, 200));
    let stored: String =
        api.query(|conn| users::table.find(id).select(users::password_hash).first(conn)).await;
    assert!(stored.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{stored}");
    assert_eq!(api.login("ada", "plain bcrypt pw").await.status, 200);
}

#[actix_web::test]
async fn logging_out_ends_the_token_at_once() {
    let api = start().await;
    let answer = api.register("ada").await;
    let (access, refresh) = (answer.token("access_token"), answer.token("refresh_token"));
    let other = api.login("ada", PASSWORD).await.token("access_token");
    assert_eq!(api.send(Method::POST, "/api/logout", &access, None).await.status, 204);
    assert_eq!(api.get("/api/me", &access).await.code(), (401, "token_revoked".to_owned()));
    let refreshed = api.post("/api/refresh", json!({"refresh_token": refresh})).await;
    assert_eq!(refreshed.code(), (401, "invalid_refresh_token".to_owned()));
    assert_eq!(api.get("/api/me", &other).await.status, 200);
}

#[actix_web::test]
async fn an_expired_token_is_refreshed() {
    let api = start().await;
    let answer = api.register("ada").await;
    api.clock.advance(Duration::from_mins(15));
    let access = answer.token("access_token");
    assert_eq!(api.get("/api/me", &access).await.code(), (401, "token_expired".to_owned()));
    let body = json!({"refresh_token": answer.token("refresh_token")});
    let next = api.post("/api/refresh", body).await;
    assert_eq!((next.status, next.header("cache-control")), (200, "no-store"));
    assert_eq!(api.get("/api/me", &next.token("access_token")).await.status, 200);
    assert_ne!(next.token("refresh_token"), answer.token("refresh_token"));
    // It slides: each use moves the end, and disuse ends it.
    api.clock.advance(Duration::from_hours(29 * 24));
    let body = json!({"refresh_token": next.token("refresh_token")});
    let last = api.post("/api/refresh", body).await;
    assert_eq!(last.status, 200);
    api.clock.advance(Duration::from_hours(30 * 24));
    let body = json!({"refresh_token": last.token("refresh_token")});
    assert_eq!(api.post("/api/refresh", body).await.status, 401);
}

#[actix_web::test]
async fn racing_and_late_refreshes_get_the_same_answer_until_the_successor_is_used() {
    let api = start().await;
    let first = api.register("ada").await.token("refresh_token");
    let refresh = async |token: &str| api.post("/api/refresh", json!({"refresh_token": token})).await;
    let (one, two) = (refresh(&first).await, refresh(&first).await);
    let second = one.token("refresh_token");
    assert_eq!(second, two.token("refresh_token"));
    let access = two.token("access_token");
    // Made up by a client that knows the login's id from a token: it is refused, and nothing is revoked.
    let forged = format!("{}{}", &first[..first.len() - 43], "A".repeat(43));
    assert_eq!(refresh(&forged).await.status, 401);
    assert_eq!(api.get("/api/me", &access).await.status, 200);
    // It came late, and the successor has not been used yet.
    api.clock.advance(Duration::from_mins(10));
    let late = refresh(&first).await;
    assert_eq!((late.status, late.token("refresh_token")), (200, second.clone()));
    let third = refresh(&second).await;
    assert_eq!(third.status, 200);
    assert_eq!(refresh(&first).await.code(), (401, "invalid_refresh_token".to_owned()));
    assert_eq!(api.get("/api/me", &access).await.code(), (401, "token_revoked".to_owned()));
    for token in [second, third.token("refresh_token")] {
        assert_eq!(refresh(&token).await.status, 401);
    }
    let reason: Option<String> =
        api.query(|conn| logins::table.select(logins::revoked_reason).first(conn)).await;
    assert_eq!(reason.as_deref(), Some("refresh_reuse"));
}

#[actix_web::test]
async fn a_token_older_than_the_one_before_ends_the_login() {
    let api = start().await;
    let first = api.register("ada").await.token("refresh_token");
    let refresh = async |token: &str| api.post("/api/refresh", json!({"refresh_token": token})).await;
    let second = refresh(&first).await.token("refresh_token");
    let third = refresh(&second).await;
    assert_eq!(refresh(&first).await.status, 401);
    assert_eq!(api.get("/api/me", &third.token("access_token")).await.status, 401);
}

#[actix_web::test]
async fn devices_are_listed_and_ended() {
    let api = start().await;
    let access = api.register("ada").await.token("access_token");
    let second = api.login("ada", PASSWORD).await.token("access_token");
    let stranger = api.register("eve").await.token("access_token");
    let listed = api.get("/api/logins", &access).await.json();
    let rows = listed["logins"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let other = rows.iter().find(|row| row["current"] == false).unwrap();
    assert_eq!(other["kind"], "token");
    let path = format!("/api/logins/{}", other["id"].as_str().unwrap());
    assert_eq!(api.send(Method::DELETE, &path, &stranger, None).await.status, 404);
    assert_eq!(api.send(Method::DELETE, &path, &access, None).await.status, 204);
    assert_eq!(api.send(Method::DELETE, &path, &access, None).await.status, 404);
    assert_eq!(api.get("/api/me", &second).await.status, 401);
    let third = api.login("ada", PASSWORD).await.token("access_token");
    assert_eq!(api.send(Method::DELETE, "/api/logins?except=current", &third, None).await.status, 204);
    assert_eq!(api.get("/api/me", &access).await.status, 401);
    assert_eq!(api.send(Method::DELETE, "/api/logins", &third, None).await.status, 204);
    assert_eq!(api.get("/api/me", &third).await.status, 401);
    assert_eq!(api.get("/api/me", &stranger).await.status, 200);
    assert_eq!(api.get("/api/sessions", &stranger).await.json(), json!({"sessions": [], "next": null}));
}

#[actix_web::test]
async fn tokens_survive_a_restart() {
    let api = start().await;
    let user = api.register("ada").await;
    let again = api.restart().await;
    assert_eq!(again.jwks(), api.accounts.jwks());
    assert_eq!(&*again.authenticate(&user.token("access_token")).unwrap().username, "ada");
    assert!(again.refresh(&user.token("refresh_token"), &client()).await.is_ok());
}

#[actix_web::test]
async fn keys_change_while_it_runs() {
    let api = start().await;
    let user = api.register("ada").await;
    let old = user.token("access_token");
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let refreshed = async |refresh: String| api.accounts.refresh(&refresh, &client()).await.unwrap();

    // Of two that were made in the same moment neither is the older.
    api.clock.advance(Duration::from_secs(1));
    api.accounts.rotate_keys(false, &operator()).await.unwrap();
    api.accounts.reread_keys().await.unwrap();
    let shown = api.accounts.jwks();
    assert_eq!(shown.keys.len(), 2, "the next one is shown before it signs");
    let grant = refreshed(user.token("refresh_token")).await;
    assert_eq!(kid(&grant.access_token), kid(&old));

    api.clock.advance(Duration::from_mins(6));
    api.accounts.reread_keys().await.unwrap();
    let grant = refreshed(grant.credential.expose()).await;
    assert_ne!(kid(&grant.access_token), kid(&old));
    assert!(api.accounts.authenticate(&old).is_ok(), "what the old one signed is good for its time");
    assert!(api.restart().await.authenticate(&old).is_ok());

    api.clock.advance(Duration::from_mins(15));
    api.accounts.reread_keys().await.unwrap();
    assert_eq!(api.accounts.jwks().keys.len(), 1);
    assert_eq!(api.accounts.purge().await.unwrap().signing_keys, 0, "not yet");
    api.clock.advance(Duration::from_hours(1));
    assert_eq!(api.accounts.purge().await.unwrap().signing_keys, 1);
}

#[actix_web::test]
async fn keys_that_are_destroyed_verify_nothing_from_then_on() {
    let api = start().await;
    let user = api.register("ada").await;
    let old = user.token("access_token");
    // Known to be good, so that a cache could remember it.
    assert!(api.accounts.authenticate(&old).is_ok());
    api.accounts.rotate_keys(true, &operator()).await.unwrap();
    api.accounts.reread_keys().await.unwrap();
    assert!(api.accounts.authenticate(&old).is_err());
    let grant = api.accounts.refresh(&user.token("refresh_token"), &client()).await.unwrap();
    assert!(api.accounts.authenticate(&grant.access_token).is_ok());
    assert_eq!(api.accounts.list_keys().await.unwrap().len(), 1);
}
