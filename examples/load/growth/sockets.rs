//! Handshakes, requests, and idle sockets, by the number of sockets.

use std::time::Duration;

use tokio::time::sleep;

use super::{SETTINGS, SETTLE, Series};
use crate::chart::Scale;
use crate::contender::{self, Kind, Message};
use crate::people::Login;
use crate::server::Server;
use crate::{Result, Target, echo};

/// Sockets that warm a server up.
pub const WARM_UP: usize = 10;

/// Fewer sockets find room in what the process has already, and its memory does not grow.
const ENOUGH: usize = 1_000;

const ROUND: Duration = Duration::from_secs(1);

/// At each number the server starts again, so that its memory is not that of an earlier one.
pub async fn run(
    server: &mut Server,
    target: &Target,
    logins: &[Login],
    (numbers, idle): (&[usize], Duration),
) -> Result<Series> {
    let mut series = Series::new(
        "load growth: sockets",
        "sockets",
        Scale::Logarithmic,
        &[
            "handshake, token seen before, µs",
            "ping and its reply, µs",
            "idle with heartbeats, ms a second",
            "memory of an idle socket, bytes",
        ],
        &["handshake, token not seen before, µs"],
    );
    let kind = Kind::Doorward;
    let request = kind.request(Message::Ping).ok_or("a request that Doorward knows")?;
    let (warm_up, logins) = logins.split_at(WARM_UP);
    for &number in numbers {
        server.restart(target, &SETTINGS).await?;
        let (sockets, _) = kind.open(server, warm_up).await?;
        echo::round(server, sockets, request.clone(), 1, ROUND / 2).await?;
        sleep(SETTLE).await;
        let before = server.pss();
        let (sockets, first_handshake) = kind.open(server, &logins[..number]).await?;
        sleep(SETTLE).await;
        let growth = before.zip(server.pss()).map(|(before, after)| (after - before) * 1024.0);
        let memory = growth.map(|growth| growth / number as f64).filter(|_| number >= ENOUGH);
        let (sockets, idle) = contender::idle(server, sockets, idle).await?;
        let ping = echo::round(server, sockets, request.clone(), 1, ROUND).await?.cpu_each();
        // They were closed at its end.
        sleep(SETTLE).await;
        let (sockets, handshake) = kind.open(server, &logins[..number]).await?;
        drop(sockets);
        let drawn = [handshake, ping, idle.with_heartbeats, memory];
        series.push(number, [&drawn[..], &[first_handshake]].concat());
        sleep(SETTLE).await;
    }
    Ok(series)
}
