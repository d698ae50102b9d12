//! The forms of the account page: everything that is wrong is said at once, beside its field, and what was right stays.

use actix_web::http::Method;

use crate::support::app::{Answer, NEW_PASSWORD, PASSWORD, TestApp, post_form, spawn_app, spawn_with};

const WRONG: &str = "This password is wrong.";
const TOO_SHORT: &str = "Use at least 8 characters in your password.";
const NO_CURRENT: &str = "Enter your current password.";

/// An app with the user ann, and the cookie of her browser.
async fn signed_in(settings: &[(&str, &str)]) -> (TestApp, String) {
    let app = if settings.is_empty() { spawn_app().await } else { spawn_with(settings).await };
    app.register_with_email("ann", "ann@example.org").await;
    let form = [("login", "ann"), ("password", PASSWORD)];
    let jar = post_form(app.address, "/login", "", &form).await.expect(303).cookie("doorward");
    (app, jar)
}

/// Asserts that the page names these fields, in this order, with these faults; more than one are listed above the form.
#[track_caller]
fn assert_faults(answer: &Answer, faults: &[(&str, &str, &str)]) {
    let mut rest = answer.text.as_str();
    for (id, _, fault) in faults {
        let at = rest.find(&format!("id=\"{id}-error\"")).unwrap_or_else(|| panic!("{id}: {}", answer.text));
        rest = &rest[at..];
        let error = rest.split("</p>").next().unwrap();
        assert!(error.contains(fault), "{id}: {error}");
    }
    let wrong = answer.text.matches("aria-invalid=\"true\"").count();
    assert_eq!(wrong, faults.len(), "{}", answer.text);
    assert_eq!(answer.text.contains("need your attention"), faults.len() > 1);
    if faults.len() > 1 {
        for (id, label, fault) in faults {
            let item = format!("<a href=\"#{id}\">{label}: {fault}");
            assert!(answer.text.contains(&item), "{item}: {}", answer.text);
        }
    }
    // The first wrong field has the focus.
    let focused = answer.text.split(" autofocus").next().unwrap();
    let focused = &focused[focused.rfind('<').unwrap()..];
    assert!(focused.contains(&format!("id=\"{}\"", faults[0].0)), "{focused}");
}

#[actix_web::test]
async fn a_new_password_is_refused_with_all_that_is_wrong_with_both() {
    let (app, jar) = signed_in(&[]).await;
    let form = |current, new| [("current_password", current), ("new_password", new)];
    let current = "password-current-password";
    let new = "password-new-password";
    for (typed, status, faults) in [
        (("wrong", "short"), 422, [(WRONG, "Current password"), (TOO_SHORT, "New password")]),
        (("", "short"), 422, [(NO_CURRENT, "Current password"), (TOO_SHORT, "New password")]),
        (("wrong", "password1"), 403, [(WRONG, "Current password"), ("", "New password")]),
        (("", "password1"), 422, [(NO_CURRENT, "Current password"), ("", "New password")]),
        // Made of what others know of her.
        (
            ("wrong", "ann@example.org"),
            403,
            [(WRONG, "Current password"), ("This password contains", "New password")],
        ),
    ] {
        let form = form(typed.0, typed.1);
        let answer = post_form(app.address, "/dashboard/password", &jar, &form).await.expect(status);
        let [(first, one), (second, other)] = faults;
        assert_faults(&answer, &[(current, one, first), (new, other, second)]);
    }
    let answer =
        post_form(app.address, "/dashboard/password", &jar, &form(PASSWORD, "short")).await.expect(422);
    assert_faults(&answer, &[(new, "New password", TOO_SHORT)]);
    let answer =
        post_form(app.address, "/dashboard/password", &jar, &form("wrong", NEW_PASSWORD)).await.expect(403);
    assert_faults(&answer, &[(current, "Current password", WRONG)]);
    post_form(app.address, "/dashboard/password", &jar, &form(PASSWORD, NEW_PASSWORD)).await.expect(303);
}

