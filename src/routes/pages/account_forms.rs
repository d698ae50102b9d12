//! The forms of `/dashboard`. Each shows everything that is wrong with it at once.

use actix_web::HttpResponse;
use serde::Deserialize;

use super::super::me::as_file;
use super::dashboard::{Typed, answer, back_with};
use super::sign_in::NoFields;
use super::{Browser, Form, Refusals, Visit};
use crate::accounts::{Caller, Error, ProfileChange};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{Notice, Section};
use doorward_core::domain::{Access, DisplayName, Email, LanguageChoice, LoginId, Password};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct ProfileForm {
    display_name: String,
    /// Empty: the browser's. A form of an earlier page has none.
    language: Option<String>,
}

/// `POST /dashboard/profile`
pub(in super::super) async fn rename(
    Browser(access): Browser,
    visit: Visit,
    Form(form): Form<ProfileForm>,
) -> Result<HttpResponse, ApiError> {
    let mut refusals = Refusals::new(visit.frame(), &["display_name", "language"]);
    let name = refusals.check(DisplayName::parse(&form.display_name));
    let language =
        form.language.as_deref().and_then(|language| refusals.check(LanguageChoice::parse(language)));
    let typed = Typed { text: &form.display_name, language: language.clone() };
    if refusals.is_empty() {
        let change = ProfileChange { display_name: name, language };
        let saved = visit.accounts.change_profile(access.user, change).await;
        refusals.check_done(saved)?;
    }
    // "Same as my browser" also means: not what was chosen in it on a page before.
    let follows_browser = refusals.is_empty() && form.language.as_deref() == Some("");
    let outcome = (Notice::ProfileSaved, refusals);
    let mut response = answer(&visit, &access, Section::Profile, typed, outcome).await?;
    if follows_browser {
        visit.site.forget_language(&visit.request, &mut response);
    }
    Ok(response)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct PasswordForm {
    current_password: String,
    new_password: String,
}

/// `POST /dashboard/password`
pub(in super::super) async fn change_password(
    Browser(access): Browser,
    visit: Visit,
    Form(form): Form<PasswordForm>,
) -> Result<HttpResponse, ApiError> {
    let mut refusals = Refusals::new(visit.frame(), &["current_password", "new_password"]);
    refusals.check_done(visit.count(Limit::SignIn))?;
    if refusals.is_empty() {
        submit_password(&visit, &access, form, &mut refusals).await?;
    }
    let outcome = (Notice::PasswordChanged, refusals);
    answer(&visit, &access, Section::Password, Typed::default(), outcome).await
}

/// Changes the password, or notes what is wrong with both.
async fn submit_password(
    visit: &Visit,
    access: &Access,
    form: PasswordForm,
    refusals: &mut Refusals<'_>,
) -> Result<(), ApiError> {
    let caller = visit.caller().signed_in(access);
    let new = visit.accounts.choose_password(form.new_password);
    let (current, new) = match (typed_password(form.current_password), new) {
        (Ok(current), Ok(new)) => (current, new),
        (Ok(current), Err(error)) => {
            refusals.check_done_naming(Err::<(), _>(error), NEW_PASSWORD)?;
            return refusals.check_done(visit.accounts.check_password(access, current, &caller).await);
        }
        (Err(missing), new) => {
            refusals.note(missing);
            return match new {
                Ok(new) => note_weakness(visit, access, new, &caller, refusals).await,
                Err(error) => refusals.check_done_naming(Err::<(), _>(error), NEW_PASSWORD),
            };
        }
    };
    let changed = || visit.accounts.password_just_changed(access, new.clone(), &caller);
    match changed().await {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        failed => return refusals.check_done(failed.map(drop)),
    }
    match visit.accounts.change_password(access, current, new.clone(), &caller).await {
        Err(Error::WrongPassword) => {
            // Of two simultaneous requests the other one was first.
            match changed().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                failed => return refusals.check_done(failed.map(drop)),
            }
            refusals.note(Error::WrongPassword.into());
            note_weakness(visit, access, new, &caller, refusals).await
        }
        done => refusals.check_done_naming(done, NEW_PASSWORD),
    }
}

/// What errors call a chosen password, and what this form calls it.
const NEW_PASSWORD: (&str, &str) = ("password", "new_password");

/// Rates a new password although the current one is wrong, so that a weak one is not refused only next time. A busy server
/// leaves it at that.
async fn note_weakness(
    visit: &Visit,
    access: &Access,
    new: Password,
    caller: &Caller,
    refusals: &mut Refusals<'_>,
) -> Result<(), ApiError> {
    match visit.accounts.check_strength(access, new, caller).await {
        Err(Error::Hash(_)) => Ok(()),
        rated => refusals.check_done_naming(rated, NEW_PASSWORD),
    }
}

