//! What mails say: a folder a mail with its subject, text and HTML. Askama, so that a wrong template does not
//! compile.

use askama::Template;
use url::Url;

use crate::clock::Timestamp;
use crate::config;
use doorward_core::domain::MailKind;

/// What the templates may say about a mail.
#[derive(Debug)]
struct Letter {
    subject: String,
    /// None where a stranger may have chosen it: to an address that is not verified nothing is said that was not
    /// ours, and a mail client would turn a name like a host's into a link.
    username: Option<String>,
    /// The public URL, and its host.
    home: String,
    site: String,
    /// Where a forgotten password is reset.
    recover: String,
    /// The link that only this mail has; empty for a notice.
    link: String,
    expires: String,
    /// When what a notice tells happened.
    at: String,
}

/// A mail that is ready to leave.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// It holds a link that signs somebody in: nothing may print it.
impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendered").finish_non_exhaustive()
    }
}

/// A link's token and when it stops to work.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    pub token: &'a str,
    pub expires_at: Timestamp,
}

macro_rules! templates {
    ($($kind:ident => $subject:tt $text:tt $html:tt)*) => {
        $(mod $kind {
            use super::Letter;
            use askama::Template;

            #[derive(Template)]
            #[template(path = $subject)]
            pub(super) struct Subject<'a> { pub letter: &'a Letter }

            #[derive(Template)]
            #[template(path = $text)]
            pub(super) struct Text<'a> { pub letter: &'a Letter }

            #[derive(Template)]
            #[template(path = $html)]
            pub(super) struct Html<'a> { pub letter: &'a Letter }
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
}

/// Renders an email about `username`, if it may be named. `at` is when it was asked for.
///
/// # Errors
/// A template's own; ours have none to give.
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
        MailKind::PasswordChanged | MailKind::EmailChanged => "/",
    };
    // These only go to addresses that are not verified.
    let username = username.filter(|_| !matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress));
    let mut letter = Letter {
        subject: String::new(),
        username: username.map(single_line),
        home: config::link(public_url, ""),
        site: public_url.host_str().unwrap_or("localhost").to_owned(),
        recover: config::link(public_url, "/forgot-password"),
        link: link.map(|link| config::link(public_url, &format!("{page}{}", link.token))).unwrap_or_default(),
        expires: link.map(|link| moment(link.expires_at)).unwrap_or_default(),
        at: moment(at),
    };
    letter.subject = single_line(subject(kind, &letter)?.trim());
    let (text, html) = bodies(kind, &letter)?;
    Ok(Rendered { subject: letter.subject, text, html })
}

fn subject(kind: MailKind, letter: &Letter) -> Result<String, askama::Error> {
    match kind {
        MailKind::VerifyEmail => verify_email::Subject { letter }.render(),
        MailKind::ResetPassword => reset_password::Subject { letter }.render(),
        MailKind::ResetByAddress => reset_by_address::Subject { letter }.render(),
        MailKind::EmailChangedUndo => email_changed_undo::Subject { letter }.render(),
        MailKind::PasswordChanged => password_changed::Subject { letter }.render(),
        MailKind::EmailChanged => email_changed::Subject { letter }.render(),
    }
}

fn bodies(kind: MailKind, letter: &Letter) -> Result<(String, String), askama::Error> {
    Ok(match kind {
        MailKind::VerifyEmail => {
            (verify_email::Text { letter }.render()?, verify_email::Html { letter }.render()?)
        }
        MailKind::ResetPassword => {
            (reset_password::Text { letter }.render()?, reset_password::Html { letter }.render()?)
        }
        MailKind::ResetByAddress => {
            (reset_by_address::Text { letter }.render()?, reset_by_address::Html { letter }.render()?)
        }
        MailKind::EmailChangedUndo => {
            (email_changed_undo::Text { letter }.render()?, email_changed_undo::Html { letter }.render()?)
        }
        MailKind::PasswordChanged => {
            (password_changed::Text { letter }.render()?, password_changed::Html { letter }.render()?)
        }
        MailKind::EmailChanged => {
            (email_changed::Text { letter }.render()?, email_changed::Html { letter }.render()?)
        }
    })
}

/// Usernames are parsed when they are chosen, but a row may have come from elsewhere: a line break in one would
/// let it write lines of its own into a mail.
fn single_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

/// A moment for people, cut to the minute: a link must not end before the moment it names.
fn moment(at: Timestamp) -> String {
    at.format("%H:%M UTC on %-d %B %Y").to_string()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const KINDS: [MailKind; 6] = MailKind::ALL;

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
    fn every_mail_names_the_site_and_the_account_where_the_address_is_verified() {
        for kind in KINDS {
            let mail = sample(kind, "alice");
            // These go to addresses that are not verified.
            let named = !matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress);
            for part in [&mail.text, &mail.html] {
                assert!(part.contains("https://id.example"), "{part}");
                assert_eq!(part.contains("alice"), named, "{part}");
                assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
                assert!(!part.contains("example//"), "{part}");
            }
            assert!(!mail.subject.is_empty() && mail.subject.len() < 70, "{}", mail.subject);
            assert!(mail.html.contains(&format!("<title>{}</title>", mail.subject)));
            assert!(!format!("{mail:?}").contains("alice"));
        }
    }

    #[test]
    fn an_unverified_address_reads_nothing_that_a_stranger_chose() {
        for kind in KINDS {
            let named = sample_for(kind, Some("www.evil.example"));
            let mail = sample_for(kind, None);
            for part in [&mail.subject, &mail.text, &mail.html] {
                assert!(!part.contains("evil") && !part.contains("  at "), "{part}");
            }
            if matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress) {
                assert_eq!((mail.text, mail.html), (named.text, named.html));
            }
        }
    }

    #[test]
    fn links_stand_on_lines_of_their_own_and_say_when_they_end() {
        for (kind, page) in [
            (MailKind::VerifyEmail, "verify-email"),
            (MailKind::ResetPassword, "reset-password"),
            (MailKind::ResetByAddress, "reset-password"),
            (MailKind::EmailChangedUndo, "undo-email"),
        ] {
            let mail = sample(kind, "alice");
            let link = format!("https://id.example/{page}/TOKEN_-42");
            assert!(mail.text.lines().any(|line| line == link), "{}", mail.text);
            assert!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);
            for part in [&mail.text, &mail.html] {
                assert!(part.contains("until 10:30 UTC on 22 November 2026"), "{part}");
            }
        }
    }

    #[test]
    fn notices_hold_no_link_that_signs_anybody_in() {
        for kind in [MailKind::PasswordChanged, MailKind::EmailChanged] {
            let mail = sample(kind, "alice");
            assert!(!mail.text.contains("TOKEN") && !mail.html.contains("TOKEN"));
            assert!(mail.text.contains("10:00 UTC on 22 November 2026"), "{}", mail.text);
        }
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        let name = "<script>alert(1)</script>\"'&\r\nBcc: all@example.org\u{2028}x";
        for kind in KINDS {
            let mail = sample(kind, name);
            assert!(!mail.html.contains("<script>") && !mail.html.contains("\"'&"), "{}", mail.html);
            assert!(!mail.text.lines().any(|line| line.starts_with("Bcc:")), "{}", mail.text);
            assert!(!mail.subject.chars().any(char::is_control), "{}", mail.subject);
        }
    }
}
