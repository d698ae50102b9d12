//! Why an email was not sent, what that means for it and for others, and what the log may say about it.

use std::error::Error;
use std::fmt::{self, Write as _};

/// How many characters of a server's answer are logged.
const DESCRIPTION: usize = 300;
/// A password shorter than this is hidden only where it is a word of its own: it may be a part of any other.
const DISTINCT: usize = 6;

/// How far a conversation with a mail server had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Lookup,
    Connect,
    Tls,
    Greeting,
    Hello,
    StartTls,
    Auth,
    Sender,
    Recipient,
    Data,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "the name lookup",
            Self::Connect => "the connection attempt",
            Self::Tls => "the TLS handshake",
            Self::Greeting => "the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
        })
    }
}

/// What a failure means for the email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// About the server or the settings, and so about every email: it does not count against this one.
    Server,
    /// About this email, for now.
    Temporary,
    /// The server refuses this email for good.
    Refused,
    /// No attempt can send this email.
    Unsendable,
}

/// May contain what the server was sent: log only what [`Failure::describe`] returns.
pub(super) struct Failure {
    pub verdict: Verdict,
    pub stage: Option<Stage>,
    /// The code of the server's answer, if there was an answer.
    pub code: Option<u16>,
    causes: String,
    /// What the operator can do about it.
    advice: Option<String>,
}

impl Failure {
    /// An email that no attempt can send.
    pub fn unsendable(why: impl Into<String>) -> Self {
        Self::new(Verdict::Unsendable, why.into())
    }

    pub fn temporary(causes: String) -> Self {
        Self::new(Verdict::Temporary, causes)
    }

    /// A failure before a recipient was named.
    pub fn server(stage: Stage, causes: impl Into<String>) -> Self {
        Self::at(stage, Verdict::Server, causes)
    }

    pub fn at(stage: Stage, verdict: Verdict, causes: impl Into<String>) -> Self {
        Self { stage: Some(stage), ..Self::new(verdict, causes.into()) }
    }

    fn new(verdict: Verdict, causes: String) -> Self {
        Self { verdict, stage: None, code: None, causes, advice: None }
    }

    /// An error of lettre's at a stage.
    pub fn smtp(stage: Stage, error: &lettre::transport::smtp::Error) -> Self {
        let code = error.status().map(u16::from);
        let causes = match (code, error.source()) {
            (Some(code), Some(answer)) => format!("{code} {answer}"),
            (Some(code), None) => code.to_string(),
            (None, Some(cause)) if error.is_response() && cause.to_string() == "incomplete response" => {
                "the server closed the connection".to_owned()
            }
            (None, _) if error.is_response() => "the server's answer is not SMTP".to_owned(),
            (None, _) => chain(error),
        };
        let verdict = match code {
            _ if stage < Stage::Recipient => Verdict::Server,
            // RFC 4954 section 6: these are about the sign-in, whichever command they answer.
            Some(530 | 534 | 535 | 538) => Verdict::Server,
            Some(code) if code >= 500 => Verdict::Refused,
            _ => Verdict::Temporary,
        };
        Self { code, ..Self::at(stage, verdict, causes) }
    }

    pub fn moved_to(mut self, stage: Stage) -> Self {
        self.stage = Some(stage);
        self
    }

    pub fn judged(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    pub fn with_advice(mut self, advice: Option<String>) -> Self {
        self.advice = self.advice.or(advice);
        self
    }

    /// Hides secrets that the server may have repeated.
    pub fn hiding(mut self, secrets: &[&str]) -> Self {
        for secret in secrets {
            self.causes = hide(&self.causes, secret);
        }
        self
    }

    /// Whether the server closed the connection, with or without an answer (RFC 5321 section 3.8).
    pub fn is_goodbye(&self) -> bool {
        self.code.is_none_or(|code| code == 421)
    }

    /// Whether the server's answer contains this lower-case text, in whatever case.
    pub fn mentions(&self, word: &str) -> bool {
        self.causes.to_ascii_lowercase().contains(word)
    }

    /// The causes and the advice in one line, without the texts in `secrets`.
    pub fn describe(&self, secrets: &[&str]) -> String {
        let mut text = self.causes.clone();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        // Any other link in the server's answer.
        let words = text.split_whitespace().map(|word| if word.contains("://") { "***" } else { word });
        let text = words.collect::<Vec<_>>().join(" ");
        let text: String = text.chars().filter(|c| !c.is_control()).take(DESCRIPTION).collect();
        let at = self.stage.map(|stage| format!("at {stage}: ")).unwrap_or_default();
        match &self.advice {
            Some(advice) => format!("{at}{text}. {advice}"),
            None => format!("{at}{text}"),
        }
    }
}

fn hide(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    if secret.chars().count() >= DISTINCT {
        return text.replace(secret, "***");
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (&rest[..at], &rest[at + secret.len()..]);
        let is_part = before.chars().next_back().is_some_and(char::is_alphanumeric)
            || after.chars().next().is_some_and(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if is_part { secret } else { "***" });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// An error with its sources.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // lettre's text may already end with that of its cause.
        if !text.ends_with(&cause_text) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_contains_no_link_and_no_address() {
        let failure = Failure::temporary(
            "permanent error (550): no <a@b.example>, T0K is bad\r\nsee http://x/T0K and https://y/other"
                .to_owned(),
        );
        assert_eq!(
            failure.describe(&["T0K", "a@b.example", ""]),
            "permanent error (550): no <***>, *** is bad see *** and ***"
        );
        let long = Failure::temporary("x".repeat(5000)).with_advice(Some("Write smtps://h.".to_owned()));
        let text = long.describe(&[]);
        assert_eq!(text.len(), DESCRIPTION + ". Write smtps://h.".len());
        assert!(text.ends_with("Write smtps://h."), "the advice is never cut");
    }

    #[test]
    fn a_password_is_hidden_and_words_stay_words() {
        let failure = |text: &str| Failure::server(Stage::Auth, text);
        let said = failure("535 p is no password (u:p), pop p").hiding(&["p", ""]).describe(&[]);
        assert_eq!(said, "at AUTH: 535 *** is no password (u:***), pop ***");
        let said = failure("535 xhunter2x").hiding(&["hunter2"]).describe(&[]);
        assert_eq!(said, "at AUTH: 535 x***x");
    }
}
