//! `doorward serve`: runs the server until it is told to stop.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::app::Application;
use crate::clock::Clock;
use crate::config::{Config, Loaded, MailUrl};
use crate::{private_files, telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;
use super::settings::Settings;

pub fn run(settings: Settings) -> Result<(), Failure> {
    raise_open_files();
    let Loaded { config, settings, warnings } = settings.load_for_server()?;
    config.check_for_serving().map_err(Failure::Usage)?;
    telemetry::init(&config.log).map_err(Failure::running)?;
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
    if config.password.insecure_cost {
        tracing::warn!(
            cost = config.password.cost,
            "password.insecure_cost is on: stolen password hashes would be cheap to guess; for tests only"
        );
    }
    if config.tls.is_some() && config.public_url.scheme() != "https" {
        tracing::warn!(public_url = %config.public_url, "TLS is on, but public_url does not begin with https");
    }
    // Before anything listens: a signal during the start must not be lost.
    let mut stop = StopSignals::listen().map_err(Failure::running)?;
    let application = Application::build(config.clone(), Clock::System).await.map_err(Failure::running)?;
    // Standard output may be closed.
    let greeting = greeting(&config, application.address(), application.tcp_address());
    let _ = std::io::stdout().write_all(greeting.as_bytes());

    let shutdown = async move {
        let name = stop.next().await;
        tracing::info!(signal = name, "stopping; a second signal stops at once");
        actix::spawn(async move {
            let name = stop.next_deliberate().await;
            tracing::warn!(signal = name, "stopped at once");
            std::process::exit(1);
        });
    };
    application.run_until_stopped(shutdown).await.map_err(Failure::running)?;
    tracing::info!("stopped");
    Ok(())
}

/// Every signal that would end the process without a drain. SIGQUIT would also write its memory, keys included, to a
/// core file. Rust's runtime ignores SIGPIPE.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    /// The terminal was closed. None if the process was started to ignore that, as `nohup` does.
    hangup: Option<Signal>,
    /// Ignored.
    user: [(&'static str, Signal); 2],
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
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
            tracing::info!(signal = *ignored, "ignored");
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

/// What a user needs who starts the server for the first time.
fn greeting(config: &Config, address: SocketAddr, tcp: Option<SocketAddr>) -> String {
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let (http, kind) = if config.tls.is_some() { ("https", "TLS") } else { ("http", "TCP") };
    let base = format!("{http}://{}", SocketAddr::new(reachable, address.port()));
    let tcp = tcp.map(|tcp| format!(", for {kind} clients on {tcp}")).unwrap_or_default();
    let emails = match config.mail.url {
        MailUrl::Preview => format!(
            "Emails are kept in {} and shown at {base}/dev/mail to this machine only.",
            config.data_dir.join("mail").display()
        ),
        MailUrl::Smtp(_) => "Emails are sent through the server that mail.url names.".to_owned(),
    };
    format!(
        "Doorward listens on {address}{tcp}; its public address is {}\n{emails}\nOpen {base} in a browser, or try:\n  \
         curl -s {base}/api/register -H 'content-type: application/json' \
         -d '{{\"username\":\"alice\",\"password\":\"plum tree in march rain\"}}'\n",
        config.link("/")
    )
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

    #[test]
    fn the_example_request_reaches_the_server() {
        let config = Config::from_pairs([("public_url", "https://id.example")]).unwrap();
        for (address, reachable) in [("0.0.0.0:81", "http://127.0.0.1:81"), ("[::]:81", "http://[::1]:81")] {
            let text = greeting(&config, address.parse().unwrap(), None);
            assert!(text.contains(&format!("curl -s {reachable}/api/register")), "{text}");
            assert!(text.contains(&format!("{reachable}/dev/mail")), "{text}");
        }
        let config = Config::from_pairs([("mail.url", "smtp://u:hunter2@localhost")]).unwrap();
        let text = greeting(&config, config.http.listen, config.tcp.listen);
        assert!(!text.contains("hunter2") && !text.contains("/dev/mail"), "{text}");
        assert!(text.contains("listens on 127.0.0.1:8080, for TCP clients on 127.0.0.1:12225;"), "{text}");
    }
}
