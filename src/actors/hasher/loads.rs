//! How work is spread over the threads of a pool.

/// How many pieces of work each thread has.
#[derive(Debug)]
pub(super) struct Loads(Vec<usize>);

impl Loads {
    pub fn new(threads: usize) -> Self {
        Self(vec![0; threads])
    }

    /// Notes what a thread has. It may take more unless another one has less: several hashes on one thread
    /// take longer than on two, and a thread that has just been woken has none yet.
    pub fn may_take(&mut self, thread: usize, load: usize) -> bool {
        self.0[thread] = load;
        self.0.iter().all(|other| *other >= load)
    }

    pub fn add(&mut self, thread: usize) {
        self.0[thread] = self.0[thread].saturating_add(1);
    }

    /// The others shall not wait for this thread to take work.
    pub fn occupy(&mut self, thread: usize) {
        self.0[thread] = usize::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_with_the_least_work_takes_more() {
        let mut loads = Loads::new(3);
        assert!(loads.may_take(0, 0));
        loads.add(0);
        assert!(!loads.may_take(0, 1), "two threads have none");
        for thread in [1, 2] {
            assert!(loads.may_take(thread, 0));
            loads.add(thread);
        }
        assert!(loads.may_take(0, 1) && loads.may_take(1, 1));
        loads.add(1);
        assert!(!loads.may_take(1, 2));
    }

    #[test]
    fn no_thread_waits_for_one_that_is_occupied() {
        let mut loads = Loads::new(2);
        loads.occupy(0);
        for load in 0..9 {
            assert!(loads.may_take(1, load));
            loads.add(1);
        }
        assert!(loads.may_take(0, 0), "it is back");
        assert!(!loads.may_take(1, 9));
    }
}
