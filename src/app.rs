//! Placeholder of the sockets branch: wires everything. Listeners and shutdown are parameters.

use std::future::Future;
use std::net::SocketAddr;

use crate::clock::Clock;
use crate::config::Config;

#[derive(Debug)]
pub struct Application;

impl Application {
    pub async fn build(_config: Config, _clock: Clock) -> Result<Self, String> {
        Ok(Self)
    }
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], 8080).into()
    }
    pub async fn run_until_stopped(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        shutdown.await;
        Ok(())
    }
}
