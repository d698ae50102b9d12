//! What every page needs: the request, the user its browser is signed in as, and how to respond.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::guard::GuardContext;
use actix_web::http::header;
use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError, web,
};
use askama::Template;
use url::Url;

use super::super::extract::{caller, device};
use super::super::kept_emails::{DevMail, is_on_this_machine};
use super::super::limit;
use super::super::login::revoke_browser_login;
use super::super::request_id::note_user;
use super::super::site::{Site, names_loopback};
use super::Return;
use crate::accounts::{Accounts, Caller, Device, Error};
use crate::auth::refresh::CredentialKind;
use crate::error::ApiError;
use crate::limits::Limit;
use crate::pages::{Frame, Notice, Onward};
use crate::text::Language;
use doorward_core::domain::{Access, LoginId, RevokeReason, UserId};

/// Allows only files of our own origin: no script in a page, no frame around it, no form to another site, and
/// no string that becomes markup (Trusted Types). `SOCKET` is the WebSocket origin, `RETURN` that of the app to which
/// the form of the page redirects.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self' SOCKET; frame-src 'self'; form-action 'self'RETURN; frame-ancestors 'none'; base-uri 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The language of the account that the browser is signed in to, once that is known.
struct AccountLanguage(Option<String>);

/// A request for a page.
#[derive(Clone)]
pub(in super::super) struct Visit {
    pub request: HttpRequest,
    pub site: web::Data<Site>,
    pub accounts: web::Data<Accounts>,
}

impl Visit {
    pub fn of(request: &HttpRequest) -> Option<Self> {
        // `configure` always sets them.
        let (site, accounts) =
            (request.app_data::<web::Data<Site>>()?, request.app_data::<web::Data<Accounts>>()?);
        Some(Self { request: request.clone(), site: site.clone(), accounts: accounts.clone() })
    }

    /// The language of the page.
    pub fn language(&self) -> &Language {
        language(&self.request, &self.site)
    }