#[actix_web::test]
async fn a_current_password_is_a_guess_whatever_else_is_wrong() {
    let (app, jar) = signed_in(&[]).await;
    // Nothing was guessed.
    for _ in 0..12 {
        let form = [("current_password", ""), ("new_password", "short")];
        post_form(app.address, "/dashboard/password", &jar, &form).await.expect(422);
        post_form(app.address, "/dashboard/delete", &jar, &[("current_password", "")]).await.expect(422);
    }
    for _ in 0..5 {
        let form = [("current_password", "wrong"), ("new_password", "short")];
        post_form(app.address, "/dashboard/password", &jar, &form).await.expect(422);
        let form = [("current_password", "wrong"), ("email", "no address")];
        post_form(app.address, "/dashboard/email", &jar, &form).await.expect(422);
    }
    let gone = app.call(Method::GET, "/dashboard", &[("cookie", &jar)], None).await;
    assert_eq!((gone.status.as_u16(), gone.header("location")), (303, "/login"));
}

#[actix_web::test]
async fn a_new_email_is_refused_with_all_that_is_wrong_and_stays_typed() {
    let (app, jar) = signed_in(&[("accounts.allowed_domains", "example.org")]).await;
    for (typed, current, status, fault, wrong) in [
        ("ann@", "wrong", 422, "Enter an email like", WRONG),
        ("ann@", "", 422, "Enter an email like", NO_CURRENT),
        ("ann@example.com", "wrong", 422, "at one of these domains: example.org", WRONG),
    ] {
        let form = [("email", typed), ("current_password", current)];
        let answer = post_form(app.address, "/dashboard/email", &jar, &form).await.expect(status);
        let (email, password) = ("email-email", "email-current-password");
        assert!(answer.text.contains(fault), "{}", answer.text);
        let beginning = if fault.starts_with("Enter") { fault } else { "Accounts here need" };
        assert_faults(&answer, &[(email, "New email", beginning), (password, "Current password", wrong)]);
        assert!(answer.text.contains(&format!("value=\"{typed}\"")), "{}", answer.text);
    }
}

#[actix_web::test]
async fn a_refused_profile_keeps_the_language_that_was_chosen() {
    let (app, jar) = signed_in(&[]).await;
    let form = [("display_name", "a\u{202e}b"), ("language", "de")];
    let answer = post_form(app.address, "/dashboard/profile", &jar, &form).await.expect(422);
    assert_faults(&answer, &[("profile-display-name", "Display name", "Your display name has characters")]);
    assert!(answer.text.contains("<option value=\"de\" lang=\"de\" selected>"), "{}", answer.text);
    assert!(answer.text.contains("<html lang=\"en\""), "it is not saved");
    // One that no menu offers, which a program sends.
    let form = [("display_name", " "), ("language", "<tag>")];
    let answer = post_form(app.address, "/dashboard/profile", &jar, &form).await.expect(422);
    let language = ("profile-language", "Language", "Choose one of the languages");
    assert_faults(&answer, &[("profile-display-name", "Display name", "Enter a display name."), language]);
    assert!(!answer.text.contains("selected"), "{}", answer.text);
    let form = [("display_name", "Countess"), ("language", "<tag>")];
    let answer = post_form(app.address, "/dashboard/profile", &jar, &form).await.expect(422);
    assert_faults(&answer, &[language]);
    assert!(answer.text.contains("value=\"Countess\""), "{}", answer.text);
    // The choice to have the browser's language is kept too.
    let form = [("display_name", "Ann"), ("language", "de")];
    post_form(app.address, "/dashboard/profile", &jar, &form).await.expect(303);
    let form = [("display_name", ""), ("language", "")];
    let answer = post_form(app.address, "/dashboard/profile", &jar, &form).await.expect(422);
    assert!(!answer.text.contains("selected"), "{}", answer.text);
}
