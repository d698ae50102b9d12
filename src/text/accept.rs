//! The languages that a browser asks for: `Accept-Language` (RFC 9110 section 12.5.4).

/// Languages that are read of a header; no reader has more.
const MAX: usize = 20;

/// The language ranges of a header, the most wanted first, without those that are not acceptable. `*` is left out: any
/// language is the default one.
pub(super) fn ranges(header: &str) -> Vec<&str> {
    let mut ranges: Vec<(&str, u16)> = header.split(',').take(MAX).filter_map(range).collect();
    // Stable: of the same weight, the first one counts.
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    ranges.into_iter().map(|(range, _)| range).collect()
}

/// A range and its weight in thousandths.
fn range(part: &str) -> Option<(&str, u16)> {
    let mut parameters = part.split(';').map(str::trim);
    let range = parameters.next().filter(|range| !range.is_empty() && *range != "*")?;
    let weight = match parameters.find_map(|parameter| parameter.strip_prefix(['q', 'Q'])) {
        Some(weight) => thousandths(weight.trim_start().strip_prefix('=')?.trim())?,
        None => 1000,
    };
    (weight > 0).then_some((range, weight))
}

/// A weight: 0 to 1 with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_language_comes_first() {
        assert_eq!(ranges("de-AT,de;q=0.9,en;q=0.8"), ["de-AT", "de", "en"]);
        assert_eq!(ranges("en;q=0.5, fr ; q=0.8, de"), ["de", "fr", "en"]);
        assert_eq!(ranges("da, en-GB;q=0.8, *;q=0.1"), ["da", "en-GB"]);
    }

    #[test]
    fn refused_and_unreadable_languages_are_left_out() {
        assert_eq!(ranges("de;q=0, en;q=0.001"), ["en"]);
        assert_eq!(ranges("de;q=2, fr;q=1.5, it;q=x, es;q=0.1234, en"), ["en"]);
        assert!(ranges("").is_empty() && ranges("*").is_empty() && ranges(",;q=1,").is_empty());
        assert_eq!(ranges(&"de,".repeat(1000)).len(), MAX);
    }
}
