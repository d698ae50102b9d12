//! A piece of password work, which stops wherever it needs a hash.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bcrypt_lanes::Digest;
use tokio::sync::oneshot;

use super::HashError;
use crate::auth::hash_requests::{HashRequests, Request};

/// [`Work`] with any result.
pub(super) trait Task: Send {
    /// Runs until a request must be answered first. `None` when the outcome has been reported.
    fn resume(&mut self) -> Option<Request>;
    fn answer(&mut self, digest: Option<Digest>);
    fn give_thread(&mut self);
    /// Reports why the work is not done.
    fn refuse(self: Box<Self>, error: HashError);
}

pub(super) struct Work<F: Future> {
    future: Pin<Box<F>>,
    requests: HashRequests,
    outcome: Option<Outcome<F::Output>>,
}

/// The caller may have left.
type Outcome<T> = oneshot::Sender<Result<T, HashError>>;

impl<F: Future> Work<F> {
    /// The work, and where its outcome arrives.
    pub fn new(
        work: impl FnOnce(HashRequests) -> F,
    ) -> (Self, oneshot::Receiver<Result<F::Output, HashError>>) {
        let (outcome, receiver) = oneshot::channel();
        let requests = HashRequests::default();
        let future = Box::pin(work(requests.clone()));
        (Self { future, requests, outcome: Some(outcome) }, receiver)
    }

    fn report(&mut self, outcome: Result<F::Output, HashError>) {
        if let Some(caller) = self.outcome.take() {
            let _ = caller.send(outcome);
        }
    }
}

impl<F: Future<Output: Send> + Send> Task for Work<F> {
    fn resume(&mut self) -> Option<Request> {
        let mut context = Context::from_waker(Waker::noop());
        // A panic would end this thread for good, and with the last thread every sign-in.
        let outcome = match catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(&mut context))) {
            Ok(Poll::Ready(output)) => Ok(output),
            Ok(Poll::Pending) => match self.requests.take() {
                Some(request) => return Some(request),
                // It waits for something that no thread here can give it.
                None => Err(HashError::Failed),
            },
            Err(_) => Err(HashError::Failed),
        };
        self.report(outcome);
        None
    }

    fn answer(&mut self, digest: Option<Digest>) {
        self.requests.answer(digest);
    }

    fn give_thread(&mut self) {
        self.requests.give_thread();
    }

    fn refuse(mut self: Box<Self>, error: HashError) {
        self.report(Err(error));
    }
}
