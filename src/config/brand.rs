//! `brand.*` and `pages.*`: how pages and emails present the site.

use std::path::PathBuf;

use palette::Srgb;
use url::Url;

use super::error::ConfigError;
use super::parse_value::{Parse, from_str};
use super::value::Values;

/// In characters.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 1..=40;

#[derive(Debug, Clone)]
pub struct Brand {
    /// The name of the site or app.
    pub name: String,
    pub logo: Option<PathBuf>,
    /// A CSS file, loaded after the built-in one.
    pub stylesheet: Option<PathBuf>,
    pub colour: Option<Srgb<u8>>,
    pub links: Links,
}

/// Where names and footers lead.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Of the site; without it, the name leads to the server's start page.
    pub home: Option<Url>,
    pub terms: Option<Url>,
    pub privacy: Option<Url>,
    /// A page, or a `mailto:` address.
    pub support: Option<Url>,
}

pub(super) fn brand(values: &Values) -> Result<Brand, ConfigError> {
    let page = |text: &str| link(text, &["https", "http"]);
    let page_or_address = |text: &str| link(text, &["https", "http", "mailto"]);
    Ok(Brand {
        name: values.parse("brand.name", name)?,
        logo: values.path("brand.logo")?,
        stylesheet: values.path("brand.stylesheet")?,
        colour: values.optional("brand.colour", colour)?,
        links: Links {
            home: values.optional("brand.home_url", page)?,
            terms: values.optional("brand.terms_url", page)?,
            privacy: values.optional("brand.privacy_url", page)?,
            support: values.optional("brand.support_url", page_or_address)?,
        },
    })
}

/// It stands in pages, subjects and headers, so it is one line.
fn name(name: &str) -> Option<String> {
    let is_line = !name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    (is_line && NAME_LENGTH.contains(&name.chars().count())).then(|| name.to_owned())
}

/// `#rgb` or `#rrggbb`.
fn colour(text: &str) -> Option<Srgb<u8>> {
    text.starts_with('#').then(|| from_str(text)).flatten()
}

/// Only these schemes: a page must not offer `javascript:` as a link.
fn link(text: &str, schemes: &[&str]) -> Option<Url> {
    let url: Url = from_str(text)?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let leads_somewhere = url.has_host() || (url.scheme() == "mailto" && url.path().contains('@'));
    (schemes.contains(&url.scheme()) && is_plain && leads_somewhere).then_some(url)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn with(key: &str, value: &str) -> Result<super::Brand, String> {
        Config::from_pairs([(key, value)]).map(|config| config.brand).map_err(|error| error.to_string())
    }

    #[test]
    fn a_brand_has_a_name_and_nothing_else_by_default() {
        let brand = Config::from_pairs::<&str, &str>([]).unwrap().brand;
        assert_eq!(brand.name, "Doorward");
        assert!(brand.logo.is_none() && brand.stylesheet.is_none() && brand.colour.is_none());
        assert!(brand.links.home.is_none() && brand.links.support.is_none());
    }

    #[test]
    fn colours_are_hexadecimal() {
        for (text, parts) in [("#1a4d8f", (0x1a, 0x4d, 0x8f)), ("#FC0", (0xff, 0xcc, 0x00))] {
            assert_eq!(with("brand.colour", text).unwrap().colour.unwrap().into_components(), parts);
        }
        for text in ["1a4d8f", "#12", "#1a4d8f80", "#ggg", "red", "url(x)", "#1a4d8f;}"] {
            let error = with("brand.colour", text).unwrap_err();
            assert!(error.contains("brand.colour cannot be"), "{error}");
        }
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(with("brand.name", "Äpfel & Birnen").unwrap().name, "Äpfel & Birnen");
        for text in ["", "a\nb", "a\u{2028}b", &"x".repeat(41)] {
            assert!(with("brand.name", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn links_lead_to_pages_and_support_may_be_an_address() {
        for key in ["brand.home_url", "brand.terms_url", "brand.privacy_url", "brand.support_url"] {
            assert!(with(key, "https://example.org/x?y#z").is_ok(), "{key}");
            for text in [
                "javascript:alert(1)",
                "data:text/html,x",
                "//example.org",
                "https://u:p@example.org",
                "mailto:",
            ] {
                assert!(with(key, text).is_err(), "{key} {text}");
            }
        }
        assert!(with("brand.support_url", "mailto:help@example.org").is_ok());
        assert!(with("brand.home_url", "mailto:help@example.org").is_err());
    }
}
