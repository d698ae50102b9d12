//! What emails say. Each kind has a directory with its subject, text and HTML. The templates are Askama's, so that a
//! wrong one does not compile.

use askama::Template;
use url::Url;

use crate::clock::Timestamp;
use crate::config;
use doorward_core::domain::MailKind;

/// What the templates may say in an email.
#[derive(Debug)]
struct Content {
    subject: String,
    /// None unless the address is verified. An email to any other address must not carry text that an unauthenticated
    /// client chose: a mail program would turn a username that looks like a host name into a link.
    username: Option<String>,
    /// The public URL, and its host.
    home: String,
    site: String,
    /// Where a forgotten password is reset.
    recover: String,
    /// The link with this email's token; empty for a notice.
    link: String,
    expires: String,
    /// When the event happened that a notice reports.
    at: String,
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

macro_rules! templates {
    ($($kind:ident => $subject:tt $text:tt $html:tt)*) => {
        $(mod $kind {
            use super::Content;
            use askama::Template;

            #[derive(Template)]
            #[template(path = $subject)]
            pub(super) struct Subject<'a> { pub email: &'a Content }

            #[derive(Template)]
            #[template(path = $text)]
            pub(super) struct Text<'a> { pub email: &'a Content }

            #[derive(Template)]
            #[template(path = $html)]
            pub(super) struct Html<'a> { pub email: &'a Content }
        })*
    };
}

templates! {
    verify_email => "verify_email/subject.txt" "verify_email/body.txt" "verify_email/body.html"
    reset_by_address => "reset_by_address/subject.txt" "reset_by_address/body.txt" "reset_by_address/body.html"
    reset_password => "reset_password/subject.txt" "reset_password/body.txt" "reset_password/body.html"
    password_changed => "password_changed/subject.txt" "password_changed/body.txt" "password_changed/body.html"
    email_changed => "email_changed/subject.txt" "email_changed/body.txt" "email_changed/body.html"
    email_changed_undo => "email_changed_undo/subject.txt" "email_changed_undo/body.txt" "email_changed_undo/body.html"
    invitation => "invitation/subject.txt" "invitation/body.txt" "invitation/body.html"
}

/// Renders an email. `username` is None if it must not be named; `at` is when the email was requested.
///
/// # Errors
/// If a template fails. The present ones cannot.
pub fn render(
    kind: MailKind,
    username: Option<&str>,
    public_url: &Url,
    at: Timestamp,
    link: Option<Link<'_>>,
) -> Result<Rendered, askama::Error> {
    let page = match kind {
        MailKind::VerifyEmail => "/verify-email/",
        MailKind::ResetPassword | MailKind::ResetByAddress => "/reset-password/",
        MailKind::EmailChangedUndo => "/undo-email/",
        MailKind::Invitation => "/invitation/",
        MailKind::PasswordChanged | MailKind::EmailChanged => "/",
    };
    // These kinds go to addresses that are not verified.
    let unverified = matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress | MailKind::Invitation);
    let username = username.filter(|_| !unverified);
    let mut email = Content {
        subject: String::new(),
        username: username.map(single_line),
        home: config::link(public_url, ""),
        site: public_url.host_str().unwrap_or("localhost").to_owned(),
        recover: config::link(public_url, "/forgot-password"),
        link: link.map(|link| config::link(public_url, &format!("{page}{}", link.token))).unwrap_or_default(),
        expires: link.map(|link| moment(link.expires_at)).unwrap_or_default(),
        at: moment(at),
    };
    email.subject = single_line(subject(kind, &email)?.trim());
    let (text, html) = bodies(kind, &email)?;
    Ok(Rendered { subject: email.subject, text, html })
}

fn subject(kind: MailKind, email: &Content) -> Result<String, askama::Error> {
    match kind {
        MailKind::VerifyEmail => verify_email::Subject { email }.render(),
        MailKind::ResetPassword => reset_password::Subject { email }.render(),
        MailKind::ResetByAddress => reset_by_address::Subject { email }.render(),
        MailKind::EmailChangedUndo => email_changed_undo::Subject { email }.render(),
        MailKind::Invitation => invitation::Subject { email }.render(),
        MailKind::PasswordChanged => password_changed::Subject { email }.render(),
        MailKind::EmailChanged => email_changed::Subject { email }.render(),
    }
}

