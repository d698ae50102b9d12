//! `timing`: whether the time of an answer, or of the answer after it, reveals that an account exists.
//!
//! Requests of all kinds are sent in random order over one connection. Each is followed by two probes, which would be
//! delayed by work that continues after the answer. Each kind is compared with the same request without an account.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::figures::{Report, number};
use crate::http::{Connection, Request};
use crate::launch;
use crate::people::PASSWORD;
use crate::rows::Rows;
use crate::server::Server;
use crate::{CHEAP, Result, Target, ks};

const WRONG: &str = "plum tree in march snow";

/// Two samples differ if `p` is below this.
const SIGNIFICANT: f64 = 0.05;

/// Attempts per account: fewer than lock it.
const TRIES: usize = 3;

/// Locked accounts, and as many locked names without an account.
const LOCKED: usize = 20;

/// How long the idle server is observed after a request for a link.
const WINDOW: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    SignIn,
    /// The same for an account or a name that is locked.
    Locked,
    Forgot,
    Register,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    None,
    Usual,
    Disabled,
    /// An imported bcrypt hash of this cost.
    Imported(u32),
}

struct Kind {
    name: &'static str,
    /// The index of the kind that it must not be distinguishable from.
    against: usize,
    prefix: &'static str,
    ask: Ask,
    by_address: bool,
    account: Account,
}

const fn kind(
    (name, against, prefix): (&'static str, usize, &'static str),
    ask: Ask,
    by_address: bool,
    account: Account,
) -> Kind {
    Kind { name, against, prefix, ask, by_address, account }
}

const KINDS: [Kind; 15] = [
    kind(("sign-in: no such name", 0, "ta"), Ask::SignIn, false, Account::None),
    kind(("sign-in: wrong password", 0, "tb"), Ask::SignIn, false, Account::Usual),
    kind(("sign-in: disabled", 0, "tc"), Ask::SignIn, false, Account::Disabled),
    kind(("sign-in: imported, same cost", 0, "td"), Ask::SignIn, false, Account::Imported(4)),
    kind(("sign-in: imported, higher cost", 0, "te"), Ask::SignIn, false, Account::Imported(5)),
    kind(("sign-in: no such address", 5, "tf"), Ask::SignIn, true, Account::None),
    kind(("sign-in: wrong, by address", 5, "tg"), Ask::SignIn, true, Account::Usual),
    kind(("locked: no such name", 7, "th"), Ask::Locked, false, Account::None),
    kind(("locked: an account", 7, "ti"), Ask::Locked, false, Account::Usual),
    kind(("forgot: no such name", 9, "tj"), Ask::Forgot, false, Account::None),
    kind(("forgot: an account", 9, "tk"), Ask::Forgot, false, Account::Usual),
    kind(("forgot: no such address", 11, "tl"), Ask::Forgot, true, Account::None),
    kind(("forgot: a held address", 11, "tm"), Ask::Forgot, true, Account::Usual),
    kind(("register: no such address", 13, "tn"), Ask::Register, true, Account::None),
    kind(("register: a held address", 13, "to"), Ask::Register, true, Account::Usual),
];

impl Kind {
    /// How many accounts `number` requests need.
    const fn accounts(&self, number: usize) -> usize {
        match self.ask {
            Ask::SignIn => number.div_ceil(TRIES),
            Ask::Locked => LOCKED,
            // A second link within a minute is not sent.
            Ask::Forgot | Ask::Register => number,
        }
    }

    fn request(&self, index: usize, number: usize) -> Request {
        let name = format!("{}{:05}", self.prefix, index % self.accounts(number));
        let address = format!("{name}@example.com");
        let login = if self.by_address { &address } else { &name };
        let (path, body) = match self.ask {
            Ask::SignIn | Ask::Locked => ("/api/login", json!({"login": login, "password": WRONG})),
            Ask::Forgot => ("/api/forgot-password", json!({"login": login})),
            Ask::Register => {
                let username = format!("new-{}-{index:05}", self.prefix);
                let body = json!({"username": username, "password": PASSWORD, "email": address});
                ("/api/register", body)
            }
        };
        Request::new("POST", path, None, Some(&body))
    }

    const fn status(&self) -> u16 {
        match self.ask {
            Ask::SignIn => 401,
            Ask::Locked => 429,
            Ask::Forgot => 202,
            Ask::Register => 201,
        }
    }

    /// A documented difference: imported hashes of a higher cost.
    fn may_differ(&self) -> bool {
        self.account == Account::Imported(5)
    }
}

/// The times of the answer and of the two probes after it, in us.
const MEASURES: [&str; 3] = ["answer", "/healthz", "refresh"];
type Sample = [f64; 3];

