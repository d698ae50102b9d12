//! `/dashboard`, and the forms on it.

use std::collections::HashSet;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Deserialize;

use super::sign_in::NoFields;
use super::{Browser, Form, Refusals, Visit};
use crate::accounts::{Error, LoginsPage, ProfileChange};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{
    ConnectionRow, Dashboard, DeviceRow, FormErrors, ListPart, Moment, Notice, Pager, Section,
};
use doorward_core::domain::{
    Access, DeviceKind, DisplayName, Email, LanguageChoice, LoginId, Password, describe_user_agent,
};

const PATH: &str = "/dashboard";

/// The lists on the page, by their names in the query.
const DEVICES: &str = "devices";
const CONNECTIONS: &str = "connections";

/// `GET /dashboard`
pub(in super::super) async fn show(Browser(access): Browser, visit: Visit) -> Result<HttpResponse, ApiError> {
    let mut response = Contents::load(&visit, &access).await?.page(&visit, None, "", None)?;
    // Each visit extends the login, so the cookie is extended as well.
    visit.site.renew_cookie(&visit.accounts, &visit.request, &mut response);
    Ok(response)
}

/// `GET` of a form's path: a reload of a refused form.
pub(in super::super) async fn back(visit: Visit) -> HttpResponse {
    visit.redirect(PATH, None)
}

/// `GET /.well-known/change-password` (<https://w3c.github.io/webappsec-change-password-url/>)
pub(in super::super) async fn to_change_password(visit: Visit) -> HttpResponse {
    visit.redirect("/dashboard?change=password#security", None)
}

/// What the page shows.
struct Contents<'a> {
    profile: crate::accounts::Profile,
    pending_email: Option<String>,
    devices: Vec<DeviceRow<'a>>,
    device_part: ListPart,
    connections: Vec<ConnectionRow<'a>>,
    connection_part: ListPart,
}

impl<'a> Contents<'a> {
    async fn load(visit: &'a Visit, access: &Access) -> Result<Self, ApiError> {
        let profile = visit.accounts.profile(access.user).await?;
        let pending_email = visit.accounts.pending_email(access.user).await?;
        let pending_email = pending_email.filter(|pending| Some(pending) != profile.email.as_ref());
        let sessions = visit.accounts.list_sessions(access.user);
        let online: HashSet<LoginId> = sessions.iter().map(|session| session.login).collect();
        let connection_part = ListPart::parse(visit.word(CONNECTIONS)).within(sessions.len());
        let skipped = connection_part.page.skipped();
        let sessions: Vec<_> = sessions.iter().skip(skipped).take(connection_part.size()).collect();
        let owners = sessions.iter().map(|session| session.login).collect();
        let part = ListPart::parse(visit.word(DEVICES));
        let LoginsPage { page, logins, agents } =
            visit.accounts.page_of_logins(access, (part.page, part.size()), owners).await?;
        let device_part = ListPart { page, ..part };
        let connections = sessions.iter().map(|session| ConnectionRow {
            frame: visit.frame(),
            device: agents
                .get(&session.login)
                .map(|agent| describe_user_agent(agent.as_deref()))
                .unwrap_or_default(),
            transport: session.transport,
            address: session.address.to_string(),
            since: Moment(session.since),
        });
        let connections = connections.collect();
        let devices = logins.into_iter().map(|login| DeviceRow {
            frame: visit.frame(),
            kind: DeviceKind::of(login.user_agent.as_deref()),
            device: describe_user_agent(login.user_agent.as_deref()),
            address: login.ip.unwrap_or_default(),
            last_seen: Moment(login.last_seen_at),
            since: Moment(login.created_at),
            current: login.id == access.login,
            online: online.contains(&login.id),
            id: login.id.to_string(),
        });
        let devices = devices.collect();
        Ok(Self { profile, pending_email, devices, device_part, connections, connection_part })
    }

