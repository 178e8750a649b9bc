//! Group commit: the thread that makes records durable, whatever they are kept in.
//!
//! A failed write is of one of two kinds. *Refused*: nothing was written and nothing will be (the
//! disk is full, the file is locked). Then whoever waits is told so at once, and only relaxed
//! records are kept for the next try. *Unclear*: an error came while the write was made durable,
//! so it may or may not survive. Then nobody is told anything and the same batch is tried until it
//! is durable: a seat whose fate is unclear is neither freed nor given twice. That the records are
//! not to be seen after such an error settles nothing, because they may still lie where a restart
//! finds them; only writing them does.

use std::sync::Arc;
use std::time::Duration;

use super::ledger::{Entry, Health, Ledger, NotKept};
use super::sync::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use super::sync::thread::{self, Thread};
use super::sync::{AtomicBool, Mutex, OnceLock, Ordering};
use crate::canary::{Canary, sings};
use crate::rules::record::{Fact, Position};
use crate::rules::time::UnixMillis;

/// How often the journal is tried while nobody asks for anything.
const IDLE_PROBE: Duration = Duration::from_secs(2);
/// How long records that nobody waits for are gathered before they are written. In a rush of holds
/// the disk is then asked a few hundred times a second, not as often as it can.
const GATHERING: Duration = Duration::from_millis(2);
/// How long nobody has asked for anything when the journal does what it has put off.
const LULL: Duration = Duration::from_millis(2);

/// Where a scribe writes. Only the scribe does.
pub trait Journal {
    /// Position and time of the newest record that is there; zeros when there is none.
    ///
    /// # Errors
    /// [`Failure`], of whichever kind.
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure>;

    /// Makes all of the records durable or none, the first following directly on the newest one.
    /// Without records it finds out whether it could.
    ///
    /// # Errors
    /// [`Failure`]
    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure>;

    /// What it has put off. Nobody waits for that, and nothing is lost with it.
    fn chores(&mut self) -> Chores {
        Chores::None
    }

    /// Does a little of it. Returns how many records that was; 0 when there is nothing to do, or it
    /// cannot be done now.
    fn tidy(&mut self) -> usize {
        0
    }
}

/// What a journal has put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chores {
    None,
    /// Something that can wait for a lull.
    CanWait,
    /// More than it may: it is done between writes, as fast as more comes.
    Overdue,
}

/// A record with its place.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    pub position: Position,
    /// Never before that of the record before it.
    pub at: UnixMillis,
    pub fact: &'a Fact,
}

/// How a write failed, and why, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was written.
    #[error("{0}")]
    Refused(String),
    /// It may have been written, or may come back after a restart.
    #[error("{0}")]
    Unclear(String),
}

/// Bounds and rhythm of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Records in one commit.
    pub batch_max: usize,
    /// Records that wait.
    pub queue_max: usize,
    /// Pause before a failed commit is tried again.
    pub retry: Duration,
    /// Tells the time of a refusal.
    pub clock: fn() -> UnixMillis,
}

/// What a scribe tells and is told beside the queue.
struct Shared {
    health: Mutex<Health>,
    /// Whether `health` is ready, without the lock.
    ready: AtomicBool,
    /// Nobody will append any more: a disk that is away is not waited for.
    closing: AtomicBool,
    /// The scribe's thread, to wake it while it gathers.
    thread: OnceLock<Thread>,
}

/// What the queue carries.
enum Message {
    Append(Entry),
    /// Write what came before, then end.
    Close,
}

/// The side of a ledger that everybody sees.
#[derive(Clone)]
pub struct Desk {
    queue: Sender<Message>,
    shared: Arc<Shared>,
}

/// The side of a ledger that writes.
pub struct Scribe<J> {
    journal: J,
    queue: Receiver<Message>,
    options: Options,
    shared: Arc<Shared>,
    /// What is written next, in this order.
    batch: Vec<Entry>,
    /// Position of the last durable record.
    last: Position,
    /// Time of the last durable record: times in the ledger never go back.
    last_at: UnixMillis,
    /// Whether the first records of the batch may be durable although writing them failed.
    unclear: bool,
    /// Records of what is overdue that are to be done before more is added; less than none when the
    /// last turn did more than it had to.
    owed: i64,
}

/// Both sides of a ledger that goes on where the journal ends.
///
/// # Errors
/// [`Failure`] when the journal cannot be read.
pub fn open<J: Journal>(mut journal: J, options: Options) -> Result<(Desk, Scribe<J>), Failure> {
    let (queue, incoming) = bounded(options.queue_max);
    let shared = Arc::new(Shared {
        health: Mutex::new(Health::Ready),
        ready: AtomicBool::new(true),
        closing: AtomicBool::new(false),
        thread: OnceLock::new(),
    });
    let (last, last_at) = journal.newest()?;
    let scribe = Scribe {
        journal,
        queue: incoming,
        options,
        shared: Arc::clone(&shared),
        batch: Vec::with_capacity(options.batch_max),
        last,
        last_at,
        unclear: false,
        owed: 0,
    };
    Ok((Desk { queue, shared }, scribe))
}