    pub fn frame(&self) -> Frame<'_> {
        frame(&self.request, &self.site)
    }

    /// The same for a page that leads to an address of the request.
    pub fn frame_onward<'a>(&'a self, back: Option<&'a Return>) -> Frame<'a> {
        Frame { onward: back.map(Return::onward).unwrap_or_default(), ..self.frame() }
    }

    /// Where a sign-in leads to, if the request names a good address.
    pub fn return_of_sign_in(&self) -> Option<Return> {
        Return::of_sign_in(&self.request, &self.site)
    }

    /// Where a sign-out leads to, if the request names a good address.
    pub fn return_of_sign_out(&self) -> Option<Return> {
        Return::of_sign_out(&self.request, &self.site)
    }

    /// Takes a user back who is signed in with this browser's login.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`]: no code for an app could be stored.
    pub async fn return_after_sign_in(
        &self,
        back: &Return,
        login: (UserId, LoginId),
    ) -> Result<HttpResponse, Error> {
        back.after_sign_in((&self.site, &self.accounts), login).await
    }

    /// The device for a new login of this browser.
    pub fn device(&self) -> Device {
        device(&self.request, &self.site, true)
    }

    /// Who makes the request.
    pub fn caller(&self) -> Caller {
        let language = Some(self.language().tag().into());
        Caller { language, ..caller(&self.request, &self.site) }
    }

    /// Whether the browser runs on the server's machine: it is told what strangers need not know.
    pub fn is_local(&self) -> bool {
        // Who serves others does so through a proxy, behind which every client may look like this.
        let own = Url::parse(&self.site.public_url);
        own.is_ok_and(|url| url.host_str().is_some_and(names_loopback)) && is_on_this_machine(&self.request)
    }

    /// What the previous page's form has done, if the query says.
    pub fn notice(&self) -> Option<Notice> {
        self.word("done").and_then(Notice::parse)
    }

    /// The value of a query parameter. Our own links contain nothing that is escaped.
    pub fn word(&self, name: &str) -> Option<&str> {
        let pairs = self.request.query_string().split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Counts this request against a limit that it shares with the corresponding API route.
    ///
    /// # Errors
    /// 429 if the limit is used up.
    pub fn count(&self, limit: Limit) -> Result<(), ApiError> {
        limit::count(&self.request, limit)
    }

    /// The user the browser is signed in as.
    pub async fn browser(&self) -> Result<Option<Access>, ApiError> {
        let Some(cookie) = self.site.read_cookie(&self.accounts, &self.request) else { return Ok(None) };
        self.check_cookie(&cookie)?;
        match self.accounts.recognize(&cookie).await {
            Ok((access, language)) => {
                note_user(&self.request, access.username.clone());
                self.request.extensions_mut().insert(AccountLanguage(language));
                Ok(Some(access))
            }
            Err(Error::InvalidCookie) => {
                limit::count_refusal(&self.request);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Checks the limit before a cookie costs a query. A cookie issued here costs one read, whether its login
    /// is active or not.
    fn check_cookie(&self, cookie: &str) -> Result<(), ApiError> {
        limit::check_credential(&self.request, &self.accounts, CredentialKind::Browser, cookie)
    }

    pub fn page(&self, page: &impl Template) -> Result<HttpResponse, ApiError> {
        self.page_onward(page, None)
    }

    /// The same for a page whose form leads to an address of the request.
    pub fn page_onward(&self, page: &impl Template, back: Option<&Return>) -> Result<HttpResponse, ApiError> {
        Ok(finish(HttpResponse::Ok(), (&self.request, &self.site), render(page)?, back))
    }

    /// Shows a form again with its errors: the error's status and headers, the page's body.
    pub fn refuse(&self, error: &ApiError, page: &impl Template) -> Result<HttpResponse, ApiError> {
        self.refuse_onward(error, page, None)
    }

    /// The same for a form that leads to an address of the request.
    pub fn refuse_onward(
        &self,
        error: &ApiError,
        page: &impl Template,
        back: Option<&Return>,
    ) -> Result<HttpResponse, ApiError> {
        let html = render(page)?;
        Ok(with_page(&error.error_response(), (&self.request, &self.site), html, back))
    }

    /// Makes the browser forget its login.
    pub fn forget_cookie(&self, response: &mut HttpResponse) {
        self.site.forget_cookie(&self.accounts, &self.request, response);
    }

    /// Redirects to another page with GET (RFC 9110 section 15.4.4). Never to a URL from the request: see [`Return`].
    pub fn redirect(&self, path: &str, done: Option<Notice>) -> HttpResponse {
        redirect(&self.site, path, done)
    }

    /// The same to a page that leads to an address of the request.
    pub fn redirect_onward(
        &self,
        path: &'static str,
        done: Option<Notice>,
        back: Option<&Return>,
    ) -> HttpResponse {
        let Some(back) = back else { return self.redirect(path, done) };
        let done = done.map(|done| format!("&done={}", done.as_str())).unwrap_or_default();
        let location = format!("{}{path}{}{done}", self.site.base, back.query());
        HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish()
    }

    /// Where to redirect a browser that is not signed in. A form that is sent again after it ended the login
    /// gets the same redirect as before.
    async fn left_for(&self) -> Result<(&'static str, Option<Notice>), ApiError> {
        let cookie = self.site.read_cookie(&self.accounts, &self.request);
        let cookie = cookie.filter(|_| !self.request.method().is_safe());
        let reason = match cookie {
            Some(cookie) => self.accounts.cookie_just_revoked(&cookie).await?,
            None => None,
        };
        Ok(match reason {
            Some(RevokeReason::SignedOut) => ("/login", Some(Notice::SignedOut)),
            Some(RevokeReason::AccountDeleted) => ("/", Some(Notice::AccountDeleted)),
            _ => ("/login", None),
        })
    }

    /// Revokes the login that the browser had before, so that no forgotten device is left behind.
    pub async fn leave(&self) -> Result<(), ApiError> {
        let Some(cookie) = self.site.read_cookie(&self.accounts, &self.request) else { return Ok(()) };
        revoke_browser_login(&self.request, &self.accounts, &cookie, &self.caller()).await
    }

    /// The same on the user's request.
    ///
    /// # Errors
    /// 429 for a cookie that may be forged, if too many were refused for the client's network.
    pub async fn sign_out(&self) -> Result<(), ApiError> {
        if let Some(cookie) = self.site.read_cookie(&self.accounts, &self.request) {
            self.check_cookie(&cookie)?;
        }
        self.leave().await
    }
}

/// Whether a page is requested over http although its URL is https, according to a trusted proxy.
pub(in super::super) fn is_plain(context: &GuardContext<'_>) -> bool {
    let was_sent = context.head().uri.query().is_some_and(|query| query.split('&').any(|part| part == SENT));
    !was_sent && context.app_data::<web::Data<Site>>().is_some_and(|site| site.is_known_plain(context.head()))
}

/// Marks the query of a page that was redirected to https, so that it is not redirected again if the proxy
/// reports http for everything.
const SENT: &str = "https";

/// Redirects to the same page under the public URL.
pub(in super::super) async fn to_https(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let page = request.uri().path_and_query().map_or("/", |page| page.as_str());
    let sign = if page.contains('?') { '&' } else { '?' };
    let location = format!("{}{page}{sign}{SENT}", site.public_url);
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, location)).finish()
}

fn redirect(site: &Site, path: &str, done: Option<Notice>) -> HttpResponse {
    let query = done.map(|done| format!("?done={}", done.as_str())).unwrap_or_default();
    HttpResponse::SeeOther().insert_header((header::LOCATION, format!("{}{path}{query}", site.base))).finish()
}

pub(super) fn frame<'a>(request: &HttpRequest, site: &'a Site) -> Frame<'a> {
    let dev_mail = request.app_data::<web::Data<DevMail>>();
    Frame {
        language: language(request, site),
        // A user who is signed in has one in the profile.
        menu: request.extensions().get::<AccountLanguage>().is_none().then_some(&site.languages),
        brand: &site.brand,
        base: &site.base,
        public_url: &site.public_url,
        dev_mail: dev_mail.is_some_and(|emails| emails.is_for(request)),
        onward: Onward::default(),
        registration: site.registration.who,
    }
}