fn bodies(kind: MailKind, email: &Content) -> Result<(String, String), askama::Error> {
    Ok(match kind {
        MailKind::VerifyEmail => {
            (verify_email::Text { email }.render()?, verify_email::Html { email }.render()?)
        }
        MailKind::ResetPassword => {
            (reset_password::Text { email }.render()?, reset_password::Html { email }.render()?)
        }
        MailKind::ResetByAddress => {
            (reset_by_address::Text { email }.render()?, reset_by_address::Html { email }.render()?)
        }
        MailKind::Invitation => (invitation::Text { email }.render()?, invitation::Html { email }.render()?),
        MailKind::EmailChangedUndo => {
            (email_changed_undo::Text { email }.render()?, email_changed_undo::Html { email }.render()?)
        }
        MailKind::PasswordChanged => {
            (password_changed::Text { email }.render()?, password_changed::Html { email }.render()?)
        }
        MailKind::EmailChanged => {
            (email_changed::Text { email }.render()?, email_changed::Html { email }.render()?)
        }
    })
}

/// Usernames are validated when they are chosen, but a row may have come from elsewhere: a line break in one could add
/// lines to an email.
fn single_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

/// A time for people to read, rounded down to the minute: a link must not expire before the time that it states.
fn moment(at: Timestamp) -> String {
    at.format("%H:%M UTC on %-d %B %Y").to_string()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const KINDS: [MailKind; 7] = MailKind::ALL;

    fn sample(kind: MailKind, username: &str) -> Rendered {
        sample_for(kind, Some(username))
    }

    fn sample_for(kind: MailKind, username: Option<&str>) -> Rendered {
        let at = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(10, 0, 0).unwrap();
        let link = (kind != MailKind::PasswordChanged && kind != MailKind::EmailChanged)
            .then_some(Link { token: "TOKEN_-42", expires_at: at + TimeDelta::minutes(30) });
        render(kind, username, &"https://id.example/".parse().unwrap(), at, link).unwrap()
    }

    #[test]
    fn every_email_names_the_site_and_the_account_where_the_address_is_verified() {
        for kind in KINDS {
            let email = sample(kind, "alice");
            // These go to addresses that are not verified.
            let named =
                !matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress | MailKind::Invitation);
            for part in [&email.text, &email.html] {
                assert!(part.contains("https://id.example"), "{part}");
                assert_eq!(part.contains("alice"), named, "{part}");
                assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
                assert!(!part.contains("example//"), "{part}");
            }
            assert!(!email.subject.is_empty() && email.subject.len() < 70, "{}", email.subject);
            assert!(email.html.contains(&format!("<title>{}</title>", email.subject)));
            assert!(!format!("{email:?}").contains("alice"));
        }
    }

    #[test]
    fn an_unverified_address_reads_nothing_that_another_client_chose() {
        for kind in KINDS {
            let named = sample_for(kind, Some("www.evil.example"));
            let email = sample_for(kind, None);
            for part in [&email.subject, &email.text, &email.html] {
                assert!(!part.contains("evil") && !part.contains("  at "), "{part}");
            }
            if matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress | MailKind::Invitation) {
                assert_eq!((email.text, email.html), (named.text, named.html));
            }
        }
    }

    #[test]
    fn links_are_on_lines_of_their_own_and_say_when_they_expire() {
        for (kind, page) in [
            (MailKind::VerifyEmail, "verify-email"),
            (MailKind::ResetPassword, "reset-password"),
            (MailKind::ResetByAddress, "reset-password"),
            (MailKind::EmailChangedUndo, "undo-email"),
            (MailKind::Invitation, "invitation"),
        ] {
            let email = sample(kind, "alice");
            let link = format!("https://id.example/{page}/TOKEN_-42");
            assert!(email.text.lines().any(|line| line == link), "{}", email.text);
            assert!(email.html.contains(&format!("href=\"{link}\"")), "{}", email.html);
            for part in [&email.text, &email.html] {
                assert!(part.contains("until 10:30 UTC on 22 November 2026"), "{part}");
            }
        }
    }

    #[test]
    fn notices_contain_no_link_with_a_token() {
        for kind in [MailKind::PasswordChanged, MailKind::EmailChanged] {
            let email = sample(kind, "alice");
            assert!(!email.text.contains("TOKEN") && !email.html.contains("TOKEN"));
            assert!(email.text.contains("10:00 UTC on 22 November 2026"), "{}", email.text);
        }
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        let name = "<script>alert(1)</script>\"'&\r\nBcc: all@example.org\u{2028}x";
        for kind in KINDS {
            let email = sample(kind, name);
            assert!(!email.html.contains("<script>") && !email.html.contains("\"'&"), "{}", email.html);
            assert!(!email.text.lines().any(|line| line.starts_with("Bcc:")), "{}", email.text);
            assert!(!email.subject.chars().any(char::is_control), "{}", email.subject);
        }
    }
}
