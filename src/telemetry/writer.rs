//! Writes log lines on a thread of its own, so that no request waits for the file or the terminal. What waits is
//! bounded: if it is not taken in time, lines are dropped, and a line says how many.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that may wait: some 10,000 lines.
const MOST: usize = 1024 * 1024;

/// How long to wait for a reader that is behind.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// How long the thread rests after it has written: lines of a busy moment share a write, and do not wake it one by one.
const REST: Duration = Duration::from_millis(2);

/// How long the end of the process waits for what is left to be written.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// Queues lines for the thread. A clone is another handle.
#[derive(Clone)]
pub(super) struct LineWriter(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Some of it was written.
    written: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    /// The thread waits for lines.
    is_idle: bool,
    /// Bytes that were ever queued, and those of them that were written.
    queued: u64,
    written: u64,
}

impl LineWriter {
    /// Starts the thread, which ends with the process. `dropped` logs how many lines were dropped.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub(super) fn start(
        target: impl Write + Send + 'static,
        dropped: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let writer = Self(Arc::default());
        let queue = Arc::clone(&writer.0);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || queue.write_for_ever(target, &dropped))?;
        Ok(writer)
    }

    /// Waits until the lines that are queued now are written, but not for long: nothing may read them.
    pub(super) fn flush(&self) {
        let state = self.0.state();
        let queued = state.queued;
        drop(self.0.written.wait_timeout_while(state, FLUSH_TIME, |state| state.written < queued));
    }

    /// Lets a panic's own message follow what was logged before it, and be the last thing if the process ends by it.
    pub(super) fn flush_at_panic(&self) {
        let writer = self.clone();
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // The thread cannot wait for itself.
            if thread::current().name() != Some("log") {
                writer.flush();
            }
            hook(info);
        }));
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.lines.len() + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        state.queued += line.len() as u64;
        let is_idle = mem::take(&mut state.is_idle);
        drop(state);
        if is_idle {
            self.filled.notify_one();
        }
    }

    fn write_for_ever(&self, mut target: impl Write, dropped: &impl Fn(u64)) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state();
            while state.lines.is_empty() {
                state.is_idle = true;
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut lines, &mut state.lines);
            let missed = mem::take(&mut state.dropped);
            drop(state);
            write_all(&mut target, &lines);
            self.state().written += lines.len() as u64;
            self.written.notify_all();
            lines.clear();
            if missed > 0 {
                dropped(missed);
            }
            thread::sleep(REST);
        }
    }
}

/// Writes all of it, as far as that is possible: there is nowhere to say that it is not, for instance on a full disk.
fn write_all(target: &mut impl Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match target.write(bytes) {
            Ok(written) if written > 0 => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A terminal or a pipe that another program has set not to block.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Ok(_) | Err(_) => break,
        }
    }
    let _ = target.flush();
}

/// One line, queued at its end.
pub(super) struct Line<'a> {
    queue: &'a Queue,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes.is_empty() && bytes.ends_with(b"\n") {
            // The whole line.
            self.queue.push(bytes);
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.queue.push(&self.bytes);
        }
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: &self.0, bytes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Hands over what is written, one write after the other: the writer waits until it is taken.
    struct Slow(SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Receiver<Vec<u8>>, Receiver<u64>, LineWriter) {
        let (written, taken) = sync_channel(0);
        let (missed, missing) = sync_channel(9);
        let dropped = move |count| missed.send(count).unwrap();
        (taken, missing, LineWriter::start(Slow(written), dropped).unwrap())
    }

    fn log(writer: &LineWriter, line: &str) {
        writer.make_writer().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn lines_are_written_in_their_order_and_those_that_wait_together() {
        let (taken, _, writer) = slow();
        log(&writer, "one\n");
        let first = taken.recv().unwrap();
        assert_eq!(first, b"one\n");
        log(&writer, "two\n");
        let mut line = writer.make_writer();
        line.write_all(b"in ").unwrap();
        line.write_all(b"parts\n").unwrap();
        drop(line);
        let expected = b"two\nin parts\n";
        let mut rest = Vec::new();
        while rest.len() < expected.len() {
            rest.extend(taken.recv().unwrap());
        }
        assert_eq!(rest, expected);
    }

    #[test]
    fn what_nothing_takes_is_bounded_and_what_was_dropped_is_counted() {
        let (taken, missing, writer) = slow();
        log(&writer, "first\n");
        // Once the thread waits with the first line, the queue fills.
        while !writer.0.state().lines.is_empty() {
            thread::yield_now();
        }
        let line = "x".repeat(1023) + "\n";
        let lines = MOST / line.len();
        for _ in 0..lines + 1000 {
            log(&writer, &line);
        }
        assert!(writer.0.state().lines.len() <= MOST);
        assert!(taken.recv().unwrap() == b"first\n");
        let kept = taken.recv().unwrap().len() / line.len();
        let dropped = missing.recv().unwrap();
        assert_eq!((kept, dropped), (lines, 1000));
    }

    #[test]
    fn a_flush_waits_until_all_is_written() {
        let (taken, _, writer) = slow();
        log(&writer, "one\n");
        let reader = thread::spawn(move || taken.recv().unwrap());
        writer.flush();
        assert_eq!(reader.join().unwrap(), b"one\n");
        let state = writer.0.state();
        assert_eq!(state.written, state.queued);
    }

    #[test]
    fn a_reader_that_is_behind_misses_nothing() {
        /// Takes a byte every other time.
        struct Behind(Vec<u8>, bool);

        impl Write for Behind {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.push(bytes[0]);
                Ok(1)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let mut behind = Behind(Vec::new(), false);
        write_all(&mut behind, b"one\n");
        assert_eq!(behind.0, b"one\n");
    }
}
