//! The pages to register, with an invitation or without one.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::links::{count_shown, without_referrer};
use super::sign_in::{already_signed_in, enter};
use super::{Form, LinkForm, Refusals, Return, Visit};
use crate::accounts::{Error, Grant, Registered, Registrant, SignIn};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{ConfirmFirst, FormErrors, Invitee, NewAccountRules, Notice, Register};
use doorward_core::domain::{Email, LanguageTag, Password, Username};

const FIELDS: &[&str] = &["username", "email", "password"];

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct RegisterForm {
    username: String,
    email: String,
    password: String,
}

/// A new account: signed in, unless its address has to be verified first.
type NewAccount = Option<Grant>;

/// `GET /register`
pub(in super::super) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    if let Some(onward) = already_signed_in(&visit, back).await? {
        return Ok(onward);
    }
    let errors = FormErrors::default();
    visit.page_onward(&Register::new(visit.frame_onward(back), "", "", rules(&visit), &errors), back)
}

/// `POST /register`
pub(in super::super) async fn register(
    visit: Visit,
    Form(form): Form<RegisterForm>,
) -> Result<HttpResponse, ApiError> {
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    let refusals = match submit(&visit, &form, None).await? {
        Ok(Some(grant)) => return enter(&visit, &grant, back).await,
        Ok(None) => return confirm_first(&visit, form.email.trim(), back),
        Err(refusals) => refusals,
    };
    // Keyboards add a space at the end, which belongs to no name.
    let (username, email) = (form.username.trim(), form.email.trim());
    let page = Register::new(visit.frame_onward(back), username, email, rules(&visit), &refusals.errors);
    visit.refuse_onward(&refusals.first.unwrap_or_else(ApiError::not_found), &page, back)
}

/// `GET /invitation/{token}`
pub(in super::super) async fn show_invitation(
    visit: Visit,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    count_shown(&visit)?;
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    let email = visit.accounts.check_invitation(&token).await?;
    let (errors, invitee) = (FormErrors::default(), Invitee { email: email.as_deref() });
    let page = Register::new(visit.frame_onward(back), "", "", rules(&visit), &errors).invited(invitee);
    visit.page_onward(&page, back).map(without_referrer)
}

/// `POST /invitation/{token}`
pub(in super::super) async fn accept_invitation(
    visit: Visit,
    token: web::Path<String>,
    LinkForm(form): LinkForm<RegisterForm>,
) -> Result<HttpResponse, ApiError> {
    visit.count(Limit::Link)?;
    let back = visit.return_of_sign_in();
    let back = back.as_ref();
    // An invalid invitation gets an error page, whatever was typed.
    let invited = visit.accounts.check_invitation(&token).await?;
    let refusals = match submit(&visit, &form, Some(token.into_inner())).await? {
        Ok(Some(grant)) => return welcome(&visit, &grant, back).await,
        Ok(None) => {
            let email = invited.as_deref().unwrap_or_else(|| form.email.trim());
            return confirm_first(&visit, email, back).map(without_referrer);
        }
        Err(refusals) => refusals,
    };
    let error = refusals.first.unwrap_or_else(ApiError::not_found);
    if error.code() == "invalid_invitation" {
        return Err(error);
    }
    let (username, email) = (form.username.trim(), form.email.trim());
    let page = Register::new(visit.frame_onward(back), username, email, rules(&visit), &refusals.errors);
    let page = page.invited(Invitee { email: invited.as_deref() });
    visit.refuse_onward(&error, &page, back).map(without_referrer)
}

/// Says that the address has to be verified before the first sign-in. No redirect, which would have to carry the address
/// in its URL.
fn confirm_first(visit: &Visit, email: &str, back: Option<&Return>) -> Result<HttpResponse, ApiError> {
    visit.page_onward(&ConfirmFirst { frame: visit.frame_onward(back), email }, back)
}

