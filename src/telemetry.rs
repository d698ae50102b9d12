//! Configures the logs, which go to standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Log, LogFormat};

/// Sends this process's logs to standard error.
///
/// # Errors
/// If logging is already set up.
pub fn init(log: &Log) -> Result<(), TryInitError> {
    subscriber(log, std::io::stderr, std::io::stderr().is_terminal()).try_init()
}

/// The same for another writer, which a test can read.
pub fn subscriber<W>(log: &Log, writer: W, colours: bool) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Internal errors would go to standard error, with a panic if that cannot be written, for instance on a
    // full disk.
    let layer = fmt::layer().with_writer(writer).log_internal_errors(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => layer.with_ansi(colours).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
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
