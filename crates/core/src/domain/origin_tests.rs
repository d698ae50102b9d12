use proptest::prelude::*;

use super::*;

fn allows(allowed: &str, origin: &str) -> bool {
    let allowed = AllowedOrigin::parse(allowed).unwrap_or_else(|error| panic!("{allowed}: {error}"));
    WebOrigin::parse(origin).is_some_and(|origin| allowed.matches(&origin))
}

#[test]
fn an_origin_is_the_same_however_it_is_written() {
    let forms = [
        "https://bücher.example",
        "https://xn--bcher-kva.example",
        "https://BÜCHER.example/",
        "HTTPS://xn--bcher-kva.EXAMPLE:443",
        "https://xn--bcher-kva.example.",
    ];
    for allowed in forms {
        for sent in forms {
            assert!(allows(allowed, sent), "{allowed} {sent}");
        }
    }
    for (allowed, sent) in [
        ("http://localhost:5173", "http://LOCALHOST:5173/"),
        ("http://app.example:80/", "http://app.example"),
        ("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000"),
        ("capacitor://localhost", "capacitor://LOCALHOST"),
        ("app://obsidian.md", "app://obsidian.md"),
        ("chrome-extension://abcdefghij", "chrome-extension://abcdefghij"),
        ("null", "null"),
        ("NULL", "null"),
        ("file://", "file://"),
        ("file:///", "file://"),
    ] {
        assert!(allows(allowed, sent), "{allowed} {sent}");
    }
}

#[test]
fn another_scheme_host_or_port_is_another_origin() {
    let other = [
        "http://app.example.org",
        "https://app.example.org:444",
        "https://app.example.org.evil.example",
        "https://xapp.example.org",
        "https://example.org",
        "https://app.example.org/path",
        "https://app.example.org?x",
        "https://user@app.example.org",
        "https://app.example.org https://evil.example",
        "https:app.example.org",
        "app.example.org",
        "null",
        "file://",
        "",
        "*",
    ];
    for origin in other {
        assert!(!allows("https://app.example.org", origin), "{origin}");
    }
    assert!(!allows("null", "file://") && !allows("file://", "null"));
    assert!(!allows("null", "") && !allows("file://", "file:///etc/passwd"));
}

#[test]
fn a_star_is_one_label() {
    for origin in ["https://a.example.org", "https://A.Example.Org:443/", "https://xn--bcher-kva.example.org"]
    {
        assert!(allows("https://*.example.org", origin), "{origin}");
    }
    for origin in [
        "https://example.org",
        "https://a.b.example.org",
        "https://.example.org",
        "https://aexample.org",
        "https://a.example.org.evil.example",
        "https://a.example.org:8443",
        "http://a.example.org",
        "null",
    ] {
        assert!(!allows("https://*.example.org", origin), "{origin}");
    }
    assert!(allows("http://*.localhost:5173", "http://tenant.localhost:5173"));
    assert!(allows("https://*.apps.example.org:8443", "https://a.apps.example.org:8443"));
    assert_eq!(
        AllowedOrigin::parse("HTTPS://*.Example.Org:443/").unwrap().to_string(),
        "https://*.example.org"
    );
}

#[test]
fn an_invalid_origin_is_refused_with_what_to_write() {
    for (text, hint) in [
        ("*", "name each origin"),
        ("app.example.org", "https://app.example.org"),
        ("localhost:5173", "http://localhost:5173"),
        ("*.example.org", "begins with its scheme"),
        ("https://app.example.org/path", "https://app.example.org"),
        ("https://app.example.org/?a=b", "https://app.example.org"),
        ("https://app.example.org#x", "https://app.example.org"),
        ("wss://app.example.org", "https://app.example.org"),
        ("ws://localhost:5173", "http://localhost:5173"),
        ("https://user:word@app.example.org", "no user"),
        ("https://a.example https://b.example", "commas"),
        ("\"https://app.example.org\"", "quotes"),
        ("'null'", "quotes"),
        ("https://*", "first label"),
        ("https://*.*.example.org", "first label"),
        ("https://app.*.org", "first label"),
        ("https://app*.example.org", "first label"),
        ("https://**.example.org", "first label"),
        ("https://*.org", "other people's pages"),
        ("*://app.example.org", "scheme"),
        ("https://app.example.org:*", "port"),
        ("https://*.168.1.1", "not an origin"),
        ("file:///home/ada/app", "file://"),
        ("https://", "not an origin"),
        ("data:text/html,x", "scheme"),
        ("https://app.exa\nmple.org", "control"),
    ] {
        let refusal = AllowedOrigin::parse(text).expect_err(text);
        assert!(refusal.contains(hint), "{text}: {refusal}");
    }
}

#[test]
fn an_exact_origin_is_one_host() {
    for (text, canonical) in [
        ("https://app.example.org", "https://app.example.org"),
        ("HTTPS://App.Example.org:443/", "https://app.example.org"),
        ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[0::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
    ] {
        assert_eq!(HostOrigin::parse_exact(text).unwrap().to_string(), canonical);
    }
    for (text, hint) in [
        ("*", "name each origin"),
        ("https://*.example.org", "name each origin"),
        ("null", "a host of its own"),
        ("file://", "a host of its own"),
        ("https://app.example.org/path", "ends with its host or port"),
        ("app.example.org", "https://app.example.org"),
    ] {
        let refusal = HostOrigin::parse_exact(text).expect_err(text);
        assert!(refusal.contains(hint), "{text}: {refusal}");
    }
}

#[test]
fn the_host_of_a_request_is_parsed_like_an_origin() {
    let of = |authority: &str| HostOrigin::of_authority("http", authority).map(|origin| origin.to_string());
    assert_eq!(of("Door.Test:80").as_deref(), Some("http://door.test"));
    assert_eq!(of("[::1]:8080").as_deref(), Some("http://[::1]:8080"));
    assert_eq!(of("door.test.").as_deref(), Some("http://door.test"));
    for wrong in ["", "a b", "a/b", "user@a", "a\\b", "a?b", ":80"] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
    for (host, address) in
        [("192.168.1.50:1", true), ("[fe80::1]", true), ("a.localhost", true), ("door.test", false)]
    {
        assert_eq!(HostOrigin::of_authority("http", host).unwrap().is_address(), address, "{host}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics_and_a_star_never_reaches_another_domain(
        text in "(https?://)?\\PC{0,40}",
        label in "[a-z0-9.-]{0,20}",
    ) {
        let _ = AllowedOrigin::parse(&text);
        let _ = HostOrigin::of_authority("http", &text);
        let star = AllowedOrigin::parse("https://*.example.org").unwrap();
        if let Some(WebOrigin::Host(origin)) = WebOrigin::parse(&format!("https://{label}.example.org")) {
            let one = !label.contains('.');
            prop_assert_eq!(star.matches(&WebOrigin::Host(origin)), one && !label.is_empty());
        }
        if let Some(origin) = WebOrigin::parse(&text) {
            let written = origin.to_string();
            prop_assert_eq!(WebOrigin::parse(&written), Some(origin));
        }
    }
}
