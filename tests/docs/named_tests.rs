//! The tests that pages name as evidence, and what else those pages promise to be complete about.

use std::collections::BTreeSet;
use std::fs;

use super::{code_spans, root};

/// Pages whose code spans with `::` are names of tests.
const PAGES: [&str; 3] = ["ASVS.md", "THREATS.md", "DATA_PROTECTION.md"];

/// What a row of `docs/ASVS.md` may say.
const VERDICTS: [&str; 4] = ["met", "partly", "not met", "does not apply"];

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The file of a test and its function: `module::function` is in `tests/it`, `path/file.rs::function` in that file.
fn place(span: &str) -> Option<(String, &str)> {
    let (file, function) = span.split_once("::")?;
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if !is_name(function) {
        return None;
    }
    if is_name(file) {
        return Some((format!("tests/it/{file}.rs"), function));
    }
    file.strip_suffix(".rs").map(|_| (file.to_owned(), function))
}

/// Whether the source has a test of this name: a function with an attribute such as `#[test]`, or a body that a macro
/// such as `on_every_transport!` makes tests of.
fn has_test(source: &str, name: &str) -> bool {
    let defines = |line: &str| {
        let line = line.trim_start();
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let rest = rest.and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let lines: Vec<_> = source.lines().collect();
    let Some(at) = lines.iter().position(|line| defines(line)) else { return false };
    let above = lines[..at]
        .iter()
        .rev()
        .map(|line| line.trim())
        .take_while(|line| !line.is_empty() && !line.ends_with(['}', ';', '{']));
    let mut attributes = above.filter(|line| line.starts_with("#["));
    attributes.any(|line| line.ends_with("test]")) || listed(source).any(|body| body == name)
}

/// The bodies in invocations of `on_every_transport!` and the like.
fn listed(source: &str) -> impl Iterator<Item = &str> {
    let lists = source.split("transport!(").skip(1).chain(source.split("transports!(").skip(1));
    let lists = lists.filter_map(|rest| rest.split(");").next());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

/// Why a span is not the name of a test.
fn missing(span: &str) -> Option<&'static str> {
    let Some((file, function)) = place(span) else { return Some("is not the name of a test") };
    let Ok(source) = fs::read_to_string(root().join(file)) else { return Some("has no file") };
    (!has_test(&source, function)).then_some("is no test in its file")
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let mut problems = Vec::new();
    let mut found = BTreeSet::new();
    for name in PAGES {
        for span in code_spans(&page(name)).into_iter().filter(|span| span.contains("::")) {
            if let Some(why) = missing(&span) {
                problems.push(format!("docs/{name}: `{span}` {why}"));
            }
            found.insert(span);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(found.len() > 100, "only {} were found", found.len());
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert_eq!(missing("revocation::a_restart_forgets_no_revocation"), None);
    assert_eq!(missing("revocation::logout_closes_its_own_sockets_only"), None, "on every transport");
    assert_eq!(missing("src/auth/refresh.rs::a_forged_credential_is_refused"), None, "among properties");
    for wrong in [
        "revocation::a_restart_forgets_no_revocation_at_all",
        "revocation::a_restart_forgets_no",
        "revocations::a_restart_forgets_no_revocation",
        "tokens::a_restart_forgets_no_revocation",
        "src/auth/refresh.rs::no_such_test",
        "src/auth/refresh.rs::key",
        "Logins::revoke",
        "::",
    ] {
        assert!(missing(wrong).is_some(), "{wrong}");
    }
    let source = "on_every_transport!(\n    runs,\n);\n\n#[test]\nfn has() {}\n\nasync fn runs<C: Live>() {}\n\n\
                  /// Says `#[test]`.\nfn helps() {}\n\n\
                  #[ignore = \"slow\"]\n#[actix_web::test]\nasync fn ignored() {\n}\n";
    let is_test = |name| has_test(source, name);
    assert!(is_test("has") && is_test("runs") && is_test("ignored"));
    assert!(!is_test("helps") && !is_test("ha") && !is_test("test"));
}

#[test]
fn each_requirement_has_one_verdict_and_its_evidence() {
    let page = page("ASVS.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
    let mut numbers = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, level, _, verdict, evidence] = cells[..] else { panic!("not five cells: {row}") };
        assert!(numbers.insert(number), "{number} is there twice");
        assert!(["1", "2"].contains(&level), "{number}: level {level}");
        assert!(VERDICTS.contains(&verdict), "{number}: {verdict}");
        // Nothing is called met without a test, or without saying that none can show it.
        let has_test = code_spans(evidence).iter().any(|span| span.contains("::"));
        let shows = has_test || evidence.contains("No test can show an absence");
        assert!(!evidence.is_empty() && (verdict != "met" || shows), "{number}: {evidence}");
    }
    assert!(numbers.len() > 100, "only {} were found", numbers.len());
}

#[test]
fn data_protection_is_about_every_table() {
    let schema = fs::read_to_string(root().join("src/schema.rs")).unwrap();
    let tables = schema.split("diesel::table! {").skip(1).filter_map(|table| table.split_whitespace().next());
    let tables: BTreeSet<_> = tables.collect();
    assert!(tables.len() > 15, "{tables:?}");
    let named = code_spans(&page("DATA_PROTECTION.md"));
    for table in tables {
        assert!(named.iter().any(|span| span == table), "docs/DATA_PROTECTION.md lacks `{table}`");
    }
}
