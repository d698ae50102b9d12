//! A request as a line of the log.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::Ipv6Net;

use super::fields::Fields;
use super::paint::Paint;

/// Columns of an ordinary line.
const WIDTH: usize = 100;

/// Columns that the method, the route and the milliseconds are padded to, so that what follows is aligned.
const METHOD: usize = 6;
const ROUTE: usize = 24;
const MS: usize = 5;

/// Characters between the columns.
const BETWEEN: usize = 10;

/// Columns that a long name, and then a long route, keep when they are shortened.
const LEAST_USER: usize = 12;
const LEAST_ROUTE: usize = 16;

/// What a line says about a request that was answered.
#[derive(Debug)]
pub(super) struct Request<'a> {
    method: &'a str,
    /// The pattern of the path: a path may hold the token of a link.
    route: &'a str,
    status: &'a str,
    ms: &'a str,
    /// Who is signed in.
    user: &'a str,
    address: &'a str,
}

impl<'a> Request<'a> {
    /// None for an event that is not the answer to a request.
    pub(super) fn of(span: &'a Fields, event: &'a Fields) -> Option<Self> {
        Some(Self {
            method: span.get("method")?,
            route: span.get("route")?,
            status: event.get("status")?,
            ms: event.get("ms")?,
            user: event.get("user").unwrap_or("-"),
            address: event.get("address").unwrap_or("-"),
        })
    }

    /// Appends the columns to a line that has `indent` columns already.
    pub(super) fn write(&self, line: &mut String, indent: usize, paint: Paint) {
        let room = WIDTH.saturating_sub(indent);
        let Self { method, route, status, ms, user, address } = self;
        let status = match status.bytes().next() {
            Some(b'5') => paint.style("31", status),
            Some(b'4') => paint.style("33", status),
            Some(b'3') => paint.style("36", status),
            _ => paint.style("32", status),
        };
        // A text cannot fail to be written to.
        let _ = if self.aligned_width() <= room {
            write!(line, "{method:METHOD$} {route:ROUTE$} {status} {ms:>MS$} ms  {user}  {address}")
        } else {
            let [route, user, address] = self.shortened(room);
            write!(line, "{method} {route} {status} {ms} ms  {user}  {address}")
        };
    }

    fn aligned_width(&self) -> usize {
        let padded = [(self.method, METHOD), (self.route, ROUTE), (self.ms, MS)];
        let padded: usize = padded.iter().map(|(text, least)| width(text).max(*least)).sum();
        padded + width(self.status) + width(self.user) + width(self.address) + BETWEEN
    }

    /// The route, the user and the address: as short as they have to be.
    fn shortened(&self, room: usize) -> [String; 3] {
        let Self { method, route, status, ms, user, address } = self;
        let others = width(method) + width(status) + width(ms) + BETWEEN;
        let excess = |columns: &[String; 3]| {
            (others + columns.iter().map(|column| width(column)).sum::<usize>()).saturating_sub(room)
        };
        let mut columns = [route, user, address].map(|column| (*column).to_owned());
        if excess(&columns) == 0 {
            return columns;
        }
        let least = |text: &str, excess: usize, least: usize| width(text).saturating_sub(excess).max(least);
        columns[2] = network(address);
        columns[1] = shortened(user, least(user, excess(&columns), LEAST_USER));
        columns[0] = shortened_within(route, least(route, excess(&columns), LEAST_ROUTE));
        columns
    }
}

/// The network that an IPv6 address belongs to, which is what one customer of a provider has.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => match Ipv6Net::new(ip, 64) {
            Ok(network) => network.trunc().to_string(),
            Err(_) => address.to_owned(),
        },
        _ => address.to_owned(),
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// The beginning of a text, and a mark if more follows.
fn shortened(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// Both ends of a text, and a mark for what was between them.
fn shortened_within(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let head = room.saturating_sub(1) / 2;
    let tail = width(text) - (room.saturating_sub(1) - head);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(route: &str, user: &str, address: &str) -> String {
        let request = Request { method: "POST", route, status: "200", ms: "241", user, address };
        let mut line = " ".repeat(27);
        request.write(&mut line, 27, Paint(false));
        line.trim_start().to_owned()
    }

    #[test]
    fn columns_are_aligned_while_there_is_room() {
        assert_eq!(
            line("/api/login", "alice", "203.0.113.7"),
            "POST   /api/login               200   241 ms  alice  203.0.113.7"
        );
        assert_eq!(
            line("/api/admin/users/{id}/logins", "-", "203.0.113.7"),
            "POST   /api/admin/users/{id}/logins 200   241 ms  -  203.0.113.7"
        );
    }

    #[test]
    fn long_names_and_addresses_still_fit() {
        let long = "a-username-of-thirty-two-letters";
        let v6 = "2001:db8:85a3:18d3:1319:8a2e:1370:7348";
        for route in ["/ws", "/api/login", "/static/{version}/{file}", "/api/admin/users/{id}/logins/{login}"]
        {
            for user in ["-", "alice", long] {
                for address in ["203.0.113.207", v6] {
                    let line = line(route, user, address);
                    assert!(line.chars().count() + 27 <= WIDTH, "{} {line}", line.chars().count() + 27);
                    let shown = line.rsplit(' ').next().unwrap();
                    assert!(shown == address || shown == "2001:db8:85a3:18d3::/64", "{line}");
                }
            }
        }
        assert!(
            line("/api/login", long, "203.0.113.7").contains(long),
            "it is shortened only where it must be"
        );
        let all = line("/api/admin/users/{id}/logins/{login}", long, v6);
        assert_eq!(all, "POST /api/adm…s/{login} 200 241 ms  a-username-…  2001:db8:85a3:18d3::/64");
    }
}
