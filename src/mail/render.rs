//! What emails say. All kinds share two templates, as text and as HTML; what they say is in `locales/`.

use askama::Template;
use url::Url;

use crate::brand::{Brand, EmailColours};
use crate::clock::Timestamp;
use crate::config;
use crate::text::{Html, Language};
use doorward_core::domain::{DeviceName, MailKind};

/// The columns of a line of text (RFC 5322 section 2.1.1 recommends at most 78).
const WIDTH: usize = 76;

/// A space at which no line is broken, while lines are made. For private use, so that no name contains it.
const KEPT_SPACE: &str = "\u{f0000}";

/// The style of a paragraph. Mail programs read styles beside each element, and few read a stylesheet.
const INK: &str =
    "margin:0 0 16px;color:#23211d;font:16px/1.55 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
/// Of fine print.
const SOFT: &str = "color:#625c52;font:14px/1.55 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/// Whose emails these are.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    pub public_url: &'a Url,
    pub brand: &'a Brand,
}

/// An email's parts: keys of messages, and what they name.
#[derive(Template, Debug)]
#[template(path = "email.html")]
struct AsHtml<'a> {
    language: &'a Language,
    subject: &'a str,
    /// The paragraphs before the button and after it.
    before: Vec<String>,
    after: Vec<String>,
    button: String,
    /// Where the button leads: the link with this email's token, or a page.
    href: String,
    kind: MailKind,
    /// None unless the address is verified. An email to any other address must not carry text that an unauthenticated
    /// client chose: a mail program would turn a username that looks like a host name into a link.
    username: Option<String>,
    /// The public URL, and the name of the site.
    home: String,
    site: String,
    colours: EmailColours,
    logo: Option<String>,
    /// The links of the footer: keys of their names, and where they lead.
    links: Vec<(&'static str, String)>,
    expires: String,
    /// When the event happened that a notice reports.
    at: String,
    /// The device and the address from which it was done, in words.
    device: String,
    address: String,
}

/// The same as plain text.
#[derive(Template, Debug)]
#[template(path = "email.txt")]
struct AsText<'a> {
    email: &'a AsHtml<'a>,
    before: &'a [String],
    after: &'a [String],
    button: &'a str,
    href: &'a str,
}

/// The subject and both bodies of an email.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Blind, because the text may contain a link that gives access to an account.
impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendered").finish_non_exhaustive()
    }
}

/// A link's token, and when it expires.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    pub token: &'a str,
    pub expires_at: Timestamp,
}

/// When the email was requested or what it reports happened, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub at: Timestamp,
    /// Of the client that signed in.
    pub user_agent: Option<&'a str>,
    pub address: Option<&'a str>,
}

impl From<Timestamp> for Occasion<'_> {
    fn from(at: Timestamp) -> Self {
        Self { at, user_agent: None, address: None }
    }
}

/// Renders an email. `username` is None if it must not be named.
///
/// # Errors
/// If a template fails. The present ones cannot.
pub fn render<'a>(
    language: &Language,
    kind: MailKind,
    username: Option<&str>,
    site: Site<'_>,
    occasion: impl Into<Occasion<'a>>,
    link: Option<Link<'_>>,
) -> Result<Rendered, askama::Error> {
    let Occasion { at, user_agent, address } = occasion.into();
    // These kinds go to addresses that are not verified.
    let unverified = matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress | MailKind::Invitation);
    let username = username.filter(|_| !unverified).map(single_line);
    let Site { public_url, brand } = site;
    let site = brand.name_for_emails(public_url).to_owned();
    let (before, button, after) = parts(kind, username.is_some());
    let subject = language.text(format!("{}-subject", name(kind))).with("site", &site).to_string();
    let subject = single_line(subject.trim());
    let token = link.map(|link| link.token).unwrap_or_default();
    let email = AsHtml {
        language,
        subject: &subject,
        before,
        after,
        button,
        href: config::link(public_url, &format!("{}{token}", page(kind))),
        kind,
        username,
        home: config::link(public_url, ""),
        site,
        colours: brand.email_colours(),
        logo: brand.logo_for_emails().map(|path| config::link(public_url, &path)),
        links: links(brand),
        expires: link.map(|link| language.moment(link.expires_at)).unwrap_or_default(),
        at: language.moment(at),
        device: language.device_name(DeviceName::of_known(user_agent)),
        address: address.map_or_else(|| language.text("new-device-somewhere").to_string(), single_line),
    };
    let html = email.render()?;
    let text = AsText {
        email: &email,
        before: &email.before,
        after: &email.after,
        button: &email.button,
        href: &email.href,
    }
    .render()?;
    Ok(Rendered { subject, text, html })
}

