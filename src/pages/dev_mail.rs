//! The development mailbox: the emails that were kept instead of sent.

use askama::Template;

use super::Frame;
use crate::mail::preview::KeptEmail;

#[derive(Template, Debug)]
#[template(path = "dev_mail.html")]
pub struct DevMailPage<'a> {
    pub frame: Frame<'a>,
    pub emails: &'a [KeptEmail],
}

/// A line of an email's text.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Link(&'a str),
    Text(&'a str),
}

impl DevMailPage<'_> {
    fn subject(&self, mail: &KeptEmail) -> String {
        mail.subject.clone().unwrap_or_else(|| self.frame.t("dev-mail-no-subject").to_string())
    }

    fn recipient(&self, mail: &KeptEmail) -> String {
        mail.to.clone().unwrap_or_else(|| self.frame.t("dev-mail-no-recipient").to_string())
    }

    /// A time such as `2026-11-25T04:43:17Z`, for people.
    fn words(date: &str) -> String {
        date.replace('T', " ").replace('Z', " UTC")
    }

    /// An email's text, with its links separated: our links are on lines of their own.
    fn lines(mail: &KeptEmail) -> Vec<Line<'_>> {
        let lines = mail.text.as_deref().unwrap_or_default().lines();
        lines
            .map(|line| {
                if mail.links.iter().any(|link| link == line.trim_end()) {
                    Line::Link(line.trim_end())
                } else {
                    Line::Text(line)
                }
            })
            .collect()
    }
}
