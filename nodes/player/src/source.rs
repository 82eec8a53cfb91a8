//! Reads a recording ahead, in a thread of its own, a few megabytes at most: a slow disk must not hold up what is due.

use std::{path::Path, thread};

use offboard::{
    Error, Result,
    recording::{Reader, Recorded},
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Batches that wait; with the two below at most some megabytes, or as many of the largest messages.
const BATCHES: usize = 4;
const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// The reading side of a recording.
pub(crate) struct Source {
    batches: Receiver<Vec<Recorded>>,
    now: std::vec::IntoIter<Recorded>,
    end: tokio::sync::oneshot::Receiver<Option<String>>,
}

impl Source {
    /// Begins to read.
    ///
    /// # Errors
    /// [`Error::Config`] when the file is no recording or cannot be opened.
    pub(crate) fn open(path: &Path, with_erased: bool) -> Result<Source> {
        let open = if with_erased { Reader::open } else { Reader::without_erased };
        let reader = open(path).map_err(|error| Error::config(error.to_string()))?;
        let (send, batches) = channel(BATCHES);
        let (tell, end) = tokio::sync::oneshot::channel();
        thread::Builder::new().name("reader".to_owned()).spawn(move || {
            let damage = read(reader, &send);
            drop(tell.send(damage));
        })?;
        Ok(Source { batches, now: Vec::new().into_iter(), end })
    }

    /// The next message; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Recorded> {
        loop {
            if let Some(message) = self.now.next() {
                return Some(message);
            }
            self.now = self.batches.recv().await?.into_iter();
        }
    }

    /// After the end: what is wrong with the file.
    pub(crate) async fn damage(self) -> Option<String> {
        self.end.await.ok().flatten()
    }
}

/// Reads until the end, or until nobody wants it.
fn read(mut reader: Reader, send: &Sender<Vec<Recorded>>) -> Option<String> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for message in reader.by_ref() {
        bytes += message.payload.len();
        batch.push(message);
        if batch.len() == BATCH_MESSAGES || bytes >= BATCH_BYTES {
            send.blocking_send(std::mem::take(&mut batch)).ok()?;
            bytes = 0;
        }
    }
    send.blocking_send(batch).ok()?;
    reader.damage().map(ToString::to_string)
}
