//! Several pieces of work on one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use actix_web::rt::{spawn, task::JoinHandle};
use bcrypt_lanes::Lanes;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::tests::{lane, queue, start_with};
use super::*;
use crate::auth::hash_requests::{BcryptInput, HashRequests};
use crate::auth::legacy_hashes::ImportedHash;

/// Work that computes hashes until it is released.
#[derive(Clone, Default)]
struct Endless {
    released: Arc<AtomicBool>,
    hashes: watch::Sender<usize>,
}

impl Endless {
    fn start(&self, pool: &Pool) -> JoinHandle<Result<(), HashError>> {
        let (this, pool) = (self.clone(), pool.clone());
        spawn(async move {
            let work = |requests: HashRequests| async move {
                while !this.released.load(Ordering::SeqCst) {
                    requests.bcrypt(input()).await.unwrap();
                    this.hashes.send_modify(|hashes| *hashes += 1);
                }
            };
            pool.run(lane(Class::SignIn, 1), work).await
        })
    }

    /// Waits until more hashes are computed, so that the threads have looked at the queue meanwhile.
    async fn goes_on(&self) {
        let mut hashes = self.hashes.subscribe();
        let more = *hashes.borrow() + 2 * Lanes::WIDTH;
        hashes.wait_for(|hashes| *hashes >= more).await.unwrap();
    }

    async fn release(&self, all: Vec<JoinHandle<Result<(), HashError>>>) {
        self.released.store(true, Ordering::SeqCst);
        for work in all {
            assert_eq!(work.await.unwrap(), Ok(()));
        }
    }
}

fn input() -> BcryptInput {
    BcryptInput::new(*b"x", 4, [0; 16])
}

async fn started(pool: &Pool, count: u64) {
    while pool.counts().started < count {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn work_joins_what_runs_until_the_lanes_are_full() {
    for (hashing, width) in [(Hashing::Interleaved, 4), (Hashing::Single, 1)] {
        let pool = start_with(1, hashing).hashes;
        let (endless, mut all) = (Endless::default(), Vec::new());
        for count in 1..=width {
            all.push(endless.start(&pool));
            started(&pool, count).await;
            endless.goes_on().await;
        }
        for _ in 0..3 {
            all.push(endless.start(&pool));
        }
        endless.goes_on().await;
        assert_eq!(pool.counts(), Counts { queued: 3, started: width });
        endless.release(all).await;
    }
}

#[actix_web::test]
async fn work_that_needs_the_thread_for_itself_waits_for_the_lanes_and_not_for_new_work() {
    let pool = start_with(1, Hashing::Interleaved).hashes;
    let endless = Endless::default();
    let (record, names) = mpsc::channel();
    let mut all = vec![endless.start(&pool)];
    started(&pool, 1).await;
    for name in ["first", "second"] {
        let (pool, record) = (pool.clone(), record.clone());
        all.push(spawn(async move {
            let work = |requests: HashRequests| async move {
                requests.thread().await;
                record.send(name.to_owned()).unwrap();
                requests.bcrypt(input()).await.unwrap();
            };
            pool.run(lane(Class::SignIn, 2), work).await
        }));
        tokio::task::yield_now().await;
    }
    started(&pool, 2).await;
    all.push(queue(&pool, lane(Class::SignIn, 3), "third", &record));
    endless.goes_on().await;
    assert_eq!((pool.counts().started, names.try_iter().count()), (2, 0));
    endless.release(all).await;
    let order: Vec<String> = names.try_iter().collect();
    assert_eq!(order[0], "first");
    assert_eq!(order.len(), 3);
}

#[actix_web::test]
async fn work_that_fails_leaves_the_other_hashes_of_its_thread_alone() {
    let pool = start_with(1, Hashing::Interleaved).hashes;
    let endless = Endless::default();
    let all = vec![endless.start(&pool)];
    started(&pool, 1).await;
    let panics = async |requests: HashRequests| {
        requests.bcrypt(input()).await;
        panic!("on purpose")
    };
    assert_eq!(pool.run(lane(Class::SignIn, 2), panics).await, Err::<(), _>(HashError::Failed));
    // It waits for something other than a hash.
    let stuck = pool.run(lane(Class::SignIn, 2), |_| std::future::pending::<()>());
    assert_eq!(stuck.await, Err(HashError::Failed));
    let absurd = pool.run(lane(Class::SignIn, 2), async |requests: HashRequests| {
        requests.bcrypt(BcryptInput::new(*b"x", 99, [0; 16])).await.is_none()
    });
    assert_eq!(absurd.await, Ok(true));
    endless.goes_on().await;
    endless.release(all).await;
}

#[actix_web::test]
async fn every_form_is_checked_alike_whatever_shares_the_thread() {
    const PLAIN: &str = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";
    let digest = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    let wrapped = ImportedHash::parse(digest).map(|hash| hash.to_stored(4).unwrap());
    let stored = [
        Some("$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$FtTPYAYB7Unzu5SXyz9NjYdCcMd8ay.".to_owned()),
        Some("$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$dxdzZlEJklhw.YE7lK2ORyHpO1hSAna".to_owned()),
        Some(PLAIN.to_owned()),
        Some(PLAIN.replace("$2b$", "$2a$")),
        Some(PLAIN.replace("$2b$", "$2y$")),
        Some(wrapped.unwrap_or_else(|unfit| panic!("{unfit}"))),
        Some(format!("$pbkdf2-sha256$i=1000$c2FsdA${}", "A".repeat(43))),
        Some("not understood".to_owned()),
        None,
    ];
    let passwords = ["correct horse battery staple", "plain bcrypt pw", "password", "wrong", "wro\u{308}ng"];
    for hashing in [Hashing::Interleaved, Hashing::Single] {
        let hasher = start_with(2, hashing);
        let pairs = stored.iter().flat_map(|stored| passwords.map(|text| (stored.clone(), text)));
        let (mut right, mut checks) = (0, Vec::new());
        for (stored, text) in pairs {
            let password = Password::typed(text.to_owned());
            let wanted = password::verify_here(&password, stored.as_deref(), 4);
            right += u32::from(wanted.ok);
            let network = u8::try_from(checks.len()).unwrap();
            let check = hasher.verify(lane(Class::SignIn, network), password, stored.clone());
            checks.push(async move { assert_eq!(check.await, Ok(wanted), "{text} {stored:?}") });
        }
        assert_eq!(right, 6);
        // As many as may wait.
        while !checks.is_empty() {
            join_all(checks.split_off(checks.len().saturating_sub(32))).await;
        }
    }
}
