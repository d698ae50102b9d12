//! What users do besides holding sockets: they sign in and out, refresh, and change passwords, and are signed out by
//! others.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Result;
use crate::dice::Dice;
use crate::http::{Reply, Request};
use crate::people::PASSWORD;

use super::user::{Login, User};
use super::world::{Phase, World};

const OTHER_PASSWORD: &str = "seven green herons fly at noon";

/// Logins of a user at a time.
const MOST_LOGINS: usize = 3;

/// A token that is older is refreshed before anything else.
const FRESH: Duration = Duration::from_secs(30);

/// The pause between two actions of a user, from and to.
const PAUSE: (f64, f64) = (2.0, 10.0);

/// Lets a user act until the churn is over.
pub async fn run(world: Rc<World>, index: usize, mut phase: watch::Receiver<Phase>) {
    // Other numbers than those of the sockets.
    let mut dice = Dice(index as u64 + (1 << 32));
    loop {
        let pause = Duration::from_secs_f64(PAUSE.0 + (PAUSE.1 - PAUSE.0) * dice.fraction());
        tokio::select! {
            () = sleep(pause) => {}
            _ = phase.wait_for(|phase| *phase != Phase::Churn) => return,
        }
        let user = &world.users[index];
        if let Err(error) = act(&world, user, &mut dice).await {
            world.incident(error.to_string());
        }
        // What is still noted has failed.
        user.has_revoked(None);
    }
}

async fn act(world: &World, user: &User, dice: &mut Dice) -> Result<()> {
    let stale: Vec<_> = user
        .logins
        .borrow()
        .iter()
        .filter(|login| login.refreshed.get().elapsed() > FRESH)
        .cloned()
        .collect();
    for login in stale {
        refresh(world, &login, dice).await?;
    }
    let Some(login) = user.login(dice) else { return sign_in(world, user, dice).await };
    match dice.roll(100) {
        0..30 => refresh(world, &login, dice).await,
        30..60 if user.logins.borrow().len() < MOST_LOGINS => sign_in(world, user, dice).await,
        30..80 => sign_out(world, user, &login, dice).await,
        80..88 => {
            let request = Request::new("DELETE", "/api/logins", Some(&login.token.borrow()), None);
            user.revoke_all_but(None);
            revoke(world, user, dice, &request, ("all own logins revoked", &[204, 401])).await
        }
        88..93 => {
            let path = format!("/api/admin/users/{}/logout", user.id);
            let request = Request::new("POST", &path, Some(&world.key), None);
            user.revoke_all_but(None);
            revoke(world, user, dice, &request, ("user signed out by the backend", &[200])).await
        }
        93 => {
            user.revoke_all_but(None);
            world.operator.run(&["logins", "revoke", "--user", &user.name, "--yes"]).await?;
            // Its start takes longer than what it does.
            user.has_revoked(Some(Instant::now()));
            world.count("user signed out by the operator");
            Ok(())
        }
        _ => change_password(world, user, &login, dice).await,
    }
}

/// Counts what was done, if the reply has one of these states.
fn done(world: &World, what: &str, reply: &Reply, expected: &[u16]) -> Result<()> {
    if !expected.contains(&reply.status) {
        return Err(format!("{what}: {} {}", reply.status, String::from_utf8_lossy(&reply.body)).into());
    }
    world.count(what);
    Ok(())
}

/// Sends a request that revokes what the user has noted.
async fn revoke(
    world: &World,
    user: &User,
    dice: &mut Dice,
    request: &Request,
    (what, expected): (&str, &[u16]),
) -> Result<()> {
    let (reply, sent) = world.send_noting(dice, request).await?;
    done(world, what, &reply, expected)?;
    user.has_revoked(Some(sent));
    Ok(())
}

async fn sign_in(world: &World, user: &User, dice: &mut Dice) -> Result<()> {
    let body = json!({"login": user.name, "password": user.password.get()});
    let reply = world.send(dice, &Request::new("POST", "/api/login", None, Some(&body))).await?;
    done(world, "signed in", &reply, &[200])?;
    user.logins.borrow_mut().push(Login::new(&reply.json()?)?);
    Ok(())
}

async fn refresh(world: &World, login: &Login, dice: &mut Dice) -> Result<()> {
    let body = json!({"refresh_token": *login.refresh.borrow()});
    let reply = world.send(dice, &Request::new("POST", "/api/refresh", None, Some(&body))).await?;
    done(world, "refreshed", &reply, &[200])?;
    login.take_tokens(&reply.json()?)
}

async fn sign_out(world: &World, user: &User, login: &Rc<Login>, dice: &mut Dice) -> Result<()> {
    let request = Request::new("POST", "/api/logout", Some(&login.token.borrow()), None);
    user.revoke(login);
    // A node that stopped may have done it without an answer: the token is refused then.
    revoke(world, user, dice, &request, ("signed out", &[204, 401])).await
}

async fn change_password(world: &World, user: &User, login: &Rc<Login>, dice: &mut Dice) -> Result<()> {
    let old = user.password.get();
    let new = if old == PASSWORD { OTHER_PASSWORD } else { PASSWORD };
    let body = json!({"current_password": old, "new_password": new});
    let request = Request::new("POST", "/api/me/password", Some(&login.token.borrow()), Some(&body));
    user.revoke_all_but(Some(login));
    // The same: the old password is wrong then.
    revoke(world, user, dice, &request, ("password changed", &[204, 403])).await?;
    user.password.set(new);
    Ok(())
}
