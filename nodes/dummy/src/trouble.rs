//! Misbehaviour on request: crashes, hangs, leaks and floods. It never begins before its time.

use std::{
    convert::Infallible,
    future::pending,
    io::{self, Write},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use rustix::process::{Signal, getpid, kill_process};
use tokio::{
    sync::Notify,
    time::{interval, sleep},
};

use crate::params::{Crash, Outlet, Params};

/// A leak and a flood come in portions, so many a second.
const PORTIONS: u32 = 20;

const MB: usize = 1_000_000;

/// How much work was done: messages sent and received.
#[derive(Debug, Default)]
pub(crate) struct Work {
    messages: AtomicU64,
    done: Notify,
}

impl Work {
    /// One more message.
    pub(crate) fn count(&self) {
        self.messages.fetch_add(1, Relaxed);
        self.done.notify_waiters();
    }

    /// Waits until so many messages were counted.
    pub(crate) async fn reached(&self, messages: u64) {
        loop {
            let done = self.done.notified(); // from here on none is missed
            if self.messages.load(Relaxed) >= messages {
                return;
            }
            done.await;
        }
    }
}

/// Waits for its time, then misbehaves. To be awaited in the work loop: a panic elsewhere would be caught.
pub(crate) async fn misbehave(params: &Params, work: &Work) -> Infallible {
    sleep(params.after.0).await;
    work.reached(params.after_messages).await;
    flood(params);
    if let Some(how) = params.crash {
        crash(how);
    }
    if params.hang {
        hang();
    }
    leak(params.leak, params.leak_max).await
}

/// Ends the process.
#[expect(clippy::panic, reason = "that is what was asked for")]
fn crash(how: Crash) -> ! {
    match how {
        Crash::Exit0 => std::process::exit(0),
        Crash::Exit1 => std::process::exit(1),
        Crash::Panic => panic!("a panic, as asked for"),
        Crash::Abort => std::process::abort(),
        Crash::Segv => {
            // Twice: at the first one Rust's own handler, which looks for stack overflows, only steps aside.
            for _ in 0..2 {
                let _ = kill_process(getpid(), Signal::SEGV);
            }
            std::process::abort()
        }
    }
}

/// The work loop stops for ever; a thread lives on beside it.
pub(crate) fn hang() -> ! {
    tracing::warn!("hanging, as asked for");
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_millis(100));
        }
    });
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Keeps more and more memory, up to `most` MB, then only what it has.
async fn leak(mb_a_second: f64, most: u32) -> Infallible {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let portion = (mb_a_second * MB as f64 / f64::from(PORTIONS)) as usize;
    let mut left = if portion == 0 { 0 } else { most as usize * MB };
    let mut pace = interval(Duration::from_secs(1) / PORTIONS);
    while left > 0 {
        pace.tick().await;
        let more = portion.min(left);
        kept.push(vec![1; more]); // written, so that it is really there
        left -= more;
    }
    pending().await
}

/// Writes without end, on a thread of its own: whoever does not read must not stop the work loop.
fn flood(params: &Params) {
    let (lines, bytes, outlet) = (params.flood, params.flood_bytes, params.flood_to);
    if lines > 0 || bytes > 0 {
        thread::spawn(move || match outlet {
            Outlet::Stdout => pour(&mut io::stdout(), lines, bytes),
            Outlet::Stderr => pour(&mut io::stderr(), lines, bytes),
        });
    }
}

/// So many bytes in one line, then so many lines a second, until nobody takes them.
fn pour(out: &mut dyn Write, lines: u32, bytes: u64) -> io::Result<()> {
    let block = [b'x'; 4096];
    let mut left = bytes;
    while left > 0 {
        let more = left.min(block.len() as u64);
        out.write_all(&block[..more as usize])?;
        left -= more;
    }
    out.flush()?;
    if lines == 0 {
        return Ok(());
    }
    for count in 1u64.. {
        writeln!(out, "line {count} of a flood, as asked for")?;
        if count.is_multiple_of(u64::from(lines.div_ceil(PORTIONS))) {
            out.flush()?;
            thread::sleep(Duration::from_secs(1) / PORTIONS);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_without_newline_has_exactly_as_many_bytes() {
        let mut out = Vec::new();
        pour(&mut out, 0, 10_001).unwrap();
        assert_eq!(out, vec![b'x'; 10_001]);
    }

    #[tokio::test]
    async fn misbehaviour_waits_for_its_messages() {
        let work = Work::default();
        let mut reached = std::pin::pin!(work.reached(3));
        for _ in 0..2 {
            work.count();
            assert!(tokio::time::timeout(Duration::from_millis(1), &mut reached).await.is_err());
        }
        work.count();
        tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap();
    }
}
