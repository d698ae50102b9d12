//! Messages as they are sent: headers and encoding.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use url::Url;

use super::failure::Failure;
use super::render;
use crate::brand::Brand;
use crate::clock::Timestamp;
use crate::config::{self, Config};
use crate::text::Languages;

/// In bytes without the line break, RFC 5322 section 2.1.1.
const LONGEST_LINE: usize = 998;

/// The settings that every message needs.
#[derive(Debug)]
pub(super) struct Settings {
    from: Mailbox,
    pub public_url: Url,
    pub languages: Languages,
    pub brand: Arc<Brand>,
}

impl Settings {
    pub fn new(config: &Config, languages: Languages, brand: Arc<Brand>) -> Self {
        let mut from = config.mail.from.clone();
        // An address alone gets the name of the site.
        if from.name.is_none() {
            from.name = brand.own_name().map(str::to_owned);
        }
        Self { from, public_url: config.public_url.clone(), languages, brand }
    }

    pub fn site(&self) -> render::Site<'_> {
        render::Site { public_url: &self.public_url, brand: &self.brand }
    }

    /// A message with its headers, without subject and body. `id` is the first part of its Message-ID.
    pub fn address(&self, to: &str, id: &str, now: Timestamp) -> Result<MessageBuilder, Failure> {
        let to = recipient(to).ok_or_else(|| Failure::unsendable("no email can be sent to this address"))?;
        let since_epoch = u64::try_from(now.and_utc().timestamp()).unwrap_or_default();
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .date(UNIX_EPOCH + Duration::from_secs(since_epoch))
            .message_id(Some(format!("<{id}@{}>", self.domain())))
            // RFC 3834: asks for no automatic replies.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            )))
    }

    /// The right side of a Message-ID: the host of `public_url` if it is a domain name, else the sender's domain.
    fn domain(&self) -> String {
        match self.public_url.host().as_ref().and_then(config::domain_for_helo) {
            Some(ClientId::Domain(name)) => name,
            _ => self.from.email.domain().to_owned(),
        }
    }
}

/// An address as a mail server accepts it: its domain in ASCII. Rows may have it in other letters.
pub(super) fn recipient(address: &str) -> Option<Address> {
    config::with_a_labels(&address.parse().ok()?)
}

/// The text and the HTML of an email, as alternatives.
pub(super) fn alternatives(text: String, html: String) -> MultiPart {
    MultiPart::alternative().singlepart(plain(text)).singlepart(part(ContentType::TEXT_HTML, html))
}

pub(super) fn plain(text: String) -> SinglePart {
    part(ContentType::TEXT_PLAIN, text)
}

