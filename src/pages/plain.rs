//! The pages that only tell something, or ask for one press of a button.

use askama::Template;

use super::{Frame, Notice};

/// What a stranger sees at `/`.
#[derive(Template, Debug)]
#[template(path = "home.html")]
pub struct Home<'a> {
    pub frame: Frame<'a>,
    pub notice: Option<Notice>,
    /// The public URL without a last slash, for the line to try.
    pub public_url: &'a str,
}

/// Signing out is a press of a button: a link that did it could be planted anywhere.
#[derive(Template, Debug)]
#[template(path = "logout.html")]
pub struct Logout<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
}

/// So is proving an address: mail scanners follow links.
#[derive(Template, Debug)]
#[template(path = "verify_email.html")]
pub struct VerifyEmail<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
    pub email: &'a str,
    /// Why it could not be done; the link stays good.
    pub alert: Option<&'a str>,
}

/// What went wrong, in place of what was asked for.
#[derive(Template, Debug)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    pub frame: Frame<'a>,
    pub status: u16,
    pub title: &'a str,
    pub detail: &'a str,
    /// The log has the cause under this.
    pub request_id: Option<&'a str>,
    /// Our own address, for whoever has opened another one.
    pub elsewhere: Option<&'a str>,
    /// Offer a new link.
    pub link_expired: bool,
}
