//! How password work obtains bcrypt hashes: it asks for one, and goes on when the thread that runs it has
//! computed it. So one thread can have several pieces of work and compute their hashes together.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bcrypt_lanes::{Digest, Hash, Input};
use zeroize::Zeroizing;

/// What a piece of work and the thread that runs it tell each other.
#[derive(Clone, Default)]
pub struct HashRequests(Arc<Mutex<Slot>>);

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Wanted(Request),
    Digest(Option<Digest>),
    Thread,
}

/// What the work cannot go on without.
pub enum Request {
    Bcrypt(BcryptInput),
    /// To compute something else, which takes long: no other work shall wait for it half done.
    Thread,
}

/// A password in the form that bcrypt receives, with salt and cost.
pub struct BcryptInput {
    password: Zeroizing<Vec<u8>>,
    cost: u32,
    salt: [u8; 16],
}

impl HashRequests {
    /// For the work: waits for a hash. `None` if bcrypt does not have its cost.
    pub async fn bcrypt(&self, input: BcryptInput) -> Option<Digest> {
        self.put(Slot::Wanted(Request::Bcrypt(input)));
        poll_fn(|_| match &*self.lock() {
            Slot::Digest(digest) => Poll::Ready(digest.clone()),
            _ => Poll::Pending,
        })
        .await
    }

    /// For the work: waits until its thread does nothing else.
    pub async fn thread(&self) {
        self.put(Slot::Wanted(Request::Thread));
        poll_fn(|_| if matches!(*self.lock(), Slot::Thread) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// For the thread: what the work waits for. Returned once.
    pub fn take(&self) -> Option<Request> {
        match mem::take(&mut *self.lock()) {
            Slot::Wanted(request) => Some(request),
            Slot::Empty | Slot::Digest(_) | Slot::Thread => None,
        }
    }

    /// For the thread: the hash that the work asked for.
    pub fn answer(&self, digest: Option<Digest>) {
        self.put(Slot::Digest(digest));
    }

    /// For the thread: the work has it for itself now.
    pub fn give_thread(&self) {
        self.put(Slot::Thread);
    }

    fn put(&self, slot: Slot) {
        *self.lock() = slot;
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BcryptInput {
    pub fn new(password: impl Into<Vec<u8>>, cost: u32, salt: [u8; 16]) -> Self {
        Self { password: Zeroizing::new(password.into()), cost, salt }
    }

    /// For lanes. `None` if bcrypt does not have the cost.
    pub fn for_lanes(&self) -> Option<Input> {
        Input::new(&self.password, self.cost, self.salt).ok()
    }

    /// Computes the hash now, with the crate `bcrypt`. `None` if bcrypt does not have the cost.
    pub fn compute(&self) -> Option<Digest> {
        let text = bcrypt::hash_with_salt(&*self.password, self.cost, self.salt).ok()?.to_string();
        Some(text.parse::<Hash>().ok()?.digest().clone())
    }
}

/// Does work on this thread, one hash after the other.
pub fn run_here<T>(work: impl AsyncFnOnce(HashRequests) -> T) -> T {
    let requests = HashRequests::default();
    let mut work = pin!(work(requests.clone()));
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        match requests.take() {
            Some(Request::Bcrypt(input)) => requests.answer(input.compute()),
            Some(Request::Thread) | None => requests.give_thread(),
        }
    }
}
