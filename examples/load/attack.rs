//! `attack`: what attacks gain, and how they affect other users; at one server, or at two in turns.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::attacker::{self, Plan, Tally, What};
use crate::bystanders::{self, NAMES, OWNER_NAME, Seen, Site};
use crate::dice::Dice;
use crate::figures::{Report, number, rate};
use crate::http::Request;
use crate::people::PASSWORD;
use crate::rows::Rows;
use crate::server::{MemoryWatch, Server};
use crate::timing::made_up_token;
use crate::{Result, Target};

#[derive(Args, Clone)]
pub struct Options {
    /// The binary of another server, such as an earlier version, which is attacked first each time
    #[arg(long, value_name = "BINARY")]
    before: Option<PathBuf>,
    /// Seconds per attack
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// bcrypt's cost
    #[arg(long, default_value_t = 12)]
    cost: u32,
    /// The most requests per second of an attack
    #[arg(long, default_value_t = 1_000.0, value_parser = positive)]
    rate: f64,
    /// Only attacks whose name begins with this; may be repeated. `quiet` is always measured
    #[arg(long)]
    only: Vec<String>,
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| (0.1..=100_000.0).contains(rate)).ok_or("from 0.1 to 100000".to_owned())
}

/// Accounts beside the owner's, each with an address of its own.
const ACCOUNTS: usize = 5_000;

/// For attacks that only open connections: how many the server accepts, few enough to take them all, and how many are
/// opened.
const ROOM: &str = "1000";
const CONNECTIONS: usize = 3_000;

/// Every character that may stand for a letter: zxcvbn tries all of their meanings, which takes a second.
const HOSTILE: &str = "@4({[<369!1|70$5+%2";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quiet,
    /// Wrong passwords for the owner's account.
    Guesses,
    /// Wrong passwords, each for another account.
    Spray,
    Register,
    /// Links to reset the password, each of another account.
    Forgot,
    Strength,
    /// WebSocket handshakes with forged tokens.
    Handshakes,
    Refresh,
    Idle,
    /// Connections to a TLS port that send nothing.
    Tls,
    QuietTls,
}

struct Attack {
    name: &'static str,
    kind: Kind,
    sources: usize,
    /// The status of a request that succeeded as an attack.
    through: u16,
}

const fn attack(name: &'static str, kind: Kind, sources: usize, through: u16) -> Attack {
    Attack { name, kind, sources, through }
}

const ATTACKS: [Attack; 20] = [
    attack("quiet", Kind::Quiet, 1, 0),
    attack("guesses, 1 address", Kind::Guesses, 1, 401),
    attack("guesses, 100 addresses", Kind::Guesses, 100, 401),
    attack("guesses, 1,000 addresses", Kind::Guesses, 1_000, 401),
    attack("spraying, 1 address", Kind::Spray, 1, 401),
    attack("spraying, 1,000 addresses", Kind::Spray, 1_000, 401),
    attack("register, 1 address", Kind::Register, 1, 201),
    attack("register, 100 addresses", Kind::Register, 100, 201),
    attack("forgot, 1 address", Kind::Forgot, 1, 202),
    attack("forgot, 100 addresses", Kind::Forgot, 100, 202),
    attack("strength, 1 address", Kind::Strength, 1, 200),
    attack("strength, 100 addresses", Kind::Strength, 100, 200),
    attack("handshakes, 1 address", Kind::Handshakes, 1, 401),
    attack("handshakes, 100 addresses", Kind::Handshakes, 100, 401),
    attack("refresh, 1 address", Kind::Refresh, 1, 401),
    attack("refresh, 100 addresses", Kind::Refresh, 100, 401),
    attack("idle, 1 address", Kind::Idle, 1, 0),
    attack("quiet under TLS", Kind::QuietTls, 1, 0),
    attack("tls silence, 1 address", Kind::Tls, 1, 0),
    attack("tls silence, 100 addresses", Kind::Tls, 100, 0),
];

/// What was measured at one server.
struct Outcome {
    elapsed: Duration,
    tally: Tally,
    accounts: i64,
    emails: i64,
    seen: Vec<Option<Seen>>,
    /// In kB: before, at its peak, and at the end.
    memory: Option<[f64; 3]>,
}

