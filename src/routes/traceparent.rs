//! The trace that a request belongs to, as other services name it (<https://www.w3.org/TR/trace-context/>): its id is
//! logged, so that a line here is found from a trace there.

use actix_web::http::header::HeaderMap;

/// Characters of a version, of the ids of a trace and of its parent, and of flags.
const PARTS: [usize; 4] = [2, 32, 16, 2];

/// The trace's id: 32 hexadecimal digits. None if the header is missing or breaks the rules.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all("traceparent");
    let text = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    parse(text)
}

fn parse(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let [version, trace, parent, flags] = PARTS.map(|length| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex))
    });
    // A later version may have more parts.
    let is_whole = version? != "ff" && (version? != "00" || parts.next().is_none());
    let is_set = |id: &str| id.bytes().any(|byte| byte != b'0');
    trace.filter(|trace| is_whole && is_set(trace) && parent.is_some_and(is_set) && flags.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_as_the_standard_has_it() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (text, trace) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(TRACE)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some(TRACE)),
            (
                "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like",
                Some(TRACE),
            ),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(parse(text), trace, "{text}");
        }
    }

    #[test]
    fn of_two_headers_neither_counts() {
        let mut headers = HeaderMap::new();
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        headers.append("traceparent".parse().unwrap(), value);
        assert!(trace_id(&headers).is_some());
        headers.append("traceparent".parse().unwrap(), "x".parse().unwrap());
        assert_eq!(trace_id(&headers), None);
    }
}
