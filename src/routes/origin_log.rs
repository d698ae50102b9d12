//! Limits log lines about origins to one a minute each, however often a page tries.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_mins(1);

/// Origins that are tracked separately. Clients may send any number of different ones; beyond this they share
/// a line.
const MOST: usize = 256;

/// Characters of an origin that are logged.
const LENGTH: usize = 200;

/// The subject of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum About {
    /// Its page may not open a socket.
    Socket,
    /// Its page may not use the API.
    Api,
    /// Its page may not post a form.
    Form,
    /// One of this server's pages, opened under an address other than that of its links.
    OpenedAs,
    /// No page of it is returned to.
    Return,
}

#[derive(Debug, Default)]
pub(super) struct OriginLog(Mutex<HashMap<(About, String), Instant>>);

impl OriginLog {
    /// The origin as the log may show it, if a line is due.
    pub(super) fn due(&self, about: About, origin: &str, now: Instant) -> Option<String> {
        let mut shown: String = origin.chars().take(LENGTH).flat_map(char::escape_default).collect();
        if origin.chars().nth(LENGTH).is_some() {
            shown.push_str("...");
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MOST {
            lines.retain(|_, at| now.saturating_duration_since(*at) < PAUSE);
        }
        if lines.len() >= MOST && !lines.contains_key(&(about, shown.clone())) {
            shown = format!("one of more than {MOST} origins");
        }
        let line = lines.get_mut(&(about, shown.clone()));
        match line {
            Some(at) if now.saturating_duration_since(*at) < PAUSE => None,
            Some(at) => {
                *at = now;
                Some(shown)
            }
            None => {
                lines.insert((about, shown.clone()), now);
                Some(shown)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn an_origin_has_one_line_a_minute() {
        let (log, start) = (OriginLog::default(), Clock::System.instant());
        let due =
            |origin: &str, seconds| log.due(About::Socket, origin, start + Duration::from_secs(seconds));
        assert_eq!(due("https://a.example", 0).as_deref(), Some("https://a.example"));
        assert_eq!(due("https://a.example", 59), None);
        assert!(due("https://b.example", 59).is_some(), "another origin has its own line");
        assert!(log.due(About::Form, "https://a.example", start).is_some(), "and so has another subject");
        assert!(due("https://a.example", 60).is_some());
        assert_eq!(due("https://a.example", 119), None);
    }

    #[test]
    fn an_origin_stays_one_short_line_of_ascii() {
        let (log, now) = (OriginLog::default(), Clock::System.instant());
        let shown = log.due(About::Socket, "https://a\n\u{1b}[31m\u{202e}ü", now).unwrap();
        assert_eq!(shown, "https://a\\n\\u{1b}[31m\\u{202e}\\u{fc}");
        assert_eq!(log.due(About::Socket, &"x".repeat(5000), now).unwrap().len(), LENGTH + 3);
    }

    #[test]
    fn any_number_of_origins_takes_little_memory() {
        let (log, start) = (OriginLog::default(), Clock::System.instant());
        let lines =
            (0..10 * MOST).filter_map(|n| log.due(About::Socket, &format!("https://{n}.example"), start));
        assert_eq!(lines.count(), MOST + 1, "the others share a line");
        assert!(log.0.lock().unwrap().len() <= MOST + 1);
        let later = start + PAUSE;
        assert_eq!(log.due(About::Socket, "https://z.example", later).as_deref(), Some("https://z.example"));
        assert!(log.0.lock().unwrap().len() < 3);
    }
}
