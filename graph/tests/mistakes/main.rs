//! Every mistake that a graph file can hold, and the exact words in which it is told. Nothing is started here.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod edges;
mod file;
mod good;
mod hostile;
mod layers;
mod limits;
mod logging;
mod nodes;
mod params;
mod patterns;
mod peers;
mod syntax;
mod world;

/// What is said is written from the line below its opening quote.
#[track_caller]
fn same(said: &str, wanted: &str) {
    let wanted = wanted.strip_prefix('\n').unwrap_or(wanted);
    assert!(said == wanted, "said:\n{said}\nwanted:\n{wanted}");
}
