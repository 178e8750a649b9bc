//! Things of which there are few, lent to one at a time, in the order in which they were asked for.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(super) struct Pool<T> {
    idle: Mutex<Vec<T>>,
    permits: Semaphore,
}

/// A thing on loan; it goes back when this is dropped.
pub(super) struct Loan<'a, T> {
    pool: &'a Pool<T>,
    thing: Option<T>,
    _permit: SemaphorePermit<'a>,
}

impl<T> Pool<T> {
    pub(super) fn new(things: Vec<T>) -> Pool<T> {
        Pool {
            permits: Semaphore::new(things.len()),
            idle: Mutex::new(things),
        }
    }

    pub(super) async fn borrow(&self) -> Loan<'_, T> {
        let permit = self.permits.acquire().await;
        let permit = permit.expect("the semaphore is never closed");
        Loan {
            pool: self,
            thing: self.idle.lock().pop(),
            _permit: permit,
        }
    }
}

impl<T> std::ops::Deref for Loan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().expect("there are as many as permits")
    }
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        // Before the permit, which is dropped after this.
        self.pool.idle.lock().extend(self.thing.take());
    }
}
