//! How pages and emails present the site: `brand.*` of the configuration, with its files read and checked.

mod palette;

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;

use url::Url;

use crate::config;

pub use config::Links;
use palette::{DEFAULT_COLOUR, Palette, hex};

/// The default of `brand.name`.
const DEFAULT_NAME: &str = "Doorward";

/// In bytes: each visitor loads these files.
const MAX_FILE: u64 = 256 * 1024;

#[derive(Debug, Clone)]
pub struct Brand {
    pub name: String,
    pub links: Links,
    /// None for the colours of the built-in stylesheet.
    pub palette: Option<Palette>,
    logo: Option<File>,
    stylesheet: Option<File>,
    version: String,
}

/// What emails are painted with, as `#rrggbb`.
#[derive(Debug, Clone)]
pub struct EmailColours {
    pub light: EmailShades,
    pub dark: EmailShades,
}

#[derive(Debug, Clone)]
pub struct EmailShades {
    pub link: String,
    pub fill: String,
    pub on_fill: String,
}

/// A file that pages load.
#[derive(Debug, Clone)]
pub struct File {
    pub content_type: &'static str,
    pub body: Bytes,
}

impl Brand {
    /// Reads the files. They are not read again before the next start.
    ///
    /// # Errors
    /// A sentence for the operator: a file that cannot be read, is too large, or is no image or text.
    pub fn load(config: &config::Brand) -> Result<Self, String> {
        let palette = config.colour.map(Palette::new);
        let logo = config.logo.as_deref().map(logo).transpose()?;
        let stylesheet = stylesheet(palette.as_ref(), config.stylesheet.as_deref())?;
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for file in [&logo, &stylesheet].into_iter().flatten() {
            hash.update(file.content_type.as_bytes());
            hash.update(&file.body);
        }
        let version = BASE64_URL_SAFE_NO_PAD.encode(&hash.finish().as_ref()[..9]);
        let (name, links) = (config.name.clone(), config.links.clone());
        Ok(Self { name, links, palette, logo, stylesheet, version })
    }

    /// What to tell the operator about the colour.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let palette = self.palette?;
        let contrast = palette.too_pale()?;
        Some(format!(
            "brand.colour {} has a contrast of {contrast:.1} on a light page, and text needs 4.5 (WCAG 2.2, 1.4.3): \
             buttons are filled with it, links use {}",
            hex(palette.colour),
            hex(palette.light.accent)
        ))
    }

    /// The file at `/static/brand/VERSION/NAME`.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&File> {
        match name {
            LOGO => self.logo.as_ref(),
            STYLESHEET => self.stylesheet.as_ref(),
            _ => None,
        }
    }

    /// Where pages load a file, below the public URL; none if there is no such file.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<String> {
        self.file(name).map(|_| format!("/static/brand/{}/{name}", self.version))
    }

    /// Changes with the files.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The name that the operator gave the site.
    #[must_use]
    pub fn own_name(&self) -> Option<&str> {
        (self.name != DEFAULT_NAME).then_some(&self.name)
    }

    /// What emails call the site: its name, or the host of the public URL. It means more to readers than the name of
    /// the program.
    #[must_use]
    pub fn name_for_emails<'a>(&'a self, public_url: &'a Url) -> &'a str {
        self.own_name().or(public_url.host_str()).unwrap_or(&self.name)
    }

    /// The colours of emails, which have no stylesheet.
    #[must_use]
    pub fn email_colours(&self) -> EmailColours {
        let palette = self.palette.unwrap_or_else(|| Palette::new(DEFAULT_COLOUR));
        let shades = |shades: palette::Shades| EmailShades {
            link: hex(shades.accent),
            fill: hex(shades.fill),
            on_fill: hex(shades.on_fill),
        };
        EmailColours { light: shades(palette.light), dark: shades(palette.dark) }
    }

    /// The path of the logo, if mail programs show images of its type.
    #[must_use]
    pub fn logo_for_emails(&self) -> Option<String> {
        let shown = |file: &&File| matches!(file.content_type, "image/png" | "image/jpeg");
        self.logo.as_ref().filter(shown).and_then(|_| self.path(LOGO))
    }
}