/// The page that an email's button opens, up to the token of its link.
fn page(kind: MailKind) -> &'static str {
    match kind {
        MailKind::VerifyEmail => "/verify-email/",
        MailKind::ResetPassword | MailKind::ResetByAddress => "/reset-password/",
        MailKind::EmailChangedUndo => "/undo-email/",
        MailKind::Invitation => "/invitation/",
        MailKind::NewDevice => "/not-me/",
        MailKind::PasswordChanged => "/forgot-password",
        MailKind::EmailChanged => "/login",
    }
}

/// The links below an email.
fn links(brand: &Brand) -> Vec<(&'static str, String)> {
    let links = [("email-privacy", &brand.links.privacy), ("email-support", &brand.links.support)];
    links.into_iter().filter_map(|(key, url)| Some((key, url.as_ref()?.to_string()))).collect()
}

/// How the keys of its messages begin.
fn name(kind: MailKind) -> &'static str {
    match kind {
        MailKind::VerifyEmail => "verify-email",
        MailKind::ResetPassword => "reset-password",
        MailKind::ResetByAddress => "reset-by-address",
        MailKind::EmailChanged | MailKind::EmailChangedUndo => "email-changed",
        MailKind::PasswordChanged => "password-changed",
        MailKind::Invitation => "invitation",
        MailKind::NewDevice => "new-device",
    }
}

/// The keys of the paragraphs before the button, of the button, and of the paragraphs after it.
fn parts(kind: MailKind, named: bool) -> (Vec<String>, String, Vec<String>) {
    let own = |part: &str| format!("{}-{part}", name(kind));
    let once = "email-once".to_owned();
    let intro = own(if named { "intro" } else { "intro-unnamed" });
    let undo = |part: &str| format!("email-changed-undo-{part}");
    match kind {
        MailKind::VerifyEmail | MailKind::Invitation => {
            (vec![own("intro")], own("button"), vec![once, own("ignore")])
        }
        MailKind::ResetByAddress => {
            (vec![own("intro")], own("button"), vec![once, own("effect"), own("ignore")])
        }
        MailKind::ResetPassword => (vec![intro], own("button"), vec![once, own("effect"), own("ignore")]),
        MailKind::PasswordChanged | MailKind::EmailChanged => {
            (vec![intro, own("fine"), own("wrong")], own("button"), Vec::new())
        }
        MailKind::NewDevice => {
            let before = vec![intro, own("what"), own("fine"), own("wrong")];
            (before, own("button"), vec![once, own("effect")])
        }
        MailKind::EmailChangedUndo => {
            (vec![intro, own("fine"), undo("wrong")], undo("button"), vec![once, undo("effect")])
        }
    }
}

impl AsHtml<'_> {
    fn html(&self, key: &str) -> Html<'_> {
        let message =
            self.language.html(key).strong("username", self.username.as_deref().unwrap_or_default());
        let message = message.with("site", &self.site).with("home", &self.home);
        let message = message.with("expires", &self.expires).with("at", &self.at);
        message.strong("device", &self.device).with("address", &self.address)
    }

    fn greeting(&self) -> String {
        if self.username.is_some() { "email-hello-name" } else { "email-hello" }.to_owned()
    }

    fn footer(&self) -> String {
        match (self.kind, &self.username) {
            (MailKind::Invitation, _) => "email-footer-invitation",
            (_, Some(_)) => "email-footer-name",
            (_, None) => "email-footer",
        }
        .to_owned()
    }
}

impl AsText<'_> {
    fn greeting(&self) -> String {
        self.email.greeting()
    }

    fn footer(&self) -> String {
        self.email.footer()
    }

    /// A paragraph, in lines. Emphasis gets lost.
    fn text(&self, key: &str) -> String {
        let AsHtml { language, site, home, expires, at, username, device, address, .. } = self.email;
        // A name is not divided: what is typed into it must not begin a line.
        let username = username.as_deref().unwrap_or_default().replace(' ', KEPT_SPACE);
        let message = language.text(key).with("username", username);
        let message = message.with("site", site).with("home", home).with("expires", expires).with("at", at);
        let message = message.with("device", device).with("address", address);
        let text = message.to_string().replace("<strong>", "").replace("</strong>", "");
        wrapped(&text).replace(KEPT_SPACE, " ")
    }
}

/// Breaks a paragraph into lines. A longer word, such as a URL, has a line of its own.
fn wrapped(paragraph: &str) -> String {
    let (mut text, mut columns) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if columns > 0 && columns + 1 + width > WIDTH {
            text.push('\n');
            columns = 0;
        }
        if columns > 0 {
            text.push(' ');
            columns += 1;
        }
        text.push_str(word);
        columns += width;
    }
    text
}

/// Usernames are validated when they are chosen, but a row may have come from elsewhere: a line break in one could add
/// lines to an email.
fn single_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}
