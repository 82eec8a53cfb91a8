//! The small queue before each edge: one message (newest wins) or a few (oldest dropped). It never grows beyond its capacity.

use std::collections::VecDeque;

/// A bounded queue that makes room by dropping its oldest.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    items: VecDeque<T>,
    capacity: usize,
}

impl<T> Queue<T> {
    /// A queue of at least one place.
    pub(crate) fn new(capacity: usize) -> Queue<T> {
        Queue { items: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Appends an item; returns the one that had to go.
    pub(crate) fn push(&mut self, item: T) -> Option<T> {
        let dropped = if self.items.len() >= self.capacity { self.items.pop_front() } else { None };
        self.items.push_back(item);
        dropped
    }

    /// Takes the oldest item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_where_one_is_kept() {
        let mut queue = Queue::new(1);
        assert_eq!(queue.push(1), None);
        assert_eq!(queue.push(2), Some(1));
        assert_eq!(queue.pop(), Some(2));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn the_oldest_goes_where_several_are_kept() {
        let mut queue = Queue::new(3);
        let dropped: Vec<_> = (0..5).filter_map(|n| queue.push(n)).collect();
        assert_eq!(dropped, [0, 1]);
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [2, 3, 4]);
    }
}
