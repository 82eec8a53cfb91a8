//! One connection of a session: an encrypted pipe and the frames that came through it. It never judges what a frame says.

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use crate::{
    frame::{Assembler, CONTROL_MAX, Frame, FrameError, Hello, WHOLE_SESSION},
    interest::printable,
    pipe::{Pipe, Received},
};

/// How long a stranger may take for the TLS handshake and its hello: a slow network needs a second, silence is no excuse.
pub const MEET_MAX: Duration = Duration::from_secs(3);

/// A connection, once TLS is up.
#[derive(Debug)]
pub struct Conn {
    /// The bytes.
    pub pipe: Pipe,
    assembler: Assembler,
    /// Whole frames that nobody took yet: no more than one read brings.
    frames: VecDeque<Bytes>,
}

/// Why two machines did not meet.
#[derive(Debug)]
pub enum NotMet {
    /// The connection broke or TLS failed.
    Io(io::Error),
    /// What came was not the hello it should have been.
    Frame(FrameError),
    /// The other end says why.
    Refused(String),
    /// Nothing came for [`MEET_MAX`].
    Silent,
}

impl From<io::Error> for NotMet {
    fn from(error: io::Error) -> NotMet {
        NotMet::Io(error)
    }
}

impl Conn {
    /// A connection that carries small frames only, until [`Conn::trust`].
    #[must_use]
    pub fn new(pipe: Pipe) -> Conn {
        Conn { pipe, assembler: Assembler::new(CONTROL_MAX), frames: VecDeque::new() }
    }

    /// From now on frames of up to `limit` bytes are let through.
    pub fn trust(&mut self, limit: usize) {
        self.assembler.set_limit(limit);
    }

    /// Takes what arrived, one system call's worth, and puts frames together.
    ///
    /// # Errors
    /// When the connection broke, or the other end sent what is no TLS or claims too long a frame.
    pub fn receive(&mut self) -> io::Result<Received> {
        let (assembler, frames) = (&mut self.assembler, &mut self.frames);
        let mut wrong = None;
        let received = self.pipe.receive(&mut |mut plain| {
            while wrong.is_none() && !plain.is_empty() {
                match assembler.take(&mut plain) {
                    Ok(frame) => frames.extend(frame),
                    Err(error) => wrong = Some(error),
                }
            }
        })?;
        wrong.map_or(Ok(received), |error| Err(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    /// The next whole frame that was received.
    pub fn frame(&mut self) -> Option<Bytes> {
        self.frames.pop_front()
    }

    /// Says hello or no.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn say(&mut self, frame: &Frame) -> io::Result<()> {
        self.pipe.seal(&frame.encode())?;
        self.pipe.flush_all().await
    }

    /// Says why there will be no session; whether that arrives is nobody's business.
    pub async fn refuse(&mut self, reason: String) {
        let frame = Frame::Refuse { number: WHOLE_SESSION, reason };
        drop(timeout(MEET_MAX, self.say(&frame)).await);
    }

    /// Waits for the other end's hello.
    ///
    /// # Errors
    /// When something else came, or nothing.
    pub async fn hello(&mut self) -> Result<Hello, NotMet> {
        loop {
            if let Some(frame) = self.frame() {
                return match Frame::decode(frame) {
                    Ok(Frame::Hello(hello)) => Ok(hello),
                    Ok(Frame::Refuse { reason, .. }) => Err(NotMet::Refused(printable(&reason))),
                    Ok(_) => Err(NotMet::Frame(FrameError::Field("first frame"))),
                    Err(error) => Err(NotMet::Frame(error)),
                };
            }
            match self.receive()? {
                // What came together with the end of the handshake is there without new bytes.
                _ if !self.frames.is_empty() => {}
                Received::Bytes(_) => {}
                Received::Closed => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Received::Nothing => self.pipe.readable().await?,
            }
        }
    }
}