pub async fn run(target: &Target, options: &Options, report: &mut Report) -> Result<()> {
    if target.url.is_some() {
        return Err("a server is attacked only if this tool has started it".into());
    }
    let mut servers = vec![("", target.clone())];
    if let Some(before) = &options.before {
        servers[0].0 = "after";
        servers.insert(0, ("before", Target { server: Some(before.clone()), ..target.clone() }));
    }
    let is_named = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|only| name.starts_with(only.as_str()))
    };
    let is_wanted = |attack: &&Attack| match attack.kind {
        Kind::Quiet => true,
        // The baseline for attacks under TLS.
        Kind::QuietTls => ATTACKS.iter().any(|attack| attack.kind == Kind::Tls && is_named(attack.name)),
        _ => is_named(attack.name),
    };
    let mut outcomes = Vec::new();
    for attack in ATTACKS.iter().filter(is_wanted) {
        for (label, target) in &servers {
            eprintln!("... {} {label}", attack.name);
            outcomes.push((attack, *label, measure(target, options, attack).await?));
        }
    }
    show_gains(&outcomes, options, report);
    show_others(&outcomes, report);
    Ok(())
}

async fn measure(target: &Target, options: &Options, attack: &Attack) -> Result<Outcome> {
    let (cost, secured) = (options.cost.to_string(), Secured::new()?);
    let mut settings = vec![("password.cost", cost.as_str()), ("password.insecure_cost", "true")];
    if matches!(attack.kind, Kind::Idle | Kind::Tls) {
        settings.push(("sockets.max_open", ROOM));
    }
    let tls = matches!(attack.kind, Kind::Tls | Kind::QuietTls).then(|| Arc::clone(&secured.client));
    if tls.is_some() {
        settings.extend(secured.settings());
    }
    let server = Server::start_limited(target, &settings, tls.as_ref()).await?;
    let site = Site { address: server.address(), tls };
    let owner = site.register(OWNER_NAME, [127, 9, 0, 1].into()).await?;
    let member = site.register("member", [127, 9, 0, 2].into()).await?;
    let mut rows = Rows::of(&server)?;
    if matches!(attack.kind, Kind::Spray | Kind::Forgot) {
        rows.copy_account("member", "other", ACCOUNTS)?;
    }
    let bystanders = bystanders::start(&site, &owner, &member).await?;
    // Started before the measurement.
    sleep(Duration::from_secs(1)).await;
    let before = (rows.count("users")?, rows.count("outbox")?);
    let memory = MemoryWatch::start(&server);
    let (started, duration) = (Instant::now(), Duration::from_secs(options.seconds));
    let what = what(attack.kind, options.rate, &member);
    let flood = what.map(|what| {
        attacker::start(Plan {
            address: site.address,
            sources: attack.sources,
            until: started + duration,
            what,
        })
    });
    sleep(duration).await;
    let elapsed = started.elapsed();
    let mut seen = Vec::new();
    for bystander in bystanders {
        seen.push(match bystander {
            Some(bystander) => Some(bystander.stop().await?),
            None => None,
        });
    }
    let tally = match flood {
        Some(flood) => {
            tokio::task::spawn_blocking(|| flood.join()).await?.map_err(|_| "the attack panicked")??
        }
        None => Tally::default(),
    };
    let (accounts, emails) = (rows.count("users")? - before.0, rows.count("outbox")? - before.1);
    Ok(Outcome { elapsed, tally, accounts, emails, seen, memory: memory.stop(&server) })
}

/// What an attack of this kind sends.
fn what(kind: Kind, rate: f64, member: &Value) -> Option<What> {
    let token = member["access_token"].as_str().unwrap_or_default().to_owned();
    let make: Box<dyn Fn(usize) -> Request + Send> = match kind {
        Kind::Quiet | Kind::QuietTls => return None,
        Kind::Idle | Kind::Tls => return Some(What::Silence { connections: CONNECTIONS }),
        Kind::Guesses => Box::new(|index| {
            post("/api/login", &json!({"login": OWNER_NAME, "password": format!("guess number {index}")}))
        }),
        Kind::Spray => Box::new(|index| {
            let login = format!("other{:05}", index % ACCOUNTS);
            post("/api/login", &json!({"login": login, "password": format!("guess number {index}")}))
        }),
        Kind::Register => Box::new(|index| {
            let (username, email) = (format!("new{index}"), format!("new{index}@example.com"));
            post("/api/register", &json!({"username": username, "email": email, "password": PASSWORD}))
        }),
        Kind::Forgot => Box::new(|index| {
            post("/api/forgot-password", &json!({"login": format!("other{:05}", index % ACCOUNTS)}))
        }),
        Kind::Strength => Box::new(|index| {
            let password: String = format!("{index}{}", HOSTILE.repeat(14)).chars().take(256).collect();
            post("/api/password-strength", &json!({"password": password}))
        }),
        Kind::Handshakes => Box::new(move |index| Request::handshake(&forged(&token, index))),
        Kind::Refresh => Box::new(|index| {
            let mut dice = Dice(index as u64);
            post("/api/refresh", &json!({"refresh_token": made_up_token(&mut || dice.draw())}))
        }),
    };
    Some(What::Requests { rate, make })
}

