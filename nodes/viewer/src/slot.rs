//! A place for one thing between two threads: a newer one replaces one that was not taken yet. It never makes the giver wait.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A slot; its clones are the same slot.
#[derive(Debug)]
pub(crate) struct Slot<T>(Arc<(Mutex<Option<T>>, Condvar)>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Slot(self.0.clone())
    }
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Slot<T> {
        Slot(Arc::new((Mutex::new(None), Condvar::new())))
    }

    /// Puts the newest in; what was there is gone.
    pub(crate) fn put(&self, newest: T) {
        *self.content() = Some(newest);
        self.0.1.notify_one();
    }

    /// Takes what is there, waiting for it at most so long.
    pub(crate) fn take(&self, patience: Duration) -> Option<T> {
        let waited = self.0.1.wait_timeout_while(self.content(), patience, |content| content.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    fn content(&self) -> MutexGuard<'_, Option<T>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins() {
        let slot = Slot::new();
        (1..=5).for_each(|number| slot.put(number));
        assert_eq!(slot.take(Duration::from_secs(10)), Some(5));
        assert_eq!(slot.take(Duration::ZERO), None);
    }

    #[test]
    fn a_waiting_taker_is_woken() {
        let slot = Slot::new();
        let giver = slot.clone();
        let given = std::thread::spawn(move || giver.put("picture"));
        assert_eq!(slot.take(Duration::from_secs(10)), Some("picture"));
        given.join().unwrap();
    }
}