/// Signs the browser in, if it is known that our own page has posted the form: another site could sign its visitor in to
/// an account of its choice.
async fn welcome(visit: &Visit, grant: &Grant, back: Option<&Return>) -> Result<HttpResponse, ApiError> {
    if visit.site.check_same_site(&visit.request).is_ok() {
        return enter(visit, grant, back).await;
    }
    visit.accounts.sign_out_browser(&grant.credential.expose(), &visit.caller()).await?;
    Ok(visit.redirect_onward("/login", Some(Notice::Registered), back))
}

fn rules(visit: &Visit) -> NewAccountRules {
    let rules = &visit.site.registration;
    NewAccountRules {
        min_password: visit.accounts.min_password(),
        needs_email: rules.require_verified_email || !rules.allowed_domains.is_empty(),
    }
}

/// Does what a form asks for, or returns what is wrong with it.
async fn submit<'a>(
    visit: &'a Visit,
    form: &RegisterForm,
    invitation: Option<String>,
) -> Result<Result<NewAccount, Refusals<'a>>, ApiError> {
    if let Err(error) = visit.count(Limit::Register) {
        return Refusals::of(visit.frame(), FIELDS, error).map(Err);
    }
    let mut refusals = Refusals::new(visit.frame(), FIELDS);
    let parsed = (
        refusals.check(Username::parse(form.username.trim())),
        match form.email.trim() {
            "" => Some(None),
            email => refusals.check(Email::parse(email)).map(Some),
        },
        refusals.check(visit.accounts.choose_password(form.password.clone())),
    );
    let (username, email, password) = match parsed {
        (Some(username), Some(email), Some(password)) => (username, email, password),
        (_, _, Some(password)) => {
            note_weakness(visit, form, password, &mut refusals).await;
            return Ok(Err(refusals));
        }
        (_, _, None) => return Ok(Err(refusals)),
    };
    let again = (username.clone(), password.clone(), email.clone());
    let is_invited = invitation.is_some();
    // Emails are written in the language of the page.
    let language = LanguageTag::parse(visit.language().tag()).ok();
    let registrant = Registrant { username, password, email, invitation, language };
    match visit.accounts.register(registrant, visit.device(), &visit.caller()).await {
        Ok(Registered::SignedIn(grant)) => Ok(Ok(Some(grant))),
        Ok(Registered::ToVerify(_)) => Ok(Ok(None)),
        Err(Error::UsernameTaken) if !is_invited => match register_again(visit, again).await? {
            Some(account) => Ok(Ok(account)),
            None => Refusals::of(visit.frame(), FIELDS, Error::UsernameTaken.into()).map(Err),
        },
        Err(error) => Refusals::of(visit.frame(), FIELDS, error.into()).map(Err),
    }
}

/// Rates the password of a form that is refused for another reason, so that a weak one is not refused only next time. A
/// busy server leaves it at that.
async fn note_weakness(visit: &Visit, form: &RegisterForm, password: Password, refusals: &mut Refusals<'_>) {
    let about = [&form.username, &form.email].map(|text| text.trim().to_owned());
    let about = about.into_iter().filter(|text| !text.is_empty()).collect();
    let rating = visit.accounts.rate_password(password, about, &visit.caller()).await;
    if let Some(weak) = rating.ok().and_then(|rating| rating.weakness) {
        refusals.check::<(), _>(Err(weak));
    }
}

/// Repeating the same registration is a sign-in, and counts as one.
async fn register_again(
    visit: &Visit,
    (name, password, email): (Username, Password, Option<Email>),
) -> Result<Option<NewAccount>, ApiError> {
    if visit.count(Limit::SignIn).is_err() {
        return Ok(None);
    }
    let (device, caller) = (visit.device(), visit.caller());
    let signed_in =
        visit.accounts.sign_in_if_just_registered(&name, password, email.as_ref(), device, &caller).await;
    match signed_in {
        Ok(Some(SignIn::Granted(grant))) => Ok(Some(Some(grant))),
        Ok(None) => Ok(None),
        Err(Error::EmailNotVerified) => Ok(Some(None)),
        Err(error) => Err(error.into()),
    }
}