pub async fn run(
    target: &Target,
    (number, runs, windows): (usize, usize, usize),
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    let mut alarms = [[0; MEASURES.len()]; KINDS.len()];
    for run in 1..=runs {
        let mut dice = Dice(seed.wrapping_add(run as u64));
        let server = start(target).await?;
        report.section(format!("timing: {number} of each kind in us, run {run} of {runs}, seed {seed}"));
        let samples = interleaved(&server, number, &mut dice).await?;
        show(&samples, &mut alarms, report);
        if windows > 0 {
            report.section(format!(
                "timing: refresh at {WINDOW:?} after one request for a link, in us, {windows} of each, run {run}"
            ));
            aftermath(&server, windows, &mut dice, report).await?;
        }
    }
    report.section(format!("timing: runs with p < {SIGNIFICANT}, of {runs}"));
    report.line(["kind"].into_iter().chain(MEASURES).chain(["verdict"]));
    for (at, (kind, alarms)) in KINDS.iter().zip(&alarms).enumerate() {
        if kind.against == at {
            continue;
        }
        let verdict = match (alarms.contains(&runs), kind.may_differ()) {
            (false, _) => "alike",
            (true, true) => "differs, as documented",
            (true, false) => "TOLD APART",
        };
        let counts = alarms.iter().map(ToString::to_string);
        report.line([kind.name.to_owned()].into_iter().chain(counts).chain([verdict.to_owned()]));
    }
    Ok(())
}

/// Starts a server without limits by address, because one client sends everything.
async fn start(target: &Target) -> Result<Server> {
    let limits = launch::keys(target, "limits.")?;
    let off = limits.iter().map(|key| (key.as_str(), "off"));
    Server::start(target, &CHEAP.into_iter().chain(off).collect::<Vec<_>>()).await
}

async fn interleaved(server: &Server, number: usize, dice: &mut Dice) -> Result<Vec<Vec<Sample>>> {
    let mut connection = Connection::open(server.address()).await?;
    prepare(server, &mut connection, number).await?;
    let refresh = ended_refresh(&mut connection).await?;
    let mut order: Vec<_> = (0..KINDS.len()).flat_map(|kind| (0..number).map(move |n| (kind, n))).collect();
    dice.shuffle(&mut order);
    let mut samples: Vec<_> = KINDS.iter().map(|_| Vec::with_capacity(number)).collect();
    for (kind, index) in order {
        let request = KINDS[kind].request(index, number);
        let (status, took) = ask(&mut connection, &request).await?;
        if status == 401 && KINDS[kind].ask == Ask::Locked {
            // Names without an account share their counters; another name has replaced this one.
            continue;
        }
        if status != KINDS[kind].status() {
            return Err(format!("{}: {status}", KINDS[kind].name).into());
        }
        let mut sample = [took, 0.0, 0.0];
        let health_first = dice.roll(2) == 0;
        for health in [health_first, !health_first] {
            if health {
                sample[1] = ask(&mut connection, &Request::get("/healthz", None)).await?.1;
            } else {
                sample[2] = ask(&mut connection, &refresh).await?.1;
            }
        }
        samples[kind].push(sample);
    }
    Ok(samples)
}

/// Creates the accounts, and locks some of them.
async fn prepare(server: &Server, connection: &mut Connection, number: usize) -> Result<()> {
    let body = json!({"username": "original", "password": PASSWORD});
    connection.send(&Request::new("POST", "/api/register", None, Some(&body))).await?.expect(201)?;
    let mut rows = Rows::of(server)?;
    for kind in KINDS.iter().filter(|kind| kind.account != Account::None) {
        rows.copy_account("original", kind.prefix, kind.accounts(number))?;
        let set = match kind.account {
            Account::None | Account::Usual => continue,
            Account::Disabled => "disabled_at = created_at".to_owned(),
            Account::Imported(cost) => format!("password_hash = '{}'", bcrypt::hash(PASSWORD, cost)?),
        };
        rows.run(&format!("UPDATE users SET {set} WHERE username LIKE '{}%'", kind.prefix))?;
    }
    for kind in KINDS.iter().filter(|kind| kind.ask == Ask::Locked) {
        for index in (0..LOCKED).flat_map(|index| [index; 5]) {
            connection.send(&kind.request(index, number)).await?.expect(401)?;
        }
    }
    rows.run("UPDATE failed_attempts SET blocked_until = '2099-01-01 00:00:00' WHERE failures >= 5")
}

