//! `return_to`: where the pages lead once a user is signed in or out.
//!
//! An address is parsed and its origin compared whenever a page is shown, and again when its form is posted. Only this
//! file redirects to an address from a request, and only to those of [`ReturnAddress`].

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use super::super::origin_log::About;
use super::super::origins::now;
use super::super::site::Site;
use crate::accounts::{Accounts, Error};
use crate::auth::pkce::{self, CodeChallenge};
use crate::pages::Onward;
use doorward_core::domain::{AppAddress, LoginId, ReturnAddress, UserId};

/// Bytes of `state`, which an app gets back as it sent it.
const MAX_STATE: usize = 512;

/// Where to go after a sign-in or a sign-out.
#[derive(Debug, Clone)]
pub(in super::super) struct Return {
    target: Target,
    /// The parameters for the pages' own links and forms, with a question mark.
    query: String,
    /// The app's origin, for people.
    app: Option<String>,
    /// The app wants its user to choose the account again (`OpenID` Connect Core section 3.1.2.1, `prompt=login`).
    another_account: bool,
}

#[derive(Debug, Clone)]
enum Target {
    /// On this server, where the browser's cookie is valid. `origin` is that of a whole URL.
    Here { address: String, origin: Option<String> },
    /// `challenge` is there after a sign-in.
    App { address: AppAddress, challenge: Option<CodeChallenge>, state: Option<String> },
}

impl Return {
    /// Where a sign-in leads to, if the request names a good address; otherwise to the dashboard, and the log says why.
    pub fn of_sign_in(request: &HttpRequest, site: &Site) -> Option<Self> {
        Self::of(request, site, true)
    }

    /// The same for a sign-out.
    pub fn of_sign_out(request: &HttpRequest, site: &Site) -> Option<Self> {
        Self::of(request, site, false)
    }

    fn of(request: &HttpRequest, site: &Site, sign_in: bool) -> Option<Self> {
        Self::parse(request.query_string(), site, sign_in).unwrap_or_else(|why| {
            if let Some(why) = site.origin_log.due(About::Return, &why, now(request)) {
                tracing::warn!(%why, "ignored a return_to: the page leads to the dashboard");
            }
            None
        })
    }

    /// What is wrong is said without the address, whose path and query may hold secrets.
    fn parse(query: &str, site: &Site, sign_in: bool) -> Result<Option<Self>, String> {
        let Some(address) = parameter(query, "return_to")? else { return Ok(None) };
        let address = ReturnAddress::parse(&address, site.origin.as_ref(), &site.other_origins);
        let target = match address.map_err(|refused| refused.to_string())? {
            ReturnAddress::Path(address) => Target::Here { address, origin: None },
            ReturnAddress::Own(url) => {
                let origin = Some(url.origin().ascii_serialization());
                Target::Here { address: url.into(), origin }
            }
            ReturnAddress::App(address) => {
                let at = |why: &str| format!("{}: {why}", address.origin);
                let state = parameter(query, "state")?;
                if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
                    return Err(at("its state has more than 512 bytes"));
                }
                let challenge = if sign_in { Some(challenge(query).map_err(|why| at(&why))?) } else { None };
                Target::App { address, challenge, state }
            }
        };
        let another_account = sign_in && parameter(query, "prompt")?.as_deref() == Some("login");
        let query = target.query(another_account);
        Ok(Some(Self { query, app: target.app(), another_account, target }))
    }

    /// What the pages show and carry on.
    pub fn onward(&self) -> Onward<'_> {
        Onward { query: &self.query, app: self.app.as_deref() }
    }

    /// The parameters for a link of ours.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The app's origin, if it is an app's address.
    pub fn app(&self) -> Option<&str> {
        self.app.as_deref()
    }

    /// Whether a user who is signed in is asked for another account.
    pub fn wants_another_account(&self) -> bool {
        self.another_account
    }

    /// The origin that a form's redirect leads to, for `form-action`: browsers apply it to redirects too.
    pub fn form_action(&self) -> Option<String> {
        match &self.target {
            Target::Here { origin, .. } => origin.clone(),
            Target::App { address, .. } => Some(address.origin.to_string()),
        }
    }

    /// Takes a user back who is signed in with this browser's login: an app gets a code (RFC 6749 section 4.1.2).
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`]: no code could be stored.
    pub async fn after_sign_in(
        &self,
        (site, accounts): (&Site, &Accounts),
        login: (UserId, LoginId),
    ) -> Result<HttpResponse, Error> {
        let (address, challenge, state) = match &self.target {
            Target::Here { address, .. } => return Ok(see_other(address)),
            Target::App { address, challenge: Some(challenge), state } => (address, challenge, state),
            // `of_sign_in` requires one.
            Target::App { challenge: None, .. } => return Ok(see_other(&format!("{}/dashboard", site.base))),
        };
        let code = accounts.issue_code(login, address, challenge).await?;
        let mut parameters = vec![("code", code.as_str())];
        parameters.extend(state.as_deref().map(|state| ("state", state)));
        // RFC 9207: an app that uses several servers knows which one answers.
        parameters.push(("iss", &site.public_url));
        Ok(see_other(&address.with(&parameters)))
    }

    /// Takes a browser back that is signed out.
    pub fn after_sign_out(&self) -> HttpResponse {
        match &self.target {
            Target::Here { address, .. } => see_other(address),
            Target::App { address, state, .. } => {
                let parameters: Vec<_> = state.as_deref().map(|state| ("state", state)).into_iter().collect();
                see_other(&address.with(&parameters))
            }
        }
    }
}

impl Target {
    fn query(&self, another_account: bool) -> String {
        let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
        match self {
            Self::Here { address, .. } => {
                query.append_pair("return_to", address);
            }
            Self::App { address, challenge, state } => {
                query.append_pair("return_to", &address.sent);
                if let Some(challenge) = challenge {
                    query.append_pair("code_challenge", challenge.as_str());
                    query.append_pair("code_challenge_method", pkce::METHOD);
                }
                if let Some(state) = state {
                    query.append_pair("state", state);
                }
            }
        }
        if another_account {
            query.append_pair("prompt", "login");
        }
        query.finish()
    }

    fn app(&self) -> Option<String> {
        match self {
            Self::Here { .. } => None,
            Self::App { address, .. } => Some(address.origin.to_string()),
        }
    }
}

/// The page's challenge, by the one method that is good (RFC 7636 section 4.3; without a method it would be `plain`).
fn challenge(query: &str) -> Result<CodeChallenge, String> {
    let wrong = || "it needs code_challenge and code_challenge_method=S256 (RFC 7636)".to_owned();
    if parameter(query, "code_challenge_method")?.as_deref() != Some(pkce::METHOD) {
        return Err(wrong());
    }
    let challenge = parameter(query, "code_challenge")?;
    challenge.as_deref().and_then(CodeChallenge::parse).ok_or_else(wrong)
}

/// A parameter of the query. One that is there twice may be read differently by others (RFC 6749 section 3.1).
fn parameter(query: &str, name: &str) -> Result<Option<String>, String> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
    let value = values.next().map(Cow::into_owned);
    if values.next().is_some() { Err(format!("{name} is there twice")) } else { Ok(value) }
}

/// 303 to an address of [`ReturnAddress`] (RFC 9110 section 15.4.4).
fn see_other(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}
