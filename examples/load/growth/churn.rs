//! Memory while many sockets connect and disconnect.

use std::net::Ipv4Addr;
use std::rc::Rc;

use tokio::time::sleep;

use super::{SETTINGS, SETTLE, Series};
use crate::chart::Scale;
use crate::people::{HANDSHAKES, Login, side_by_side};
use crate::server::Server;
use crate::websocket::WebSocket;
use crate::{Result, Target};

/// Sockets that are open at once.
pub const BATCH: usize = 5_000;

/// Batches of which each has an address, so that no port is used again soon.
const ADDRESSES: usize = 50;

/// How often the memory is read.
const READ: usize = 5;

pub async fn run(server: &mut Server, target: &Target, logins: &[Login], number: usize) -> Result<Series> {
    let mut series = Series::new(
        "load growth: churn",
        "sockets that have disconnected",
        Scale::Linear,
        &["memory, MB"],
        &[],
    );
    server.restart(target, &SETTINGS).await?;
    let address = server.address();
    let megabytes = |server: &Server| vec![server.pss().map(|pss| pss / 1024.0)];
    series.push(0, megabytes(server));
    let batches = number.div_ceil(BATCH);
    for batch in 0..batches {
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + batch % ADDRESSES)?);
        let tokens = logins[..BATCH].iter().map(|login| Rc::clone(&login.token)).collect();
        let sockets = side_by_side(HANDSHAKES, tokens, async move |token: Rc<str>| {
            WebSocket::open(address, Some(&token), Some(from)).await
        })
        .await?;
        drop(sockets);
        // After the first one too: what comes later is compared with it.
        if batch == 0 || (batch + 1) * READ / batches > batch * READ / batches {
            sleep(SETTLE).await;
            series.push((batch + 1) * BATCH, megabytes(server));
        }
    }
    Ok(series)
}
