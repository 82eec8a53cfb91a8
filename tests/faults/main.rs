//! The fault matrix: each row breaks something in a real graph and shows that nobody else notices and nothing is left behind.
//! Seeds are printed and taken from `OFFBOARD_SEED`. It never breaks what it did not start.

#![expect(clippy::unwrap_used, reason = "a row that cannot go on has failed")]

mod churn;
mod clock;
mod ends;
mod files;
mod hangs;
mod hogs;
mod journal;
mod launcher;
mod limits;
mod output;
mod reload;
mod scarce;

/// Where chance begins: printed, so that a bad day can be had again.
fn seed() -> fastrand::Rng {
    let given = std::env::var("OFFBOARD_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("OFFBOARD_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
