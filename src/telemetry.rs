//! Configures the logs, which go to standard error: lines for people, or JSON.

pub mod audit;
mod escape;
mod fields;
mod paint;
mod request;
mod text;
mod writer;

use std::error::Error;
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use self::escape::Escaping;
use self::text::TextLines;
use self::writer::LineWriter;
use crate::config::{Log, LogFormat};

/// Sends this process's logs to standard error.
///
/// # Errors
/// If logging is already set up.
pub fn init(log: &Log) -> Result<(), TryInitError> {
    subscriber(log, std::io::stderr, wants_colours()).try_init()
}

/// The same for a process that serves others: a thread of its own writes. What it has not written yet, [`flush`] waits
/// for, and a panic's message does.
///
/// # Errors
/// If logging is already set up, or the thread cannot be started.
pub fn init_server(log: &Log) -> Result<(), Box<dyn Error>> {
    let writer = LineWriter::start(std::io::stderr(), |count| {
        tracing::warn!(count, "dropped log lines: standard error is too slow");
    })?;
    subscriber(log, writer.clone(), wants_colours()).try_init()?;
    writer.flush_at_panic();
    // It is set once: logging was not set up before.
    let _ = WRITER.set(writer);
    Ok(())
}

/// Waits until what was logged is written, for the end of the process.
pub fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush();
    }
}

/// There once lines are written by a thread.
static WRITER: OnceLock<LineWriter> = OnceLock::new();

/// On a terminal that shows colours, unless the user wants none (<https://no-color.org>).
fn wants_colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    std::io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// The same for another writer, which a test can read.
pub fn subscriber<W>(log: &Log, writer: W, colours: bool) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => TextLines { writer, colours }.boxed(),
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_span_list(false);
            // Internal errors would go to standard error, with a panic if that cannot be written, for instance on a
            // full disk.
            layer.with_writer(Escaping(writer)).log_internal_errors(false).boxed()
        }
    };
    tracing_subscriber::registry().with(layer.with_filter(filter(log.level)))
}

