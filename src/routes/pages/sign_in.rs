//! The start page, and the pages to sign in, request a password reset and sign out.

use actix_web::HttpResponse;
use serde::Deserialize;

use super::super::cookie::add;
use super::super::request_id::note_user;
use super::{Form, Refusals, Return, Visit};
use crate::accounts::{Grant, SignIn};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{Continue, FirstUse, ForgotPassword, FormErrors, Home, Login, Logout, Notice};
use doorward_core::domain::Password;

/// `GET /`
pub(in super::super) async fn home(visit: Visit) -> Result<HttpResponse, ApiError> {
    if visit.browser().await?.is_some() {
        return Ok(visit.redirect("/dashboard", None));
    }
    let (frame, notice) = (visit.frame(), visit.notice());
    let local = visit.is_local();
    // A start page without this is better than none.
    let is_new = visit.accounts.is_in_use().await.is_ok_and(|in_use| !in_use);
    let add_admin = visit.site.add_admin.as_deref().filter(|_| local);
    let first_use = is_new.then_some(FirstUse { add_admin });
    visit.page(&Home { frame, notice, public_url: &visit.site.public_url, first_use })
}

/// The response to a browser that is signed in already. An app is told only with a click: by a link alone, any page
/// could have it signed in, or the user signed in to it unknowingly.
pub(super) async fn already_signed_in(
    visit: &Visit,
    back: Option<&Return>,
) -> Result<Option<HttpResponse>, ApiError> {
    if back.is_some_and(Return::wants_another_account) {
        return Ok(None);
    }
    let Some(access) = visit.browser().await? else { return Ok(None) };
    let Some(back) = back else { return Ok(Some(visit.redirect("/dashboard", None))) };
    if let Some(app) = back.app() {
        let page = Continue { frame: visit.frame_onward(Some(back)), app, username: &access.username };
        return visit.page_onward(&page, Some(back)).map(Some);
    }
    Ok(Some(visit.return_after_sign_in(back, (access.user, access.login)).await?))
}

/// `GET /continue`: a reload of a refused form.
pub(in super::super) async fn show_continue(visit: Visit) -> HttpResponse {
    visit.redirect_onward("/login", None, visit.return_of_sign_in().as_ref())
}

/// `POST /continue`
pub(in super::super) async fn go_on(visit: Visit, _: Form<NoFields>) -> Result<HttpResponse, ApiError> {
    visit.count(Limit::SignIn)?;
    let Some(back) = visit.return_of_sign_in() else { return Ok(visit.redirect("/dashboard", None)) };
    match visit.browser().await? {
        Some(access) => Ok(visit.return_after_sign_in(&back, (access.user, access.login)).await?),
        None => Ok(visit.redirect_onward("/login", None, Some(&back))),
    }
}

/// `GET /login`
pub(in super::super) async fn show_login(visit: Visit) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    if let Some(onward) = already_signed_in(&visit, back).await? {
        return Ok(onward);
    }
    let errors = FormErrors::default();
    let page = Login::new(visit.frame_onward(back), "", visit.notice(), &errors);
    visit.page_onward(&page, back)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct LoginForm {
    login: String,
    password: String,
}

/// `POST /login`
pub(in super::super) async fn login(
    visit: Visit,
    Form(form): Form<LoginForm>,
) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    let login = form.login.trim();
    let device = visit.device();
    let done = match visit.count(Limit::SignIn) {
        Ok(()) => {
            let (password, caller) = (Password::typed(form.password), visit.caller());
            visit.accounts.sign_in(login, password, device, &caller).await.map_err(Into::into)
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(SignIn::Granted(grant)) => enter(&visit, &grant, back).await,
        Err(error) => {
            let refusals = Refusals::of(visit.frame(), &[], error.clone())?;
            let page = Login::new(visit.frame_onward(back), login, None, &refusals.errors);
            visit.refuse_onward(&error, &page, back)
        }
    }
}

/// Gives the browser its cookie, and takes it where it wanted to go.
pub(super) async fn enter(
    visit: &Visit,
    grant: &Grant,
    back: Option<&Return>,
) -> Result<HttpResponse, ApiError> {
    visit.leave().await?;
    note_user(&visit.request, grant.user.username.as_str().into());
    let onward = match back {
        Some(back) => visit.return_after_sign_in(back, (grant.user.id, grant.credential.login)).await,
        None => Ok(visit.redirect("/dashboard", None)),
    };
    let mut response = onward.unwrap_or_else(|error| {
        // The browser is signed in all the same, and can try again.
        tracing::warn!(%error, "could not issue a code for an app");
        visit.redirect_onward("/login", None, back)
    });
    visit.site.give_cookie(&visit.request, &mut response, &grant.credential);
    if let Some(cookie) = visit.site.device_cookie(&visit.request, grant) {
        add(&mut response, &cookie);
    }
    Ok(response)
}

/// `GET /forgot-password`
pub(in super::super) async fn show_forgot(visit: Visit) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    let frame = visit.frame_onward(back.as_ref());
    visit.page(&ForgotPassword::new(frame, "", &FormErrors::default()))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct ForgotForm {
    login: String,
}

/// `POST /forgot-password`
pub(in super::super) async fn forgot(
    visit: Visit,
    Form(form): Form<ForgotForm>,
) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    let login = form.login.trim();
    let done = match visit.count(Limit::ForgotPassword) {
        Ok(()) if login.is_empty() => Err(missing_login()),
        Ok(()) => {
            let presented = visit.site.read_devices(&visit.request);
            visit.accounts.request_reset(login, presented, &visit.caller()).map_err(Into::into)
        }
        Err(error) => Err(error),
    };
    let frame = visit.frame_onward(back);
    match done {
        // No redirect, which would have to carry the name in its URL: the page can send it again.
        Ok(()) => visit.page(&ForgotPassword::new(frame, "", &FormErrors::default()).sent(login)),
        Err(error) => {
            let refusals = Refusals::of(visit.frame(), &["login"], error.clone())?;
            visit.refuse(&error, &ForgotPassword::new(frame, login, &refusals.errors))
        }
    }
}

/// Nothing but blanks, which a browser takes for a name.
fn missing_login() -> ApiError {
    ApiError::field("login", "The field login is empty.").with_reason("missing")
}

/// `GET /logout`: asks first, because a link must not sign a user out.
pub(in super::super) async fn show_logout(visit: Visit) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_out();
    if let Some(access) = visit.browser().await? {
        let frame = visit.frame_onward(back.as_ref());
        return visit.page_onward(&Logout { frame, username: &access.username }, back.as_ref());
    }
    let mut response = signed_out(&visit, back.as_ref(), None);
    visit.forget_cookie(&mut response);
    Ok(response)
}

fn signed_out(visit: &Visit, back: Option<&Return>, notice: Option<Notice>) -> HttpResponse {
    back.map_or_else(|| visit.redirect("/login", notice), Return::after_sign_out)
}

#[derive(Deserialize)]
pub(in super::super) struct NoFields {}

/// `POST /logout`
pub(in super::super) async fn logout(visit: Visit, _: Form<NoFields>) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_out();
    visit.sign_out().await?;
    let mut response = signed_out(&visit, back.as_ref(), Some(Notice::SignedOut));
    visit.forget_cookie(&mut response);
    Ok(response)
}
