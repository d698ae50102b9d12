//! What is done once a transaction has committed, such as a line in the log: what was rolled back did not happen.

use std::cell::RefCell;

type Act = Box<dyn FnOnce()>;

thread_local! {
    /// Those of the transaction that runs on this thread: a transaction begins and ends on one thread.
    static ACTS: RefCell<Vec<Act>> = const { RefCell::new(Vec::new()) };
}

/// Does this once the transaction that runs has committed, and never if it is rolled back.
pub fn after_commit(act: impl FnOnce() + 'static) {
    ACTS.with_borrow_mut(|acts| acts.push(Box::new(act)));
}

/// Those of one transaction. Dropped without [`Acts::perform`], none of them is done.
pub(super) struct Acts(());

impl Acts {
    pub fn begin() -> Self {
        ACTS.with_borrow_mut(Vec::clear);
        Self(())
    }

    pub fn perform(self) {
        let acts = ACTS.take();
        drop(self);
        for act in acts {
            act();
        }
    }
}

impl Drop for Acts {
    fn drop(&mut self) {
        ACTS.with_borrow_mut(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn only_a_commit_is_followed_by_its_acts() {
        let done = Rc::new(Cell::new(0));
        let add = |number: i32| {
            let done = Rc::clone(&done);
            after_commit(move || done.set(done.get() + number));
        };
        let acts = Acts::begin();
        add(1);
        drop(acts);
        let acts = Acts::begin();
        add(10);
        add(100);
        acts.perform();
        assert_eq!(done.get(), 110);
    }
}
