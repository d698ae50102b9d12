//! `/dashboard`. Its forms are in `account_forms.rs`.

use std::collections::HashSet;

use actix_web::HttpResponse;
use actix_web::http::header;
use url::Url;

use super::{Browser, Refusals, Visit};
use crate::accounts::LoginsPage;
use crate::error::ApiError;
use crate::pages::{
    ActivityRow, ConnectionRow, Dashboard, DeviceRow, ListPart, Moment, Notice, Pager, Section,
};
use doorward_core::domain::{Access, DeviceKind, LanguageChoice, LanguageTag, LoginId};

const PATH: &str = "/dashboard";

/// The lists on the page, by their names in the query.
const DEVICES: &str = "devices";
const CONNECTIONS: &str = "connections";
const ACTIVITY: &str = "activity";

/// Events that are shown, and those that are shown if all are asked for.
const FEW_ACTIVITY: usize = 10;
const MOST_ACTIVITY: usize = 50;

/// `GET /dashboard`
pub(in super::super) async fn show(Browser(access): Browser, visit: Visit) -> Result<HttpResponse, ApiError> {
    let mut response = Contents::load(&visit, &access).await?.page(&visit, None)?;
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
    activity: Vec<ActivityRow<'a>>,
    more_activity: bool,
}

impl<'a> Contents<'a> {
    async fn load(visit: &'a Visit, access: &Access) -> Result<Self, ApiError> {
        let profile = visit.accounts.profile(access.user).await?;
        let pending_email = visit.accounts.pending_email(access.user).await?;
        let pending_email = pending_email.filter(|pending| Some(pending) != profile.email.as_ref());
        let sessions = visit.accounts.list_sessions(access.user).await;
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
                .map(|agent| visit.frame().device_name(agent.as_deref()))
                .unwrap_or_default(),
            transport: session.transport,
            address: session.address.to_string(),
            since: Moment(session.since),
        });
        let connections = connections.collect();
        let devices = logins.into_iter().map(|login| DeviceRow {
            frame: visit.frame(),
            kind: DeviceKind::of(login.user_agent.as_deref()),
            device: visit.frame().device_name(login.user_agent.as_deref()),
            address: login.ip.unwrap_or_default(),
            last_seen: Moment(login.last_seen_at),
            since: Moment(login.created_at),
            current: login.id == access.login,
            online: online.contains(&login.id),
            id: login.id.to_string(),
        });
        let devices = devices.collect();
        let (activity, more_activity) = activity(visit, access).await?;
        Ok(Self {
            profile,
            pending_email,
            devices,
            device_part,
            connections,
            connection_part,
            activity,
            more_activity,
        })
    }

    fn page(self, visit: &Visit, refused: Option<&Refused<'_>>) -> Result<HttpResponse, ApiError> {
        let (devices, connections) = ((DEVICES, self.device_part), (CONNECTIONS, self.connection_part));
        let chosen = refused.and_then(|refused| refused.typed.language.as_ref());
        let language = match chosen {
            Some(choice) => choice.tag().map(LanguageTag::as_str),
            None => self.profile.language.as_deref(),
        };
        let page = Dashboard {
            frame: visit.frame(),
            notice: visit.notice(),
            username: &self.profile.username,
            display_name: &self.profile.display_name,
            email: self.profile.email.as_deref(),
            email_verified: self.profile.email_verified,
            pending_email: self.pending_email.as_deref(),
            language,
            found: language.and_then(|tag| visit.site.languages.find(tag)),
            languages: visit.site.languages.all().collect(),
            min_password: visit.accounts.min_password(),
            password_changed: self.profile.password_changed_at.map(Moment),
            devices: self.devices,
            device_pages: Pager::new(visit.frame(), devices, connections),
            activity: self.activity,
            more_activity: self.more_activity,
            connections: self.connections,
            connection_pages: Pager::new(visit.frame(), connections, devices),
            connect: connect_command(visit, &self.profile.username),
            secret_card: visit.site.secret_card,
            open: (visit.word("change") == Some("password")).then_some(Section::Password),
            refused: refused.map(|refused| (refused.section, &refused.refusals.errors)),
            typed: refused.map(|refused| refused.typed.text).unwrap_or_default(),
        };
        match refused.and_then(|refused| refused.refusals.first.as_ref()) {
            Some(error) => visit.refuse(error, &page),
            None => visit.page(&page),
        }
    }
}

/// The newest events of the account, and whether there are more.
async fn activity<'a>(visit: &'a Visit, access: &Access) -> Result<(Vec<ActivityRow<'a>>, bool), ApiError> {
    let is_whole = visit.word(ACTIVITY) == Some("all");
    let most = if is_whole { MOST_ACTIVITY } else { FEW_ACTIVITY };
    // One more, to tell whether there are more.
    let asked = i64::try_from(most).unwrap_or(i64::MAX - 1) + 1;
    let mut events = visit.accounts.own_events(access.user, asked).await?;
    let has_more = !is_whole && events.len() > most;
    events.truncate(most);
    Ok((events.into_iter().map(|event| ActivityRow::new(visit.frame(), event)).collect(), has_more))
}

/// The command with which a user on this machine opens a connection of their own.
fn connect_command(visit: &Visit, username: &str) -> Option<String> {
    let mut url = Url::parse(&visit.site.public_url).ok().filter(|_| visit.is_local())?;
    url.set_username(username).ok()?;
    Some(format!("doorward connect {}", url.as_str().trim_end_matches('/')))
}

/// What is kept of a form that was refused.
#[derive(Default)]
pub(super) struct Typed<'a> {
    /// A name or an address.
    pub text: &'a str,
    /// In the profile: a language that can be chosen.
    pub language: Option<LanguageChoice>,
}

/// A form that was refused.
struct Refused<'a> {
    section: Section,
    typed: Typed<'a>,
    refusals: Refusals<'a>,
}

/// The response to a form: back with a notice, or the page with the form open and everything that is wrong with it.
pub(super) async fn answer(
    visit: &Visit,
    access: &Access,
    section: Section,
    typed: Typed<'_>,
    (done, refusals): (Notice, Refusals<'_>),
) -> Result<HttpResponse, ApiError> {
    if refusals.is_empty() {
        return Ok(back_with(visit, done));
    }
    let refused = Refused { section, typed, refusals };
    Contents::load(visit, access).await?.page(visit, Some(&refused))
}

/// Redirects to the page, to the section that a notice is about.
pub(super) fn back_with(visit: &Visit, done: Notice) -> HttpResponse {
    let fragment = done.section().map(|section| format!("#{section}")).unwrap_or_default();
    let location = format!("{}{PATH}?done={}{fragment}", visit.site.base, done.as_str());
    HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish()
}
