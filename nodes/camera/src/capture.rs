//! Runs a source on a thread of its own; the newest news waits for the node in a slot of one. It never queues pictures.

use std::{io, thread, time::Duration};

use tokio::sync::watch;

use crate::source::{Opener, Seen};

/// Starts capturing. The receiver's changes are the news; when the thread has ended, there are no more.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(open: Opener) -> io::Result<watch::Receiver<Seen>> {
    let (news, slot) = watch::channel(Seen::Absent);
    thread::Builder::new().name("capture".to_owned()).spawn(move || run(open, &news))?;
    Ok(slot)
}

fn run(open: Opener, news: &watch::Sender<Seen>) {
    let mut source = open();
    while !news.is_closed() {
        let seen = source.next();
        let over = matches!(seen, Seen::Over(_));
        news.send_replace(seen);
        if over {
            return;
        }
    }
}

/// How long to wait for the next news after this one, before the source must be given up as hung.
pub(crate) fn patience(last: &Seen, rate: f64) -> Duration {
    /// A camera that is looked for is heard of twice a second or so; opening one can take seconds.
    const OPENING: Duration = Duration::from_secs(30);
    match last {
        Seen::Absent | Seen::Over(_) => OPENING,
        Seen::Opened => first_after(rate),
        Seen::Frame(_) => stalled_after(rate),
    }
}

/// How long the first picture of a camera may take: some measure the light first.
pub(crate) fn first_after(rate: f64) -> Duration {
    stalled_after(rate).max(Duration::from_secs(5))
}

/// Ten periods without a picture are no jitter, and two seconds are long for any camera.
pub(crate) fn stalled_after(rate: f64) -> Duration {
    Duration::from_secs_f64((10.0 / rate).max(2.0))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::source::{Frame, Picture, Source};

    fn frame(stamp_ns: i64) -> Seen {
        Seen::Frame(Frame { stamp_ns, width: 1, height: 1, picture: Picture::Pattern })
    }

    /// A source that gives what the test sends.
    struct Told(mpsc::Receiver<Seen>);

    impl Source for Told {
        fn next(&mut self) -> Seen {
            self.0.recv().unwrap_or_else(|_| Seen::Over("told everything".to_owned()))
        }
    }

    #[tokio::test]
    async fn the_newest_picture_wins() {
        let (tell, told) = mpsc::channel();
        for stamp in 1..=100 {
            tell.send(frame(stamp)).unwrap();
        }
        let mut slot = start(Box::new(move || Box::new(Told(told)))).unwrap();
        let newest = |seen: &Seen| matches!(seen, Seen::Frame(frame) if frame.stamp_ns == 100);
        let found = tokio::time::timeout(Duration::from_secs(10), slot.wait_for(newest)).await;
        assert!(found.unwrap().is_ok());
        drop(tell);
        let over = slot.wait_for(|seen| matches!(seen, Seen::Over(_))).await;
        assert!(over.is_ok());
    }

    #[test]
    fn a_stall_is_ten_periods_but_two_seconds_at_least() {
        assert_eq!(patience(&frame(0), 30.0), Duration::from_secs(2));
        assert_eq!(patience(&frame(0), 0.5), Duration::from_secs(20));
        assert_eq!(patience(&Seen::Opened, 30.0), Duration::from_secs(5));
        assert_eq!(patience(&Seen::Absent, 30.0), Duration::from_secs(30));
    }
}
