//! Listeners that come and go.

use std::{fs, time::Duration};

use offboard::{RawSubscriber, wiring::tap};
use offboard_tests::{Bed, fault::Row, resident_kib};

/// How many listen at once, and how often all of them are replaced: what a busy workstation does in ten minutes.
const LISTENERS: usize = 200;
const ROUNDS: usize = 10;

/// What may stay of two thousand connections.
const GROWTH_MAX_KIB: u64 = 4 << 10;

#[test]
fn two_hundred_listeners_that_come_and_go_leave_nothing_at_the_speaker() {
    let bed = Bed::new();
    let mut row = Row::start(&bed, "churn", "");
    let talker = row.pid("talker");
    row.mark();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (topic, mut level_kib) = ("talker/array", 0);
    let address = tap(&bed.run_dir("churn"), &topic.parse().unwrap());
    for round in 0..ROUNDS {
        let heard = runtime.block_on(async {
            let mut listeners: Vec<RawSubscriber> =
                (0..LISTENERS).map(|_| RawSubscriber::connect(&address, topic)).collect();
            let mut heard = 0;
            for listener in &mut listeners {
                let message = tokio::time::timeout(Duration::from_secs(20), listener.next()).await;
                heard += usize::from(matches!(message, Ok(Ok(Some(_)))));
            }
            heard
        });
        assert_eq!(heard, LISTENERS, "each hears the talker, in round {round}");
        let open = fs::read_dir(format!("/proc/{talker}/fd")).unwrap().count();
        println!("round {round}: the talker has {open} open files and {} KiB", resident_kib(talker));
        if round == 2 {
            level_kib = resident_kib(talker);
        }
    }
    drop(runtime);
    let grown_kib = resident_kib(talker).saturating_sub(level_kib);
    assert!(grown_kib < GROWTH_MAX_KIB, "{grown_kib} KiB after {} listeners", LISTENERS * ROUNDS);
    row.end();
}
