use super::*;

const NEW: &str = "gravel umbrella sonnet eleven";

async fn forgot<S: Service<Request, Response = ServiceResponse, Error = Error>>(
    api: &Api<S>,
    login: &str,
) -> String {
    let answer = api.post("/api/forgot-password", json!({"login": login})).await;
    assert_eq!(answer.status, 202);
    answer.text
}

#[actix_web::test]
async fn asking_tells_nothing_and_leaves_a_count() {
    let api = start().await;
    api.register_with("ada", "shared@example.org").await;
    api.register_with("bob", "shared@example.org").await;
    api.register_holder("eve", "eve@example.org").await;
    api.register("nomail").await;
    let known = forgot(&api, "Shared@example.org").await;
    for login in ["nobody@example.org", "nobody", "nomail", "", "a\0@b.c", "ada", "ada", "eve@example.org"] {
        assert_eq!(forgot(&api, login).await, known);
    }
    let resets = async || {
        let emails = api.emails().await.into_iter();
        let mut resets: Vec<_> = emails.filter(|(kind, _)| kind.starts_with("reset_")).collect();
        resets.sort();
        resets
    };
    assert!(resets().await.is_empty(), "nothing happens while the request is answered");
    api.accounts.answer_queued_resets().await.unwrap();
    let mail = |kind: &str, address: &str| (kind.to_owned(), address.to_owned());
    let expected = [
        // One for all accounts that claim it, by whichever name it was asked for.
        mail("reset_by_address", "shared@example.org"),
        mail("reset_password", "eve@example.org"),
    ];
    assert_eq!(resets().await, expected);
    let counts = async || {
        api.query(|conn| request_counts::table.select(request_counts::count).load::<i32>(conn)).await
    };
    assert_eq!(counts().await, [9], "one row for all requests of the hour");
    api.clock.advance(Duration::from_secs(61));
    forgot(&api, "ada").await;
    api.accounts.answer_queued_resets().await.unwrap();
    assert_eq!(resets().await.len(), 3);
}

#[actix_web::test]
async fn a_link_sets_the_password_once_and_ends_every_login() {
    let api = start().await;
    let user = api.register_holder("ada", "ada@example.org").await;
    let access = user.token("access_token");
    let link = api.mint(Purpose::ResetPassword, &id_of(&user), "ada@example.org").await;
    let other = api.mint(Purpose::ResetPassword, &id_of(&user), "ada@example.org").await;
    let reset = async |token: &str, password: &str| {
        api.post("/api/reset-password", json!({"token": token, "password": password})).await
    };
    assert_eq!(api.get(&format!("/reset-password/{link}"), "").await.status, 200);
    let weak = reset(&link, "password1").await;
    assert_eq!(weak.code(), (422, "weak_password".to_owned()));
    assert!(!weak.json()["suggestions"].as_array().unwrap().is_empty());
    assert_eq!(reset(&link, "ada@example.org").await.status, 422);
    assert_eq!(reset("made up", NEW).await.code(), (400, "invalid_link".to_owned()));
    let (one, two) = futures_util::join!(reset(&link, NEW), reset(&link, NEW));
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [204, 400]);
    assert_eq!(reset(&other, NEW).await.status, 400, "older links are spoiled");
    assert_eq!(api.get("/api/me", &access).await.code(), (401, "token_revoked".to_owned()));
    assert_eq!(api.login("ada", PASSWORD).await.status, 401);
    assert_eq!(api.login("ada", NEW).await.status, 200);
    assert!(api.emails().await.contains(&("password_changed".to_owned(), "ada@example.org".to_owned())));
}

#[actix_web::test]
async fn a_link_dies_of_age_of_a_new_address_and_of_the_wrong_purpose() {
    let api = start().await;
    let user = api.register_holder("ada", "ada@example.org").await;
    let id = id_of(&user);
    let reset = async |token: &str| {
        api.post("/api/reset-password", json!({"token": token, "password": NEW})).await.code()
    };
    let refused = (400, "invalid_link".to_owned());
    let verify = api.mint(Purpose::VerifyEmail, &id, "ada@example.org").await;
    assert_eq!(reset(&verify).await, refused);
    let old = api.mint(Purpose::ResetPassword, &id, "ada@example.org").await;
    api.clock.advance(Duration::from_mins(30));
    assert_eq!(reset(&old).await, refused);
    let elsewhere = api.mint(Purpose::ResetPassword, &id, "left@example.org").await;
    assert_eq!(reset(&elsewhere).await, refused);
    let link = api.mint(Purpose::ResetPassword, &id, "ada@example.org").await;
    api.accounts.set_disabled(id.parse().unwrap(), true, &operator()).await.unwrap();
    assert_eq!(reset(&link).await, refused);
}