impl Ledger for Desk {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        if entry.record.fact.is_strict() && !self.shared.ready.load(Ordering::Acquire) {
            return Err(entry);
        }
        let somebody_waits = entry.done.is_some();
        self.queue
            .try_send(Message::Append(entry))
            .map_err(|refused| match refused.into_inner() {
                Message::Append(entry) => entry,
                Message::Close => unreachable!("only close() sends that"),
            })?;
        if somebody_waits && !sings(Canary::WakeForgotten) {
            self.wake();
        }
        Ok(())
    }

    fn health(&self) -> Health {
        self.shared.health.lock().clone()
    }
}

impl Desk {
    /// Asks the scribe to write what is queued and to end.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        // If the queue is full the scribe is awake, or gathers.
        let _ = self.queue.try_send(Message::Close);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = self.shared.thread.get() {
            thread.unpark();
        }
    }
}

impl<J: Journal> Scribe<J> {
    /// Writes until the ledger closes; takes this thread.
    pub fn run(mut self) {
        let _ = self.shared.thread.set(thread::current());
        let mut closing = false;
        while !(closing && self.batch.is_empty()) {
            if !closing {
                closing = self.gather();
            }
            let records = self.batch.len();
            if self.try_batch() {
                self.keep_up(records);
            } else {
                if closing || self.shared.closing.load(Ordering::Acquire) {
                    // The disk does not come back for our sake; what is left is not
                    // acknowledged to anybody.
                    return;
                }
                thread::sleep(self.options.retry);
                if !self.unclear {
                    self.keep_up(1);
                }
            }
        }
        while self.journal.tidy() > 0 {}
    }

    /// Writes what has arrived, once, without waiting for anything; for whoever runs many ledgers
    /// on one thread. Returns whether the journal took it.
    pub fn turn(&mut self) -> bool {
        self.take_arrived();
        self.try_batch()
    }

