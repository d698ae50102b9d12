//! The reference shows a request and its answer beside each route.

use std::collections::BTreeSet;

use super::table;

/// The method and the path of each request that an answer follows, as a page of the manual shows them.
fn examples(page: &str) -> Vec<(&str, &str)> {
    let mut blocks =
        page.split("```http\n").skip(1).map(|block| block.split("\n```").next().unwrap_or(block));
    let mut found = Vec::new();
    while let Some(request) = blocks.next() {
        if request.starts_with("HTTP/1.1 ") {
            continue;
        }
        let line = request.lines().next().unwrap_or_default();
        let answer = blocks.next().unwrap_or_default();
        if let Some((method, path)) = line.split_once(' ')
            && answer.starts_with("HTTP/1.1 ")
        {
            found.push((method, path.split([' ', '?']).next().unwrap_or(path)));
        }
    }
    found
}

/// Whether `path` is one of the paths of a route, whose parameters are in braces.
fn is_at(route: &str, path: &str) -> bool {
    let (mut wanted, mut shown) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), shown.next()) {
            (None, None) => return true,
            (Some(wanted), Some(shown))
                if wanted == shown || (wanted.starts_with('{') && !shown.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Pages of the site and their files; docs/PAGES.md is about these.
fn is_page(path: &str) -> bool {
    let tops = [
        "",
        "continue",
        "dashboard",
        "forgot-password",
        "invitation",
        "login",
        "logout",
        "not-me",
        "register",
        "reset-password",
        "static",
        "undo-email",
        "verify-email",
    ];
    tops.contains(&path.split('/').nth(1).unwrap_or_default())
}

#[actix_web::test]
async fn each_route_has_an_example_request_and_its_answer() {
    let _configured = super::tests::start().await;
    let pages = [include_str!("../../docs/HTTP.md"), include_str!("../../docs/ADMIN.md")];
    let shown: Vec<_> = pages.iter().flat_map(|page| examples(page)).collect();
    let mut missing = BTreeSet::new();
    // `/ws/` is for clients that add a slash.
    for (path, allow) in table::entries().into_iter().filter(|(path, _)| !is_page(path) && path != "/ws/") {
        for method in allow.split(", ").filter(|method| *method != "HEAD") {
            if !shown.iter().any(|(shown, at)| *shown == method && is_at(&path, at)) {
                missing.insert(format!("{method} {path}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "docs/HTTP.md and docs/ADMIN.md show no request, with the answer in the next block, of {missing:#?}"
    );
}

#[test]
fn a_request_without_an_answer_is_no_example() {
    let page = "```http\nGET /a/1?x=2\n```\n```http\nHTTP/1.1 200 OK\n```\n\n```http\nPOST /b\n```\n\ntext\n";
    assert_eq!(examples(page), [("GET", "/a/1")]);
    assert!(is_at("/a/{id}", "/a/1") && !is_at("/a/{id}", "/a/") && !is_at("/a/{id}", "/a/1/b"));
    assert!(!is_at("/a/{id}/b", "/a/1"));
}
