//! Masks secrets in the values that errors and `doorward config` show.

use url::Url;

use super::keys;

/// A value as errors and `doorward config` may show it.
pub(super) fn shown(key: &str, text: &str) -> String {
    if keys::find(key).is_none_or(|key| key.secret) { masked(text) } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(200).collect();
    if short.is_empty() || short.chars().any(char::is_control) { format!("{short:?}") } else { short }
}

/// A URL without its password. Text that cannot be parsed as a URL is hidden, unless it cannot hold a
/// password.
pub(super) fn masked(text: &str) -> String {
    if matches!(text, "preview" | "off") || text.starts_with("sqlite:") {
        return quoted(text);
    }
    match Url::parse(text) {
        // After an unescaped / ? or #, the rest of a password looks like a path, a query or a fragment.
        Ok(url)
            if [Some(url.path()), url.query(), url.fragment()]
                .into_iter()
                .flatten()
                .any(|part| part.contains('@'))
                || url.query().is_some_and(|query| !is_of_pairs(query)) =>
        {
            "***".to_owned()
        }
        Ok(mut url) if url.has_host() => {
            let hidden = url.password().is_none() || url.set_password(Some("***")).is_ok();
            // A parameter may hold a password too.
            let parameters: Vec<(String, String)> = url
                .query_pairs()
                .map(|(name, value)| {
                    let value = if matches!(&*name, "tls" | "sslmode") {
                        value.into_owned()
                    } else {
                        "***".to_owned()
                    };
                    (name.into_owned(), value)
                })
                .collect();
            url.set_query(None);
            url.set_fragment(None);
            if !parameters.is_empty() {
                url.query_pairs_mut().extend_pairs(parameters);
            }
            if hidden { quoted(url.as_str()) } else { "***".to_owned() }
        }
        _ => "***".to_owned(),
    }
}

/// Whether a query consists of names and values.
fn is_of_pairs(query: &str) -> bool {
    query.split('&').all(|pair| pair.split_once('=').is_some_and(|(name, _)| !name.contains(['/', '%'])))
}
