//! What emails say, of each kind and in each language.

use chrono::TimeDelta;

use super::render::{Link, Occasion, Rendered, Site, render};
use crate::brand::Brand;
use crate::config::Config;
use crate::text::{Language, Languages};
use doorward_core::domain::MailKind;
use url::Url;

const KINDS: [MailKind; 8] = MailKind::ALL;

static LANGUAGES: std::sync::LazyLock<Languages> = std::sync::LazyLock::new(Languages::built_in);

fn english() -> &'static Language {
    LANGUAGES.default_language()
}

static HOME: std::sync::LazyLock<Url> = std::sync::LazyLock::new(|| "https://id.example/".parse().unwrap());

fn brand(pairs: &[(&str, &str)]) -> Brand {
    Brand::load(&Config::from_pairs(pairs.iter().copied()).unwrap().brand).unwrap()
}

fn site(brand: &Brand) -> Site<'_> {
    Site { public_url: &HOME, brand }
}

fn sample(kind: MailKind, username: &str) -> Rendered {
    sample_for(kind, Some(username))
}

fn sample_for(kind: MailKind, username: Option<&str>) -> Rendered {
    let at = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(10, 0, 0).unwrap();
    let link = (kind != MailKind::PasswordChanged && kind != MailKind::EmailChanged)
        .then_some(Link { token: "TOKEN_-42", expires_at: at + TimeDelta::minutes(30) });
    render(english(), kind, username, site(&brand(&[])), at, link).unwrap()
}

#[test]
fn every_email_names_the_site_and_the_account_where_the_address_is_verified() {
    for kind in KINDS {
        let email = sample(kind, "alice");
        // These go to addresses that are not verified.
        let named = !matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress | MailKind::Invitation);
        for part in [&email.text, &email.html] {
            assert!(part.contains("https://id.example"), "{part}");
            assert_eq!(part.contains("alice"), named, "{part}");
            assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
            assert!(!part.contains("example//"), "{part}");
        }
        assert!(!email.subject.is_empty() && email.subject.len() < 70, "{}", email.subject);
        assert!(email.html.contains(&format!("<title>{}</title>", crate::text::escape(&email.subject))));
        assert!(!format!("{email:?}").contains("alice"));
    }
}

#[test]
fn an_unverified_address_reads_nothing_that_another_client_chose() {
    for kind in KINDS {
        let named = sample_for(kind, Some("www.evil.example"));
        let email = sample_for(kind, None);
        for part in [&email.subject, &email.text, &email.html] {
            assert!(!part.contains("evil") && !part.contains("  at "), "{part}");
        }
        if matches!(kind, MailKind::VerifyEmail | MailKind::ResetByAddress | MailKind::Invitation) {
            assert_eq!((email.text, email.html), (named.text, named.html));
        }
    }
}

#[test]
fn links_are_on_lines_of_their_own_and_say_when_they_expire() {
    for (kind, page) in [
        (MailKind::VerifyEmail, "verify-email"),
        (MailKind::ResetPassword, "reset-password"),
        (MailKind::ResetByAddress, "reset-password"),
        (MailKind::EmailChangedUndo, "undo-email"),
        (MailKind::Invitation, "invitation"),
        (MailKind::NewDevice, "not-me"),
    ] {
        let email = sample(kind, "alice");
        let link = format!("https://id.example/{page}/TOKEN_-42");
        assert!(email.text.lines().any(|line| line == link), "{}", email.text);
        assert!(email.html.contains(&format!("href=\"{link}\"")), "{}", email.html);
        for part in [&email.text, &email.html] {
            assert!(part.contains("22 November 2026, 10:30 UTC"), "{part}");
        }
    }
}

#[test]
fn notices_contain_no_link_with_a_token() {
    for kind in [MailKind::PasswordChanged, MailKind::EmailChanged] {
        let email = sample(kind, "alice");
        assert!(!email.text.contains("TOKEN") && !email.html.contains("TOKEN"));
        assert!(email.text.replace('\n', " ").contains("22 November 2026, 10:00 UTC"), "{}", email.text);
    }
}

