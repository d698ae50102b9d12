//! Pages that only inform, or that ask for one click.

use askama::Template;

use super::parts::Badge;
use super::{FormErrors, Frame, Moment, Mood, Notice, Who};

/// The page at `/` for people who are not signed in.
#[derive(Template, Debug)]
#[template(path = "home.html")]
pub struct Home<'a> {
    pub frame: Frame<'a>,
    pub notice: Option<Notice>,
    /// The public URL without a trailing slash, for the example command.
    pub public_url: &'a str,
    /// There is no account yet.
    pub first_use: Option<FirstUse<'a>>,
}

/// What a site without an account says about itself.
#[derive(Debug, Clone, Copy)]
pub struct FirstUse<'a> {
    /// The command that adds an administrator, for a person on the server's machine.
    pub add_admin: Option<&'a str>,
}

/// Signing out takes a click, because a link that did it could be planted anywhere.
#[derive(Template, Debug)]
#[template(path = "logout.html")]
pub struct Logout<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
}

/// A user who is signed in goes on to an app with a click: a link alone must not sign anyone in to it.
#[derive(Template, Debug)]
#[template(path = "continue.html")]
pub struct Continue<'a> {
    pub frame: Frame<'a>,
    /// The app's origin.
    pub app: &'a str,
    pub username: &'a str,
}

/// Confirming an address takes a click too, because mail scanners follow links.
#[derive(Template, Debug)]
#[template(path = "verify_email.html")]
pub struct VerifyEmail<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
    pub email: &'a str,
    /// Why it failed; the link stays valid.
    pub errors: &'a FormErrors,
}

/// Signing out a device that was someone else's: a click, because mail scanners follow links.
#[derive(Template, Debug)]
#[template(path = "not_me.html")]
pub struct NotMe<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
    /// The device in words.
    pub device: &'a str,
    pub address: Option<&'a str>,
    pub at: Option<Moment>,
}

/// After registering where an account needs a verified address: what happens next.
#[derive(Template, Debug)]
#[template(path = "confirm_first.html")]
pub struct ConfirmFirst<'a> {
    pub frame: Frame<'a>,
    pub email: &'a str,
}

/// An address that a link has confirmed: just now, or before.
#[derive(Template, Debug)]
#[template(path = "email_verified.html")]
pub struct EmailVerified<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
    pub email: &'a str,
    pub just_now: bool,
}

impl EmailVerified<'_> {
    fn key(&self, part: &str) -> String {
        let state = if self.just_now { "done" } else { "already" };
        format!("verify-{state}-{part}")
    }
}

/// An error, in place of the requested page.
#[derive(Template, Debug)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    pub frame: Frame<'a>,
    pub status: u16,
    pub title: &'a str,
    pub detail: &'a str,
    /// The id under which the log has the cause.
    pub request_id: Option<&'a str>,
    pub remedy: Remedy<'a>,
}

/// What an error page offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy<'a> {
    /// The public URL, for a page that was opened under another one.
    Elsewhere(&'a str),
    /// A new link for a new password, in place of one that has expired.
    NewLink,
    /// After a link that confirms an address: that may be done already.
    SignIn,
    Home,
}

impl ErrorPage<'_> {
    fn badge(&self) -> Badge {
        let (icon, mood) = match (self.status, self.remedy) {
            (_, Remedy::Elsewhere(_)) => ("security", Mood::Waiting),
            (_, Remedy::NewLink | Remedy::SignIn) | (429, _) => ("clock", Mood::Waiting),
            (404, _) => ("search", Mood::Good),
            _ => ("alert", Mood::Bad),
        };
        self.frame.badge(icon, mood)
    }
}
