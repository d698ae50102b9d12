//! Says why a value is refused and what was probably meant: the part of an error between the value and what
//! is expected.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::Url;

use super::keys::Key;
use super::lint;

/// Suggests a value if a small change makes the text valid; `accepts` is the key's own parser.
pub(super) fn guess(key: &Key, text: &str, accepts: impl Fn(&str) -> bool) -> Option<String> {
    let text = text.trim();
    if let Some(candidate) =
        candidates(text).into_iter().find(|candidate| candidate != text && accepts(candidate))
    {
        // What may be a password is not repeated, nor a part of it.
        let is_word = candidate.bytes().all(|byte| byte.is_ascii_lowercase());
        let may_show = lint::may_show(key, &candidate) && lint::may_show(key, text);
        return (is_word || may_show).then(|| format!("write {candidate}"));
    }
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits && key.expected.contains("a duration from") && !key.expected.contains("a count") {
        return Some("a duration needs a unit, such as s, m, h or d".to_owned());
    }
    None
}

fn candidates(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut found = vec![lower.clone()];
    match lower.as_str() {
        "yes" | "on" | "1" | "y" | "t" | "enabled" => found.push("true".to_owned()),
        "no" | "off" | "0" | "n" | "f" | "none" | "false" | "disabled" | "never" => {
            found.extend(["false".to_owned(), "off".to_owned()]);
        }
        _ => {}
    }
    // Other programs accept 10_000, 10,000 and 12.0 as numbers.
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ' | '\'')).collect();
    let digits = digits.strip_suffix(".0").unwrap_or(&digits);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        found.push(digits.to_owned());
    }
    if let Some((_, address)) = text.split_once("://") {
        found.push(address.trim_end_matches('/').to_owned());
    }
    found.push(format!("{text}s"));
    found.push(format!("127.0.0.1:{text}"));
    if let Some(port) = text.strip_prefix("*:") {
        found.push(format!("0.0.0.0:{port}"));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        found.push(SocketAddr::new(address, 8080).to_string());
    }
    if text.contains('.') && !text.contains(['/', '@']) {
        found.push(format!("https://{text}"));
    }
    found
}

/// Why `public_url` is refused.
pub(super) fn public_url(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return String::new() };
    if !matches!(url.scheme(), "http" | "https") {
        return String::new();
    }
    let has = |what: &str| format!("it has {what}");
    match () {
        () if !url.username().is_empty() || url.password().is_some() => has("a user"),
        () if url.query().is_some() => has("a query"),
        () if url.fragment().is_some() => has("a fragment"),
        () => String::new(),
    }
}

/// Says which item of a list is not a network, and why.
pub(super) fn networks(text: &str) -> String {
    let is_good = |item: &&str| item.parse::<IpNet>().is_ok() || item.parse::<IpAddr>().is_ok();
    let mut items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let Some(item) = items.find(|item| !is_good(item)) else { return String::new() };
    // An item with an @ may be a URL that was meant for another key.
    let item: String = if item.contains('@') { "one of them" } else { item }.chars().take(80).collect();
    match item.split_once('/') {
        Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
            format!("{item} has a prefix that is out of range")
        }
        _ => format!("{item} is not an address or a network; names are not resolved"),
    }
}

/// Whether a `/`, `?` or `#` within the password made the parser see a path, a query or a fragment. `rest` is
/// the URL after its scheme.
pub(super) fn hides_password(url: &Url, rest: &str) -> bool {
    url.username().is_empty() && url.password().is_none() && rest.contains('@')
}

/// Why `cluster.redis_url` is refused. Repeats nothing of it: any part may belong to the password.
pub(super) fn redis_url(text: &str) -> String {
    let advice = "in a password, write % as %25, / as %2F, ? as %3F, # as %23 and @ as %40";
    let Some((scheme, rest)) = text.split_once("://") else {
        return "it does not begin with redis:// or rediss://".to_owned();
    };
    if !matches!(scheme, "redis" | "rediss") {
        return "it begins with neither redis:// nor rediss://".to_owned();
    }
    match Url::parse(text) {
        Err(error) => format!("{error} ({advice})"),
        Ok(url) if hides_password(&url, rest) => {
            format!("the @ does not end the user and password ({advice})")
        }
        Ok(url) if !url.has_host() => "it names no host".to_owned(),
        Ok(_) => "the Redis client cannot parse it: only a database number may follow the host".to_owned(),
    }
}