pub const LOGO: &str = "logo";
pub const STYLESHEET: &str = "brand.css";

fn logo(path: &Path) -> Result<File, String> {
    let body = read("brand.logo", path)?;
    let content_type = image_type(&body)
        .ok_or_else(|| format!("brand.logo {} is not an SVG, PNG, WebP or JPEG image", path.display()))?;
    Ok(File { content_type, body })
}

/// By content: a name may be wrong, and browsers are told not to guess.
fn image_type(body: &[u8]) -> Option<&'static str> {
    if body.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if body.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if body.starts_with(b"RIFF") && body.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        let text = std::str::from_utf8(body).ok()?;
        text.contains("<svg").then_some("image/svg+xml")
    }
}

/// The colours, followed by the operator's own rules.
fn stylesheet(palette: Option<&Palette>, path: Option<&Path>) -> Result<Option<File>, String> {
    let mut css = palette.map(Palette::css).unwrap_or_default();
    if let Some(path) = path {
        let own = read("brand.stylesheet", path)?;
        let own = std::str::from_utf8(&own)
            .map_err(|_| format!("brand.stylesheet {} is not UTF-8 text", path.display()))?;
        css.push_str(own);
    }
    let file = File { content_type: "text/css; charset=utf-8", body: css.into() };
    Ok((!file.body.is_empty()).then_some(file))
}

fn read(key: &str, path: &Path) -> Result<Bytes, String> {
    let failed = |error: std::io::Error| format!("cannot read {key} {}: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{key} {} is not a regular file", path.display()));
    }
    let mut content = Vec::new();
    // It may grow meanwhile.
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        return Err(format!("{key} {} is too large: at most {MAX_FILE} bytes are allowed", path.display()));
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn brand(pairs: &[(&str, &str)]) -> Result<Brand, String> {
        Brand::load(&Config::from_pairs(pairs.iter().copied()).unwrap().brand)
    }

    #[test]
    fn without_settings_there_is_no_file() {
        let brand = brand(&[]).unwrap();
        assert_eq!(brand.name, "Doorward");
        assert!(brand.path(LOGO).is_none() && brand.path(STYLESHEET).is_none() && brand.advice().is_none());
    }

    #[test]
    fn the_stylesheet_has_the_colours_and_then_the_operators_rules() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.css");
        std::fs::write(&path, "h1 { color: var(--link) }").unwrap();
        let brand =
            brand(&[("brand.colour", "#ffd400"), ("brand.stylesheet", path.to_str().unwrap())]).unwrap();
        let css = std::str::from_utf8(&brand.file(STYLESHEET).unwrap().body).unwrap();
        assert!(css.starts_with(":root{") && css.ends_with("h1 { color: var(--link) }"), "{css}");
        assert!(brand.advice().unwrap().contains("contrast of 1.3"), "{:?}", brand.advice());
        assert_eq!(brand.path(STYLESHEET).unwrap(), format!("/static/brand/{}/brand.css", brand.version()));
    }

    #[test]
    fn the_type_of_a_logo_is_that_of_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logo.png");
        let load = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            brand(&[("brand.logo", path.to_str().unwrap())])
        };
        for (content, expected, in_emails) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], "image/png", true),
            (b"\xff\xd8\xff\xe0", "image/jpeg", true),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", false),
            (b"<?xml version='1.0'?><svg/>", "image/svg+xml", false),
        ] {
            let brand = load(content).unwrap();
            assert_eq!(brand.file(LOGO).unwrap().content_type, expected);
            assert_eq!(brand.logo_for_emails().is_some(), in_emails);
        }
        for content in [&b""[..], b"GIF89a", b"<html></html>"] {
            assert!(load(content).unwrap_err().contains("is not an SVG, PNG, WebP or JPEG image"));
        }
        assert!(load(&vec![b' '; 256 * 1024 + 1]).unwrap_err().contains("at most 262144 bytes are allowed"));
        assert!(
            brand(&[("brand.logo", "/nonexistent")])
                .unwrap_err()
                .contains("cannot read brand.logo /nonexistent")
        );
    }
}
