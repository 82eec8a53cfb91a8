//! Whether a node's program began. It never waits for the answer.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{net::unix::pipe, sync::mpsc};

/// The longest reason why a program did not begin, in bytes.
const WHY_MAX: usize = 4 << 10;

/// The birth of one process: a pipe that closes when its program has begun, or says why it did not.
#[derive(Debug, Default)]
pub(super) struct Birth {
    why: Arc<Mutex<Vec<u8>>>,
    /// Gone once it was read to its end, so that a running node costs no file descriptor for it.
    pipe: Weak<pipe::Receiver>,
}

impl Birth {
    /// Follows the pipe of a process until its end, and tells `begun` when its program has. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn follow(from: OwnedFd, pid: u32, begun: mpsc::Sender<u32>) -> io::Result<Birth> {
        let pipe = Arc::new(pipe::Receiver::from_owned_fd(from)?);
        let birth = Birth { why: Arc::default(), pipe: Arc::downgrade(&pipe) };
        let why = Arc::clone(&birth.why);
        tokio::spawn(async move {
            while pipe.readable().await.is_ok() && drain(&mut lock(&why), |block| pipe.try_read(block)) {}
            let began = lock(&why).is_empty();
            if began {
                // launch may be about to end.
                let _ = begun.send(pid).await;
            }
        });
        Ok(birth)
    }

    /// Why the program of an ended process never began; none when it did.
    pub(super) fn failure(&self) -> Option<String> {
        let mut why = lock(&self.why);
        if let Some(pipe) = self.pipe.upgrade() {
            // Past tokio, which may not yet have heard that there is something to read.
            let _ = drain(&mut why, |block| Ok(rustix::io::read(&*pipe, block)?));
        }
        (!why.is_empty()).then(|| String::from_utf8_lossy(&why).trim().to_owned())
    }
}

/// Reads what is there; whether more may come.
fn drain(why: &mut Vec<u8>, read: impl Fn(&mut [u8]) -> io::Result<usize>) -> bool {
    let mut block = [0; 512];
    while why.len() < WHY_MAX {
        match read(&mut block) {
            Ok(0) => return false,
            Ok(count) => why.extend(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    false
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
