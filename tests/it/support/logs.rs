//! Everything that the tests of this binary log, in one place.
//!
//! One subscriber for the whole process: a thread's own would miss lines, because `tracing` remembers for each
//! line of code whether there is a listener, and another test's thread may be the first to ask.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use doorward::internals::config::{Log, LogFormat};
use doorward::internals::telemetry;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static CAPTURED: OnceLock<Captured> = OnceLock::new();

/// Starts to listen, at `trace`, if no test has done so yet. Call it before what is to be seen.
pub fn capture() {
    CAPTURED.get_or_init(|| {
        let captured = Captured::default();
        let writer = captured.clone();
        let log = Log { format: LogFormat::Json, level: tracing::Level::TRACE };
        telemetry::subscriber(&log, move || writer.clone(), false).init();
        captured
    });
}

/// What was logged so far, by all tests: an object a line.
pub fn text() -> String {
    let captured = CAPTURED.get().expect("capture() was called");
    String::from_utf8(captured.0.lock().unwrap().clone()).expect("JSON is UTF-8")
}

/// The lines that hold all of these words.
pub fn lines_with(words: &[&str]) -> Vec<String> {
    text().lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}
