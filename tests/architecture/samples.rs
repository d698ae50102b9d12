//! Small sources that break a rule, and some that only look as if they did.

use std::path::{Path, PathBuf};

use crate::exceptions::{Exception, Long, Word};
use crate::imports::{self, Import};
use crate::tree::{Root, Tree};
use crate::{circles, layers, sizes, words};

/// The imports of a workspace of these files. The first is the root of the library `sample`.
fn imports_of(files: &[(&str, &str)]) -> Vec<Import> {
    let root = Root { name: Some("sample".to_owned()), file: files[0].0.into() };
    let read = |file: &Path| {
        files.iter().find(|(name, _)| Path::new(name) == file).map(|(_, text)| (*text).to_owned())
    };
    imports::all(&Tree::load(&[root], &read))
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    circles::problems(&imports_of(files), &[])
}

/// The imports of `src/a.rs`, in a library with a module `b` that has a child `c`, and one `d` that re-exports it.
fn targets_of(a: &str) -> Vec<String> {
    let found = imports_of(&[
        ("src/lib.rs", "mod a; mod b; mod d; pub struct Top;"),
        ("src/a.rs", a),
        (
            "src/b/mod.rs",
            "mod c; pub use c::Deep; pub fn flat() {} macro_rules! m { () => {} } pub(crate) use m;",
        ),
        ("src/b/c.rs", "pub struct Deep; pub fn deep() {}"),
        ("src/d.rs", "pub use crate::b::*; pub use std::fmt::Debug;"),
    ]);
    let mut targets: Vec<String> = found
        .iter()
        .filter(|import| import.from == Path::new("src/a.rs") && !import.name_only)
        .map(|import| import.to.display().to_string())
        .collect();
    targets.dedup();
    targets
}

#[test]
fn an_import_leads_to_where_its_name_is_defined() {
    for (a, target) in [
        ("use crate::b::flat;", "src/b/mod.rs"),
        ("use crate::b::Deep;", "src/b/c.rs"),
        ("use super::b::Deep as Other;", "src/b/c.rs"),
        ("use sample::b::Deep;", "src/b/c.rs"),
        ("use crate::d::Deep;", "src/b/c.rs"),
        ("use crate::b; fn f(_: b::Deep) {}", "src/b/c.rs"),
        ("use crate::b::*; fn f(_: Deep) {}", "src/b/c.rs"),
        ("use crate::{b::{self as other}}; fn f() { other::c::deep() }", "src/b/c.rs"),
        ("fn f() { crate::b::flat(); }", "src/b/mod.rs"),
        ("fn f() { use crate::b; b::flat(); }", "src/b/mod.rs"),
        ("impl From<crate::b::Deep> for X {}", "src/b/c.rs"),
        ("fn f() { println!(\"{}\", crate::b::flat()); }", "src/b/mod.rs"),
        ("fn f() { crate::b::m!(); }", "src/b/mod.rs"),
        ("mod inner { use super::super::b::Deep; }", "src/b/c.rs"),
        ("use crate::d::Debug;", "src/d.rs"),
        ("use crate::Top;", "src/lib.rs"),
    ] {
        assert_eq!(targets_of(a), [target], "{a}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_none() {
    for a in [
        "use std::fmt::Debug;",
        "use crate::b;",
        "fn f(b: u8) -> u8 { b }",
        "/// Like [`crate::b::flat`].\nfn f() {}",
        "pub(in crate::b) fn f() {}",
        "fn f() { println!(\"crate::b::flat\"); }",
        "#[cfg(test)] mod tests { use crate::b::Deep; }",
        "#[cfg(test)] use crate::b::Deep;",
        "#[cfg(test)] impl X { fn f(_: crate::b::Deep) {} }",
        "impl X { #[cfg(test)] fn f(_: crate::b::Deep) {} }",
        "struct Own; use self::Own as Other;",
    ] {
        assert_eq!(targets_of(a), [""; 0], "{a}");
    }
}

#[test]
fn a_reversed_arrow_is_found() {
    let imports = imports_of(&[
        ("src/lib.rs", "mod db; mod routes; mod clock;"),
        ("src/db.rs", "use crate::clock::Now; fn f() { crate::routes::answer() }"),
        ("src/routes/mod.rs", "mod login; pub use login::answer;"),
        ("src/routes/login.rs", "use crate::clock::Now; pub fn answer() {}"),
        ("src/clock.rs", "pub struct Now;"),
    ]);
    let problems = layers::problems(&imports, &[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("src/db.rs:1 imports `crate::routes::answer` from src/routes/login.rs."));
    assert!(problems[0].contains("Layer `db` is below layer `routes`"), "{}", problems[0]);

    let known = Exception { from: "src/db.rs", to: "src/routes/login.rs", reason: "a sample" };
    let idle = Exception { from: "src/db.rs", to: "src/routes/mod.rs", reason: "a sample" };
    let problems = layers::problems(&imports, &[known, idle]);
    assert!(problems.len() == 1 && problems[0].contains("no longer breaks the rule"), "{problems:?}");
}

#[test]
fn a_file_outside_all_layers_is_found() {
    let files =
        ["src/new/mod.rs", "src/db.rs", "src/db/new.rs", "src/auth/new.rs", "src/database.rs"].map(Path::new);
    let problems = layers::without_layer(files);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("src/new/mod.rs belongs to no layer."), "{}", problems[0]);
}

#[test]
fn a_circle_is_found() {
    let problems = circles_of(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "pub struct B; fn f() { crate::c::c() }"),
        ("src/c.rs", "pub fn c() { let _ = super::a::A; }"),
    ]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    for part in ["Modules of src ", "src/a.rs:1 imports `crate::b::B`", "`crate::c::c`", "`super::a::A`"] {
        assert!(problems[0].contains(part), "{part}: {}", problems[0]);
    }
}

#[test]
fn a_circle_through_children_is_found() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a/mod.rs", "mod x; mod y; pub use y::Y;"),
        ("src/a/x.rs", "use crate::b::B;"),
        ("src/a/y.rs", "pub struct Y;"),
        ("src/b.rs", "use crate::a::Y; pub struct B;"),
    ];
    assert_eq!(circles_of(&files).len(), 1);
    let known = Exception { from: "src/a/x.rs", to: "src/b.rs", reason: "a sample" };
    assert_eq!(circles::problems(&imports_of(&files), &[known]), [""; 0]);
}