/// The current password as it was typed. Nothing is not a guess, and not counted as one.
fn typed_password(text: String) -> Result<Password, ApiError> {
    if text.is_empty() {
        let error = ApiError::field("current_password", "The field current_password is empty.");
        return Err(error.with_reason("missing"));
    }
    Ok(Password::typed(text))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct EmailForm {
    email: String,
    current_password: String,
}

/// `POST /dashboard/email`
pub(in super::super) async fn change_email(
    Browser(access): Browser,
    visit: Visit,
    Form(form): Form<EmailForm>,
) -> Result<HttpResponse, ApiError> {
    let typed = form.email.trim().to_owned();
    let mut refusals = Refusals::new(visit.frame(), &["email", "current_password"]);
    refusals.check_done(visit.count(Limit::SignIn))?;
    if refusals.is_empty() {
        submit_email(&visit, &access, form, &mut refusals).await?;
    }
    let typed = Typed { text: &typed, language: None };
    answer(&visit, &access, Section::Email, typed, (Notice::LinkSent, refusals)).await
}

/// Sends the link, or notes what is wrong with the address and the password.
async fn submit_email(
    visit: &Visit,
    access: &Access,
    form: EmailForm,
    refusals: &mut Refusals<'_>,
) -> Result<(), ApiError> {
    let email = refusals.check(Email::parse(&form.email));
    let email = email.filter(|email| refusals.check(visit.accounts.check_new_address(email)).is_some());
    let current = match typed_password(form.current_password) {
        Ok(current) => current,
        Err(missing) => return refusals.check_done(Err::<(), _>(missing)),
    };
    let caller = visit.caller().signed_in(access);
    let done = match email {
        Some(email) => visit.accounts.change_email(access, email, current, &caller).await,
        None => visit.accounts.check_password(access, current, &caller).await,
    };
    refusals.check_done(done)
}

/// `POST /dashboard/email/resend`
pub(in super::super) async fn resend_email(
    Browser(access): Browser,
    visit: Visit,
    _: Form<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.accounts.resend_verification(&access, &visit.caller()).await?;
    Ok(back_with(&visit, Notice::LinkSentAgain))
}

/// `POST /dashboard/email/cancel`
pub(in super::super) async fn cancel_email(
    Browser(access): Browser,
    visit: Visit,
    _: Form<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.accounts.cancel_email_change(&access).await?;
    Ok(back_with(&visit, Notice::EmailChangeCanceled))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct DeleteForm {
    current_password: String,
}

/// `POST /dashboard/delete`
pub(in super::super) async fn delete(
    Browser(access): Browser,
    visit: Visit,
    Form(form): Form<DeleteForm>,
) -> Result<HttpResponse, ApiError> {
    let delete = async {
        visit.count(Limit::SignIn)?;
        let current = typed_password(form.current_password)?;
        match visit.accounts.delete(&access, current, &visit.caller().signed_in(&access)).await {
            // Of two simultaneous requests the other one was first.
            Err(Error::WrongPassword | Error::Token(_)) if visit.accounts.is_deleted(access.user).await? => {
                Ok(())
            }
            done => Ok(done?),
        }
    };
    match delete.await {
        Ok(()) => {
            let mut response = visit.redirect("/", Some(Notice::AccountDeleted));
            visit.forget_cookie(&mut response);
            Ok(response)
        }
        Err(error) => {
            let refusals = Refusals::of(visit.frame(), &["current_password"], error)?;
            answer(&visit, &access, Section::Delete, Typed::default(), (Notice::AccountDeleted, refusals))
                .await
        }
    }
}

/// `POST /dashboard/export`: a file to save; the page stays.
pub(in super::super) async fn export(
    Browser(access): Browser,
    visit: Visit,
    _: Form<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.count(Limit::Export)?;
    Ok(as_file(&visit.accounts.own_data(&access, &visit.caller()).await?))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct SignOutForm {
    /// The device's login.
    login: String,
}

/// `POST /dashboard/sign-out`
pub(in super::super) async fn sign_out(
    Browser(access): Browser,
    visit: Visit,
    Form(form): Form<SignOutForm>,
) -> Result<HttpResponse, ApiError> {
    let login: LoginId = form.login.parse().map_err(|_| ApiError::not_found())?;
    match visit.accounts.revoke_login(&access, login, &visit.caller()).await {
        // A login that was revoked meanwhile is signed out, as requested.
        Ok(()) | Err(Error::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    if login == access.login {
        let mut response = visit.redirect("/login", Some(Notice::SignedOut));
        visit.forget_cookie(&mut response);
        return Ok(response);
    }
    Ok(back_with(&visit, Notice::DeviceSignedOut))
}

/// `POST /dashboard/sign-out-others`
pub(in super::super) async fn sign_out_others(
    Browser(access): Browser,
    visit: Visit,
    _: Form<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.accounts.sign_out_all(&access, true, &visit.caller()).await?;
    Ok(back_with(&visit, Notice::OthersSignedOut))
}

/// `POST /dashboard/sign-out-everywhere`
pub(in super::super) async fn sign_out_everywhere(
    Browser(access): Browser,
    visit: Visit,
    _: Form<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.accounts.sign_out_all(&access, false, &visit.caller()).await?;
    let mut response = visit.redirect("/login", Some(Notice::SignedOut));
    visit.forget_cookie(&mut response);
    Ok(response)
}
