//! Renders every template with samples, including its error states.

use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use askama::Template;

use super::dashboard_tests::dashboard;
use super::*;
use crate::accounts::ResetLink;
use crate::mail::preview::KeptEmail;
use crate::text::Languages;

const HOSTILE: &str = "<script>alert(1)</script>\"'&";
/// English and German, and the Arabic of the tests, which comes in the way in which operators add languages.
pub(super) static LANGUAGES: LazyLock<Languages> = LazyLock::new(|| {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/locales");
    Languages::load(Some(&tests), "en").unwrap()
});

/// A site with a name of its own and nothing else.
static ACME: LazyLock<Brand> = LazyLock::new(|| {
    let config = crate::config::Config::from_pairs([("brand.name", "Acme")]).unwrap();
    Brand::load(&config.brand).unwrap()
});

pub(super) fn frame_in(tag: &str) -> Frame<'static> {
    Frame {
        language: LANGUAGES.find(tag).unwrap(),
        menu: Some(&LANGUAGES),
        brand: &ACME,
        base: "/id",
        public_url: "https://id.example.org/id",
        dev_mail: true,
        onward: Onward { query: "", app: None },
        registration: WhoRegisters::Anyone,
    }
}

pub(super) fn english() -> Frame<'static> {
    frame_in("en")
}

const RULES: NewAccountRules = NewAccountRules { min_password: 8, needs_email: true };

pub(super) fn errors(fields: &[&str]) -> FormErrors {
    FormErrors {
        general: Some(format!("General: {HOSTILE}")),
        fields: fields
            .iter()
            .map(|field| FieldError {
                field: (*field).to_owned(),
                detail: format!("Wrong {field}: {HOSTILE}"),
                suggestions: vec!["First suggestion.".to_owned(), HOSTILE.to_owned()],
            })
            .collect(),
    }
}

/// Each page, plain and in its error states, about a user called `text`.
fn pages(text: &str) -> Vec<(&'static str, String)> {
    pages_in("en", text)
}

