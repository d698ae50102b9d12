//! The keys `mail.*`: where email goes, who sends it, and suggestions for values that cannot be parsed.

use std::fmt;
use std::net::IpAddr;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::extension::ClientId;
use url::{Host, Url};

use super::lint;

#[derive(Debug, Clone)]
pub struct Mail {
    pub url: MailUrl,
    /// Allows [`MailUrl::Preview`] although other machines can reach `public_url`.
    pub allow_preview: bool,
    /// The domain is in A-label form.
    pub from: Mailbox,
    /// The name to send in EHLO. Without one it is the host of `public_url` or the connection's own address.
    pub helo_name: Option<ClientId>,
}

/// Where email goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailUrl {
    /// Emails are kept in `data_dir/mail` and shown at `/dev/mail`.
    Preview,
    Smtp(SmtpServer),
}

/// A mail server and how to connect to it.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpServer {
    pub host: Host<String>,
    pub port: u16,
    pub encryption: Encryption,
    /// User and password, percent-decoded.
    pub credentials: Option<(String, String)>,
}

impl SmtpServer {
    /// The host as DNS and certificates name it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        }
    }
}

/// When a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte: `smtps://`, RFC 8314.
    Implicit,
    /// After STARTTLS (RFC 3207); without it nothing is sent: `tls=required`.
    Required,
    /// After STARTTLS if the server offers it: `tls=opportunistic`.
    Opportunistic,
    None,
}

/// Prints nothing of the server: the URL may hold a password.
impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("smtp(***)")
    }
}

const ENCODE: &str = "it cannot be parsed as a URL: in the user name and password, write % as %25, / as %2F, ? as %3F, \
                      # as %23, @ as %40 and : as %3A";

/// Parses `mail.url`. The error says what is wrong; it is empty where the key's `expected` text says it all.
pub(super) fn url(text: &str) -> Result<MailUrl, String> {
    let text = text.trim();
    if text == "preview" {
        return Ok(MailUrl::Preview);
    }
    // With an unescaped `/`, `?` or `#` in the password, the parser takes the text before it for a port and
    // the rest for a path.
    let has_user = text.contains('@');
    let torn = |part: &str| part.contains('@');
    let Ok(url) = Url::parse(text) else {
        return Err(if has_user { ENCODE.to_owned() } else { String::new() });
    };
    if torn(url.path()) || url.query().is_some_and(torn) || url.fragment().is_some_and(torn) {
        return Err(ENCODE.to_owned());
    }
    let tls = tls_parameter(&url)?;
    let (encryption, default_port) = match (url.scheme(), tls.as_deref()) {
        ("smtps", None | Some("required" | "opportunistic")) => (Encryption::Implicit, 465),
        ("smtp", None) => (Encryption::None, 25),
        ("smtp", Some("required")) => (Encryption::Required, 587),
        ("smtp", Some("opportunistic")) => (Encryption::Opportunistic, 587),
        ("smtp" | "smtps", Some(_)) => {
            return Err("tls must be required or opportunistic, or left out".to_owned());
        }
        _ => return Err(String::new()),
    };
    let host = url.host_str().and_then(|host| Host::parse(host).ok()).ok_or_else(String::new)?;
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err("only ?tls=... may follow the port; mail.helo_name sets the name for EHLO".to_owned());
    }
    let decode = |part: &str| percent_decoded(part).ok_or_else(|| ENCODE.to_owned());
    let user = decode(url.username())?;
    let credentials = match url.password() {
        Some(password) => Some((user, decode(password)?)),
        None => None,
    };
    let port = url.port().unwrap_or(default_port);
    Ok(MailUrl::Smtp(SmtpServer { host, port, encryption, credentials }))
}

/// Refuses other parameters: with a misspelt `tls` the password would be sent in the clear.
fn tls_parameter(url: &Url) -> Result<Option<String>, String> {
    let mut tls = None;
    for (name, value) in url.query_pairs() {
        if name != "tls" {
            return Err("the only parameter is tls, as in smtp://HOST?tls=required".to_owned());
        }
        tls = Some(value.into_owned());
    }
    Ok(tls)
}

