//! Log lines for people: the time, the level, and then a request in columns, or an event as a sentence with its fields.
//!
//! ```text
//! 2026-11-28 09:31:02Z INFO  POST   /api/login               200   241 ms  alice  203.0.113.7
//! 2026-11-28 09:31:04Z WARN  the database does not respond: connection refused
//! ```

use std::fmt::Write as _;
use std::io::Write as _;

use chrono::{Datelike, Timelike};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::paint::Paint;
use super::request::Request;
use crate::clock::{Clock, Timestamp};

/// Writes each event as one line.
pub(super) struct TextLines<W> {
    pub writer: W,
    pub colours: bool,
}

impl<S, W> Layer<S> for TextLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let paint = Paint(self.colours);
        let level = *event.metadata().level();
        let mut line = String::with_capacity(160);
        let time = stamp(Clock::System.now());
        // A text cannot fail to be written to.
        let _ = write!(line, "{} {} ", paint.dim(&time), paint.level(level));
        // The innermost span: requests are the only ones.
        let span = context.event_span(event);
        let extensions = span.as_ref().map(tracing_subscriber::registry::SpanRef::extensions);
        let request = extensions.as_ref().and_then(|extensions| extensions.get::<Fields>());
        match request.and_then(|request| Request::of(request, &fields)) {
            Some(request) => request.write(&mut line, time.len() + 7, paint),
            None => sentence(&mut line, &fields, event.metadata().target(), paint),
        }
        // Errors are reported with the request's id, to find what else belongs to it.
        let id = request.and_then(|request| request.get("id")).filter(|_| level <= Level::WARN);
        if let Some(id) = id {
            let _ = write!(line, " {}", paint.dim(&format!("request={id}")));
            if let Some(trace) = request.and_then(|request| request.get("trace")) {
                let _ = write!(line, " {}", paint.dim(&format!("trace={trace}")));
            }
        }
        line.push('\n');
        // There is nowhere to say that a line cannot be written, for instance to a full disk.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(line.as_bytes());
    }
}

/// To the second. Written by hand, as chrono reads a format anew each time.
fn stamp(now: Timestamp) -> String {
    let (year, month, day) = (now.year(), now.month(), now.day());
    let (hour, minute, second) = (now.hour(), now.minute(), now.second());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The names of fields that say why: they follow the message after a colon.
const REASONS: [&str; 4] = ["error", "cause", "why", "broken"];

fn sentence(line: &mut String, fields: &Fields, target: &str, paint: Paint) {
    // Lines of a crate that uses `log` name their target in a field.
    let target = fields.get("log.target").unwrap_or(target);
    let source = target.split("::").next().unwrap_or_default();
    if source != "doorward" {
        let _ = write!(line, "{source}: ");
    }
    line.push_str(fields.get("message").unwrap_or_default());
    for (_, value) in fields.iter().filter(|(name, _)| REASONS.contains(name)) {
        let _ = write!(line, ": {value}");
    }
    for (name, value) in fields.iter() {
        if name != "message" && !REASONS.contains(&name) && !name.starts_with("log.") {
            let name = format!("{name}=");
            let name = paint.dim(&name);
            // White space would look like the end of the value.
            let is_plain = !value.is_empty() && !value.contains([' ', '"']);
            let _ = if is_plain { write!(line, " {name}{value}") } else { write!(line, " {name}{value:?}") };
        }
    }
}
