//! The layers, and the rule that imports point down.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use crate::exceptions::Exception;
use crate::imports::Import;

/// One layer: its name, the files of which it consists (a folder stands for all below it, unless another line names
/// a part of it), and what it is for.
pub struct Layer(pub &'static str, pub &'static [&'static str], pub &'static str);

/// Top to bottom. A file imports files of its own line or of lines below it. docs/ARCHITECTURE.md shows the same table.
#[rustfmt::skip]
pub const LAYERS: &[Layer] = &[
    Layer("main",          &["src/main.rs"],                     "starts the command line"),
    Layer("lib",           &["src/lib.rs"],                      "what an embedding application may use"),
    Layer("cli",           &["src/cli"],                         "one file for each command"),
    Layer("client",        &["crates/client/src"],               "a client of the server, as a library of its own"),
    Layer("app",           &["src/app"],                         "wires everything; listeners and shutdown are parameters"),
    Layer("routes",        &["src/routes"],                      "HTTP: one table of routes, one file for each resource"),
    Layer("answers",       &["src/error", "src/pages"],             "what routes answer with: problem documents and pages"),
    Layer("transports",    &["src/transports"],                  "how a session's bytes travel"),
    Layer("accounts",      &["src/accounts"],                    "what the product does, one file for each capability"),
    Layer("mail, import",  &["src/mail", "src/import"],          "the outbox and its delivery; other systems' accounts"),
    Layer("jobs",          &["src/jobs"],                        "work that is queued with the change that it follows"),
    Layer("actors",        &["src/actors"],                      "live sessions, database executors, password hashers"),
    Layer("rooms",         &["src/rooms"],                       "messages to the sessions that have joined a room, and who is there"),
    Layer("events",        &["src/events"],                      "what a signed-in session can request"),
    Layer("cluster",       &["src/cluster"],                     "what nodes tell each other"),
    Layer("directory",     &["src/directory"],                   "who is connected, which logins were revoked"),
    Layer("models",        &["src/models"],                      "rows and queries"),
    Layer("db",            &["src/db", "src/schema.rs"],         "connections, their pool, migrations, the schema"),
    Layer("auth, limits",  &["src/auth", "src/limits"],          "tokens, password hashes, keys; rates by network"),
    Layer("process",       &["src/private_files", "src/server_lock.rs", "src/telemetry", "src/tls.rs"], "file modes, one server a database, logs, the certificate"),
    Layer("text",          &["src/text"],                        "what people read, in their languages"),
    Layer("brand",         &["src/brand"],                       "how pages and emails present the site"),
    Layer("config",        &["src/config"],                      "settings, parsed once"),
    Layer("metrics",       &["src/metrics"],                     "what is counted and measured, and the registry of all that"),
    Layer("system",        &["src/clock.rs", "src/ownership.rs", "src/peer.rs"], "the time, files' owners, a connection's socket"),
    Layer("core::session", &["crates/core/src/lib.rs", "crates/core/src/session"], "the rules of a live session, as a state machine"),
    Layer("core::protocol", &["crates/core/src/protocol"],       "what client and server say to each other"),
    Layer("core::rooms",   &["crates/core/src/rooms"],           "who may join a room and send to it, and who is there"),
    Layer("core::domain",  &["crates/core/src/domain", "crates/core/src/time.rs"], "values that were parsed"),
    Layer("bcrypt-lanes",  &["crates/bcrypt-lanes/src"],         "several bcrypt hashes at once, as a library of its own"),
];

/// The line of the table that a file belongs to: that of its longest prefix.
pub fn of(file: &Path) -> Option<usize> {
    let prefixes =
        LAYERS.iter().enumerate().flat_map(|(at, layer)| layer.1.iter().map(move |path| (at, *path)));
    let own = prefixes.filter(|(_, path)| file.starts_with(path) || file == Path::new(&format!("{path}.rs")));
    own.max_by_key(|(_, path)| path.len()).map(|(at, _)| at)
}

/// What is wrong with the imports' directions.
pub fn problems(imports: &[Import], exceptions: &[Exception]) -> Vec<String> {
    let (mut problems, mut reported) = (Vec::new(), HashSet::new());
    let mut needed = vec![false; exceptions.len()];
    for import in imports {
        let (Some(from), Some(to)) = (of(&import.from), of(&import.to)) else {
            continue;
        };
        if from <= to {
            continue;
        }
        if let Some(at) = exceptions.iter().position(|exception| exception.covers(import)) {
            needed[at] = true;
            continue;
        }
        if !reported.insert((&import.from, &import.to)) {
            continue;
        }
        problems.push(format!(
            "{}:{} imports `{}` from {}.\n  Layer `{}` is below layer `{}`, and imports point down (LAYERS in \
             tests/architecture/layers.rs).\n  Move what both need to the lower layer, or hand it in as an argument or \
             a trait.",
            import.from.display(),
            import.line,
            import.path,
            import.to.display(),
            LAYERS[from].0,
            LAYERS[to].0,
        ));
    }
    problems.extend(Exception::not_needed(exceptions, &needed, "REVERSED"));
    problems
}

/// Files that no line of the table covers.
pub fn without_layer<'a>(files: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    let homeless = files.into_iter().filter(|file| of(file).is_none());
    homeless
        .map(|file| {
            format!(
                "{} belongs to no layer.\n  Add it, or its folder, to a line of LAYERS in tests/architecture/layers.rs: \
                 below what imports it, above what it imports.",
                file.display()
            )
        })
        .collect()
}

/// The names of layers in the picture of docs/ARCHITECTURE.md: the first column of its first block that is framed.
pub fn in_picture(page: &str) -> Vec<&str> {
    let mut blocks = page.split("\n```\n").skip(1).step_by(2);
    let picture = blocks.find(|block| block.starts_with("+-")).unwrap_or_default();
    picture.lines().filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" |")?.0.trim_end())).collect()
}

/// The table as docs/ARCHITECTURE.md shows it.
pub fn table() -> String {
    let mut text = String::new();
    for Layer(name, files, what) in LAYERS {
        let files = files.join(", ");
        writeln!(text, "| {name} | `{}` | {what} |", files.replace(", ", "`, `"))
            .expect("a string can be written to");
    }
    text
}