/// None if a `%` does not begin a byte's code, or if the bytes are not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Parses a mailbox (RFC 5322 section 3.4). If the intended mailbox is clear, the error says how to write it.
pub(super) fn from(text: &str) -> Result<Mailbox, String> {
    if let Ok(mailbox) = text.trim().parse::<Mailbox>() {
        return sendable(mailbox).ok_or_else(String::new);
    }
    let is_accepted = |suggestion: &String| suggestion.parse().ok().and_then(sendable).is_some();
    let suggestion = quoted_mailbox(text).filter(is_accepted).filter(|_| !lint::may_have_user(text));
    Err(suggestion
        .map_or_else(String::new, |suggestion| format!("it is not a mailbox (RFC 5322); write {suggestion}")))
}

/// The mailbox with its domain as mail servers read it; none if it cannot be written that way.
fn sendable(mut mailbox: Mailbox) -> Option<Mailbox> {
    mailbox.email = with_a_labels(&mailbox.email)?;
    Some(mailbox)
}

/// The mailbox that was probably meant by a name and an address without the quotes that the name needs.
fn quoted_mailbox(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let (name, address) = match text.rsplit_once('<') {
        // Text after the address is probably the name, in the wrong place.
        Some((before, rest)) => {
            let (address, after) = rest.split_once('>').unwrap_or((rest, ""));
            let name = if before.trim().is_empty() { after } else { before };
            (name, address)
        }
        // `a@b.org (Name)`, or `mailto:a@b.org`.
        None => match text.split_once('(') {
            Some((address, name)) => (name.trim_end().trim_end_matches(')'), address),
            None => ("", text.trim().strip_prefix("mailto:")?),
        },
    };
    let (name, address) = (name.trim(), address.trim());
    let address = address.strip_prefix("mailto:").unwrap_or(address);
    address.parse::<Address>().ok()?;
    // A lone quote, or quotes in the wrong place.
    let name = name.trim_matches('"').trim();
    if name.is_empty() {
        return Some(address.to_owned());
    }
    let is_phrase = name
        .chars()
        .all(|c| c.is_alphanumeric() && c.is_ascii() || !c.is_ascii() || " !#$%&'*+-/=?^_`{|}~".contains(c));
    if is_phrase {
        return Some(format!("{name} <{address}>"));
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{escaped}\" <{address}>"))
}

/// The same address with its domain in A-labels (RFC 5890), the only form that mail servers without SMTPUTF8
/// accept. None if the domain has no such form.
#[must_use]
pub fn with_a_labels(address: &Address) -> Option<Address> {
    if address.domain().is_ascii() {
        return Some(address.clone());
    }
    match Host::parse(address.domain()) {
        Ok(Host::Domain(domain)) => Some(Address::new_dangerous(address.user(), domain)),
        _ => None,
    }
}

/// Parses a domain name that a mail server can look up, or an address literal (RFC 5321 section 4.1.3).
pub(super) fn helo_name(text: &str) -> Result<Option<ClientId>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).map_or(inner, |_| &inner[5..]);
    if let Ok(ip) = ip.parse::<IpAddr>() {
        return Ok(Some(address_literal(ip)));
    }
    let host = Host::parse(text).map_err(|_| String::new())?;
    domain_for_helo(&host).map(Some).ok_or_else(String::new)
}

/// The host as an EHLO name, if it is a domain name that another machine may be able to resolve.
#[must_use]
pub fn domain_for_helo<S: AsRef<str>>(host: &Host<S>) -> Option<ClientId> {
    let Host::Domain(name) = host else { return None };
    let name = name.as_ref().trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_local = name.rsplit('.').next().is_some_and(|last| matches!(last, "localhost" | "localdomain"));
    let good = name.contains('.') && name.len() <= 253 && name.split('.').all(is_label) && !is_local;
    good.then_some(ClientId::Domain(name))
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
#[must_use]
pub fn address_literal(ip: IpAddr) -> ClientId {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ClientId::Ipv4(ip),
        IpAddr::V6(ip) => ClientId::Ipv6(ip),
    }
}

#[cfg(test)]
mod tests;
