//! The static files that pages load, compiled in. Pages use URLs with a version that changes with the files,
//! so that browsers may cache them for good. `/static/NAME` is for other sites, which check each time whether
//! the file has changed.

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// A static file.
#[derive(Debug)]
pub struct Asset {
    pub name: &'static str,
    pub content_type: &'static str,
    pub body: &'static [u8],
}

macro_rules! assets {
    ($($directory:literal / $name:literal: $content_type:literal)*) => {
        &[$(Asset {
            name: $name,
            content_type: $content_type,
            body: include_bytes!(concat!($directory, "/", $name)),
        }),*]
    };
}

pub const ASSETS: &[Asset] = assets! {
    "static" / "app.css": "text/css; charset=utf-8"
    "static" / "dashboard.js": "text/javascript; charset=utf-8"
    "static" / "forms.js": "text/javascript; charset=utf-8"
    "static" / "sections.js": "text/javascript; charset=utf-8"
    "static" / "texts.js": "text/javascript; charset=utf-8"
    "static" / "icon.svg": "image/svg+xml"
    // The package doorward-client.
    "../../clients/js" / "answers.js": "text/javascript; charset=utf-8"
    "../../clients/js" / "client.js": "text/javascript; charset=utf-8"
    "../../clients/js" / "doorward.js": "text/javascript; charset=utf-8"
    "../../clients/js" / "listeners.js": "text/javascript; charset=utf-8"
    "../../clients/js" / "live.js": "text/javascript; charset=utf-8"
    "../../clients/js" / "presence.js": "text/javascript; charset=utf-8"
    "../../clients/js" / "rooms.js": "text/javascript; charset=utf-8"
    "../../clients/js" / "store.js": "text/javascript; charset=utf-8"
};

/// The icon for clients that only know this path; 16, 32 and 48 pixels wide.
pub const FAVICON: &[u8] = include_bytes!("static/favicon.ico");

#[must_use]
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// A hash of all files.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for asset in ASSETS {
            hash.update(asset.name.as_bytes());
            hash.update(asset.body);
        }
        BASE64_URL_SAFE_NO_PAD.encode(&hash.finish().as_ref()[..9])
    });
    &VERSION
}