/// Pages by name, rendered.
#[derive(Default)]
struct Rendered(Vec<(&'static str, String)>);

impl Rendered {
    fn add(&mut self, name: &'static str, page: &dyn askama::DynTemplate) {
        self.0.push((name, page.dyn_render().unwrap()));
    }
}

/// The same in a language.
fn pages_in(tag: &str, text: &str) -> Vec<(&'static str, String)> {
    let main = frame_in(tag);
    let mut pages = Rendered::default();
    add_forms(&mut pages, main, text);
    add_answers(&mut pages, main, text);
    add_dashboards(&mut pages, main, text);
    let kept = |id: &str| KeptEmail {
        id: id.to_owned(),
        date: Some("2026-11-25T04:43:17Z".to_owned()),
        to: Some(text.to_owned()),
        subject: Some(text.to_owned()),
        text: Some(format!("Hello {text}\n\nhttp://l/1\n")),
        links: vec!["http://l/1".to_owned()],
    };
    pages.add("kept emails", &DevMailPage { frame: main, emails: &[kept("a"), kept("b")] });
    pages.add("kept emails, none", &DevMailPage { frame: main, emails: &[] });
    pages.0
}

/// Forms of signed-out pages, without errors and with them.
fn add_forms(pages: &mut Rendered, main: Frame<'_>, text: &str) {
    let none = FormErrors::default();
    for errors in [&none, &errors(&["username", "email", "password", "login"])] {
        pages.add("register", &Register::new(main, text, text, RULES, errors));
        let new = Some(FirstUse { add_admin: Some(text) });
        pages.add("home, new", &Home { frame: main, notice: None, public_url: text, first_use: new });
        for registration in [WhoRegisters::Invited, WhoRegisters::NoOne] {
            let frame = Frame { registration, ..main };
            pages.add("register, not open", &Register::new(frame, text, text, RULES, errors));
            pages.add("login, not open", &Login::new(frame, text, None, errors));
            pages.add("home, not open", &Home { frame, notice: None, public_url: text, first_use: new });
        }
        for email in [None, Some(text)] {
            let page = Register::new(main, text, "", RULES, errors).invited(Invitee { email });
            pages.add("register, invited", &page);
        }
        pages.add("login", &Login::new(main, text, None, errors));
        pages.add("login", &Login::new(main, "", Some(Notice::SignedOut), errors));
        pages.add("forgot password", &ForgotPassword::new(main, text, errors));
        for (usernames, restores) in [
            (vec![text.to_owned()], None),
            (vec![text.to_owned()], Some(text.to_owned())),
            (vec![text.to_owned(), "other".to_owned()], None),
        ] {
            let link = ResetLink { usernames, restores };
            pages.add("reset password", &ResetPassword::new(main, &link, text, 8, errors));
        }
    }
}

/// What other pages and links answer.
fn add_answers(pages: &mut Rendered, main: Frame<'_>, text: &str) {
    let none = FormErrors::default();
    pages.add("forgot password, sent", &ForgotPassword::new(main, "", &none).sent(text));
    pages.add(
        "home",
        &Home { frame: main, notice: Some(Notice::AccountDeleted), public_url: text, first_use: None },
    );
    let onward = Onward { query: "?return_to=https%3A%2F%2Fapp.example.org%2F", app: Some(text) };
    let frame = Frame { onward, ..main };
    pages.add("register, for an app", &Register::new(frame, text, text, RULES, &none));
    pages.add("login, for an app", &Login::new(frame, text, None, &none));
    pages.add("forgot password, for an app", &ForgotPassword::new(frame, text, &none));
    pages.add("logout, for an app", &Logout { frame, username: text });
    pages.add("continue", &Continue { frame, app: text, username: text });
    pages.add("logout", &Logout { frame: main, username: text });
    for errors in [&none, &errors(&[])] {
        pages.add("verify email", &VerifyEmail { frame: main, username: text, email: text, errors });
    }
    for (address, at) in [(None, None), (Some(text), Some(Moment(Timestamp::default())))] {
        pages.add("not me", &NotMe { frame: main, username: text, device: text, address, at });
    }
    pages.add("confirm first", &ConfirmFirst { frame: main, email: text });
    for just_now in [true, false] {
        pages.add("email verified", &EmailVerified { frame: main, username: text, email: text, just_now });
    }
    for (status, request_id, remedy) in [
        (404, None, Remedy::Home),
        (500, Some("id"), Remedy::Home),
        (403, None, Remedy::Elsewhere("http://l/1")),
        (400, None, Remedy::NewLink),
        (400, None, Remedy::SignIn),
    ] {
        pages.add("error", &ErrorPage { frame: main, status, title: text, detail: text, request_id, remedy });
    }
}

fn add_dashboards(pages: &mut Rendered, main: Frame<'_>, text: &str) {
    pages.add("dashboard", &dashboard(main, text, None));
    let none_of = |name| Pager::new(main, (name, ListPart::parse(None)), ("other", ListPart::parse(None)));
    let bare = Dashboard {
        display_name: "Another",
        email: None,
        pending_email: Some(text),
        devices: vec![],
        device_pages: none_of("devices"),
        connections: vec![],
        connection_pages: none_of("connections"),
        open: Some(Section::Password),
        ..dashboard(main, text, None)
    };
    pages.add("dashboard, bare", &bare);
    for notice in Notice::ALL {
        let page = Dashboard { email_verified: true, notice: Some(notice), ..dashboard(main, text, None) };
        pages.add("dashboard, with a notice", &page);
    }
    let all = errors(&["display_name", "language", "current_password", "new_password", "email"]);
    for section in [Section::Profile, Section::Password, Section::Email, Section::Delete] {
        pages.add("dashboard, refused", &dashboard(main, text, Some((section, &all))));
    }
}

/// The values of an attribute, in order.
pub(super) fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let mark = format!(" {attribute}=\"");
    html.split(&mark).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let mark = format!("<{name} ");
    html.split(&mark).skip(1).map(|rest| rest.split('>').next().unwrap()).collect()
}

#[test]
fn every_page_is_whole_and_has_one_heading() {
    for (name, html) in pages("ada") {
        assert!(
            html.starts_with("<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">") && html.ends_with("</html>"),
            "{name}"
        );
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        let title = html.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        assert!(title.ends_with(" – Acme") && title.len() > 8, "{name}: {title}");
        assert!(!html.contains("{{") && !html.contains("{%"), "{name}");
        for element in ["<main id=\"main\"", "<header", "<footer"] {
            assert_eq!(html.matches(element).count(), 1, "{name}: {element}");
        }
    }
}

#[test]
fn every_input_has_its_label_and_what_describes_it() {
    for (name, html) in pages("ada") {
        let ids = values(&html, "id");
        let known: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(known.len(), ids.len(), "{name}: an id is there once: {ids:?}");
        let labels: HashSet<_> = values(&html, "for").into_iter().collect();
        for input in tags(&html, "input") {
            let input = format!(" {input}");
            if input.contains(" hidden") || input.contains("type=\"hidden\"") {
                continue;
            }
            assert!(labels.contains(values(&input, "id")[0]), "{name}: {input}");
            if !input.contains("type=\"radio\"") {
                assert!(!values(&input, "autocomplete")[0].is_empty(), "{name}: {input}");
            }
            let is_password = values(&input, "name")[0].ends_with("password");
            assert_eq!(input.contains("type=\"password\""), is_password, "{name}: {input}");
            if is_password {
                assert!(values(&input, "value").is_empty(), "{name}: a password is never shown again");
            }
            assert_eq!(input.contains("aria-invalid"), input.contains("-error"), "{name}: {input}");
        }
        for attribute in ["aria-describedby", "aria-labelledby", "for"] {
            for id in values(&html, attribute).iter().flat_map(|ids| ids.split(' ')) {
                assert!(known.contains(id), "{name}: {attribute} {id}");
            }
        }
        assert!(html.matches(" autofocus").count() <= 1, "{name}");
    }
}

#[test]
fn a_refused_form_says_why_beside_the_field_and_keeps_what_was_typed() {
    let errors = errors(&["username"]);
    let html = Register::new(english(), "typed-name", "typed@example.org", RULES, &errors).render().unwrap();
    assert!(html.contains("<title>Error: "));
    assert!(html.contains("id=\"username-error\"") && html.contains("First suggestion."));
    assert!(html.contains("value=\"typed-name\"") && html.contains("value=\"typed@example.org\""));
    let field = tags(&html, "input").into_iter().find(|input| input.contains("name=\"username\"")).unwrap();
    assert!(
        field.contains("autofocus") && field.contains("aria-describedby=\"username-error username-hint\"")
    );
    let open = dashboard(english(), "ada", Some((Section::Email, &errors))).render().unwrap();
    assert_eq!(open.matches(" name=\"setting\" open>").count(), 1);
}

#[test]
fn every_address_is_ours_and_below_the_public_path() {
    for (name, html) in pages("ada") {
        for attribute in ["href", "action", "src"] {
            for address in values(&html, attribute) {
                // The last is the page itself in another language.
                let ours = ["/id/", "#", "?"].iter().any(|start| address.starts_with(start));
                assert!(ours || address == "http://l/1", "{name}: {attribute}={address}");
            }
        }
        for form in tags(&html, "form") {
            assert!(form.contains("method=\"post\""), "{name}: form input must not end up in a URL");
        }
        assert!(
            !html.contains(" style=") && !html.contains(" onclick=") && !html.contains("<style"),
            "{name}"
        );
        for script in tags(&html, "script") {
            let is_data = script == "type=\"application/json\" id=\"texts\"";
            assert!(is_data || script.starts_with("type=\"module\" src=\"/id/static/"), "{name}: {script}");
        }
    }
}

#[test]
fn user_input_stays_text() {
    for (name, html) in pages(HOSTILE) {
        assert!(!html.contains("<script>") && !html.contains("alert(1)</script>"), "{name}");
        assert!(!html.contains("\"'&"), "{name}");
    }
}

#[test]
fn assets_have_a_type_and_pages_use_only_existing_ones() {
    for asset in assets::ASSETS {
        assert!(!asset.body.is_empty() && assets::find(asset.name).is_some(), "{}", asset.name);
    }
    for (name, html) in pages("ada") {
        for address in values(&html, "href").into_iter().chain(values(&html, "src")) {
            if let Some(file) = address.strip_prefix("/id/static/") {
                let (version, file) = file.split_once('/').unwrap();
                assert!(version == assets::version() && assets::find(file).is_some(), "{name}: {address}");
            }
        }
    }
}

#[test]
fn a_notice_can_be_parsed() {
    for notice in Notice::ALL {
        assert_eq!(Notice::parse(notice.as_str()), Some(notice));
    }
    assert_eq!(Notice::parse("anything"), None);
}

#[test]
fn every_page_is_written_in_every_language() {
    for tag in ["en", "de", "ar"] {
        let direction = if tag == "ar" { "rtl" } else { "ltr" };
        for (name, html) in pages_in(tag, "ada") {
            assert!(html.contains(&format!("<html lang=\"{tag}\" dir=\"{direction}\">")), "{name}");
            // A message that is missing, and an argument that was not given.
            assert!(
                !html.contains('⟨') && !html.contains("{$") && !html.contains("{ $"),
                "{tag}, {name}: {html}"
            );
            assert!(!html.contains("&#60;link") && !html.contains("&#60;strong"), "{tag}, {name}");
        }
    }
    let german = Login::new(frame_in("de"), "", None, &FormErrors::default()).render().unwrap();
    assert!(german.contains(">Anmelden</button>") && german.contains("Passwort vergessen?"), "{german}");
}

#[test]
fn scripts_get_their_texts_from_the_page() {
    for (tag, word) in [("en", "Show {field}"), ("de", "{field} zeigen")] {
        let html = Login::new(frame_in(tag), "", None, &FormErrors::default()).render().unwrap();
        let json = html.split("id=\"texts\">").nth(1).unwrap().split("</script>").next().unwrap();
        let texts: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(texts["js-show-field"], word);
        assert!(texts["js-wrong-address"].as_str().unwrap().contains("{link}"), "{texts}");
        assert!(texts.get("dashboard-js-open").is_none(), "not those of other pages");
    }
}

#[test]
fn a_device_has_a_name_in_the_language_of_the_page() {
    let firefox = Some("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0");
    for (agent, english, german, arabic) in [
        (
            firefox,
            "Firefox on Linux",
            "Firefox auf Linux",
            "\u{2068}Firefox\u{2069} على \u{2068}Linux\u{2069}",
        ),
        (Some("okhttp/4.12.0"), "Android app", "Android-App", "تطبيق أندرويد"),
        (Some("MyApp/1.2"), "MyApp", "MyApp", "MyApp"),
        (None, "Unknown device", "Unbekanntes Gerät", "جهاز غير معروف"),
    ] {
        let name = |tag| frame_in(tag).device_name(agent);
        assert_eq!([name("en"), name("de"), name("ar")], [english, german, arabic], "{agent:?}");
    }
    assert_eq!(english().device_name(Some("MyApp/1.2 (Linux)")), "Unknown app on Linux");
}

#[test]
fn the_menu_of_languages_is_for_those_who_can_choose() {
    let menu = |frame: Frame<'_>| Login::new(frame, "", None, &FormErrors::default()).render().unwrap();
    let several = menu(frame_in("de"));
    assert_eq!(values(&several, "hreflang"), ["ar", "de", "en"]);
    assert!(
        several.contains("lang=\"de\" hreflang=\"de\" dir=\"ltr\" rel=\"nofollow\" aria-current=\"true\"")
    );
    assert!(several.contains("aria-label=\"Sprache\"") && several.contains("dir=\"rtl\""), "{several}");
    let none = menu(Frame { menu: None, ..frame_in("de") });
    assert!(!none.contains("class=\"languages\""), "{none}");
}
