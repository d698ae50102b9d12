//! What joined rooms take of the server's memory.

use tokio::time::sleep;

use super::{SETTINGS, SETTLE, request};
use crate::contender::{Client, Kind};
use crate::figures::{number, whole};
use crate::people::Login;
use crate::server::Server;
use crate::table::Table;
use crate::{Result, Target};

/// Rooms that each session joins, as few as its burst of joins allows twice.
const ROOMS: usize = 50;

/// Sessions that join rooms.
const SESSIONS: usize = 2_000;

/// Sockets that warm a server up before its memory is measured.
const WARM_UP: usize = 200;

pub async fn measure(
    target: &Target,
    server: &mut Server,
    logins: &[Login],
    redis: Option<&str>,
) -> Result<Table> {
    let mut table = Table::new(["memory", "bytes"]);
    for (what, settings) in
        [("without kinds of rooms", &SETTINGS[..4]), ("with rooms, none of them joined", &SETTINGS[..])]
    {
        server.restart(target, settings).await?;
        let (grown, clients) = grown(server, logins, logins.len() - WARM_UP).await?;
        if let Some(grown) = grown {
            let open = whole(clients.len());
            table.line([format!("an idle WebSocket {what}, {open} open"), number(grown)]);
        }
    }
    let alone = (&SETTINGS[..], "");
    let prefix = format!("doorward-load-{}", std::process::id());
    let mut connected = SETTINGS.to_vec();
    connected.extend(redis.map(|redis| ("cluster.redis_url", redis)));
    connected.push(("cluster.prefix", &prefix));
    let connected = redis.map(|_| (&connected[..], ", with Redis"));
    let cases = [(alone, "others have joined too", false), (alone, "no other has", true)];
    let cases = cases.into_iter().chain(connected.map(|connected| (connected, "no other has", true)));
    for ((settings, redis), what, is_own) in cases {
        server.restart(target, settings).await?;
        let (_, mut clients) = grown(server, logins, SESSIONS.min(logins.len() - WARM_UP)).await?;
        let before = server.pss();
        for (index, client) in clients.iter_mut().enumerate() {
            client.ask(&join(index, is_own), "joined").await?;
        }
        sleep(SETTLE).await;
        if let Some((before, after)) = before.zip(server.pss()) {
            let each = (after - before) * 1024.0 / (clients.len() * ROOMS) as f64;
            table.line([format!("each room that a session has joined and {what}{redis}"), number(each)]);
        }
    }
    Ok(table)
}

fn join(session: usize, is_own: bool) -> Vec<u8> {
    let names = (0..ROOMS).map(|room| {
        let number = if is_own { session * ROOMS + room } else { room };
        format!("{{\"room\":\"chat:{number:016}\"}}")
    });
    request(Kind::Doorward, "join", &format!("\"rooms\":[{}]", names.collect::<Vec<_>>().join(",")))
}

/// Opens so many sockets at a server that has had some; each has taken so many bytes.
async fn grown(server: &Server, logins: &[Login], count: usize) -> Result<(Option<f64>, Vec<Client>)> {
    let (warm_up, logins) = logins.split_at(WARM_UP);
    drop(Kind::Doorward.open(server, warm_up).await?);
    sleep(SETTLE).await;
    let before = server.pss();
    let (clients, _) = Kind::Doorward.open(server, &logins[..count]).await?;
    sleep(SETTLE).await;
    let growth = before.zip(server.pss()).map(|(before, after)| (after - before) * 1024.0 / count as f64);
    Ok((growth, clients))
}