    /// Waits for a first record and gathers what comes with it; true when the ledger closes.
    /// It returns without one when the journal is to be tried: after a pause while the ledger is
    /// away, and now and then while nobody asks, so that readiness stays true.
    fn gather(&mut self) -> bool {
        if self.batch.is_empty() {
            let closing = self.shared.closing.load(Ordering::Acquire);
            let patience = if self.shared.ready.load(Ordering::Acquire) && !closing {
                IDLE_PROBE
            } else {
                Duration::ZERO
            };
            match self.wait(patience) {
                Ok(Message::Append(entry)) => self.batch.push(entry),
                Err(RecvTimeoutError::Timeout) => return closing,
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        let mut closing = self.take_arrived();
        let is_urgent = closing
            || self.shared.closing.load(Ordering::Acquire)
            || self.batch.iter().any(|entry| entry.done.is_some());
        if !is_urgent && self.batch.len() < self.options.batch_max {
            // Whoever closes, or appends a record that somebody waits for, ends this early.
            thread::park_timeout(GATHERING);
            closing = self.take_arrived();
        }
        closing
    }

    /// Waits so long for something to arrive, and uses the time for what the journal has put off.
    fn wait(&mut self, patience: Duration) -> Result<Message, RecvTimeoutError> {
        let mut lull = LULL;
        while !patience.is_zero() && self.journal.chores() != Chores::None {
            match self.queue.recv_timeout(lull) {
                Err(RecvTimeoutError::Timeout) if self.journal.tidy() > 0 => lull = Duration::ZERO,
                Err(RecvTimeoutError::Timeout) => break,
                arrived => return arrived,
            }
        }
        self.queue.recv_timeout(patience)
    }

    /// Of what is overdue, does as much as has just been added to it.
    fn keep_up(&mut self, added: usize) {
        if self.journal.chores() != Chores::Overdue {
            self.owed = 0;
            return;
        }
        self.owed += added as i64;
        while self.owed > 0 {
            match self.journal.tidy() {
                0 => return,
                done => self.owed -= done as i64,
            }
        }
    }

    /// Takes what has arrived, as far as it fits into the batch; true when the ledger closes.
    fn take_arrived(&mut self) -> bool {
        while self.batch.len() < self.options.batch_max {
            match self.queue.try_recv() {
                Ok(Message::Append(entry)) => self.batch.push(entry),
                Ok(Message::Close) => return true,
                Err(_) => break,
            }
        }
        false
    }

    /// Tries to make the batch durable and tells those who wait.
    fn try_batch(&mut self) -> bool {
        if sings(Canary::AckBeforeDurable) {
            self.tell_all();
        }
        let first = self.last;
        match self.commit() {
            Ok(records) => {
                self.report(Health::Ready);
                for (position, entry) in (first.0 + 1..).zip(self.batch.drain(..records)) {
                    if let Some(done) = entry.done {
                        done(Ok(Position(position)));
                    }
                }
                true
            }
            Err(failure) => {
                self.fail(failure);
                false
            }
        }
    }

    /// Makes the batch durable, or learns that an earlier try has done so with its first records.
    /// Returns how many are durable.
    fn commit(&mut self) -> Result<usize, Failure> {
        if self.unclear {
            let (durable, durable_at) = self.journal.newest()?;
            if durable > self.last {
                let records = usize::try_from(durable.0 - self.last.0).unwrap_or(usize::MAX);
                (self.last, self.last_at) = (durable, durable_at);
                self.unclear = false;
                return Ok(records.min(self.batch.len()));
            }
            self.unclear = !sings(Canary::UnclearSettledByLooking);
        }
        let mut at = self.last_at;
        let records: Vec<Kept<'_>> = (self.last.0 + 1..)
            .zip(&self.batch)
            .map(|(position, entry)| {
                at = at.max(entry.record.at);
                Kept {
                    position: Position(position),
                    at,
                    fact: &entry.record.fact,
                }
            })
            .collect();
        self.journal.write(&records)?;
        (self.last, self.last_at) = (Position(self.last.0 + records.len() as u64), at);
        self.unclear = false;
        Ok(records.len())
    }

    fn fail(&mut self, failure: Failure) {
        let at = (self.options.clock)();
        let (Failure::Refused(reason) | Failure::Unclear(reason)) = &failure;
        self.report(Health::Away {
            since: at,
            reason: reason.clone(),
        });
        let unclear = matches!(failure, Failure::Unclear(_));
        self.unclear |= unclear && !sings(Canary::UnclearTakenForRefused);
        if self.unclear {
            return;
        }
        let batch = self.batch.drain(..);
        let (waiting, relaxed): (Vec<Entry>, Vec<Entry>) =
            batch.partition(|entry| entry.done.is_some());
        self.batch = relaxed;
        for done in waiting.into_iter().filter_map(|entry| entry.done) {
            done(Err(NotKept { at }));
        }
    }

    fn report(&self, health: Health) {
        let was_ready = self.shared.ready.swap(health.is_ready(), Ordering::AcqRel);
        if !(was_ready && health.is_ready()) {
            self.shared.health.lock().follow(health);
        }
    }

    fn tell_all(&mut self) {
        for (position, entry) in (self.last.0 + 1..).zip(&mut self.batch) {
            if let Some(done) = entry.done.take() {
                done(Ok(Position(position)));
            }
        }
    }
}

impl<J> Drop for Scribe<J> {
    /// However the scribe ends, nobody is told that the ledger is ready any more. What is still
    /// queued goes with it: whoever waits for it may hold the other side of the queue.
    fn drop(&mut self) {
        let since = (self.options.clock)();
        if self.shared.ready.swap(false, Ordering::AcqRel) {
            *self.shared.health.lock() = Health::Away {
                since,
                reason: "the ledger is closed".into(),
            };
        }
        while self.queue.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::rules::ids::ReservationId;
    use crate::rules::record::Record;
    use crate::shell::sync::AtomicU64;

    const NOON: UnixMillis = UnixMillis(1_796_122_800_000);

    /// What a page does with the next write.
    #[derive(Clone, Copy)]
    enum Paper {
        Takes,
        IsFull,
        /// Reports an error and has the records, or not.
        Tears {
            written: bool,
        },
    }

    #[derive(Default)]
    struct Page {
        newest: u64,
        newest_at: Option<UnixMillis>,
        papers: VecDeque<Paper>,
        /// Up to where nothing is put off any more.
        tidied: Arc<AtomicU64>,
        overdue: bool,
    }

    impl Journal for Page {
        fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
            let at = self.newest_at.unwrap_or(UnixMillis(0));
            Ok((Position(self.newest), at))
        }

        fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
            let paper = self.papers.pop_front().unwrap_or(Paper::Takes);
            if matches!(paper, Paper::Takes | Paper::Tears { written: true }) {
                for record in records {
                    assert_eq!(record.position, Position(self.newest + 1));
                    assert!(self.newest_at <= Some(record.at), "times do not go back");
                    (self.newest, self.newest_at) = (record.position.0, Some(record.at));
                }
            }
            match paper {
                Paper::Takes => Ok(()),
                Paper::IsFull => Err(Failure::Refused("full".into())),
                Paper::Tears { .. } => Err(Failure::Unclear("torn".into())),
            }
        }

        fn chores(&mut self) -> Chores {
            match self.newest - self.tidied.load(Ordering::Acquire) {
                0 => Chores::None,
                _ if self.overdue => Chores::Overdue,
                _ => Chores::CanWait,
            }
        }

        fn tidy(&mut self) -> usize {
            let rest = self.newest - self.tidied.load(Ordering::Acquire);
            self.tidied.fetch_add(rest.min(4), Ordering::AcqRel);
            rest.min(4) as usize
        }
    }

    type Told = Receiver<Result<Position, NotKept>>;

    fn ledger(papers: impl IntoIterator<Item = Paper>) -> (Desk, Scribe<Page>) {
        let page = Page {
            papers: papers.into_iter().collect(),
            ..Page::default()
        };
        let options = Options {
            batch_max: 8,
            queue_max: 8,
            retry: Duration::ZERO,
            clock: || NOON,
        };
        open(page, options).unwrap()
    }

    /// A record for which somebody waits. It is put into the queue whether or not the ledger is
    /// away, as by somebody who asked a moment before.
    fn append(desk: &Desk, at: UnixMillis) -> Told {
        let id = ReservationId::from_bytes([0; 16]);
        let fact = Fact::Released { id };
        let (done, told) = channel();
        let entry = Entry {
            record: Record { at, fact },
            done: Some(Box::new(move |outcome| done.send(outcome).unwrap())),
        };
        assert!(desk.append(entry).is_ok());
        told
    }

    /// The batch has grown by the time of the second try: what is durable is recognised, and the
    /// rest follows it. Nobody is refused, and times do not go back.
    #[test]
    fn a_batch_that_was_durable_after_all_is_not_refused() {
        let (desk, mut scribe) = ledger([Paper::Tears { written: true }]);
        let first = append(&desk, NOON);
        assert!(!scribe.turn());
        assert!(first.try_recv().is_err(), "nobody knows yet");
        let second = append(&desk, UnixMillis(0));
        assert!(scribe.turn());
        assert_eq!(first.try_recv(), Ok(Ok(Position(1))));
        assert!(scribe.turn());
        assert_eq!(second.try_recv(), Ok(Ok(Position(2))));
    }

    /// What is not to be seen after an error may be found by a restart: until it was written anew,
    /// no other error makes it certain.
    #[test]
    fn what_is_unclear_is_not_refused_by_another_error() {
        let (desk, mut scribe) = ledger([Paper::Tears { written: false }, Paper::IsFull]);
        let told = append(&desk, NOON);
        assert!(!scribe.turn() && !scribe.turn());
        assert!(told.try_recv().is_err(), "nobody knows yet");
        assert!(scribe.turn());
        assert_eq!(told.try_recv(), Ok(Ok(Position(1))));
    }

    /// As much as comes, in whole turns, and no more: whoever asks next waits for it.
    #[test]
    fn what_is_overdue_is_done_as_fast_as_more_comes() {
        let (desk, mut scribe) = ledger([]);
        scribe.journal.overdue = true;
        (scribe.journal.newest, scribe.last) = (100, Position(100));
        let tidied = [(); 4].map(|()| {
            let told = [(); 2].map(|()| append(&desk, NOON));
            assert!(scribe.turn());
            scribe.keep_up(told.len());
            scribe.journal.tidied.load(Ordering::Acquire)
        });
        assert_eq!(tidied, [4, 4, 8, 8]);
    }

    #[test]
    fn what_can_wait_is_done_in_a_lull_and_before_the_end() {
        let (desk, scribe) = ledger([]);
        let tidied = Arc::clone(&scribe.journal.tidied);
        let running = std::thread::spawn(move || scribe.run());
        let told = [(); 6].map(|()| append(&desk, NOON));
        assert!(told.iter().all(|told| told.recv().unwrap().is_ok()));
        while tidied.load(Ordering::Acquire) < 6 {
            std::thread::yield_now();
        }
        append(&desk, NOON).recv().unwrap().unwrap();
        desk.close();
        running.join().unwrap();
        assert_eq!(tidied.load(Ordering::Acquire), 7);
    }

    /// Whoever waits is told so, nothing of it is kept, and then the ledger goes on where it was.
    #[test]
    fn a_full_disk_refuses_and_keeps_nothing() {
        let (desk, mut scribe) = ledger([Paper::IsFull]);
        let refused = append(&desk, NOON);
        assert!(!scribe.turn());
        assert_eq!(refused.try_recv(), Ok(Err(NotKept { at: NOON })));
        assert!(!desk.health().is_ready());
        assert!(
            scribe.turn(),
            "an empty batch finds out that there is room again"
        );
        assert!(desk.health().is_ready());
        let next = append(&desk, NOON);
        assert!(scribe.turn());
        assert_eq!(next.try_recv(), Ok(Ok(Position(1))));
    }
}