#[test]
fn a_module_and_its_children_are_no_circle() {
    let facade = circles_of(&[
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod x; mod y; pub use x::X; pub use y::Y; fn f(_: X) {}"),
        ("src/a/x.rs", "pub struct X;"),
        ("src/a/y.rs", "use super::X; pub struct Y;"),
    ]);
    assert_eq!(facade, [""; 0]);
    let parts = circles_of(&[
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod x; pub struct A { x: x::X }"),
        ("src/a/x.rs", "pub struct X; impl super::A {}"),
    ]);
    assert_eq!(parts, [""; 0]);
}

#[test]
fn siblings_that_meet_through_a_facade_are_a_circle() {
    let problems = circles_of(&[
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod x; mod y; pub use x::X; pub use y::Y;"),
        ("src/a/x.rs", "use super::Y; pub struct X;"),
        ("src/a/y.rs", "use super::X; pub struct Y;"),
    ]);
    assert!(problems.len() == 1 && problems[0].contains("Modules of src/a "), "{problems:?}");
}

#[test]
fn an_exception_that_breaks_no_circle_is_found() {
    let files =
        [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", "use crate::b::B;"), ("src/b.rs", "pub struct B;")];
    let known = Exception { from: "src/a.rs", to: "src/b.rs", reason: "a sample" };
    let problems = circles::problems(&imports_of(&files), &[known]);
    assert!(problems.len() == 1 && problems[0].contains("no longer breaks the rule"), "{problems:?}");
}

#[test]
fn a_second_file_with_the_old_websocket_library_is_found() {
    let source = |file: &str, text: &str| (PathBuf::from(file), text.to_owned());
    let one = [
        source("src/a.rs", "use actix_web_actors::ws; use actix_web_actors::ws::Message;"),
        source("src/b.rs", "// actix_web_actors\nconst NAME: &str = \"actix_web_actors\";"),
    ];
    assert_eq!(words::second_websocket_reader(&one), [""; 0]);
    let two = [&one[..], &[source("src/c.rs", "fn f() {\n m!(actix_web_actors::ws) }")]].concat();
    let problems = words::second_websocket_reader(&two);
    assert!(problems.len() == 1 && problems[0].contains("src/a.rs:1 and src/c.rs:2"), "{problems:?}");
}

#[test]
fn an_address_outside_of_the_actors_is_found() {
    let text = "struct Handle { to: actix::Addr<Actor>, from: SocketAddr }".to_owned();
    let sources =
        ["src/actors/db.rs", "src/routes/ws.rs", "tests/it/main.rs"].map(|file| (file.into(), text.clone()));
    let problems = words::addresses(&sources, &[]);
    assert!(problems.len() == 1 && problems[0].starts_with("src/routes/ws.rs:1 names"), "{problems:?}");
    for (text, found) in [
        ("use actix::{Actor, Recipient};", 1),
        ("struct Handle(actix::Recipient<Close>);", 1),
        ("use actix::spawn; use crate::models::outbox::Recipient;", 0),
    ] {
        let problems = words::addresses(&[("src/app.rs".into(), text.to_owned())], &[]);
        assert_eq!(problems.len(), found, "{text}: {problems:?}");
    }
    let word = |file| Word { file, reason: "a sample" };
    let problems = words::addresses(&sources, &[word("src/routes/ws.rs"), word("src/routes/tcp.rs")]);
    assert!(problems.len() == 1 && problems[0].starts_with("src/routes/tcp.rs names no"), "{problems:?}");
}

#[test]
fn a_long_file_and_a_long_function_are_found() {
    let file = Path::new("src/a.rs");
    let function = |lines: usize| {
        format!("impl A {{\n/// Does it.\nfn long() {{\n{}}}\n}}\n", "x();\n".repeat(lines - 2))
    };
    let short = function(sizes::MAX_FUNCTION);
    assert_eq!(sizes::problems(file, &short, &[], &mut []), [""; 0]);
    let long = function(sizes::MAX_FUNCTION + 1);
    assert!(sizes::problems(file, &long, &[], &mut [])[0].starts_with("src/a.rs:3: `long` has 61 lines"));

    let known = [Long { file: "src/a.rs", function: Some("long"), reason: "a sample" }];
    let mut used = [false];
    assert_eq!(sizes::problems(file, &long, &known, &mut used), [""; 0]);
    assert!(used[0]);

    let long = short + &"const A: u8 = 0;\n".repeat(sizes::MAX_FILE);
    assert!(
        sizes::problems(file, &long, &known, &mut used)[0].starts_with("src/a.rs:1: the file has 463 lines")
    );
}
