//! The pages that links in emails lead to. GET changes nothing, because mail scanners follow links. The URLs
//! contain the link's token, so the pages send no referrer and do not contain the token: the form posts to
//! the page's own URL.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::sign_in::NoFields;
use super::{LinkForm, Refusals, Visit};
use crate::accounts::{Error, ResetLink, UsedReset};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{EmailVerified, FormErrors, Moment, NotMe, Notice, ResetPassword, VerifyEmail};
use doorward_core::domain::{DeviceName, Password};

/// `GET /reset-password/{token}` and `GET /undo-email/{token}`
pub(in super::super) async fn show_reset(
    visit: Visit,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    count_shown(&visit)?;
    let link = match visit.accounts.check_reset_link(&token).await {
        Ok(link) => link,
        Err(error @ Error::InvalidLink) => {
            let used = visit.accounts.reset_link_just_used(&token).await?;
            return used.map(|used| after_reset(&visit, used)).ok_or_else(|| error.into());
        }
        Err(error) => return Err(error.into()),
    };
    let (min, errors) = (visit.accounts.min_password(), FormErrors::default());
    let page = ResetPassword::new(visit.frame(), &link, "", min, &errors).after(visit.notice());
    visit.page(&page).map(without_referrer)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct ResetForm {
    username: String,
    password: String,
}

/// `POST /reset-password/{token}` and `POST /undo-email/{token}`
pub(in super::super) async fn reset(
    visit: Visit,
    token: web::Path<String>,
    LinkForm(form): LinkForm<ResetForm>,
) -> Result<HttpResponse, ApiError> {
    // Neither the form nor its account can be shown without a query.
    visit.count(Limit::Link)?;
    let typed = form.username.trim();
    let username = Some(typed.to_owned()).filter(|name| !name.is_empty());
    let password = visit.accounts.choose_password(form.password);
    // An invalid link gets an error page, whatever was typed.
    let link = match visit.accounts.check_reset_link(&token).await {
        Ok(link) => link,
        Err(Error::InvalidLink) => return reset_again(&visit, &token, password, username.as_deref()).await,
        Err(error) => return Err(error.into()),
    };
    let done = match &password {
        Ok(password) => {
            let (password, username) = (password.clone(), username.clone());
            visit.accounts.reset_password(&token, password, username, &visit.caller()).await.map_err(Some)
        }
        Err(_) => Err(None),
    };
    let error = match (done, password) {
        (Ok(()), _) => return Ok(after_reset(&visit, UsedReset { restored: link.restores.is_some() })),
        // Of two simultaneous requests the other one was first.
        (Err(Some(Error::InvalidLink)), password) => {
            return reset_again(&visit, &token, password, username.as_deref()).await;
        }
        (Err(Some(error)), _) | (Err(None), Err(error)) => ApiError::from(error),
        (Err(None), Ok(_)) => ApiError::not_found(),
    };
    show_refused_reset(&visit, &link, typed, &error)
}

/// The form with all that is wrong with it.
fn show_refused_reset(
    visit: &Visit,
    link: &ResetLink,
    typed: &str,
    error: &ApiError,
) -> Result<HttpResponse, ApiError> {
    let mut refusals = Refusals::of(visit.frame(), &["username", "password"], error.clone())?;
    // A password that is too weak was not tried with any account.
    if typed.is_empty() && link.usernames.len() > 1 && error.field_name() == Some("password") {
        let unchosen = Error::ChooseAccount { usernames: link.usernames.clone() }.into();
        refusals.errors.fields.insert(0, visit.frame().field_error("username", &unchosen));
    }
    let min = visit.accounts.min_password();
    let page = ResetPassword::new(visit.frame(), link, typed, min, &refusals.errors);
    visit.refuse(error, &page).map(without_referrer)
}

fn after_reset(visit: &Visit, used: UsedReset) -> HttpResponse {
    let notice = if used.restored { Notice::EmailRestored } else { Notice::PasswordReset };
    visit.redirect("/login", Some(notice))
}

/// The response to the form of a link that is no longer valid: that of the first form, if this is a
/// repetition.
async fn reset_again(
    visit: &Visit,
    token: &str,
    password: Result<Password, Error>,
    username: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    if let Ok(password) = password {
        let (device, caller) = (visit.device(), visit.caller());
        let used = visit.accounts.password_just_reset(token, password, username, &device, &caller).await?;
        if let Some(used) = used {
            return Ok(after_reset(visit, used));
        }
    }
    Err(Error::InvalidLink.into())
}

/// `GET /verify-email/{token}`
pub(in super::super) async fn show_verify(
    visit: Visit,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    count_shown(&visit)?;
    let (username, email) = match visit.accounts.check_verify_link(&token).await {
        Ok(link) => link,
        Err(Error::InvalidLink) => return verified_again(&visit, &token).await,
        Err(error) => return Err(error.into()),
    };
    let errors = FormErrors::default();
    let page = VerifyEmail { frame: visit.frame(), username: &username, email: &email, errors: &errors };
    visit.page(&page).map(without_referrer)
}

/// `POST /verify-email/{token}`
pub(in super::super) async fn verify(
    visit: Visit,
    token: web::Path<String>,
    _: LinkForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.count(Limit::Link)?;
    let (username, email) = match visit.accounts.check_verify_link(&token).await {
        Ok(link) => link,
        Err(Error::InvalidLink) => return verified_again(&visit, &token).await,
        Err(error) => return Err(error.into()),
    };
    match visit.accounts.verify_email(&token, &visit.caller()).await {
        Ok(()) => after_verification(&visit, (&username, &email), true).await,
        Err(Error::InvalidLink) => verified_again(&visit, &token).await,
        Err(error @ Error::EmailHeld) => {
            let error = ApiError::from(error);
            let errors = Refusals::of(visit.frame(), &[], error.clone())?.errors;
            let page =
                VerifyEmail { frame: visit.frame(), username: &username, email: &email, errors: &errors };
            visit.refuse(&error, &page).map(without_referrer)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says so where the browser is: in the account, or on a page of its own if it is signed in to no or another account.
async fn after_verification(
    visit: &Visit,
    (username, email): (&str, &str),
    just_now: bool,
) -> Result<HttpResponse, ApiError> {
    // The account of another user has nothing to say about it.
    if just_now && visit.browser().await?.is_some_and(|access| &*access.username == username) {
        return Ok(visit.redirect("/dashboard", Some(Notice::EmailVerified)));
    }
    let page = EmailVerified { frame: visit.frame(), username, email, just_now };
    visit.page(&page).map(without_referrer)
}

/// The response to a link that is no longer valid: that it has confirmed its address, if that is still so. Who has the
/// link was told the address and the account before.
async fn verified_again(visit: &Visit, token: &str) -> Result<HttpResponse, ApiError> {
    let used = visit.accounts.verified_by_link(token).await?.ok_or(Error::InvalidLink)?;
    after_verification(visit, (&used.username, &used.email), used.just_now).await
}

/// `GET /not-me/{token}`
pub(in super::super) async fn show_not_me(
    visit: Visit,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    count_shown(&visit)?;
    let login = visit.accounts.check_not_me_link(&token).await?;
    let page = NotMe {
        frame: visit.frame(),
        username: &login.username,
        device: &visit.frame().language.device_name(DeviceName::of_known(login.user_agent.as_deref())),
        address: login.address.as_deref(),
        at: login.at.map(Moment),
    };
    visit.page(&page).map(without_referrer)
}

/// `POST /not-me/{token}`: the device is signed out, and the next page sets a new password.
pub(in super::super) async fn not_me(
    visit: Visit,
    token: web::Path<String>,
    _: LinkForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.count(Limit::Link)?;
    Ok(match visit.accounts.disown_login(&token, &visit.caller()).await? {
        Some(token) => visit.redirect(&format!("/reset-password/{token}"), Some(Notice::DeviceDisowned)),
        None => visit.redirect("/login", Some(Notice::DeviceDisownedOnly)),
    })
}

/// Counts a page view against the limit of links.
///
/// # Errors
/// 429; 403 for a page that another site embeds, as an image for instance. That is not counted, so that such
/// a site cannot use up its visitors' budget. A link that is followed, for instance in webmail, loads a
/// document.
pub(super) fn count_shown(visit: &Visit) -> Result<(), ApiError> {
    if visit.request.headers().get("sec-fetch-dest").is_some_and(|dest| dest != "document") {
        visit.site.check_same_site(&visit.request)?;
    }
    visit.count(Limit::Link)
}

pub(super) fn without_referrer(mut page: HttpResponse) -> HttpResponse {
    page.headers_mut().insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    page
}
