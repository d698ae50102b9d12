//! Says what is wrong with an invalid access token, as far as its shape shows. For the client's developer:
//! nothing here decides about access, and no part of the token is repeated.

/// What an unset variable becomes in a string, in various languages.
const EMPTY_VARIABLES: [&str; 7] =
    ["undefined", "null", "none", "nil", "nan", "[object object]", "[object promise]"];

/// The code of an API key that was sent as an access token.
pub const API_KEY: &str = "api_key_not_accepted";

/// A sentence about the token, if its shape shows the mistake.
#[must_use]
pub fn explain(token: &str) -> Option<&'static str> {
    let word = token.trim();
    let begins =
        |prefix: &str| word.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if word.is_empty() {
        Some("The access token is empty.")
    } else if EMPTY_VARIABLES.iter().any(|empty| word.eq_ignore_ascii_case(empty)) {
        Some("The client sent the name of an empty variable instead of an access token: it has no token yet.")
    } else if begins("bearer ") {
        Some("The word Bearer appears twice before the access token.")
    } else if word.starts_with("dwr_") {
        Some("This is a refresh token: POST /api/refresh exchanges it for an access token.")
    } else if is_api_key(word) {
        Some("This is an API key, which only the server API accepts. This needs the access token of a user.")
    } else if word.starts_with("dwb_") {
        Some("This is a browser's cookie: POST /api/token exchanges it for an access token.")
    } else if word.starts_with(['"', '\'', '`']) {
        Some("The access token is in quotation marks, which are not part of it.")
    } else if word.starts_with(['<', '{', '$', '%']) {
        Some("The client sent a placeholder instead of an access token.")
    } else if word.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some("The access token contains spaces or line breaks.")
    } else {
        None
    }
}

/// Whether the text begins as an API key does.
#[must_use]
pub fn is_api_key(text: &str) -> bool {
    text.starts_with(super::api_key::PREFIX)
}

/// Whether the text has the shape of a JWT: three parts in base64url, the first of which begins as JSON does
/// (RFC 7519 section 3).
#[must_use]
pub fn is_jwt(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let mut parts = text.split('.');
    text.starts_with("eyJ")
        && parts.by_ref().take(3).filter(|text| part(text)).count() == 3
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_clients_send_by_mistake_is_explained() {
        for (token, word) in [
            ("", "empty"),
            ("  ", "empty"),
            ("undefined", "variable"),
            ("NULL", "variable"),
            ("[object Object]", "variable"),
            ("Bearer eyJa.b.c", "Bearer"),
            ("bearer eyJa.b.c", "Bearer"),
            ("dwr_0198_x", "refresh token"),
            ("dwb_0198_x", "cookie"),
            ("dwk_0198_x", "API key"),
            ("\"eyJa.b.c\"", "quotation marks"),
            ("'eyJa.b.c'", "quotation marks"),
            ("<token>", "placeholder"),
            ("${TOKEN}", "placeholder"),
            ("{{token}}", "placeholder"),
            ("eyJa.b.\nc", "line breaks"),
        ] {
            let sentence = explain(token).unwrap_or_else(|| panic!("{token}"));
            assert!(sentence.contains(word), "{token}: {sentence}");
        }
        for token in ["eyJa.b.c", "nonsense", "a.b.c", "ümläut"] {
            assert_eq!(explain(token), None, "{token}");
        }
    }

    #[test]
    fn a_jwt_is_recognized_by_its_shape() {
        assert!(is_jwt("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln-_"));
        for other in [
            "",
            "eyJ",
            "eyJa.b",
            "eyJa.b.c.d",
            "eyJa..c",
            "eyJa.b.c ",
            "a.b.c",
            "id.example.org",
            "eyJa.b.c=d",
        ] {
            assert!(!is_jwt(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = explain(&text);
            let _ = is_jwt(&text);
        }
    }
}
