//! Rules about words that only some files may use.

use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

use crate::exceptions::Word;

/// The lines on which a source names an identifier, in macros too, but not in comments and strings.
pub fn lines_of(file: &Path, source: &str, word: &str) -> Vec<usize> {
    let tokens = source.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = Vec::new();
    collect(tokens, word, &mut lines);
    lines
}

fn collect(tokens: TokenStream, word: &str, lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == word => lines.push(ident.span().start().line),
            TokenTree::Group(group) => collect(group.stream(), word, lines),
            _ => {}
        }
    }
}

/// The lines on which a source imports or names `word` of a crate, alone or in braces.
fn lines_of_crate(file: &Path, source: &str, name: &str, word: &str) -> Vec<usize> {
    let tokens = source.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = Vec::new();
    collect_of_crate(tokens, name, word, &mut lines);
    lines
}

fn collect_of_crate(tokens: TokenStream, name: &str, word: &str, lines: &mut Vec<usize>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            // Behind `name::`.
            TokenTree::Ident(ident) if ident == name => match tokens.get(at + 3) {
                Some(TokenTree::Ident(ident)) if ident == word => lines.push(ident.span().start().line),
                Some(TokenTree::Group(group)) => collect(group.stream(), word, lines),
                _ => {}
            },
            TokenTree::Group(group) => collect_of_crate(group.stream(), name, word, lines),
            _ => {}
        }
    }
}

/// The old WebSocket library is named in one file, so that it can be replaced there.
pub fn second_websocket_reader(sources: &[(PathBuf, String)]) -> Vec<String> {
    let naming = |(file, source): &(PathBuf, String)| {
        let line = lines_of(file, source, "actix_web_actors").first().copied()?;
        Some(format!("{}:{line}", file.display()))
    };
    let files: Vec<String> = sources.iter().filter_map(naming).collect();
    if files.len() < 2 {
        return Vec::new();
    }
    vec![format!(
        "`actix_web_actors` is named in {}.\n  Name it in one file alone, and give others a type of ours.",
        files.join(" and ")
    )]
}

/// An actor's address stays in `src/actors`, behind the handles there. A recipient is the address for one kind of message.
pub fn addresses(sources: &[(PathBuf, String)], allowed: &[Word]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut needed = vec![false; allowed.len()];
    let outside = |file: &Path| file.starts_with("src") && !file.starts_with("src/actors");
    for (file, source) in sources.iter().filter(|(file, _)| outside(file)) {
        // A row of the database is a `Recipient` as well.
        let (addresses, recipients) =
            (lines_of(file, source, "Addr"), lines_of_crate(file, source, "actix", "Recipient"));
        let named = addresses.iter().map(|line| ("Addr", line));
        let Some((word, line)) = named.chain(recipients.iter().map(|line| ("Recipient", line))).next() else {
            continue;
        };
        if let Some(at) = allowed.iter().position(|word| Path::new(word.file) == file) {
            needed[at] = true;
            continue;
        }
        problems.push(format!(
            "{}:{line} names an actor's `{word}`.\n  Give the actor a handle in src/actors, with a method for each \
             message, and use that.",
            file.display()
        ));
    }
    for (word, _) in allowed.iter().zip(needed).filter(|(_, needed)| !needed) {
        problems.push(format!("{} names no `Addr` any more ({}).\n  Delete its entry in ADDRESSES in tests/architecture/exceptions.rs.",
            word.file, word.reason
        ));
    }
    problems
}
