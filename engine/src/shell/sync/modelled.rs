//! Stand-ins for what shuttle does not have: the bounded queue and the cell that is set once.
//!
//! No time passes in a schedule. A wait with a time limit either ends at once, as if time were up,
//! or ends only when what it waits for comes; which of the two is drawn. So the limit hides no
//! wake-up that was forgotten: in some schedule it never comes, and that is a deadlock.

use crate::shell::sync::{AtomicBool, Ordering};

/// As in the standard library; looking at it is a step of its own.
pub(in crate::shell) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    is_set: AtomicBool,
}

impl<T> OnceLock<T> {
    pub(in crate::shell) fn new() -> OnceLock<T> {
        OnceLock {
            value: std::sync::OnceLock::new(),
            is_set: AtomicBool::new(false),
        }
    }

    pub(in crate::shell) fn get(&self) -> Option<&T> {
        self.is_set.load(Ordering::Acquire).then_some(())?;
        self.value.get()
    }

    pub(in crate::shell) fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.is_set.store(true, Ordering::Release);
        Ok(())
    }
}

/// A bounded queue with one receiver, with the names of crossbeam's.
pub(in crate::shell) mod channel {
    use std::collections::VecDeque;
    use std::sync::{Arc, PoisonError};
    use std::time::Duration;

    use shuttle::rand::{Rng, thread_rng};
    use shuttle::sync::{Condvar, Mutex, MutexGuard};

    use crossbeam::channel::{TryRecvError, TrySendError};

    pub(in crate::shell) use crossbeam::channel::RecvTimeoutError;

    /// How often the time is up before anything comes, of the waits that find nothing.
    const TIME_IS_UP: f64 = 0.25;

    struct Line<T> {
        waiting: Mutex<Waiting<T>>,
        changed: Condvar,
        bound: usize,
    }

    struct Waiting<T> {
        items: VecDeque<T>,
        senders_gone: bool,
        receiver_gone: bool,
    }

    impl<T> Line<T> {
        /// A panic elsewhere leaves the queue as it is: every change to it is one step.
        fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    pub(in crate::shell) fn bounded<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
        let line = Arc::new(Line {
            waiting: Mutex::new(Waiting {
                items: VecDeque::new(),
                senders_gone: false,
                receiver_gone: false,
            }),
            changed: Condvar::new(),
            bound,
        });
        let senders = Senders(Arc::clone(&line));
        (Sender(Arc::new(senders)), Receiver(line))
    }

    /// All the senders of a queue together.
    struct Senders<T>(Arc<Line<T>>);

    impl<T> Drop for Senders<T> {
        fn drop(&mut self) {
            self.0.lock().senders_gone = true;
            self.0.changed.notify_all();
        }
    }

    pub(in crate::shell) struct Sender<T>(Arc<Senders<T>>);

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Sender<T> {
            Sender(Arc::clone(&self.0))
        }
    }

    impl<T> Sender<T> {
        pub(in crate::shell) fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
            let line = &self.0.0;
            let mut waiting = line.lock();
            if waiting.receiver_gone {
                return Err(TrySendError::Disconnected(item));
            }
            if waiting.items.len() == line.bound {
                return Err(TrySendError::Full(item));
            }
            waiting.items.push_back(item);
            drop(waiting);
            line.changed.notify_one();
            Ok(())
        }
    }

    pub(in crate::shell) struct Receiver<T>(Arc<Line<T>>);

    impl<T> Receiver<T> {
        pub(in crate::shell) fn try_recv(&self) -> Result<T, TryRecvError> {
            let mut waiting = self.0.lock();
            match waiting.items.pop_front() {
                Some(item) => Ok(item),
                None if waiting.senders_gone => Err(TryRecvError::Disconnected),
                None => Err(TryRecvError::Empty),
            }
        }

        pub(in crate::shell) fn recv_timeout(
            &self,
            patience: Duration,
        ) -> Result<T, RecvTimeoutError> {
            let mut waiting = self.0.lock();
            let is_up = patience.is_zero() || thread_rng().gen_bool(TIME_IS_UP);
            loop {
                match waiting.items.pop_front() {
                    Some(item) => return Ok(item),
                    None if waiting.senders_gone => return Err(RecvTimeoutError::Disconnected),
                    None if is_up => return Err(RecvTimeoutError::Timeout),
                    None => {
                        let woken = self.0.changed.wait(waiting);
                        waiting = woken.unwrap_or_else(PoisonError::into_inner);
                    }
                }
            }
        }

        pub(in crate::shell) fn try_iter(&self) -> impl Iterator<Item = T> {
            std::iter::from_fn(|| self.try_recv().ok())
        }
    }

    impl<T> Drop for Receiver<T> {
        /// What nobody will receive any more is dropped here, but not under the lock.
        fn drop(&mut self) {
            let mut waiting = self.0.lock();
            waiting.receiver_gone = true;
            let items = std::mem::take(&mut waiting.items);
            drop(waiting);
            drop(items);
        }
    }
}
