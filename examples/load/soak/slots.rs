//! One of the sockets that are open at a time: it lives for a while, and another one takes its place.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use crate::dice::Dice;

use super::socket::{Credentials, Socket, Transport};
use super::user::{Login, State, User};
use super::world::{Phase, World};

/// How long a socket lives, from and to, in seconds.
const LIFE: (f64, f64) = (5.0, 60.0);

const HANDSHAKE: Duration = Duration::from_secs(15);

/// A socket that is open so long after its login was revoked was missed.
const MISSED: Duration = Duration::from_secs(10);

/// Of so many sockets of a transport, one is dropped without a word; of so many over TCP, one signs in with a password.
const RUDE: usize = 10;
const TYPED: usize = 4;

/// How an answer to a client that was too slow is known.
const LATE: [&str; 3] = ["408", "the client did not sign in in time", "Session ID unknown"];

/// The server restarts.
const RESTART: u16 = 1012;

/// A revocation: signed out, the password was changed.
const REVOKED: [u16; 2] = [4441, 4442];

/// How a socket's time was over.
enum End {
    /// The server has ended it, perhaps with a code.
    ByServer(Option<u16>),
    ByClient,
    Missed,
}

/// Keeps a socket open until all close.
pub async fn run(world: Rc<World>, index: usize, mut phase: watch::Receiver<Phase>) {
    let mut dice = Dice(index as u64);
    let transport = Transport::ALL[index % Transport::ALL.len()];
    // Not all at once.
    sleep(Duration::from_secs_f64(LIFE.0 * dice.fraction())).await;
    while *phase.borrow() != Phase::Close {
        let user = &world.users[dice.roll(world.users.len())];
        let is_typed = transport == Transport::Tcp && dice.roll(TYPED) == 0;
        let Some((login, password)) = login(user, is_typed, &mut dice) else {
            // Signed out, and not in again yet.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let token = Rc::clone(&login.token.borrow());
        let credentials = match password {
            Some(password) => Credentials::Password(&user.name, password),
            None => Credentials::Token(&token),
        };
        let node = dice.roll(world.nodes.len());
        let opening = Socket::open(transport, &world.nodes[node], credentials);
        match timeout(HANDSHAKE, opening).await.unwrap_or_else(|_| Err("no answer".into())) {
            Ok(socket) => {
                login.has_opened();
                world.note_opened(transport);
                live(&world, transport, socket, &login, (&mut dice, &mut phase)).await;
            }
            Err(error) => {
                note_refusal(&world, node, transport, &login, &error.to_string());
                sleep(Duration::from_secs_f64(0.2 + dice.fraction())).await;
            }
        }
    }
}

fn login(user: &User, is_typed: bool, dice: &mut Dice) -> Option<(Rc<Login>, Option<&'static str>)> {
    if is_typed {
        let (login, password) = user.connection();
        return Some((login, Some(password)));
    }
    user.login(dice).map(|login| (login, None))
}

/// A refusal is in order if the login was revoked meanwhile, or if the node restarts.
fn note_refusal(world: &World, node: usize, transport: Transport, login: &Login, why: &str) {
    let is_revoked = !matches!(login.state(), State::Active);
    let is_restarting = world.nodes[node].is_restarting();
    // What the server answers to a client that takes seconds to say what it wants.
    let is_late = LATE.iter().any(|late| why.contains(late));
    match (is_revoked, is_restarting) {
        (true, _) => world.count("refused: the login was revoked meanwhile"),
        (_, true) => world.count("refused: the node restarts"),
        _ if is_late => world.count("refused: the tool was too slow"),
        _ => world.incident(format!("{} refused: {why}", transport.name())),
    }
}

/// Holds a socket until its time is over, and closes it.
async fn live(
    world: &World,
    transport: Transport,
    mut socket: Socket,
    login: &Login,
    (dice, phase): (&mut Dice, &mut watch::Receiver<Phase>),
) {
    let life = Duration::from_secs_f64(LIFE.0 + (LIFE.1 - LIFE.0) * dice.fraction());
    let end = tokio::select! {
        biased;
        code = socket.ended() => End::ByServer(code),
        end = time_to_leave(life, login, phase) => end,
    };
    world.note_closed(transport);
    let name = transport.name();
    match (end, login.state()) {
        (End::ByServer(Some(code)), State::Revoked(at)) if REVOKED.contains(&code) => {
            world.count(format!("closed by a revocation: {name}"));
            world.closes.borrow_mut().push(at.elapsed());
        }
        (End::ByServer(Some(code)), State::Revoking) if REVOKED.contains(&code) => {
            world.count(format!("closed by a revocation before its answer: {name}"));
        }
        (End::ByServer(Some(code)), State::Uncertain) if REVOKED.contains(&code) => {
            world.count("closed by a revocation during the sign-in");
        }
        (End::ByServer(Some(RESTART)), _) => world.count("closed by a restart"),
        (End::ByServer(None), State::Revoked(at)) if transport == Transport::Polling => {
            world.count(format!(
                "closed by a revocation: {name}, whose next poll was too late for the goodbye"
            ));
            world.closes.borrow_mut().push(at.elapsed());
        }
        (End::ByServer(code), state) => {
            let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
            let what = if matches!(state, State::Active) { "" } else { " after a revocation" };
            world.incident(format!("{name} closed by the server with {code}{what}"));
        }
        (End::Missed, _) => world.incident(format!("{name} still open {MISSED:?} after a revocation")),
        (End::ByClient, _) if dice.roll(RUDE) == 0 => world.count("dropped by the client"),
        (End::ByClient, _) => {
            world.count("closed by the client");
            // A node that stops does not answer.
            let _ = timeout(HANDSHAKE, socket.leave()).await;
        }
    }
}

/// A client leaves when its life is over, but none whose login was revoked: the server has to close that one.
async fn time_to_leave(life: Duration, login: &Login, phase: &mut watch::Receiver<Phase>) -> End {
    tokio::select! {
        () = sleep(life) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Churn) => {}
    }
    loop {
        if let State::Revoked(at) = login.state() {
            sleep_until((at + MISSED).into()).await;
            return End::Missed;
        }
        if let State::Revoking = login.state() {
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        let now = *phase.borrow_and_update();
        if now != Phase::Still || phase.changed().await.is_err() {
            return End::ByClient;
        }
    }
}
