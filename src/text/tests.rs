//! The languages are complete, and a reader gets the one that they understand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fluent_syntax::ast::{CallArguments, Expression, InlineExpression, Pattern, PatternElement};

use super::*;

fn test_locales() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/locales")
}

/// The names after `$` in a pattern.
fn variables(pattern: &Pattern<&str>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for element in &pattern.elements {
        match element {
            PatternElement::Placeable { expression: Expression::Inline(inline) } => {
                of_inline(inline, &mut names);
            }
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                of_inline(selector, &mut names);
                names.extend(variants.iter().flat_map(|variant| variables(&variant.value)));
            }
            PatternElement::TextElement { .. } => {}
        }
    }
    names
}

fn of_inline(inline: &InlineExpression<&str>, names: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => drop(names.insert(id.name.to_owned())),
        InlineExpression::FunctionReference { arguments: CallArguments { positional, .. }, .. } => {
            for inline in positional {
                of_inline(inline, names);
            }
        }
        _ => {}
    }
}

/// The words in angle brackets of a message, in order of the alphabet.
fn tags(text: &str) -> BTreeSet<String> {
    text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag.to_owned()).collect()
}

/// Key, variables and tags of each message of a language's files.
fn messages(tag: &str) -> Vec<(String, BTreeSet<String>, BTreeSet<String>)> {
    let mut messages = Vec::new();
    let files = match tag {
        "ar" => vec![test_locales().join("ar.ftl")],
        tag => ["pages", "errors", "emails"]
            .map(|file| Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("locales/{tag}/{file}.ftl")))
            .into(),
    };
    for path in files {
        let source = fs::read_to_string(path).unwrap();
        let resource = fluent_syntax::parser::parse(source.as_str()).unwrap();
        for entry in &resource.body {
            if let fluent_syntax::ast::Entry::Message(message) = entry {
                let pattern = message.value.as_ref().unwrap();
                let text = source.split(&format!("\n{} =", message.id.name)).nth(1).unwrap();
                let text = text.split("\n\n").next().unwrap().lines().next().unwrap();
                messages.push((message.id.name.to_owned(), variables(pattern), tags(text)));
            }
        }
    }
    messages
}

#[test]
fn each_language_has_every_message_with_the_same_arguments_and_links() {
    let english = messages("en");
    let keys: BTreeSet<_> = english.iter().map(|(key, ..)| key).collect();
    assert_eq!(keys.len(), english.len(), "a key is there once");
    for tag in ["de", "ar"] {
        let others = messages(tag);
        for (key, arguments, tags) in &english {
            let other =
                others.iter().find(|(other, ..)| other == key).unwrap_or_else(|| panic!("{tag} lacks {key}"));
            assert_eq!((arguments, tags), (&other.1, &other.2), "{tag}: {key}");
        }
        assert_eq!(others.len(), english.len(), "{tag}: no message that English lacks");
    }
}

#[test]
fn no_text_names_the_product() {
    for language in Languages::built_in().all() {
        for (key, ..) in messages(language.tag()) {
            let text = language.text(&key).to_string();
            assert!(!text.to_lowercase().contains("doorward"), "{key}: {text}");
        }
    }
}

#[test]
fn a_reader_gets_the_language_of_their_account_then_of_the_browser_then_the_default() {
    let languages = Languages::load(Some(&test_locales()), "en").unwrap();
    for (account, accept, tag) in [
        (None, None, "en"),
        (None, Some("fr, it;q=0.5"), "en"),
        (None, Some("de-AT, en;q=0.8"), "de"),
        (None, Some("fr;q=0.9, AR-eg;q=0.4, en;q=0.3"), "ar"),
        (Some("de"), Some("en"), "de"),
        (Some("de_CH"), Some("en"), "de"),
        (Some("xx"), Some("de"), "de"),
    ] {
        assert_eq!(languages.choose(&[account], accept).tag(), tag, "{account:?} {accept:?}");
    }
    // The first choice that there is a language for.
    assert_eq!(languages.choose(&[None, Some("xx"), Some("ar"), Some("de")], Some("en")).tag(), "ar");
    let german = Languages::load(None, "de").unwrap();
    assert_eq!(german.choose(&[], Some("fr")).tag(), "de");
    assert!(Languages::load(None, "fr").unwrap_err().to_string().contains("choose one of de, en"));
}

