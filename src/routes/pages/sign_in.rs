//! The start page, and the pages to register, sign in, request a password reset and sign out.

use actix_web::HttpResponse;
use serde::Deserialize;

use super::super::cookie::add;
use super::{Form, Refusals, Return, Visit};
use crate::accounts::{Error, Grant, SignIn};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{Continue, ForgotPassword, FormErrors, Home, Login, Logout, Notice, Register};
use doorward_core::domain::{Email, Password, Username};

/// `GET /`
pub(in super::super) async fn home(visit: Visit) -> Result<HttpResponse, ApiError> {
    if visit.browser().await?.is_some() {
        return Ok(visit.redirect("/dashboard", None));
    }
    let (frame, notice) = (visit.frame(), visit.notice());
    visit.page(&Home { frame, notice, public_url: &visit.site.public_url })
}

/// `GET /register`
pub(in super::super) async fn show_register(visit: Visit) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    if let Some(onward) = already_signed_in(&visit, back.as_ref()).await? {
        return Ok(onward);
    }
    let (frame, min) = (visit.frame_onward(back.as_ref()), visit.accounts.min_password());
    visit.page_onward(&Register::new(frame, "", "", min, &FormErrors::default()), back.as_ref())
}

/// The response to a browser that is signed in already. An app is told only with a click: by a link alone, any page
/// could have it signed in, or the user signed in to it unknowingly.
async fn already_signed_in(visit: &Visit, back: Option<&Return>) -> Result<Option<HttpResponse>, ApiError> {
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

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct RegisterForm {
    username: String,
    email: String,
    password: String,
}

/// `POST /register`
pub(in super::super) async fn register(
    visit: Visit,
    Form(form): Form<RegisterForm>,
) -> Result<HttpResponse, ApiError> {
    const FIELDS: &[&str] = &["username", "email", "password"];
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    // Keyboards add a space at the end, which belongs to no name.
    let (username, email) = (form.username.trim(), form.email.trim());
    if let Err(error) = visit.count(Limit::Register) {
        let refusals = Refusals::of(FIELDS, error.clone())?;
        let min = visit.accounts.min_password();
        let page = Register::new(visit.frame_onward(back), username, email, min, &refusals.errors);
        return visit.refuse_onward(&error, &page, back);
    }
    let mut refusals = Refusals::new(FIELDS);
    let parsed = (
        refusals.check(Username::parse(username)),
        match email {
            "" => Some(None),
            email => refusals.check(Email::parse(email)).map(Some),
        },
        refusals.check(visit.accounts.choose_password(form.password)),
    );
    if let (Some(name), Some(address), Some(password)) = parsed {
        let again = (name.clone(), password.clone(), address.clone());
        match visit.accounts.register(name, password, address, visit.device(), &visit.caller()).await {
            Ok(grant) => return enter(&visit, &grant, back).await,
            Err(error) => {
                if let Error::UsernameTaken = error
                    && let Some(grant) = register_again(&visit, again).await?
                {
                    return enter(&visit, &grant, back).await;
                }
                refusals = Refusals::of(FIELDS, error.into())?;
            }
        }
    }
    let min = visit.accounts.min_password();
    let page = Register::new(visit.frame_onward(back), username, email, min, &refusals.errors);
    visit.refuse_onward(&refusals.first.unwrap_or_else(ApiError::not_found), &page, back)
}

/// Repeating the same registration is a sign-in, and counts as one.
async fn register_again(
    visit: &Visit,
    (name, password, email): (Username, Password, Option<Email>),
) -> Result<Option<Grant>, ApiError> {
    if visit.count(Limit::SignIn).is_err() {
        return Ok(None);
    }
    let (device, caller) = (visit.device(), visit.caller());
    let signed_in =
        visit.accounts.sign_in_if_just_registered(&name, password, email.as_ref(), device, &caller).await?;
    Ok(signed_in.map(|SignIn::Granted(grant)| grant))
}

/// `GET /login`
pub(in super::super) async fn show_login(visit: Visit) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    // With an address to return to, another account may be wanted.
    let another = back.is_some() && visit.word("prompt") == Some("login");
    if !another && let Some(onward) = already_signed_in(&visit, back).await? {
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
            let refusals = Refusals::of(&[], error.clone())?;
            let page = Login::new(visit.frame_onward(back), login, None, &refusals.errors);
            visit.refuse_onward(&error, &page, back)
        }
    }
}

/// Gives the browser its cookie, and takes it where it wanted to go.
async fn enter(visit: &Visit, grant: &Grant, back: Option<&Return>) -> Result<HttpResponse, ApiError> {
    visit.leave().await?;
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
    visit.page(&ForgotPassword::new(frame, "", visit.notice(), &FormErrors::default()))
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
        Ok(()) => {
            let presented = visit.site.read_devices(&visit.request);
            visit.accounts.request_reset(login, presented, &visit.caller()).map_err(Into::into)
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(visit.redirect_onward("/forgot-password", Some(Notice::ResetRequested), back)),
        Err(error) => {
            let refusals = Refusals::of(&[], error.clone())?;
            let frame = visit.frame_onward(back);
            visit.refuse(&error, &ForgotPassword::new(frame, login, None, &refusals.errors))
        }
    }
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
