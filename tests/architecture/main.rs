//! Keeps the architecture: the layers, no circles of imports, a core without a runtime, and sizes.
//!
//! It reads the source with `syn`. Each rule says in its failure what to do. What breaks a rule today is listed with
//! its reason in `exceptions.rs`; `samples.rs` shows that each rule can fail.

mod circles;
mod exceptions;
mod imports;
mod layers;
mod samples;
mod sizes;
mod tree;
mod words;
mod workspace;

use std::path::Path;

use tree::Tree;

/// Packages that core must not be built with, and those whose names begin so.
const IMPURE: [&str; 3] = ["actix", "diesel", "tokio"];

fn imports_of_the_workspace() -> (Tree, Vec<imports::Import>) {
    let tree = Tree::load(&workspace::roots(), &workspace::read);
    let imports = imports::all(&tree);
    (tree, imports)
}

#[track_caller]
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems\n\n{}\n", problems.len(), problems.join("\n\n"));
}

#[test]
fn every_file_belongs_to_a_layer() {
    let (tree, _) = imports_of_the_workspace();
    let files = tree.modules.iter().map(|module| &*module.file).filter(|file| !file.starts_with("examples"));
    let mut problems = layers::without_layer(files);
    problems.sort();
    problems.dedup();
    assert_none(&problems);
}

#[test]
fn imports_point_down() {
    let (_, imports) = imports_of_the_workspace();
    assert_none(&layers::problems(&imports, exceptions::REVERSED));
}

#[test]
fn modules_import_each_other_in_no_circle() {
    let (_, imports) = imports_of_the_workspace();
    assert_none(&circles::problems(&imports, exceptions::CIRCLES));
}

#[test]
fn the_core_is_built_without_a_runtime_and_a_database() {
    let impure = |name: &String| IMPURE.iter().any(|start| name.starts_with(start));
    let found: Vec<String> = workspace::dependencies("doorward-core").into_iter().filter(impure).collect();
    assert!(
        found.is_empty(),
        "doorward-core depends on {found:?}.\n  What does I/O belongs above it: take the dependency out of \
         crates/core/Cargo.toml (`cargo tree -p doorward-core -e normal` shows the way to it)."
    );
}

#[test]
fn one_file_reads_websockets_with_the_old_library() {
    assert_none(&words::second_websocket_reader(&workspace::sources()));
}

#[test]
fn addresses_of_actors_stay_behind_their_handles() {
    assert_none(&words::addresses(&workspace::sources(), exceptions::ADDRESSES));
}

#[test]
fn files_and_functions_are_short() {
    let mut used = vec![false; exceptions::LONG.len()];
    let mut problems = Vec::new();
    for (file, source) in workspace::sources() {
        problems.extend(sizes::problems(&file, &source, exceptions::LONG, &mut used));
    }
    for (long, _) in exceptions::LONG.iter().zip(used).filter(|(_, used)| !used) {
        problems.push(format!(
            "{}: {} is short now ({}).\n  Delete its entry in LONG in tests/architecture/exceptions.rs.",
            long.file,
            long.function.unwrap_or("the file"),
            long.reason
        ));
    }
    assert_none(&problems);
}

#[test]
fn the_documentation_shows_the_layers() {
    let file = Path::new("docs/ARCHITECTURE.md");
    let text = workspace::read(file).expect("the documentation can be read");
    let names: Vec<_> = layers::LAYERS.iter().map(|layer| layer.0).collect();
    assert_eq!(
        layers::in_picture(&text),
        names,
        "the picture of docs/ARCHITECTURE.md shows other layers than tests/architecture/layers.rs.\n  Give it a row for \
         each, from top to bottom"
    );
    let table = layers::table();
    assert!(
        text.contains(&table),
        "docs/ARCHITECTURE.md does not show the layers of tests/architecture/layers.rs.\n  Put these lines there, below \
         the head `| layer | files | what it is for |`:\n\n{table}"
    );
}
