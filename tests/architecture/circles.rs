//! The rule that modules import each other in no circle.
//!
//! It holds at each level: the modules of one parent, each with everything below it. A module and its own descendants
//! may import each other, for they are one thing in several files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::path::Path;

use crate::exceptions::Exception;
use crate::imports::Import;

/// Which module of a parent imports which, and an import that shows it.
type Level<'a> = BTreeMap<String, BTreeMap<String, &'a Import>>;

/// What is wrong: one shortest circle of each group of modules that import each other.
pub fn problems(imports: &[Import], exceptions: &[Exception]) -> Vec<String> {
    let all: Vec<&Import> = imports.iter().filter(|import| !import.name_only).collect();
    let (mut needed, mut kept) = (vec![false; exceptions.len()], Vec::new());
    let everything = levels(&all);
    for import in all {
        match exceptions.iter().position(|exception| exception.covers(import)) {
            None => kept.push(import),
            Some(at) => {
                let circular =
                    |(parent, from, to): (String, String, String)| path(&everything[&parent], &to, &from);
                needed[at] |= siblings(import).and_then(circular).is_some();
            }
        }
    }
    let mut problems = Vec::new();
    for (parent, level) in levels(&kept) {
        problems.extend(circles(&level).iter().map(|circle| describe(&parent, circle)));
    }
    problems.extend(Exception::not_needed(exceptions, &needed, "CIRCLES"));
    problems
}

fn describe(parent: &str, circle: &[&Import]) -> String {
    let mut text = format!("Modules of {parent} import each other in a circle:\n");
    for import in circle {
        let (from, to) = (import.from.display(), import.to.display());
        writeln!(text, "    {from}:{} imports `{}` from {to}", import.line, import.path)
            .expect("a string can be written to");
    }
    text + "  Move what two of them share to a module below both, or make them one module."
}

/// The parent, and the two of its modules that an import connects; `None` between a module and its descendant.
fn siblings(import: &Import) -> Option<(String, String, String)> {
    let (from, to) = (module_of(&import.from), module_of(&import.to));
    let common = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
    let names = (from.get(common)?.clone(), to.get(common)?.clone());
    Some((from[..common].join("/"), names.0, names.1))
}

/// `src/a/mod.rs` and `src/a.rs` are `src`, `a`.
fn module_of(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

fn levels<'a>(imports: &[&'a Import]) -> BTreeMap<String, Level<'a>> {
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    for &import in imports {
        if let Some((parent, from, to)) = siblings(import) {
            levels.entry(parent).or_default().entry(from).or_default().entry(to).or_insert(import);
        }
    }
    levels
}

/// A shortest circle through each module that is in one and in none that was found before.
fn circles<'a>(level: &Level<'a>) -> Vec<Vec<&'a Import>> {
    let (mut found, mut covered) = (Vec::new(), BTreeSet::new());
    for (from, targets) in level {
        if covered.contains(from) {
            continue;
        }
        let ways =
            targets.iter().filter_map(|(to, &first)| Some([vec![first], path(level, to, from)?].concat()));
        if let Some(circle) = ways.min_by_key(Vec::len) {
            covered.extend(circle.iter().filter_map(|import| siblings(import)).map(|(_, from, _)| from));
            found.push(circle);
        }
    }
    found
}

/// The shortest way from one module to another.
fn path<'a>(level: &Level<'a>, from: &str, to: &str) -> Option<Vec<&'a Import>> {
    let mut reached = BTreeSet::from([from.to_owned()]);
    let mut queue = VecDeque::from([(from.to_owned(), Vec::new())]);
    while let Some((at, way)) = queue.pop_front() {
        if at == to {
            return Some(way);
        }
        for (next, import) in level.get(&at).into_iter().flatten() {
            if reached.insert(next.clone()) {
                queue.push_back((next.clone(), [&way[..], &[*import]].concat()));
            }
        }
    }
    None
}
