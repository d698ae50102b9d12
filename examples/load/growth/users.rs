//! Sign-ins, refreshes, and requests with a token, by the number of users. Most users are rows that are written into the
//! database at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{SETTINGS, SETTLE, Series};
use crate::chart::Scale;
use crate::dice::Dice;
use crate::figures::us_each;
use crate::http::{Connection, Request};
use crate::people::{PASSWORD, People};
use crate::rows::Rows;
use crate::server::Server;
use crate::{Result, Target};

/// More sign-ins of one user at a time could be refused, because any of them may be a guess.
const CONNECTIONS: usize = 4;

/// Users that are written in one transaction.
const BATCH: usize = 100_000;

const ROUND: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
enum Route {
    SignIn,
    Refresh,
    /// A request that reads a row.
    Me,
}

/// One connection, and what its last sign-in returned.
struct Device {
    connection: Connection,
    tokens: Value,
}

/// Users by their name: a prefix and a number.
struct Names {
    original: String,
    batches: Vec<(String, usize)>,
}

impl Names {
    fn len(&self) -> usize {
        1 + self.batches.iter().map(|(_, count)| count).sum::<usize>()
    }

    fn name(&self, user: usize) -> String {
        let mut index = user;
        for (prefix, count) in &self.batches {
            if index < *count {
                return format!("{prefix}{index:05}");
            }
            index -= count;
        }
        self.original.clone()
    }
}

pub async fn run(target: &Target, numbers: &[usize]) -> Result<Series> {
    let drawn = ["sign-in at cost 4, µs", "refresh, µs", "GET /api/me, µs"];
    let mut series = Series::new("load growth: users", "users", Scale::Logarithmic, &drawn, &["memory, MB"]);
    let server = Server::start(target, &SETTINGS).await?;
    let mut people = People::new(server.address());
    people.sign_in(1, 1).await?;
    let mut names = Names { original: people.username(0), batches: Vec::new() };
    let mut rows = Rows::of(&server)?;
    let mut devices = Vec::new();
    for _ in 0..CONNECTIONS {
        devices.push(Device { connection: Connection::open(server.address()).await?, tokens: Value::Null });
    }
    for &number in numbers {
        while names.len() < number {
            let (prefix, count) = (format!("g{:02}-", names.batches.len()), BATCH.min(number - names.len()));
            rows.copy_account(&names.original, &prefix, count)?;
            names.batches.push((prefix, count));
        }
        // A large transaction leaves a large log, which the next writes would fold into the database.
        rows.run("PRAGMA wal_checkpoint(TRUNCATE)")?;
        sleep(SETTLE).await;
        let mut figures = Vec::new();
        for route in [Route::SignIn, Route::Refresh, Route::Me] {
            let cpu;
            (devices, cpu) = turn(&server, devices, &names, route).await?;
            figures.push(cpu);
        }
        figures.push(server.pss().map(|pss| pss / 1024.0));
        series.push(number, figures);
    }
    Ok(series)
}

/// Keeps all connections busy; returns the server's CPU time for a request, in us.
async fn turn(
    server: &Server,
    devices: Vec<Device>,
    names: &Names,
    route: Route,
) -> Result<(Vec<Device>, Option<f64>)> {
    let dice = Rc::new(RefCell::new(Dice(names.len() as u64)));
    // Drawn before: a task cannot borrow the names.
    let users: Rc<[String]> = (0..4_096).map(|_| names.name(dice.borrow_mut().roll(names.len()))).collect();
    let (before, until) = (server.fine_cpu(), Instant::now() + ROUND);
    let mut tasks = JoinSet::<Result<(Device, usize)>>::new();
    for mut device in devices {
        let (dice, users) = (Rc::clone(&dice), Rc::clone(&users));
        tasks.spawn_local(async move {
            let mut count = 0;
            while Instant::now() < until {
                let user = &users[dice.borrow_mut().roll(users.len())];
                let reply =
                    device.connection.send(&request(route, user, &device.tokens)?).await?.expect(200)?;
                if !matches!(route, Route::Me) {
                    device.tokens = reply.json()?;
                }
                count += 1;
            }
            Ok((device, count))
        });
    }
    let (mut devices, mut count) = (Vec::new(), 0);
    while let Some(task) = tasks.join_next().await {
        let (device, answered) = task??;
        devices.push(device);
        count += answered;
    }
    Ok((devices, us_each(server.fine_cpu_since(before), count)))
}

fn request(route: Route, user: &str, tokens: &Value) -> Result<Request> {
    let token = |name: &str| tokens[name].as_str().ok_or("a device signs in first");
    Ok(match route {
        Route::SignIn => {
            Request::new("POST", "/api/login", None, Some(&json!({"login": user, "password": PASSWORD})))
        }
        Route::Refresh => {
            let body = json!({"refresh_token": token("refresh_token")?});
            Request::new("POST", "/api/refresh", None, Some(&body))
        }
        Route::Me => Request::get("/api/me", Some(token("access_token")?)),
    })
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn each_user_has_the_name_of_a_row() {
        let names = Names {
            original: "original".to_owned(),
            batches: vec![("g00-".to_owned(), 2), ("g01-".to_owned(), 100_001)],
        };
        let all: Vec<_> = [0, 1, 2, 100_002, 100_003].map(|user| names.name(user)).into();
        assert_eq!(all, ["g00-00000", "g00-00001", "g01-00000", "g01-100000", "original"]);
        assert_eq!(names.len(), 100_004);
    }
}
