//! The start page, and the pages to register, sign in, request a password reset and sign out.

use actix_web::HttpResponse;
use serde::Deserialize;

use super::super::cookie::add;
use super::{Browser, Form, Refusals, Visit};
use crate::accounts::{Error, Grant, SignIn};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{ForgotPassword, FormErrors, Home, Login, Logout, Notice, Register};
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
    if visit.browser().await?.is_some() {
        return Ok(visit.redirect("/dashboard", None));
    }
    visit.page(&Register::new(visit.frame(), "", "", visit.accounts.min_password(), &FormErrors::default()))
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
    // Keyboards add a space at the end, which belongs to no name.
    let (username, email) = (form.username.trim(), form.email.trim());
    if let Err(error) = visit.count(Limit::Register) {
        let refusals = Refusals::of(FIELDS, error.clone())?;
        let min = visit.accounts.min_password();
        return visit.refuse(&error, &Register::new(visit.frame(), username, email, min, &refusals.errors));
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
            Ok(grant) => return enter(&visit, &grant).await,
            Err(error) => {
                if let Error::UsernameTaken = error
                    && let Some(grant) = register_again(&visit, again).await?
                {
                    return enter(&visit, &grant).await;
                }
                refusals = Refusals::of(FIELDS, error.into())?;
            }
        }
    }
    let page = Register::new(visit.frame(), username, email, visit.accounts.min_password(), &refusals.errors);
    visit.refuse(&refusals.first.unwrap_or_else(ApiError::not_found), &page)
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
    if visit.browser().await?.is_some() {
        return Ok(visit.redirect("/dashboard", None));
    }
    visit.page(&Login::new(visit.frame(), "", visit.notice(), &FormErrors::default()))
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
        Ok(SignIn::Granted(grant)) => enter(&visit, &grant).await,
        Err(error) => {
            let refusals = Refusals::of(&[], error.clone())?;
            visit.refuse(&error, &Login::new(visit.frame(), login, None, &refusals.errors))
        }
    }
}

/// Gives the browser its cookie.
async fn enter(visit: &Visit, grant: &Grant) -> Result<HttpResponse, ApiError> {
    visit.leave().await?;
    let mut response = visit.redirect("/dashboard", None);
    visit.site.give_cookie(&visit.request, &mut response, &grant.credential);
    if let Some(cookie) = visit.site.device_cookie(&visit.request, grant) {
        add(&mut response, &cookie);
    }
    Ok(response)
}

/// `GET /forgot-password`
pub(in super::super) async fn show_forgot(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.page(&ForgotPassword::new(visit.frame(), "", visit.notice(), &FormErrors::default()))
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
    let login = form.login.trim();
    let done = match visit.count(Limit::ForgotPassword) {
        Ok(()) => {
            let presented = visit.site.read_devices(&visit.request);
            visit.accounts.request_reset(login, presented, &visit.caller()).map_err(Into::into)
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(visit.redirect("/forgot-password", Some(Notice::ResetRequested))),
        Err(error) => {
            let refusals = Refusals::of(&[], error.clone())?;
            visit.refuse(&error, &ForgotPassword::new(visit.frame(), login, None, &refusals.errors))
        }
    }
}

/// `GET /logout`: asks first, because a link must not sign a user out.
pub(in super::super) async fn show_logout(
    Browser(access): Browser,
    visit: Visit,
) -> Result<HttpResponse, ApiError> {
    visit.page(&Logout { frame: visit.frame(), username: &access.username })
}

#[derive(Deserialize)]
pub(in super::super) struct NoFields {}

/// `POST /logout`
pub(in super::super) async fn logout(visit: Visit, _: Form<NoFields>) -> Result<HttpResponse, ApiError> {
    visit.sign_out().await?;
    let mut response = visit.redirect("/login", Some(Notice::SignedOut));
    visit.forget_cookie(&mut response);
    Ok(response)
}