#[test]
fn a_file_adds_a_language_and_lacks_are_filled_with_english() {
    let dir = tempfile::tempdir().unwrap();
    let arabic = fs::read_to_string(test_locales().join("ar.ftl")).unwrap();
    let lacking = "reset-password-ignore";
    let text: Vec<&str> = arabic.lines().filter(|line| !line.starts_with(lacking)).collect();
    fs::write(dir.path().join("ar.ftl"), text.join("\n")).unwrap();
    let languages = Languages::load(Some(dir.path()), "en").unwrap();
    let arabic = languages.find("ar").unwrap();
    assert_eq!((arabic.direction(), arabic.endonym().as_str()), ("rtl", "العربية"));
    assert_eq!(languages.find("de").unwrap().direction(), "ltr");
    let english = languages.find("en").unwrap();
    assert_eq!(arabic.text(lacking).to_string(), english.text(lacking).to_string());
    // A name in another direction takes no punctuation along.
    assert!(
        arabic.text("email-hello-name").with("username", "ada").to_string().contains("\u{2068}ada\u{2069}")
    );
    assert_eq!(english.text("email-hello-name").with("username", "ada").to_string(), "Hello ada,");
}

#[test]
fn a_file_replaces_texts_and_a_mistake_in_it_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("de.ftl"), "login-title = Rein da\n").unwrap();
    fs::write(dir.path().join("notes.txt"), "not a language").unwrap();
    let languages = Languages::load(Some(dir.path()), "de").unwrap();
    assert_eq!(languages.default_language().text("login-title").to_string(), "Rein da");
    assert_eq!(languages.default_language().text("register-button").to_string(), "Konto erstellen");
    fs::write(dir.path().join("fr.ftl"), "login-title = Connexion\n\nlogin-button = { $\n").unwrap();
    let error = Languages::load(Some(dir.path()), "de").unwrap_err().to_string();
    assert!(error.contains("fr.ftl, line 3: "), "{error}");
    fs::remove_file(dir.path().join("fr.ftl")).unwrap();
    fs::write(dir.path().join("not a language.ftl"), "").unwrap();
    assert!(Languages::load(Some(dir.path()), "de").unwrap_err().to_string().contains("not a language.ftl"));
}

#[test]
fn html_in_messages_and_arguments_is_text_and_links_are_ours() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("en.ftl"),
        "login-register = <b>{ $name }</b> & <link>go</link>, <strong>now</strong>, { $count }\n",
    )
    .unwrap();
    let languages = Languages::load(Some(dir.path()), "en").unwrap();
    let html = languages.default_language().html("login-register").strong("name", "<link>&\"");
    let html = html.link("link", "/a?b=\"c\"").with("count", 3_usize).to_string();
    assert_eq!(
        html,
        "&#60;b&#62;<strong><bdi>&#60;link&#62;&#38;&#34;</bdi></strong>&#60;/b&#62; &#38; \
         <a href=\"/a?b=&#34;c&#34;\">go</a>, <strong>now</strong>, 3"
    );
}

#[test]
fn a_moment_is_written_as_the_language_does() {
    let at = chrono::NaiveDate::from_ymd_opt(2026, 11, 28).unwrap().and_hms_opt(14, 5, 59).unwrap();
    let languages = Languages::built_in();
    assert_eq!(languages.find("en").unwrap().moment(at), "28 November 2026, 14:05 UTC");
    assert_eq!(languages.find("de").unwrap().moment(at), "28. November 2026, 14:05 UTC");
}