/// The language of a request's answer.
fn language<'a>(request: &HttpRequest, site: &'a Site) -> &'a Language {
    let accept = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|accept| accept.to_str().ok());
    // Before the extensions are borrowed: cookies are parsed into them.
    let chosen = site.chosen_language(request).map(Language::tag);
    let extensions = request.extensions();
    let account = extensions.get::<AccountLanguage>().and_then(|language| language.0.as_deref());
    site.languages.choose(&[account, chosen], accept)
}

fn render(page: &impl Template) -> Result<String, ApiError> {
    page.render().map_err(|error| ApiError::internal(&error))
}

/// Gives a response a page as its body.
pub(super) fn with_page(
    answer: &HttpResponse,
    (request, site): (&HttpRequest, &Site),
    html: String,
    back: Option<&Return>,
) -> HttpResponse {
    let mut builder = HttpResponseBuilder::new(answer.status());
    for (name, value) in answer.headers() {
        if *name != header::CONTENT_TYPE {
            builder.append_header((name, value));
        }
    }
    finish(builder, (request, site), html, back)
}

fn finish(
    mut builder: HttpResponseBuilder,
    (request, site): (&HttpRequest, &Site),
    html: String,
    back: Option<&Return>,
) -> HttpResponse {
    let target = back.and_then(Return::form_action).map(|origin| format!(" {origin}")).unwrap_or_default();
    if site.secure {
        // Browsers support it only over https, and warn otherwise.
        builder.insert_header(("Cross-Origin-Opener-Policy", "same-origin"));
    }
    let mut response = builder
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_LANGUAGE, language(request, site).tag()))
        .append_header((header::VARY, "Accept-Language"))
        // A page is about one person, and Back must not show it to the next.
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Our own requests name their origin, so that they can be distinguished from other sites'.
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            CONTENT_SECURITY_POLICY.replace("SOCKET", &site.socket_origin).replace("RETURN", &target),
        ))
        .body(html);
    site.remember_language(request, &mut response);
    response
}

impl FromRequest for Visit {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(ApiError::not_found))
    }
}

/// The user the browser is signed in as; other browsers are redirected to the sign-in. A request that may
/// change something must come from one of our pages, because the browser adds the cookie whichever site made
/// it send the request.
#[derive(Debug, Clone)]
pub(in super::super) struct Browser(pub Access);

impl FromRequest for Browser {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = Visit::of(request);
        Box::pin(async move {
            let visit = visit.ok_or_else(ApiError::not_found)?;
            if !visit.request.method().is_safe() {
                visit.site.check_same_site(&visit.request)?;
            }
            if let Some(access) = visit.browser().await? {
                return Ok(Self(access));
            }
            let (path, done) = visit.left_for().await?;
            let mut response = visit.redirect(path, done);
            visit.forget_cookie(&mut response);
            Err(InternalError::from_response("not signed in", response).into())
        })
    }
}
