//! The server is killed at random moments under load, started again on the same database, and held to what it had
//! acknowledged. A few times in each run; `just crash` does it a hundred times.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use doorward::Clock;
use doorward::internals::clock::ManualClock;
use futures_util::future::join_all;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::RngExt;
use rustix::process::Signal;

use crate::support::app::spawn_on;
use crate::support::crash_model::Account;
use crate::support::crash_server::Server;
use crate::support::process::Process;
use crate::support::smtp::SmtpCatcher;
use crate::support::time::{PATIENCE, now};

const CLIENTS: usize = 6;
/// Accounts that a client opens between two kills; then it goes on with those.
const ACCOUNTS: usize = 5;
/// Of the accounts of earlier rounds, as many are checked again after each kill.
const OLDER: usize = 10;
/// And at the end.
const LAST: usize = 400;

/// Limits that the clients would reach, as all have one address.
const UNLIMITED: &[(&str, &str)] = &[("limits.mail_client", "off")];

fn from_environment(name: &str, fallback: impl FnOnce() -> u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or_else(fallback, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn rng_of(seed: u64) -> RefCell<TestRng> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    RefCell::new(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// One client's work until the server is gone: its accounts.
async fn work(server: &Server<'_>, rng: &RefCell<TestRng>, name: &str) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    loop {
        let at = if accounts.len() < ACCOUNTS {
            let with_email = rng.borrow_mut().random_bool(0.7);
            let name = format!("{name}n{}", accounts.len());
            let (account, answered) = Account::register(server, name, with_email).await;
            accounts.push(account);
            if !answered {
                return accounts;
            }
            accounts.len() - 1
        } else {
            rng.borrow_mut().random_range(0..ACCOUNTS)
        };
        for _ in 0..3 {
            if accounts[at].act(server, rng).await.is_none() {
                return accounts;
            }
        }
    }
}

/// Load until the server is killed, at a random moment or right after an answer.
async fn load_and_kill(
    (process, mail): (&Process, &SmtpCatcher),
    rng: &RefCell<TestRng>,
    round: u64,
) -> (Vec<Account>, u32) {
    let kill = || process.signal(Signal::KILL);
    let (at_answer, answers, ms) = {
        let mut rng = rng.borrow_mut();
        (rng.random_bool(0.5), rng.random_range(1..120), rng.random_range(20..900))
    };
    let server = Server {
        address: process.address,
        fuse: Cell::new(at_answer.then_some(answers)),
        kill: &kill,
        mail,
        acknowledged: Cell::new(0),
    };
    let clients = join_all((0..CLIENTS).map(async |client| {
        let name = format!("r{round}c{client}");
        work(&server, rng, &name).await
    }));
    let killer = async {
        if !at_answer {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            kill();
        }
    };
    let (accounts, ()) = futures_util::join!(clients, killer);
    (accounts.into_iter().flatten().collect(), server.acknowledged.get())
}

async fn check(
    (process, mail): (&Process, &SmtpCatcher),
    rng: &RefCell<TestRng>,
    fresh: &mut [Account],
    older: &mut [Account],
) {
    let nothing = || {};
    let server = Server {
        address: process.address,
        fuse: Cell::new(None),
        kill: &nothing,
        mail,
        acknowledged: Cell::new(0),
    };
    join_all(fresh.iter_mut().map(|account| account.check(&server, rng))).await;
    join_all(older.iter_mut().map(|account| account.check_briefly(&server))).await;
}

#[actix_web::test]
async fn what_was_acknowledged_survives_every_kill() {
    let kills = from_environment("DOORWARD_CRASH_KILLS", || 4);
    let seed = from_environment("DOORWARD_CRASH_SEED", || RandomState::new().hash_one(()));
    eprintln!("DOORWARD_CRASH_SEED={seed} DOORWARD_CRASH_KILLS={kills}");
    let rng = rng_of(seed);
    let mail = SmtpCatcher::start();
    let mail_url = mail.url();
    // Tokens of one process are presented to the next, which gets another port.
    let public_url = ("public_url", "http://localhost:8080");
    let settings =
        [&[("mail.url", mail_url.as_str()), ("log.level", "warn"), public_url], UNLIMITED].concat();

    let mut process = Process::start(&settings).await;
    let mut all: Vec<Account> = Vec::new();
    let mut acknowledged = 0;
    for round in 0..kills {
        let (mut fresh, acks) = load_and_kill((&process, &mail), &rng, round).await;
        acknowledged += acks;
        process.ended().await;
        process = Process::start_in(process.into_dir(), &settings).await;
        let older = rng.borrow_mut().random_range(0..=all.len().saturating_sub(OLDER));
        let older = older..all.len().min(older + OLDER);
        check((&process, &mail), &rng, &mut fresh, &mut all[older]).await;
        all.append(&mut fresh);
    }
    let step = (all.len() / LAST).max(1);
    for accounts in all.chunks_mut(step * CLIENTS) {
        let (sample, _) = accounts.split_at_mut(accounts.len().div_ceil(step));
        check((&process, &mail), &rng, &mut [], sample).await;
    }
    eprintln!("{kills} kills, {} accounts, {acknowledged} acknowledgements under load", all.len());
    process.signal(Signal::KILL);
    process.ended().await;
    check_mails(process, mail, &all).await;
}

/// An email that a killed process was sending is sent again when its lease expires. A manual clock reaches that.
async fn check_mails(process: Process, mail: SmtpCatcher, accounts: &[Account]) {
    let clock = ManualClock::default();
    let until = Clock::System.now() - Clock::Manual(clock.clone()).now();
    clock.advance(until.to_std().unwrap_or_default() + Duration::from_mins(5));
    let mut heir = spawn_on(&[], process.into_dir(), mail, clock).await;
    let deadline = now() + PATIENCE * 3;
    loop {
        let caught = heir.mail.caught();
        let missing = accounts.iter().find_map(|account| {
            let email = account.email.as_ref()?;
            let came = |says: &str| {
                caught.iter().filter(|mail| mail.to.contains(email) && mail.text.contains(says)).count()
            };
            account
                .mails()
                .into_iter()
                .find(|(says, least)| came(says) < *least)
                .map(|(says, _)| (email, says))
        });
        let Some((email, says)) = missing else {
            let expected: usize = accounts.iter().flat_map(Account::mails).map(|(_, least)| least).sum();
            eprintln!("{} mails came, {expected} had to", caught.len());
            break;
        };
        assert!(now() < deadline, "no mail with {says} came to {email}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    heir.stop().await;
}