#[test]
fn a_sign_in_is_told_with_time_address_and_a_device_in_known_words() {
    let at = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(10, 0, 0).unwrap();
    let link = Link { token: "TOKEN_-42", expires_at: at + TimeDelta::days(7) };
    let email = |user_agent: Option<&str>, address: Option<&str>| {
        let occasion = Occasion { at, user_agent, address };
        let brand = brand(&[]);
        render(english(), MailKind::NewDevice, Some("ann"), site(&brand), occasion, Some(link)).unwrap()
    };
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
    let text = email(Some(firefox), Some("203.0.113.9")).text.replace('\n', " ");
    let what = "Firefox on Linux, from the address 203.0.113.9, on 22 November 2026, 10:00 UTC.";
    assert!(text.contains(what) && text.contains("until 29 November 2026, 10:00 UTC"), "{text}");
    // What a client calls itself would be a link in a mail program.
    let hostile = email(Some("www.evil.example/1.2"), None);
    assert!(hostile.text.contains("Unknown device, from the address unknown"), "{}", hostile.text);
    assert!(!hostile.text.contains("evil") && !hostile.html.contains("evil"), "{}", hostile.html);
}

#[test]
fn a_hostile_name_stays_a_name() {
    let name = "<script>alert(1)</script>\"'&\r\nBcc: all@example.org\u{2028}x";
    for kind in KINDS {
        let email = sample(kind, name);
        assert!(!email.html.contains("<script>") && !email.html.contains("\"'&"), "{}", email.html);
        assert!(!email.text.lines().any(|line| line.starts_with("Bcc:")), "{}", email.text);
        assert!(!email.subject.chars().any(char::is_control), "{}", email.subject);
    }
}

#[test]
fn every_email_is_written_in_every_language() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/locales");
    let languages = Languages::load(Some(&tests), "en").unwrap();
    let at = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(10, 0, 0).unwrap();
    let brand = brand(&[]);
    let home = site(&brand);
    for language in languages.all() {
        let start = format!("<html lang=\"{}\" dir=\"{}\">", language.tag(), language.direction());
        for (kind, username) in KINDS.into_iter().flat_map(|kind| [(kind, None), (kind, Some("ada"))]) {
            let link = Some(Link { token: "TOKEN", expires_at: at });
            let email = render(language, kind, username, home, at, link).unwrap();
            assert!(email.html.contains(&start), "{}", email.html);
            for part in [&email.subject, &email.text, &email.html] {
                assert!(!part.contains('⟨') && !part.contains("{$") && !part.contains("strong>{"), "{part}");
                assert!(!part.contains("&#60;") && !part.is_empty(), "{part}");
            }
            assert!(email.text.lines().all(|line| line.chars().count() <= 78), "{}", email.text);
            assert!(!email.text.contains('<'), "{}", email.text);
        }
    }
    let german = render(languages.find("de").unwrap(), MailKind::VerifyEmail, None, home, at, None).unwrap();
    assert_eq!(german.subject, "Bestätige deine E-Mail-Adresse für id.example");
}
#[test]
fn emails_have_the_name_the_colours_the_logo_and_the_links_of_the_brand() {
    let dir = tempfile::tempdir().unwrap();
    let logo = dir.path().join("logo.png");
    std::fs::write(&logo, b"\x89PNG\r\n\x1a\n").unwrap();
    let brand = brand(&[
        ("brand.name", "Äpfel & Birnen"),
        ("brand.colour", "#ffd400"),
        ("brand.logo", logo.to_str().unwrap()),
        ("brand.privacy_url", "https://example.org/privacy?a&b"),
        ("brand.support_url", "mailto:help@example.org"),
    ]);
    let at = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(10, 0, 0).unwrap();
    let link = Some(Link { token: "TOKEN", expires_at: at });
    let email = render(english(), MailKind::VerifyEmail, None, site(&brand), at, link).unwrap();
    assert_eq!(email.subject, "Confirm your email for Äpfel & Birnen");
    for part in [
        "background:#ffd400\"><a class=\"button on-fill\"",
        "alt=\"Äpfel &#38; Birnen\"",
        "href=\"https://example.org/privacy?a&#38;b\"",
        "href=\"mailto:help@example.org\"",
        &format!("src=\"https://id.example{}\"", brand.logo_for_emails().unwrap()),
    ] {
        assert!(email.html.contains(part), "no {part} in {}", email.html);
    }
    assert!(
        email.text.ends_with("Privacy: https://example.org/privacy?a&b\nHelp: mailto:help@example.org\n")
    );
}