fn post(path: &str, body: &Value) -> Request {
    Request::new("POST", path, None, Some(body))
}

/// A token with the claims of a valid one and a forged signature, which the server has to verify.
fn forged(token: &str, index: usize) -> String {
    let head = token.rsplit_once('.').map_or(token, |(head, _)| head);
    // 64 bytes in base64; the last character has four bits.
    format!("{head}.{index:016x}{}A", "B".repeat(69))
}

fn show_gains(outcomes: &[(&Attack, &str, Outcome)], options: &Options, report: &mut Report) {
    report.section(format!(
        "attack: what it gets, a second, in {} s at bcrypt cost {}, {} requests a second at most",
        options.seconds, options.cost, options.rate
    ));
    report.line([
        "attack",
        "",
        "answers",
        "through",
        "429",
        "503",
        "none",
        "accounts",
        "emails",
        "connections held",
    ]);
    for (attack, label, outcome) in outcomes {
        let tally = &outcome.tally;
        let of = |status: u16| tally.answers.get(&status).copied().unwrap_or_default();
        let each = |count: usize| number(rate(count, outcome.elapsed));
        let rows = |count: i64| each(usize::try_from(count).unwrap_or_default());
        report.line([
            attack.name.to_owned(),
            (*label).to_owned(),
            each(tally.answers.values().sum()),
            each(of(attack.through)),
            each(of(429)),
            each(of(503)),
            each(tally.unanswered),
            rows(outcome.accounts),
            rows(outcome.emails),
            tally.held.to_string(),
        ]);
    }
}

fn show_others(outcomes: &[(&Attack, &str, Outcome)], report: &mut Report) {
    report.section(
        "attack: what others notice, p99 in ms (and how many of how many had no answer, or another one)",
    );
    report.line(["attack", ""].into_iter().chain(NAMES).chain([
        ": quiet",
        "memory, MB",
        "at most",
        "at the end",
    ]));
    for (attack, label, outcome) in outcomes {
        let mut line = vec![attack.name.to_owned(), (*label).to_owned()];
        line.extend(outcome.seen.iter().map(|seen| seen.as_ref().map_or("-".to_owned(), waits)));
        let quiet = if outcome.seen.iter().all(Option::is_some) { Kind::Quiet } else { Kind::QuietTls };
        let quiet = outcomes.iter().find(|(attack, of, _)| attack.kind == quiet && of == label);
        let sign_in = |outcome: &Outcome| outcome.seen.last().and_then(|seen| Some(p99(seen.as_ref()?)));
        let times = quiet.and_then(|(_, _, quiet)| Some(sign_in(outcome)? / sign_in(quiet)?));
        line.push(times.map_or("-".to_owned(), number));
        let memory = outcome.memory.map(|memory| memory.map(|kb| number(kb / 1024.0)));
        line.extend(memory.unwrap_or_default());
        report.line(line);
    }
}

fn waits(seen: &Seen) -> String {
    match seen.failed {
        0 => number(p99(seen)),
        failed => format!("{} ({failed}/{})", number(p99(seen)), failed + seen.latencies.len()),
    }
}

fn p99(seen: &Seen) -> f64 {
    seen.latencies.percentile(990)
}

/// A self-signed certificate for `localhost`.
struct Secured {
    /// Holds the files; dropping it deletes them.
    _dir: TempDir,
    files: [String; 2],
    client: Arc<ClientConfig>,
}

impl Secured {
    fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let dir = tempfile::tempdir()?;
        let mut files = Vec::new();
        for (name, text) in [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
            let path = dir.path().join(name);
            std::fs::write(&path, text)?;
            files.push(path.to_str().ok_or("a path that is not UTF-8")?.to_owned());
        }
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(made.cert.der().to_vec()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let client = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { _dir: dir, files: files.try_into().map_err(|_| "two files")?, client })
    }

    fn settings(&self) -> [(&str, &str); 3] {
        [("tls.cert", &self.files[0]), ("tls.key", &self.files[1]), ("public_url", "https://localhost")]
    }
}
