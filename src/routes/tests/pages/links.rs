//! The pages that links in emails lead to.

use super::*;

#[actix_web::test]
async fn a_link_leads_to_a_new_password() {
    const NEW: &str = "another teapot sails vinegar";
    let api = start().await;
    let user = api.register_with("ada", "ada@example.org").await;
    let asked = api.call(form("/forgot-password", &[("login", "ada")])).await;
    let unknown = api.call(form("/forgot-password", &[("login", "nobody")])).await;
    for (answer, name) in [(&asked, "ada"), (&unknown, "nobody")] {
        assert_page(answer, 200, "Check your email");
        assert!(answer.text.contains(&format!("<input type=\"hidden\" name=\"login\" value=\"{name}\">")));
    }
    assert_eq!(unknown.text.replace("nobody", "ada"), asked.text, "it does not tell who has an account");

    let link = format!(
        "/reset-password/{}",
        api.mint(Purpose::ResetPassword, &id_of(&user), "ada@example.org").await
    );
    for _ in 0..2 {
        let shown = api.page(&link, "").await;
        assert_page(&shown, 200, "<strong><bdi>ada</bdi></strong>");
        assert_eq!(shown.header("referrer-policy"), "no-referrer");
        assert!(
            !shown.text.contains(&link["/reset-password/".len()..]),
            "the token stands nowhere on the page"
        );
    }
    let cookie = api.sign_in("ada").await;
    // Such a page sends no referrer: on plain http its form has no origin either.
    let post = async |link: &str, password: &str| {
        let request = TestRequest::post()
            .uri(link)
            .insert_header(HTML)
            .insert_header(("Origin", "null"))
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
            .set_payload(format!("password={}", password.replace(' ', "+")));
        api.call(request).await
    };
    let weak = post(&link, "password1").await;
    assert_page(&weak, 422, "id=\"password-error\"");
    assert_eq!(weak.header("referrer-policy"), "no-referrer");
    assert_page(&post(&link, "short").await, 422, "at least 8 characters");
    let done = post(&link, NEW).await;
    assert_eq!((done.status, done.header("location")), (303, "/login?done=password-reset"));
    assert!(done.header("set-cookie").is_empty(), "it signs no user in");
    assert_eq!(api.page("/dashboard", &cookie).await.status, 303);
    // Once more within a minute, as a second click makes it.
    for again in [api.page(&link, "").await, post(&link, NEW).await] {
        assert_eq!((again.status, again.header("location")), (303, "/login?done=password-reset"));
    }
    assert_page(&post(&link, "a third teapot sails vinegar").await, 400, "Send a new link");
    api.clock.advance(Duration::from_secs(61));
    for answer in [api.page(&link, "").await, post(&link, NEW).await, api.page("/reset-password/x", "").await]
    {
        assert_page(&answer, 400, "Send a new link");
    }
    assert_eq!(api.call(TestRequest::get().uri(&link)).await.code(), (400, "invalid_link".to_owned()));
    let fresh = form("/login", &[("login", "ada"), ("password", NEW)]);
    assert_eq!(api.call(fresh).await.status, 303);
}

#[actix_web::test]
async fn a_link_proves_an_address() {
    let api = start().await;
    let user = api.register_with("ada", "ada@example.org").await;
    let rival = api.register_with("bob", "ada@example.org").await;
    let link = async |user: &Answer| {
        format!("/verify-email/{}", api.mint(Purpose::VerifyEmail, &id_of(user), "ada@example.org").await)
    };
    let (mine, late, theirs) = (link(&user).await, link(&user).await, link(&rival).await);
    let shown = api.page(&mine, "").await;
    assert_page(&shown, 200, "<strong><bdi>ada@example.org</bdi></strong>");
    assert_eq!(shown.header("referrer-policy"), "no-referrer");
    assert_eq!(api.get("/api/me", &user.token("access_token")).await.json()["email_verified"], false);
    let cookie = api.sign_in("ada").await;
    let done = api.call(with(form(&mine, &[]), &cookie)).await;
    assert_eq!((done.status, done.header("location")), (303, "/dashboard?done=email-verified"));
    // A client with the link is told. The account of another user, who is signed in there, is not the right place.
    let bob = api.sign_in("bob").await;
    for cookie in ["", &bob] {
        assert_page(&api.page(&mine, cookie).await, 200, "Email confirmed");
    }
    api.clock.advance(Duration::from_secs(61));
    assert_page(&api.page(&mine, "").await, 200, "Already confirmed");
    let unused = api.page(&late, "").await;
    assert_page(&unused, 400, "Your email may be confirmed already.");
    assert!(!unused.text.contains("ada"), "{}", unused.text);
    let held = api.call(form(&theirs, &[])).await;
    assert_page(&held, 409, "This email belongs to another account.");
}
