//! Two links over loopback, with machines made of memory: what crosses, what does not, and what attackers achieve.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod attacks;
mod crossing;
mod machine;
mod pairing;
mod proxy;
mod time;
