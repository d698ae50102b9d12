//! Recognizes environment variables that begin with `DOORWARD_` but that no operator set. Kubernetes adds
//! some for every service, so for one named `doorward` or `doorward-*`; Docker links did the same. Their form
//! distinguishes them from misspelt keys.
//! <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::keys::{self, KEYS};

/// The environment variables that begin with `DOORWARD_`.
pub(super) type Variables = BTreeMap<String, String>;

/// Whether a variable was generated for a service or a linked container. The variable of a key never counts.
pub(super) fn is_link(variables: &Variables, name: &str) -> bool {
    if KEYS.iter().any(|key| keys::variable(key.name) == name) {
        return false;
    }
    variables
        .get(name)
        .is_some_and(|text| is_of_service(variables, name, text) || is_of_container(variables, name, text))
}

/// One sentence about the ignored variables, if there are any.
pub(super) fn warning(links: &[String]) -> Option<String> {
    let (first, others) = links.split_first()?;
    let others = match others.len() {
        0 => String::new(),
        1 => " and one other".to_owned(),
        count => format!(" and {count} others"),
    };
    Some(format!(
        "{first}{others} in the environment: ignored, because they describe a Kubernetes service or a linked container \
         (enableServiceLinks: false in the pod spec keeps them out)"
    ))
}

fn is_of_service(variables: &Variables, name: &str, text: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") {
        return text.parse::<IpAddr>().is_ok();
    }
    if let Some((service, port_name)) = name.rsplit_once("_SERVICE_PORT") {
        let host = variables.get(&format!("{service}_SERVICE_HOST"));
        let is_named = port_name.is_empty() || port_name.starts_with('_');
        return is_named
            && text.parse::<u16>().is_ok()
            && host.is_some_and(|host| host.parse::<IpAddr>().is_ok());
    }
    if name.ends_with("_PORT") && is_endpoint(text) {
        return true;
    }
    // NAME_PORT_80_TCP, and that with _PROTO, _PORT and _ADDR.
    let Some((_, rest)) = name.split_once("_PORT_") else { return false };
    let mut parts = rest.split('_');
    let (Some(port), Some(protocol)) = (parts.next(), parts.next()) else { return false };
    let rest: Vec<&str> = parts.collect();
    if port.parse::<u16>().is_err() || !["TCP", "UDP", "SCTP"].contains(&protocol) {
        return false;
    }
    match rest.as_slice() {
        [] | ["START" | "END"] => is_endpoint(text),
        ["PROTO"] => text.eq_ignore_ascii_case(protocol),
        ["PORT"] | ["PORT", "START" | "END"] => text.parse::<u16>().is_ok(),
        ["ADDR"] => text.parse::<IpAddr>().is_ok(),
        _ => false,
    }
}

/// `tcp://10.0.0.1:80`
fn is_endpoint(text: &str) -> bool {
    let Some((protocol, address)) = text.split_once("://") else { return false };
    ["tcp", "udp", "sctp"].contains(&protocol) && address.parse::<SocketAddr>().is_ok()
}

/// `NAME_NAME=/web/doorward`, and with it `NAME_ENV_...`: the other container's own variables.
fn is_of_container(variables: &Variables, name: &str, text: &str) -> bool {
    let names_link = |text: &str| {
        let parts: Vec<&str> = text.split('/').collect();
        matches!(parts.as_slice(), ["", container, alias] if !container.is_empty() && !alias.is_empty())
    };
    if name.ends_with("_NAME") {
        return names_link(text);
    }
    let Some((alias, _)) = name.split_once("_ENV_") else { return false };
    variables.get(&format!("{alias}_NAME")).is_some_and(|text| names_link(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(variables: &[(&str, &str)]) -> Vec<String> {
        let variables: Variables =
            variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        variables.keys().filter(|name| is_link(&variables, name)).cloned().collect()
    }

    #[test]
    fn variables_of_services_and_links_are_recognized_by_their_form() {
        let made = [
            ("DOORWARD_ENV_PATH", "/bin"),
            ("DOORWARD_NAME", "/web/doorward"),
            ("DOORWARD_PORT", "tcp://10.0.0.1:80"),
            ("DOORWARD_PORT_12225_TCP", "tcp://[fd00::1]:12225"),
            ("DOORWARD_PORT_12225_TCP_ADDR", "fd00::1"),
            ("DOORWARD_PORT_80_UDP_PORT", "80"),
            ("DOORWARD_PORT_80_UDP_PROTO", "udp"),
            ("DOORWARD_REDIS_PORT", "tcp://10.0.0.2:6379"),
            ("DOORWARD_REDIS_SERVICE_HOST", "10.0.0.2"),
            ("DOORWARD_REDIS_SERVICE_PORT", "6379"),
            ("DOORWARD_SERVICE_HOST", "10.0.0.1"),
            ("DOORWARD_SERVICE_PORT", "80"),
            ("DOORWARD_SERVICE_PORT_HTTP", "80"),
        ];
        assert_eq!(links(&made), made.map(|(name, _)| name.to_owned()));
    }

    #[test]
    fn lookalikes_are_not_taken_for_links() {
        for alone in [
            ("DOORWARD_PORT", "8080"),
            ("DOORWARD_PORT", "127.0.0.1:8080"),
            ("DOORWARD_PORT", "tcp://db:5432"),
            ("DOORWARD_SERVICE_HOST", "localhost"),
            ("DOORWARD_SERVICE_PORT", "80"),
            ("DOORWARD_PORT_HTTP", "80"),
            ("DOORWARD_PORT_80_TCP_ADDR", "here"),
            ("DOORWARD_NAME", "doorward"),
            ("DOORWARD_ENV_PATH", "/bin"),
        ] {
            assert_eq!(links(&[alone]), [""; 0], "{alone:?}");
        }
        for key in KEYS {
            let name = keys::variable(key.name);
            for text in ["tcp://10.0.0.1:80", "80", "10.0.0.1", "/web/doorward"] {
                assert_eq!(links(&[(&name, text)]), [""; 0], "{name}");
            }
        }
    }
}