/// This program's own lines at the requested level, those of other crates at `warn` at most. At `debug`,
/// lettre logs the conversation with the mail server, and an email contains a link that signs its recipient
/// in.
fn filter(level: Level) -> Targets {
    let ours = LevelFilter::from_level(level);
    Targets::new()
        .with_target("doorward", ours)
        // It logs each malformed request as an error, so a client could fill the log.
        .with_target("actix_http", LevelFilter::OFF)
        .with_default(ours.min(LevelFilter::WARN))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, OnceLock};

    use tracing::dispatcher::{DefaultGuard, Dispatch};
    use tracing_subscriber::Registry;

    use super::*;

    /// A buffer to log to.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Captures what this thread logs until the guard is dropped.
    pub(crate) fn capture(log: &Log) -> (Captured, DefaultGuard) {
        // With a single subscriber, tracing asks only the first thread that reaches a line whether it is of
        // interest, and a thread without a subscriber answers no for all. With these two additional ones it
        // asks every thread.
        static LASTING: OnceLock<[Dispatch; 2]> = OnceLock::new();
        LASTING.get_or_init(|| [(); 2].map(|()| Dispatch::new(Registry::default())));
        let captured = Captured::default();
        let writer = captured.clone();
        let guard = tracing::subscriber::set_default(subscriber(log, move || writer.clone(), false));
        (captured, guard)
    }

    fn logged(level: Level, format: LogFormat) -> String {
        let (captured, _guard) = capture(&Log { format, level });
        tracing::trace!(target: "doorward::x", "ours trace");
        tracing::info!(target: "doorward::x", answer = 42, "ours info");
        tracing::error!(target: "doorward", "ours error");
        tracing::debug!(target: "lettre::transport", "theirs debug");
        tracing::info!(target: "lettre::transport", "theirs info");
        tracing::warn!(target: "actix_server", "theirs warn");
        tracing::trace!(target: "doorwardlike", "theirs trace");
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn other_crates_log_warnings_at_most() {
        let lines = logged(Level::TRACE, LogFormat::Text);
        for text in ["ours trace", "ours info", "ours error", "theirs warn"] {
            assert!(lines.contains(text), "{lines}");
        }
        assert!(!lines.contains("theirs debug") && !lines.contains("theirs info"), "{lines}");
        assert!(!lines.contains('\u{1b}'), "{lines}");
    }

    #[test]
    fn the_level_applies_to_all_crates() {
        let lines = logged(Level::ERROR, LogFormat::Text);
        assert!(lines.contains("ours error"));
        assert!(!lines.contains("ours info") && !lines.contains("theirs warn"), "{lines}");
    }

    /// A line without its time.
    fn written(colours: bool, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let settings = Log { format: LogFormat::Text, level: Level::INFO };
        let _guard = tracing::subscriber::set_default(subscriber(&settings, move || writer.clone(), colours));
        log();
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        text.trim_end().to_owned()
    }

    #[test]
    fn an_event_is_a_sentence_with_its_reason_and_its_fields() {
        let line = written(false, || {
            let error = "disk I/O error\n2026-11-28 INFO forged \u{1b}[31m\u{202e}";
            tracing::warn!(target: "doorward::x", id = 7, %error, device = "a b", empty = "", "could not save");
        });
        let (time, rest) = line.split_at(21);
        assert_eq!(time.len() + 1, "2026-11-28 09:31:02Z  ".len());
        assert!(time.ends_with("Z ") && time.as_bytes()[10] == b' ', "{time}");
        assert_eq!(
            rest,
            "WARN  could not save: disk I/O error\\n2026-11-28 INFO forged \\u{1b}[31m\\u{202e} id=7 device=\"a b\" empty=\"\""
        );
        let line = written(false, || tracing::warn!(target: "actix_server::worker", "theirs"));
        assert!(line.ends_with("Z WARN  actix_server: theirs"), "{line}");
    }

    #[test]
    fn an_event_of_a_request_names_it_if_something_is_wrong() {
        let in_request = |log: fn()| {
            let id = "0190f3c4";
            written(false, || {
                tracing::info_span!(target: "doorward::x", "request", id, method = "GET", route = "/x")
                    .in_scope(log);
            })
        };
        let line = in_request(
            || tracing::info!(target: "doorward::x", status = 200, ms = 3, address = "::1", "request"),
        );
        assert!(line.ends_with("Z INFO  GET    /x                       200     3 ms  -  ::1"), "{line}");
        let line =
            in_request(|| tracing::error!(target: "doorward::x", status = 500, ms = 3, "request failed"));
        assert!(
            line.ends_with("Z ERROR GET    /x                       500     3 ms  -  - request=0190f3c4"),
            "{line}"
        );
        let line = in_request(|| tracing::error!(target: "doorward::x", cause = "no", "request failed"));
        assert!(line.ends_with("Z ERROR request failed: no request=0190f3c4"), "{line}");
        let line = in_request(|| tracing::info!(target: "doorward::x", "login revoked"));
        assert!(line.ends_with("Z INFO  login revoked"), "{line}");
    }

    #[test]
    fn colours_are_for_terminals() {
        let line = written(true, || tracing::warn!(target: "doorward::x", n = 1, "careful"));
        assert!(
            line.starts_with("\u{1b}[2m2") && line.contains("\u{1b}[33mWARN \u{1b}[0m careful"),
            "{line}"
        );
        assert!(
            !written(false, || tracing::warn!(target: "doorward::x", n = 1, "careful")).contains('\u{1b}')
        );
    }

    #[test]
    fn json_is_an_object_a_line() {
        let lines = logged(Level::INFO, LogFormat::Json);
        let objects: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects[0]["message"], "ours info");
        assert_eq!(objects[0]["answer"], 42);
        assert_eq!(objects[0]["level"], "INFO");
    }
}