/// The status of the answer, and its time in us.
async fn ask(connection: &mut Connection, request: &Request) -> Result<(u16, f64)> {
    let sent = Instant::now();
    let reply = connection.send(request).await?;
    let elapsed = sent.elapsed();
    Ok((reply.status, us(elapsed)))
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The refresh token of a revoked login: it is genuine, so the server looks it up and refuses it.
async fn ended_refresh(connection: &mut Connection) -> Result<Request> {
    let body = json!({"login": "original", "password": PASSWORD});
    let login = Request::new("POST", "/api/login", None, Some(&body));
    let grant = connection.send(&login).await?.expect(200)?.json()?;
    let token = grant["access_token"].as_str().ok_or("no access token")?;
    connection.send(&Request::new("POST", "/api/logout", Some(token), None)).await?.expect(204)?;
    let body = json!({"refresh_token": grant["refresh_token"]});
    let refresh = Request::new("POST", "/api/refresh", None, Some(&body));
    connection.send(&refresh).await?.expect(401)?;
    Ok(refresh)
}

/// A refresh token of the right form that the server never issued.
pub fn made_up_token(random: &mut impl FnMut() -> u64) -> String {
    let id = uuid::Uuid::from_u64_pair(random(), random());
    format!("dwr_{id}_{:016x}{:016x}{:011x}", random(), random(), random() >> 20)
}

fn show(samples: &[Vec<Sample>], alarms: &mut [[usize; MEASURES.len()]; KINDS.len()], report: &mut Report) {
    let head = MEASURES.into_iter().flat_map(|measure| [measure, "D", "p"]);
    report.line(["kind"].into_iter().chain(head));
    let column = |kind: usize, measure: usize| -> Vec<f64> {
        samples[kind].iter().map(|sample| sample[measure]).collect()
    };
    for (at, (kind, alarms)) in KINDS.iter().zip(alarms).enumerate() {
        let mut line = vec![kind.name.to_owned()];
        for (measure, alarms) in alarms.iter_mut().enumerate() {
            let figures = column(at, measure);
            line.push(number(ks::median(&figures)));
            if kind.against == at {
                line.extend(["-".to_owned(), "-".to_owned()]);
                continue;
            }
            let outcome = ks::compare(&figures, &column(kind.against, measure));
            line.extend([format!("{:.3}", outcome.distance), format!("{:.3}", outcome.p)]);
            *alarms += usize::from(outcome.p < SIGNIFICANT);
        }
        report.line(line);
    }
}

/// Whether an attacker who observes the otherwise idle server can detect the work for a link, which is done after the
/// answer.
async fn aftermath(server: &Server, windows: usize, dice: &mut Dice, report: &mut Report) -> Result<()> {
    let mut connection = Connection::open(server.address()).await?;
    Rows::of(server)?.copy_account("original", "wb", windows)?;
    let refresh = ended_refresh(&mut connection).await?;
    let mut order: Vec<_> =
        ["wa", "wb"].into_iter().flat_map(|kind| (0..windows).map(move |n| (kind, n))).collect();
    dice.shuffle(&mut order);
    // Lets work finish that earlier samples caused.
    sleep(WINDOW * 4).await;
    let mut seen: HashMap<_, [Vec<f64>; 2]> = HashMap::new();
    for (kind, index) in order {
        let body = json!({"login": format!("{kind}{index:05}")});
        let request = Request::new("POST", "/api/forgot-password", None, Some(&body));
        connection.send(&request).await?.expect(202)?;
        let (until, mut most, mut sum, mut count) = (Instant::now() + WINDOW, 0.0_f64, 0.0, 0.0);
        while Instant::now() < until {
            let (_, took) = ask(&mut connection, &refresh).await?;
            (most, sum, count) = (most.max(took), sum + took, count + 1.0);
        }
        let [longest, mean] = seen.entry(kind).or_default();
        longest.push(most);
        mean.push(sum / count);
    }
    report.line(["kind", "longest", "D", "p", "mean", "D", "p"]);
    let (none, account) = (&seen["wa"], &seen["wb"]);
    let medians = |figures: &[Vec<f64>; 2]| figures.each_ref().map(|figures| number(ks::median(figures)));
    let [longest, mean] = medians(none);
    report.line(["no such name".to_owned(), longest, "-".into(), "-".into(), mean, "-".into(), "-".into()]);
    let mut line = vec!["an account".to_owned()];
    for (at, median) in medians(account).into_iter().enumerate() {
        let outcome = ks::compare(&account[at], &none[at]);
        line.extend([median, format!("{:.3}", outcome.distance), format!("{:.3}", outcome.p)]);
    }
    report.line(line);
    Ok(())
}
