//! The pages that links in mails lead to. GET changes nothing: mail scanners follow links. Their addresses hold
//! the link's token, so they send no referrer, and the token stands nowhere on them: the form posts to the
//! page's own address.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::enter::NoFields;
use super::{LinkForm, Refusals, Visit};
use crate::accounts::Error;
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{FormErrors, Notice, ResetPassword, VerifyEmail};

/// `GET /reset-password/{token}` and `GET /undo-email/{token}`
pub(in super::super) async fn show_reset(
    visit: Visit,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    count_shown(&visit)?;
    let link = visit.accounts.check_reset_link(&token).await?;
    let (min, errors) = (visit.accounts.min_password(), FormErrors::default());
    visit.page(&ResetPassword::new(visit.frame(), &link, "", min, &errors)).map(without_referrer)
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
    // Neither the form nor whose it is can be shown without a query.
    visit.count(Limit::Link)?;
    // A link that is no good is an error page, whatever was typed.
    let link = visit.accounts.check_reset_link(&token).await?;
    let typed = form.username.trim();
    let username = Some(typed.to_owned()).filter(|name| !name.is_empty());
    let done = match visit.accounts.choose_password(form.password) {
        Ok(password) => visit.accounts.reset_password(&token, password, username, visit.caller()).await,
        Err(error) => Err(error),
    };
    let error = match done {
        Ok(()) => {
            let notice = if link.restores.is_some() { Notice::EmailRestored } else { Notice::PasswordReset };
            return Ok(visit.redirect("/login", Some(notice)));
        }
        Err(error @ Error::InvalidLink) => return Err(error.into()),
        Err(error) => ApiError::from(error),
    };
    let refusals = Refusals::of(&["username", "password"], error.clone())?;
    let min = visit.accounts.min_password();
    let page = ResetPassword::new(visit.frame(), &link, typed, min, &refusals.errors);
    visit.refuse(&error, &page).map(without_referrer)
}

/// `GET /verify-email/{token}`
pub(in super::super) async fn show_verify(
    visit: Visit,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    count_shown(&visit)?;
    let (username, email) = visit.accounts.check_verify_link(&token).await?;
    let page = VerifyEmail { frame: visit.frame(), username: &username, email: &email, alert: None };
    visit.page(&page).map(without_referrer)
}

/// `POST /verify-email/{token}`
pub(in super::super) async fn verify(
    visit: Visit,
    token: web::Path<String>,
    _: LinkForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.count(Limit::Link)?;
    let (username, email) = visit.accounts.check_verify_link(&token).await?;
    match visit.accounts.verify_email(&token).await {
        Ok(()) => {
            let page = if visit.browser().await?.is_some() { "/dashboard" } else { "/login" };
            Ok(visit.redirect(page, Some(Notice::EmailVerified)))
        }
        Err(error @ Error::EmailHeld) => {
            let error = ApiError::from(error);
            let alert = Some(error.detail());
            let page = VerifyEmail { frame: visit.frame(), username: &username, email: &email, alert };
            visit.refuse(&error, &page).map(without_referrer)
        }
        Err(error) => Err(error.into()),
    }
}

/// Counts a page that is to be shown.
///
/// # Errors
/// 429; 403 for what another site's page embeds, an image say. That is not counted, so that such a page cannot use up
/// its visitors' budget. A link that is followed, in webmail for instance, loads a document.
fn count_shown(visit: &Visit) -> Result<(), ApiError> {
    if visit.request.headers().get("sec-fetch-dest").is_some_and(|dest| dest != "document") {
        visit.site.check_same_site(&visit.request)?;
    }
    visit.count(Limit::Link)
}

fn without_referrer(mut page: HttpResponse) -> HttpResponse {
    page.headers_mut().insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    page
}
