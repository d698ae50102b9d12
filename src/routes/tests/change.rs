use super::*;

const NEW: &str = "gravel umbrella sonnet eleven";

#[actix_web::test]
async fn a_new_password_ends_all_other_logins() {
    let api = start().await;
    let access = api.register_holder("ada", "ada@example.org").await.token("access_token");
    let other = api.login("ada", PASSWORD).await.token("access_token");
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        api.send(Method::POST, "/api/me/password", &access, Some(body)).await
    };
    assert_eq!(change("wrong", NEW).await.code(), (403, "wrong_password".to_owned()));
    let short = change(PASSWORD, "short").await;
    assert_eq!(short.code(), (422, "invalid_new_password".to_owned()));
    assert_eq!(short.json()["field"], "new_password");
    assert_eq!(change(PASSWORD, "password1").await.json()["field"], "new_password");
    assert_eq!(change(PASSWORD, NEW).await.status, 204);
    assert_eq!(api.get("/api/me", &access).await.status, 200);
    assert_eq!(api.get("/api/me", &other).await.code(), (401, "token_revoked".to_owned()));
    assert_eq!(api.login("ada", NEW).await.status, 200);
    assert!(api.emails().await.contains(&("password_changed".to_owned(), "ada@example.org".to_owned())));
}

#[actix_web::test]
async fn an_address_changes_when_it_is_proven() {
    let api = start().await;
    let user = api.register_holder("ada", "old@example.org").await;
    let access = user.token("access_token");
    let slip = api.mint(Purpose::VerifyEmail, &id_of(&user), "slip@example.org").await;
    let body = json!({"email": "new@example.org", "current_password": PASSWORD});
    assert_eq!(api.send(Method::POST, "/api/me/email", &access, Some(body)).await.status, 202);
    assert_eq!(api.get("/api/me", &access).await.json()["email"], "old@example.org");
    let verify = async |token: &str| api.post("/api/verify-email", json!({"token": token})).await;
    assert_eq!(verify(&slip).await.code(), (400, "invalid_link".to_owned()), "asked for before");
    let link = api.mint(Purpose::VerifyEmail, &id_of(&user), "new@example.org").await;
    assert_eq!(api.get(&format!("/verify-email/{link}"), "").await.status, 200);
    assert_eq!(verify(&link).await.status, 204);
    assert_eq!(verify(&link).await.status, 400);
    let me = api.get("/api/me", &access).await.json();
    assert_eq!((&me["email"], &me["email_verified"]), (&"new@example.org".into(), &true.into()));
    assert!(api.emails().await.contains(&("email_changed_undo".to_owned(), "old@example.org".to_owned())));
    let second = api.register_with("bob", "new@example.org").await;
    let link = api.mint(Purpose::VerifyEmail, &id_of(&second), "new@example.org").await;
    assert_eq!(verify(&link).await.code(), (409, "email_held".to_owned()));
}

#[actix_web::test]
async fn a_profile_is_renamed() {
    let api = start().await;
    let access = api.register("ada").await.token("access_token");
    let rename = async |name: &str| {
        api.send(Method::PATCH, "/api/me", &access, Some(json!({"display_name": name}))).await
    };
    assert_eq!(rename("Ada Lovelace").await.json()["display_name"], "Ada Lovelace");
    for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
        assert_eq!(rename(bad).await.code(), (422, "invalid_display_name".to_owned()));
    }
}

#[actix_web::test]
async fn a_profile_gets_a_language_and_loses_it() {
    let api = start().await;
    let access = api.register("ada").await.token("access_token");
    let change = async |body| api.send(Method::PATCH, "/api/me", &access, Some(body)).await;
    let german = change(json!({"language": "DE-at"})).await.json();
    assert_eq!((&german["language"], &german["display_name"]), (&"de-at".into(), &"ada".into()));
    for bad in ["d", "english", "de_AT", "de-"] {
        assert_eq!(change(json!({"language": bad})).await.code(), (422, "invalid_language".to_owned()));
    }
    assert_eq!(change(json!({})).await.code(), (422, "invalid_body".to_owned()));
    let both = change(json!({"display_name": "Ada L.", "language": ""})).await.json();
    assert_eq!((both.get("language"), &both["display_name"]), (None, &"Ada L.".into()));
}

#[actix_web::test]
async fn a_deleted_account_is_gone_and_its_devices_forgotten() {
    let api = start().await;
    let user = api.register_with("ada", "ada@example.org").await;
    let access = user.token("access_token");
    let delete = async |password: &str| {
        let body = json!({"current_password": password});
        api.send(Method::DELETE, "/api/me", &access, Some(body)).await
    };
    assert_eq!(delete("wrong").await.status, 403);
    assert_eq!(delete(PASSWORD).await.status, 204);
    assert_eq!(api.get("/api/me", &access).await.status, 401);
    assert_eq!(api.login("ada", PASSWORD).await.status, 401);
    assert!(api.emails().await.is_empty());
    let (ip, reason): (Option<String>, Option<String>) =
        api.query(|conn| logins::table.select((logins::ip, logins::revoked_reason)).first(conn)).await;
    assert_eq!((ip, reason.as_deref()), (None, Some("account_deleted")));
    api.register("ada").await;
}

#[actix_web::test]
async fn a_disabled_user_is_shut_out_until_enabled() {
    let api = start().await;
    let user = api.register("ada").await;
    let id: UserId = id_of(&user).parse().unwrap();
    api.accounts.set_disabled(id, true, &operator()).await.unwrap();
    assert_eq!(api.get("/api/me", &user.token("access_token")).await.status, 401);
    let body = json!({"refresh_token": user.token("refresh_token")});
    assert_eq!(api.post("/api/refresh", body).await.status, 401);
    assert_eq!(api.login("ada", PASSWORD).await.status, 401);
    api.accounts.set_disabled(id, false, &operator()).await.unwrap();
    assert_eq!(api.login("ada", PASSWORD).await.status, 200);
    let unknown = UserId(uuid::Uuid::from_u128(1));
    assert!(matches!(
        api.accounts.set_disabled(unknown, true, &operator()).await,
        Err(crate::accounts::Error::NotFound)
    ));
}

#[actix_web::test]
async fn the_janitor_keeps_what_is_needed() {
    let api = start().await;
    let user = api.register_with("ada", "ada@example.org").await;
    api.mint(Purpose::ResetPassword, &id_of(&user), "ada@example.org").await;
    assert_eq!(api.accounts.purge().await.unwrap(), crate::accounts::Purged::default());
    api.clock.advance(Duration::from_hours(61 * 24));
    let purged = api.accounts.purge().await.unwrap();
    assert_eq!((purged.links, purged.emails, purged.logins, purged.audit_events), (1, 0, 1, 0));
    api.clock.advance(Duration::from_hours(366 * 24));
    assert_eq!(api.accounts.purge().await.unwrap().audit_events, 1);
}