/// Unencoded where that is safe, else base64. Never quoted-printable, which splits a link over two lines: programs that
/// show an email's source, and filters that follow its links, would see half a link.
fn part(content_type: ContentType, text: String) -> SinglePart {
    let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let is_plain = |line: &&str| {
        line.len() <= LONGEST_LINE && line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
    };
    let body = if lines.iter().all(is_plain) {
        Body::dangerous_pre_encoded(lines.join("\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new_with_encoding(text, ContentTransferEncoding::Base64)
            // Never taken: only 7bit and 8bit can be refused.
            .unwrap_or_else(Body::new)
    };
    SinglePart::builder().header(content_type).body(body)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use mail_parser::{MessageParser, MimeHeaders};

    use super::*;
    use crate::clock::Clock;
    use crate::mail::render::Link;
    use doorward_core::domain::MailKind;

    /// The shape of a link's token.
    const TOKEN: &str = "2nwfYoO9KNdMuT6JcW1x-_8sVq0AbLhZgR5eXyKpB3Q";

    fn settings(public_url: &str, from: &str) -> Settings {
        let config = Config::from_pairs([("public_url", public_url), ("mail.from", from)]).unwrap();
        let brand = Arc::new(Brand::load(&config.brand).unwrap());
        Settings::new(&config, Languages::built_in(), brand)
    }

    fn formatted(settings: &Settings, kind: MailKind, username: &str) -> String {
        let now = Clock::System.now();
        let link = Link { token: TOKEN, expires_at: now + TimeDelta::hours(1) };
        let rendered = render::render(
            settings.languages.default_language(),
            kind,
            Some(username),
            settings.site(),
            now,
            Some(link),
        )
        .unwrap();
        let message = settings
            .address("ann@bücher.example", "ID", now)
            .unwrap_or_else(|failure| panic!("{}", failure.describe(&[])))
            .subject(rendered.subject)
            .multipart(alternatives(rendered.text, rendered.html))
            .unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn every_kind_is_sent_in_ascii_with_its_links_in_one_piece() {
        for public_url in
            ["https://id.example", "https://id.example.org/a/rather/long/path/to/the/sign-in/service"]
        {
            let settings = settings(public_url, "Doorward <no-reply@id.example>");
            for kind in MailKind::ALL {
                let sent = formatted(&settings, kind, "alice");
                assert_eq!(sent.matches("Content-Transfer-Encoding: 7bit").count(), 2, "{sent}");
                assert!(sent.is_ascii() && sent.lines().all(|line| line.len() <= LONGEST_LINE), "{sent}");
                assert!(!sent.contains("=\r\n") && !sent.contains("=3D"), "{sent}");
                let links = sent.matches(&format!("/{TOKEN}")).count();
                let expected =
                    if matches!(kind, MailKind::PasswordChanged | MailKind::EmailChanged) { 0 } else { 4 };
                assert_eq!(links, expected, "{kind:?}: {sent}");
                assert!(sent.contains("To: ann@xn--bcher-kva.example\r\n"), "{sent}");
            }
        }
    }

    #[test]
    fn other_letters_are_sent_in_base64_and_arrive() {
        let settings = settings("https://id.example", "Bücher <info@bücher.example>");
        for kind in MailKind::ALL {
            let sent = formatted(&settings, kind, "हिन्दी");
            assert!(sent.is_ascii() && !sent.contains("quoted-printable"), "{sent}");
            assert!(sent.lines().all(|line| line.len() <= LONGEST_LINE), "{sent}");
            assert!(sent.contains("<info@xn--bcher-kva.example>"), "{sent}");
            let read = MessageParser::default().parse(sent.as_bytes()).unwrap();
            let (text, html) = (read.body_text(0).unwrap(), read.body_html(0).unwrap());
            let named =
                !matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress | MailKind::Invitation);
            assert_eq!((text.contains("हिन्दी"), html.contains("हिन्दी")), (named, named), "{text}{html}");
            let encoding = if named { "base64" } else { "7bit" };
            assert!(read.parts.iter().skip(1).all(|part| part.content_transfer_encoding() == Some(encoding)));
        }
    }

    #[test]
    fn only_safe_text_is_sent_unencoded() {
        let encoded = |text: &str| plain(text.to_owned()).formatted();
        let is_plain = |text: &str| String::from_utf8(encoded(text)).unwrap().contains("7bit");
        assert!(is_plain("a\r\nb\n\tc\n") && is_plain(""));
        assert!(encoded("a\nb\r\nc\n").ends_with(b"\r\n\r\na\r\nb\r\nc\r\n\r\n"));
        assert!(is_plain(&"x".repeat(998)) && !is_plain(&"x".repeat(999)));
        for text in ["ä", "a\rb", "a\0b", "a\x7fb", "a\x1b[0m"] {
            assert!(!is_plain(text), "{text:?}");
            assert!(encoded(text).is_ascii());
        }
    }

    #[test]
    fn a_message_id_is_under_the_servers_or_the_senders_domain() {
        for (public_url, from, domain) in [
            ("https://id.example.org/path", "a@b.org", "id.example.org"),
            ("https://bücher.example", "a@b.org", "xn--bcher-kva.example"),
            ("http://localhost:8080", "a@b.org", "b.org"),
            ("http://192.168.1.5", "a@bücher.example", "xn--bcher-kva.example"),
            ("http://[::1]", "a@localhost", "localhost"),
        ] {
            let sent = formatted(&settings(public_url, from), MailKind::VerifyEmail, "alice");
            assert!(sent.contains(&format!("Message-ID: <ID@{domain}>\r\n")), "{sent}");
            assert!(sent.contains("Auto-Submitted: auto-generated\r\n") && sent.contains("Date: "), "{sent}");
        }
    }
}
