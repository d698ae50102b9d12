//! `doorward serve`: runs the server until it is told to stop.

use std::io::Write;

use crate::accounts::operator::Listing;
use crate::app::Application;
use crate::clock::Clock;
use crate::config::{Config, Loaded, LogFormat};
use crate::{private_files, telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;
use super::greeting::Greeting;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward serve                          # at http://localhost:8080; `doorward` alone is the same
  doorward serve --listen 9000            # on 127.0.0.1: only this machine can reach it
  doorward serve --listen :9000           # on all IPv4 addresses: other machines can reach it
  doorward serve --config /etc/doorward/doorward.toml
  doorward serve --set public_url=https://id.example.org --set log.format=json

Ctrl+C stops it in order: requests are answered, and live sockets told to return later.
docs/CONFIGURATION.md lists all keys of --set.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {}

pub fn run(settings: Settings) -> Result<(), Failure> {
    raise_open_files();
    let Loaded { config, settings, warnings } = settings.load_for_server()?;
    config.check_for_serving().map_err(Failure::Usage)?;
    telemetry::init_server(&config.log).map_err(Failure::running)?;
    for warning in warnings.into_iter().chain(private_files::check_settings(&settings)) {
        tracing::warn!("{warning}");
    }
    actix::System::new().block_on(serve(config))
}

/// Raises the limit of open files, of which each socket is one: systems start processes with a low limit that they may
/// raise.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it fails, `sockets.max_open` has a lower default.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

async fn serve(config: Config) -> Result<(), Failure> {
    // Before anything listens: a signal during the start must not be lost.
    let stop = StopSignals::listen().map_err(Failure::running)?;
    let application = Application::build(config, Clock::System).await.map_err(Failure::running)?;
    greet(&application).await;
    for warning in application.config().warnings_for_serving() {
        tracing::warn!("{warning}");
    }
    until_stopped(application, stop, || {}).await
}

/// Serves until a signal says to stop. `clean_up` is called if a second one ends the process at once.
pub(super) async fn until_stopped(
    application: Application,
    mut stop: StopSignals,
    clean_up: impl FnOnce() + 'static,
) -> Result<(), Failure> {
    let shutdown = async move {
        let name = stop.next().await;
        tracing::info!(signal = name, "stopping; a second signal stops at once");
        actix::spawn(async move {
            let name = stop.next_deliberate().await;
            tracing::warn!(signal = name, "stopped at once");
            clean_up();
            telemetry::flush();
            std::process::exit(1);
        });
    };
    application.run_until_stopped(shutdown).await.map_err(Failure::running)?;
    tracing::info!("stopped");
    Ok(())
}

/// Says that the server runs, and where.
async fn greet(application: &Application) {
    let first = Listing { search: String::new(), after: String::new(), limit: 1 };
    // If the accounts cannot be read, the greeting says nothing about them.
    let is_empty = application.accounts().list_users(first).await.is_ok_and(|found| found.is_empty());
    let config = application.config();
    let greeting = Greeting::new(config, application.tcp_address(), application.metrics_address(), is_empty);
    match config.log.format {
        // Standard output may be closed.
        LogFormat::Text => drop(std::io::stdout().write_all(greeting.text().as_bytes())),
        // Programs read the log, and perhaps standard output with it.
        LogFormat::Json => greeting.log(),
    }
}

/// Every signal that would end the process without a drain. SIGQUIT would also write its memory, keys included, to a
/// core file. Rust's runtime ignores SIGPIPE.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    /// The terminal was closed. None if the process was started to ignore that, as `nohup` does.
    hangup: Option<Signal>,
    /// Ignored.
    user: [(&'static str, Signal); 2],
}

impl StopSignals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) },
            user: [
                ("SIGUSR1", signal(SignalKind::user_defined1())?),
                ("SIGUSR2", signal(SignalKind::user_defined2())?),
            ],
        })
    }

    async fn next(&mut self) -> &'static str {
        loop {
            let hangup = self.hangup.as_mut();
            let [(first, one), (second, two)] = &mut self.user;
            let ignored = tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.quit.recv() => return "SIGQUIT",
                () = hung_up(hangup) => return "SIGHUP",
                _ = one.recv() => first,
                _ = two.recv() => second,
            };
            tracing::info!(signal = *ignored, "ignored a signal");
        }
    }

    /// The same without SIGHUP, which both the shell and the system send when a terminal is closed.
    async fn next_deliberate(&mut self) -> &'static str {
        loop {
            match self.next().await {
                "SIGHUP" => {}
                name => return name,
            }
        }
    }
}

async fn hung_up(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored. False if the system does not tell.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_signals(&status) & 1 != 0
}

/// One bit per signal; the first is SIGHUP (`proc_pid_status(5)`).
fn ignored_signals(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_systems_mask() {
        assert_eq!(ignored_signals("Name:\tdoorward\nSigIgn:\t0000000000001001\nSigCgt:\t0\n") & 1, 1);
        assert_eq!(ignored_signals("SigIgn:\t0000000000001000\n") & 1, 0);
        assert_eq!(ignored_signals("") + ignored_signals("SigIgn: x"), 0);
    }
}