    fn page(
        self,
        visit: &Visit,
        refused: Option<(Section, &FormErrors)>,
        typed: &str,
        error: Option<&ApiError>,
    ) -> Result<HttpResponse, ApiError> {
        let (devices, connections) = ((DEVICES, self.device_part), (CONNECTIONS, self.connection_part));
        let page = Dashboard {
            frame: visit.frame(),
            notice: visit.notice(),
            username: &self.profile.username,
            display_name: &self.profile.display_name,
            email: self.profile.email.as_deref(),
            email_verified: self.profile.email_verified,
            pending_email: self.pending_email.as_deref(),
            language: self.profile.language.as_deref(),
            found: self.profile.language.as_deref().and_then(|tag| visit.site.languages.find(tag)),
            languages: visit.site.languages.all().collect(),
            min_password: visit.accounts.min_password(),
            devices: self.devices,
            device_pages: Pager::new(visit.frame(), devices, connections),
            connections: self.connections,
            connection_pages: Pager::new(visit.frame(), connections, devices),
            secret_card: visit.site.secret_card,
            open: (visit.word("change") == Some("password")).then_some(Section::Password),
            refused,
            typed,
        };
        match error {
            Some(error) => visit.refuse(error, &page),
            None => visit.page(&page),
        }
    }
}

/// Redirects to the page, to the section that a notice is about.
fn back_with(visit: &Visit, done: Notice) -> HttpResponse {
    let fragment = done.section().map(|section| format!("#{section}")).unwrap_or_default();
    let location = format!("{}{PATH}?done={}{fragment}", visit.site.base, done.as_str());
    HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish()
}

/// The response to a form: back with a notice, or the page with the form open and its errors.
async fn answer(
    visit: &Visit,
    access: &Access,
    section: Section,
    fields: &'static [&'static str],
    typed: &str,
    outcome: Result<Notice, ApiError>,
) -> Result<HttpResponse, ApiError> {
    match outcome {
        Ok(done) => Ok(back_with(visit, done)),
        Err(error) => {
            let refusals = Refusals::of(visit.frame(), fields, error.clone())?;
            let contents = Contents::load(visit, access).await?;
            contents.page(visit, Some((section, &refusals.errors)), typed, Some(&error))
        }
    }
}

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
    let save = async {
        let change = ProfileChange {
            display_name: Some(DisplayName::parse(&form.display_name)?),
            language: form.language.as_deref().map(LanguageChoice::parse).transpose()?,
        };
        visit.accounts.change_profile(access.user, change).await?;
        Ok::<_, Error>(Notice::ProfileSaved)
    };
    let (outcome, fields) = (save.await.map_err(ApiError::from), &["display_name"]);
    answer(&visit, &access, Section::Profile, fields, &form.display_name, outcome).await
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
    let change = async {
        visit.count(Limit::SignIn)?;
        let new = visit.accounts.choose_password(form.new_password)?;
        let current = Password::typed(form.current_password);
        let caller = visit.caller().signed_in(&access);
        let changed = || visit.accounts.password_just_changed(&access, new.clone(), &caller);
        if changed().await? {
            return Ok(Notice::PasswordChanged);
        }
        match visit.accounts.change_password(&access, current, new.clone(), &caller).await {
            // Of two simultaneous requests the other one was first.
            Err(Error::WrongPassword) if changed().await? => {}
            done => done?,
        }
        Ok(Notice::PasswordChanged)
    };
    let outcome = change.await.map_err(|error: ApiError| error.rename_field("password", "new_password"));
    let fields = &["current_password", "new_password"];
    answer(&visit, &access, Section::Password, fields, "", outcome).await
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
    let change = async {
        visit.count(Limit::SignIn)?;
        let email = Email::parse(&form.email).map_err(Error::from)?;
        let current = Password::typed(form.current_password);
        let caller = visit.caller().signed_in(&access);
        visit.accounts.change_email(&access, email, current, &caller).await?;
        Ok(Notice::LinkSent)
    };
    let outcome = change.await;
    let fields = &["email", "current_password"];
    answer(&visit, &access, Section::Email, fields, &form.email, outcome).await
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
        let current = Password::typed(form.current_password);
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
        Err(error) => answer(&visit, &access, Section::Delete, &["current_password"], "", Err(error)).await,
    }
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
    match visit.accounts.revoke_login(&access, login).await {
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
    visit.accounts.sign_out_all(&access, true).await?;
    Ok(back_with(&visit, Notice::OthersSignedOut))
}

/// `POST /dashboard/sign-out-everywhere`
pub(in super::super) async fn sign_out_everywhere(
    Browser(access): Browser,
    visit: Visit,
    _: Form<NoFields>,
) -> Result<HttpResponse, ApiError> {
    visit.accounts.sign_out_all(&access, false).await?;
    let mut response = visit.redirect("/login", Some(Notice::SignedOut));
    visit.forget_cookie(&mut response);
    Ok(response)
}
