//! Describes a user agent in words, for a person who looks for one of their devices.

use serde::Serialize;

/// The first match names the client: most browsers also claim to be those further down.
const CLIENTS: [(&str, &str); 19] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("python-", "Python"),
    ("Python/", "Python"),
    ("okhttp/", "an Android app"),
    ("CFNetwork/", "an Apple app"),
    ("Dart/", "a Flutter app"),
    ("node", "Node.js"),
];

/// The same for systems: an Android phone also says Linux, an iPhone also says Mac OS.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Mac OS", "macOS"),
    ("Darwin", "macOS"),
    ("Linux", "Linux"),
];

/// What a device looks like to its user, by its user agent: names an icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A browser on a computer.
    Desktop,
    Phone,
    Tablet,
    /// A program of a developer: curl, a script.
    Terminal,
    /// Anything else.
    App,
}

impl DeviceKind {
    #[must_use]
    pub fn of(user_agent: Option<&str>) -> Self {
        let text = user_agent.unwrap_or_default();
        let client = client(text);
        if matches!(client, Some("curl" | "Wget" | "Python" | "Node.js")) {
            return Self::Terminal;
        }
        let is_browser = client.is_some_and(|name| !name.ends_with(" app"));
        match system(text) {
            Some("iPhone") => Self::Phone,
            Some("iPad") => Self::Tablet,
            // Browsers say "Mobile" on phones only.
            Some("Android") if text.contains("Mobile") => Self::Phone,
            Some("Android") if is_browser => Self::Tablet,
            Some(system) if is_browser && system != "Android" => Self::Desktop,
            _ => Self::App,
        }
    }

    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Phone => "phone",
            Self::Tablet => "tablet",
            Self::Terminal => "terminal",
            Self::App => "app",
        }
    }
}

fn client(text: &str) -> Option<&'static str> {
    first_of(&CLIENTS, text)
}

fn system(text: &str) -> Option<&'static str> {
    first_of(&SYSTEMS, text)
}

fn first_of(names: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    names.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
}

/// What a user agent says about a device, for descriptions in any language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName {
    /// The browser or program, such as "Firefox". An unknown one that names no system is called as it calls itself, up to
    /// its first space. Those that end in " app" are no names but words: "an Android app".
    pub client: Option<String>,
    /// The system, such as "Linux".
    pub system: Option<&'static str>,
}

impl DeviceName {
    #[must_use]
    pub fn of(user_agent: Option<&str>) -> Self {
        let text = user_agent.unwrap_or_default();
        let system = system(text);
        let own = || text.split([' ', '/']).next().filter(|name| system.is_none() && !name.is_empty());
        let client = match client(text) {
            Some(client) => Some(client.to_owned()),
            None => own().map(|name| name.chars().take(32).collect()),
        };
        Self { client, system }
    }
}

impl DeviceName {
    /// The same in words that are known alone: for an email, in which what a client calls itself would be text, and
    /// perhaps a link, of the client's choice.
    #[must_use]
    pub fn of_known(user_agent: Option<&str>) -> Self {
        let text = user_agent.unwrap_or_default();
        // What a connection at the TCP prompts is called.
        let client = client(text).or_else(|| (text == "TCP").then_some("TCP"));
        Self { client: client.map(str::to_owned), system: system(text) }
    }
}

/// A description in English, such as "Firefox on Linux".
#[must_use]
pub fn describe_user_agent(user_agent: Option<&str>) -> String {
    let DeviceName { client, system } = DeviceName::of(user_agent);
    match (client, system) {
        (Some(client), Some(system)) => format!("{client} on {system}"),
        (Some(client), None) => client,
        (None, Some(system)) => format!("A client on {system}"),
        (None, None) => "An unnamed client".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn browsers_and_systems_are_recognized() {
        for (text, words) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            ("curl/8.5.0", "curl"),
            ("python-requests/2.32", "Python"),
            ("MyApp/1.2 (Linux)", "A client on Linux"),
            ("MyApp/1.2", "MyApp"),
            ("", "An unnamed client"),
        ] {
            assert_eq!(describe_user_agent(Some(text)), words, "{text}");
        }
        assert_eq!(describe_user_agent(None), "An unnamed client");
    }

    #[test]
    fn what_a_client_calls_itself_is_not_among_the_known_words() {
        for text in ["www.evil.example", "www.evil.example (Linux)", "<b>x</b>/1.2", ""] {
            let DeviceName { client, system } = DeviceName::of_known(Some(text));
            assert_eq!((client, system), (None, text.contains("Linux").then_some("Linux")), "{text}");
        }
        for text in ["Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "TCP"] {
            assert_eq!(DeviceName::of_known(Some(text)), DeviceName::of(Some(text)));
        }
        assert_eq!(DeviceName::of_known(None), DeviceName { client: None, system: None });
    }

    #[test]
    fn a_kind_of_device_is_recognized() {
        use DeviceKind::{App, Desktop, Phone, Tablet, Terminal};
        for (text, kind) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", Desktop),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
                Desktop,
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
                Desktop,
            ),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15", Desktop),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148 Safari/604.1", Phone),
            ("MyApp/3 (iPhone; iOS 18.1)", Phone),
            ("Mozilla/5.0 (Linux; Android 10; K) Chrome/122.0 Mobile Safari/537.36", Phone),
            ("Mozilla/5.0 (Android 13; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0", Phone),
            ("Mozilla/5.0 (Linux; Android 13; SM-X906C) Chrome/131.0 Safari/537.36", Tablet),
            ("Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) Version/16.6 Mobile/15E148 Safari/604.1", Tablet),
            ("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7)", App),
            ("okhttp/4.12.0", App),
            ("Acme/41 CFNetwork/1496.0.7 Darwin/23.5.0", App),
            ("Dart/3.5 (dart:io)", App),
            ("MyApp/1.2 (Linux)", App),
            ("", App),
            ("curl/8.5.0", Terminal),
            ("Wget/1.21.4 (linux-gnu)", Terminal),
            ("python-requests/2.32", Terminal),
            ("Python/3.12 aiohttp/3.9", Terminal),
            ("node", Terminal),
        ] {
            assert_eq!(DeviceKind::of(Some(text)), kind, "{text}");
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(DeviceKind::of(None), App);
    }

    proptest! {
        #[test]
        fn every_user_agent_has_a_short_description(text in any::<String>()) {
            let words = describe_user_agent(Some(&text));
            prop_assert!(!words.is_empty() && words.chars().count() <= 40, "{words}");
        }
    }
}
