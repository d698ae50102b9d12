//! The brand of the configuration, in the pages and as files.

use crate::support::app::{TestApp, spawn_app, spawn_with};

const LOGO: &[u8] = b"\x89PNG\r\n\x1a\nlogo";
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// A site with everything of its own. The directory has its files.
async fn harbour() -> (TestApp, tempfile::TempDir) {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &[u8]| {
        let path = files.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (logo, css) = (path("logo", LOGO), path("own.css", b"h1 { letter-spacing: 0 }"));
    let app = spawn_with(&[
        ("brand.name", "Harbour & Chat"),
        ("brand.logo", &logo),
        ("brand.colour", "#2f5fd0"),
        ("brand.stylesheet", &css),
        ("brand.home_url", "https://harbour.example/"),
        ("brand.terms_url", "https://harbour.example/terms"),
        ("brand.privacy_url", "https://harbour.example/privacy"),
        ("brand.support_url", "mailto:help@harbour.example"),
    ])
    .await;
    (app, files)
}

/// The address after the first `mark` in a page.
fn address(page: &str, mark: &str) -> String {
    let rest = page.split(mark).nth(1).unwrap_or_else(|| panic!("no {mark} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

#[actix_web::test]
async fn pages_have_the_name_the_logo_the_colours_and_the_links_of_the_site() {
    let (app, _files) = harbour().await;
    for (path, status) in
        [("/", 200), ("/login", 200), ("/register", 200), ("/forgot-password", 200), ("/docs", 200)]
    {
        let page = app.get(path, "").await.expect(status).text;
        let title = page.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        assert!(title.ends_with(" – Harbour &#38; Chat"), "{title}");
        assert!(
            page.contains("<a class=\"brand\" href=\"https://harbour.example/\"><img class=\"logo\""),
            "{page}"
        );
        for link in [
            "https://harbour.example/terms",
            "https://harbour.example/privacy",
            "mailto:help@harbour.example",
        ] {
            assert!(page.contains(&format!("<li><a href=\"{link}\">")), "{path}: no {link} in {page}");
        }
        let (ours, own) = (page.find("/app.css\"").unwrap(), page.find("/brand.css\"").unwrap());
        assert!(ours < own, "the site's rules come after ours: {page}");
        assert!(!page.contains("Doorward") && !page.contains("class=\"mark\""), "{path}: {page}");
    }
}

#[actix_web::test]
async fn the_files_of_the_brand_are_served_and_kept_for_good() {
    let (app, _files) = harbour().await;
    let page = app.get("/login", "").await.expect(200).text;
    let logo = address(&page, "<img class=\"logo\" src=\"");
    let css = format!("{}brand.css", logo.strip_suffix("logo").expect("the name of the file"));
    assert!(page.contains(&format!("<link rel=\"stylesheet\" href=\"{css}\">")), "{page}");
    let styles = app.get(&css, "").await.expect(200);
    assert_eq!(styles.header("content-type"), "text/css; charset=utf-8");
    assert!(styles.text.contains("--brand:#2f5fd0;") && styles.text.ends_with("h1 { letter-spacing: 0 }"));
    let image = app.get(&logo, "").await.expect(200);
    assert_eq!(image.header("content-type"), "image/png");
    for answer in [&styles, &image] {
        assert_eq!(answer.header("cache-control"), FOR_GOOD);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    // A page of the previous version, while nodes are replaced.
    let older = app.get("/static/brand/older/brand.css", "").await.expect(200);
    assert_eq!(older.header("cache-control"), "no-cache");
    for name in ["own.css", "logo.png", "..%2flogo", "app.css"] {
        let path = format!("{}{name}", logo.strip_suffix("logo").unwrap());
        app.get(&path, "").await.expect(404);
    }
}

#[actix_web::test]
async fn a_site_without_a_brand_has_our_mark_and_no_files() {
    let app = spawn_app().await;
    let page = app.get("/login", "").await.expect(200).text;
    assert!(page.contains("<title>Sign in – Doorward</title>") && page.contains("class=\"mark\""), "{page}");
    assert!(!page.contains("/static/brand/") && page.contains("<a class=\"brand\" href=\"/\">"), "{page}");
    for name in ["logo", "brand.css"] {
        app.get(&format!("/static/brand/any/{name}"), "").await.expect(404);
    }
}
