//! The account page: an address that waits for its link, kinds of devices, and the demo card.

use super::*;

#[actix_web::test]
async fn an_address_that_waits_is_sent_its_link_again() {
    const AGAIN: (u16, &str) = (303, "/dashboard?done=link-sent-again#profile");
    let api = start().await;
    let fields = [("username", "ada"), ("email", "ada@example.org"), ("password", PASSWORD)];
    let cookie = api.call(form("/register", &fields)).await.cookie();
    assert_page(&api.page("/dashboard", &cookie).await, 200, "/dashboard/email/resend");
    let again = async || {
        let answer = api.call(with(form("/dashboard/email/resend", &[]), &cookie)).await;
        assert_eq!((answer.status, answer.header("location")), AGAIN);
        api.emails().await.len()
    };
    assert_eq!(again().await, 1, "it was sent a moment ago");
    api.clock.advance(Duration::from_secs(61));
    assert_eq!(again().await, 2);
    assert_eq!(again().await, 2, "not twice");
    assert_page(&api.page(AGAIN.1, &cookie).await, 200, "We’ve sent the link again");
    // An account without an address has nothing to send.
    let bob = api.register_in_a_browser("bob").await;
    assert!(!api.page("/dashboard", &bob).await.text.contains("/dashboard/email/resend"));
    let nothing = api.call(with(form("/dashboard/email/resend", &[]), &bob)).await;
    assert_eq!((nothing.status, api.emails().await.len()), (303, 2));
}

#[actix_web::test]
async fn a_change_of_address_is_shown_and_canceled() {
    let api = start().await;
    let cookie = api.register_in_a_browser("ada").await;
    let change = async || {
        let fields = [("email", "new@example.org"), ("current_password", PASSWORD)];
        let answer = api.call(with(form("/dashboard/email", &fields), &cookie)).await;
        assert_eq!(answer.header("location"), "/dashboard?done=link-sent#profile");
        api.emails().await
    };
    let sent = [("verify_email".to_owned(), "new@example.org".to_owned())];
    assert_eq!(change().await, sent);
    let waits = api.page("/dashboard", &cookie).await;
    assert_page(&waits, 200, "<strong><bdi>new@example.org</bdi></strong> becomes your email");
    let id = api.query(|conn| users::table.select(users::id).first::<String>(conn)).await;
    let token = api.mint(Purpose::VerifyEmail, &id, "new@example.org").await;

    let cancel = api.call(with(form("/dashboard/email/cancel", &[]), &cookie)).await;
    assert_eq!(cancel.header("location"), "/dashboard?done=email-change-canceled#profile");
    assert!(!api.page("/dashboard", &cookie).await.text.contains("new@example.org"));
    assert_eq!(api.page(&format!("/verify-email/{token}"), "").await.status, 400);
    assert_eq!(change().await, sent, "it can be asked for at once again");

    // An address that only waits to be verified is not given up.
    let fields = [("username", "eve"), ("email", "eve@example.org"), ("password", PASSWORD)];
    let eve = api.call(form("/register", &fields)).await.cookie();
    let token = api.mint(Purpose::VerifyEmail, &id_of_user(&api, "eve").await, "eve@example.org").await;
    api.call(with(form("/dashboard/email/cancel", &[]), &eve)).await;
    assert_eq!(api.page(&format!("/verify-email/{token}"), "").await.status, 200);
}

async fn id_of_user<S>(api: &Api<S>, name: &'static str) -> String
where
    S: Service<Request, Response = ServiceResponse, Error = Error>,
{
    api.query(move |conn| users::table.filter(users::username.eq(name)).select(users::id).first(conn)).await
}

#[actix_web::test]
async fn a_device_has_a_kind() {
    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148 Safari/604.1";
    let api = start().await;
    let access = api.register("ada").await.json()["access_token"].as_str().unwrap().to_owned();
    let sign_in = form("/login", &[("login", "ada"), ("password", PASSWORD)]);
    let cookie = api.call(sign_in.insert_header(("User-Agent", IPHONE))).await.cookie();
    let logins = api.get("/api/logins", &access).await.json();
    // Of the same millisecond, in either order.
    for login in logins["logins"].as_array().unwrap() {
        let kind = if login["kind"] == "browser" { "phone" } else { "app" };
        assert_eq!(login["device_kind"], kind, "{login}");
    }
    let page = api.page("/dashboard", &cookie).await;
    // The row of this device comes first.
    let row = page.text.split("<li class=\"row current\"").nth(1).unwrap();
    assert!(row.contains("href=\"#i-phone\"") && page.text.contains("href=\"#i-app\""), "{row}");
    assert!(page.text.contains("id=\"secret-card\""));
}
