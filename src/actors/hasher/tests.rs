use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc;

use actix_web::rt::{spawn, task::JoinHandle};
use futures_util::FutureExt;

use super::*;
use crate::config;

fn start(workers: usize) -> Hasher {
    start_with(workers, Hashing::Interleaved)
}

pub(super) fn start_with(workers: usize, hashing: Hashing) -> Hasher {
    Hasher::start(&config::Password { workers, hashing, cost: 4, min_length: 8, insecure_cost: true })
}

pub(super) fn lane(class: Class, host: u8) -> Lane {
    let address = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)));
    Lane::new(class, Requester { address, socket: None })
}

/// Keeps a thread busy until it is released.
async fn block(pool: &Pool) -> (mpsc::Sender<()>, JoinHandle<Result<bool, HashError>>) {
    let (release, wait) = mpsc::channel::<()>();
    let (pool, started) = (pool.clone(), pool.counts().started);
    let work = pool.clone();
    let blocked = spawn(async move {
        let lane = Lane::new(Class::SignIn, Requester::default());
        work.run(lane, |_| async move { wait.recv().is_ok() }).await
    });
    while pool.counts().started == started {
        tokio::task::yield_now().await;
    }
    (release, blocked)
}

/// Queues work that records its name.
pub(super) fn queue(
    pool: &Pool,
    lane: Lane,
    name: &str,
    done: &mpsc::Sender<String>,
) -> JoinHandle<Result<(), HashError>> {
    let (pool, name, done) = (pool.clone(), name.to_owned(), done.clone());
    let mut work = Box::pin(async move { pool.run(lane, |_| async move { done.send(name).unwrap() }).await });
    match (&mut work).now_or_never() {
        Some(answer) => spawn(std::future::ready(answer)),
        None => spawn(work),
    }
}

#[actix_web::test]
async fn a_full_queue_is_reported() {
    let hasher = start(1);
    let (release, blocked) = block(&hasher.hashes).await;
    let (done, names) = mpsc::channel();
    let mut waiting = Vec::new();
    for _ in 0..QUEUE_PER_WORKER {
        waiting.push(queue(&hasher.hashes, lane(Class::SignIn, 1), "x", &done));
    }
    assert_eq!(hasher.check_room(lane(Class::SignIn, 1)), Err(HashError::Full), "and this is known before");
    assert_eq!(hasher.check_room(lane(Class::SignIn, 2)), Ok(()));
    let refused = queue(&hasher.hashes, lane(Class::SignIn, 1), "y", &done);
    assert_eq!(refused.await.unwrap(), Err(HashError::Full));
    // A flood makes room for others; what is pushed out gets an answer.
    let other = queue(&hasher.hashes, lane(Class::SignIn, 2), "z", &done);
    assert_eq!(waiting.pop().unwrap().await.unwrap(), Err(HashError::Full));
    release.send(()).unwrap();
    assert_eq!(blocked.await.unwrap(), Ok(true));
    for work in waiting.into_iter().chain([other]) {
        assert_eq!(work.await.unwrap(), Ok(()));
    }
    let order: Vec<String> = names.try_iter().collect();
    assert_eq!(order[..3], ["x", "z", "x"]);
    assert_eq!(hasher.workload().hashes.queued, 0);
}

#[actix_web::test]
async fn work_that_no_caller_waits_for_is_not_started() {
    let hasher = start(1);
    let (release, blocked) = block(&hasher.hashes).await;
    let (done, names) = mpsc::channel();
    let gone = queue(&hasher.hashes, lane(Class::SignIn, 1), "gone", &done);
    let stays = queue(&hasher.hashes, lane(Class::SignIn, 1), "stays", &done);
    gone.abort();
    assert!(gone.await.is_err());
    assert_eq!(hasher.workload().hashes.queued, 1, "its place is free");
    release.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    stays.await.unwrap().unwrap();
    assert_eq!(names.try_iter().collect::<Vec<_>>(), ["stays"]);
    assert_eq!(hasher.workload().hashes, Counts { queued: 0, started: 2 });
}

#[actix_web::test]
async fn a_sign_in_goes_before_a_registration_and_a_known_device_before_both() {
    let hasher = start(1);
    let (release, blocked) = block(&hasher.hashes).await;
    let (done, names) = mpsc::channel();
    let known = Lane {
        known: Some(doorward_core::domain::UserId(uuid::Uuid::from_u128(1))),
        ..lane(Class::SignIn, 4)
    };
    let queued = [
        queue(&hasher.hashes, lane(Class::Registration, 1), "registration", &done),
        queue(&hasher.hashes, lane(Class::Owner, 2), "owner", &done),
        queue(&hasher.hashes, lane(Class::SignIn, 3), "sign-in", &done),
        queue(&hasher.hashes, known, "known", &done),
    ];
    release.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    for work in queued {
        work.await.unwrap().unwrap();
    }
    assert_eq!(names.try_iter().collect::<Vec<_>>(), ["known", "sign-in", "owner", "registration"]);
}

#[actix_web::test]
async fn ratings_and_traces_have_queues_of_their_own() {
    let hasher = start(1);
    let (release, blocked) = block(&hasher.hashes).await;
    let password = || Password::typed("plural teapot".to_owned());
    hasher.rate(lane(Class::Rating, 1), password(), Vec::new()).await.unwrap();
    assert!(hasher.trace(LoginId(uuid::Uuid::from_u128(1)), || true).await.unwrap());
    drop(release);
    blocked.await.unwrap().unwrap();
    let (rating, rated) = block(&hasher.ratings).await;
    assert!(hasher.rehash(lane(Class::SignIn, 1), password()).await.is_ok());
    drop(rating);
    rated.await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_panic_ends_no_thread() {
    let hasher = start(1);
    for _ in 0..3 {
        let done = hasher.hashes.run(lane(Class::SignIn, 1), async |_| panic!("on purpose")).await;
        assert_eq!(done, Err::<(), _>(HashError::Failed));
    }
    let (lane, password) = (lane(Class::SignIn, 1), || Password::typed("plural teapot".to_owned()));
    let stored = hasher.rehash(lane, password()).await.unwrap();
    let verified = hasher.verify(lane, password(), Some(stored)).await.unwrap();
    assert_eq!(verified, Verified { ok: true, rehash: false });
}
