//! Pairs messages of several streams by their stamps, purely: no clock, no sockets, also for recordings.
//!
//! It never pairs beyond the tolerance, and it never keeps more than it was told to.

use std::{collections::VecDeque, time::Duration};

use super::skew::Skews;

/// The least span of stamps that is kept, and the jump back beyond which a stream is taken to have begun anew, in nanoseconds.
const HORIZON_NS: i64 = 2_000_000_000;

/// How many messages of a stream wait for the others unless it is told: a second of 1 kHz.
const KEEP: usize = 1024;

/// Which messages belong together. The first stream leads: each of its messages is paired with one of every other stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// Those with the same stamp: computed from the same picture. Each is used once.
    Exact,
    /// The nearest of those that have no nearer leader, not further apart than this. Each is used once.
    /// A tolerance under half a period of the slowest stream never pairs neighbours, whatever is lost.
    Nearest(Duration),
    /// The newest that was sensed no later than the leader's and no longer before it than this. May be used again.
    LatestAt(Duration),
}

impl Pairing {
    fn tolerance_ns(self) -> i64 {
        match self {
            Pairing::Exact => 0,
            Pairing::Nearest(within) | Pairing::LatestAt(within) => nanos(within),
        }
    }
}

/// Something with a stamp.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamped<T> {
    /// When its cause was sensed, in nanoseconds.
    pub stamp_ns: i64,
    /// What it is.
    pub item: T,
}

/// Pairs the messages of two streams and more.
///
/// ```
/// use offboard::{Pairer, Pairing};
///
/// let mut pairer = Pairer::new(2, Pairing::Nearest(std::time::Duration::from_nanos(3)));
/// for (stream, stamp_ns, item) in [(0, 10, 'a'), (1, 11, 'A'), (0, 20, 'b'), (0, 30, 'c'), (1, 29, 'C'), (1, 40, 'D')] {
///     pairer.push(stream, stamp_ns, item);
/// }
/// pairer.finish(); // nothing more comes: what waited for it need not
/// let pairs: Vec<String> = std::iter::from_fn(|| pairer.pop()).map(|pair| pair.iter().map(|one| one.item).collect()).collect();
/// assert_eq!(pairs, ["aA", "cC"]); // B is lost, and nothing else
/// ```
///
/// Push messages as they come, and pop until there is none after each.
#[derive(Debug)]
pub struct Pairer<T> {
    how: Pairing,
    keep: usize,
    slack_ns: i64,
    horizon_ns: i64,
    eager: bool,
    finished: bool,
    streams: Vec<Stream<T>>,
    skews: Skews,
}

#[derive(Debug)]
struct Stream<T> {
    /// In order of stamps, each stamp once.
    waiting: VecDeque<Waiting<T>>,
    /// The newest stamp so far.
    newest: Option<i64>,
    /// What is not after this stamp comes too late: it was decided without it.
    decided: i64,
    /// A stamp that would mean that the stream began anew, if the next one says so too.
    suspect: Option<i64>,
    counts: StreamCounts,
}

#[derive(Debug)]
struct Waiting<T> {
    stamp_ns: i64,
    item: T,
    used: bool,
}

/// What became of the messages of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamCounts {
    /// Messages that came.
    pub received: u64,
    /// Messages that were paired.
    pub matched: u64,
    /// Messages without a partner, or for which there was no more room.
    pub unmatched: u64,
    /// Messages that came after it had been decided without them.
    pub late: u64,
    /// Messages with a stamp that was there already.
    pub duplicate: u64,
    /// How often the stamps jumped back: a restart, a recording played again.
    pub restarts: u64,
}

/// How the pairing goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PairingReport {
    /// For each stream.
    pub streams: Vec<StreamCounts>,
    /// How far the stamps of pairs were apart, over the last pairs: the half less than this.
    pub skew_p50: Duration,
    /// All but one in a hundred of the last pairs less than this.
    pub skew_p99: Duration,
    /// The furthest of all so far.
    pub skew_max: Duration,
}

/// What is known about a leader's partner in one stream.
enum Partner {
    /// It may still come.
    Wait,
    /// There is none.
    None,
    /// It waits at this place.
    At(usize),
}

impl<T: Clone> Pairer<T> {
    /// A pairer of so many streams, two at least; the first leads.
    #[must_use]
    pub fn new(streams: usize, how: Pairing) -> Pairer<T> {
        let streams = (0..streams.max(2)).map(|_| Stream::new()).collect();
        Pairer {
            how,
            keep: KEEP,
            slack_ns: 0,
            horizon_ns: HORIZON_NS,
            eager: false,
            finished: false,
            streams,
            skews: Skews::default(),
        }
    }

    /// Lets at most so many messages of each stream wait for the others (default: 1024). The oldest go first.
    #[must_use]
    pub fn keep(self, messages: usize) -> Pairer<T> {
        Pairer { keep: messages.max(1), ..self }
    }

    /// Waits so much longer for what comes out of order (default: not at all).
    #[must_use]
    pub fn slack(self, slack: Duration) -> Pairer<T> {
        Pairer { slack_ns: nanos(slack), ..self }
    }

    /// Forgets what is so much older than the newest of all streams (default: 2 s, or twice the tolerance where that is more). Stamps that
    /// jump back so far mean that a stream began anew.
    #[must_use]
    pub fn horizon(self, horizon: Duration) -> Pairer<T> {
        Pairer { horizon_ns: nanos(horizon), ..self }
    }

    /// With [`Pairing::LatestAt`], takes what is there when the leader comes instead of waiting until nothing newer can come.
    #[must_use]
    pub fn eager(self) -> Pairer<T> {
        Pairer { eager: true, ..self }
    }

    /// Takes in a message of a stream.
    ///
    /// # Panics
    /// When there is no such stream.
    pub fn push(&mut self, stream: usize, stamp_ns: i64, item: T) {
        self.streams[stream].counts.received += 1;
        let horizon_ns = self.horizon_ns();
        if self.streams[stream].begins_anew(stamp_ns, horizon_ns) {
            self.begin_anew(stream, stamp_ns, horizon_ns);
        }
        self.streams[stream].insert(stamp_ns, item, self.keep);
        let newest = self.streams.iter().filter_map(|stream| stream.newest).max().unwrap_or(i64::MIN);
        let oldest = newest.saturating_sub(horizon_ns);
        self.streams.iter_mut().for_each(|stream| stream.forget_before(oldest));
    }

    /// The next messages that belong together, one of each stream, in the order of the streams. The leader's stamps only grow, as long
    /// as no stream begins anew.
    pub fn pop(&mut self) -> Option<Vec<Stamped<T>>> {
        while let Some(leader_ns) = self.streams[0].waiting.front().map(|leader| leader.stamp_ns) {
            if self.complete(&self.streams[0]) < leader_ns {
                return None; // an earlier one may still come
            }
            let partners = self.partners(leader_ns)?;
            let paired = partners.map(|partners| self.take(leader_ns, &partners));
            self.decide(leader_ns);
            if paired.is_some() {
                return paired;
            }
        }
        None
    }

    /// Nothing more comes: what waits for later messages need not wait.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Forgets all that waits; counts stay.
    pub fn clear(&mut self) {
        self.finished = false;
        self.streams.iter_mut().for_each(Stream::begin);
    }

    /// Messages that wait for others now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.streams.iter().map(|stream| stream.waiting.len()).sum()
    }

    /// The stream whose stamps are furthest behind: read this one first, so that the others need not be kept.
    #[must_use]
    pub fn behind(&self) -> usize {
        let newest = |at: &usize| self.streams[*at].newest.unwrap_or(i64::MIN);
        (0..self.streams.len()).min_by_key(newest).unwrap_or(0)
    }

    /// What became of all the messages so far.
    #[must_use]
    pub fn report(&self) -> PairingReport {
        let (skew_p50, skew_p99, skew_max) = self.skews.spread();
        let streams = self.streams.iter().map(|stream| stream.counts).collect();
        PairingReport { streams, skew_p50, skew_p99, skew_max }
    }

    fn horizon_ns(&self) -> i64 {
        self.horizon_ns.max(self.how.tolerance_ns().saturating_add(self.slack_ns).saturating_mul(2))
    }

    /// A stream's stamps jumped back: so it and all that are as far ahead start over.
    fn begin_anew(&mut self, stream: usize, stamp_ns: i64, horizon_ns: i64) {
        self.streams[stream].counts.restarts += 1;
        let ahead =
            |stream: &Stream<T>| stream.newest.is_some_and(|newest| newest.saturating_sub(horizon_ns) > stamp_ns);
        self.streams.iter_mut().filter(|stream| ahead(stream)).for_each(Stream::begin);
        // Whoever is decided as far ahead could never speak again.
        let restarted = |stream: &&mut Stream<T>| stream.decided.saturating_sub(horizon_ns) > stamp_ns;
        self.streams.iter_mut().filter(restarted).for_each(|stream| stream.decided = i64::MIN);
    }

    /// The leader's partners in the other streams, once that is certain: none where one of them has none.
    #[expect(clippy::option_option, reason = "not certain yet; certain that there are none; these")]
    fn partners(&self, leader_ns: i64) -> Option<Option<Vec<usize>>> {
        let mut partners = Vec::with_capacity(self.streams.len() - 1);
        for stream in &self.streams[1..] {
            match self.partner(leader_ns, stream) {
                Partner::Wait => return None,
                Partner::None => return Some(None),
                Partner::At(at) => partners.push(at),
            }
        }
        Some(Some(partners))
    }

    fn partner(&self, leader_ns: i64, stream: &Stream<T>) -> Partner {
        match self.how {
            Pairing::LatestAt(_) => self.latest_at(leader_ns, stream),
            Pairing::Exact | Pairing::Nearest(_) => self.nearest(leader_ns, stream),
        }
    }

    fn latest_at(&self, leader_ns: i64, stream: &Stream<T>) -> Partner {
        if !self.eager && self.complete(stream) < leader_ns {
            return Partner::Wait;
        }
        let after = stream.waiting.partition_point(|one| one.stamp_ns <= leader_ns);
        let oldest = leader_ns.saturating_sub(self.how.tolerance_ns());
        match after.checked_sub(1) {
            Some(at) if stream.waiting[at].stamp_ns >= oldest => Partner::At(at),
            _ => Partner::None,
        }
    }

    /// The nearest of those to which no other leader is nearer: so a loss shifts nothing.
    fn nearest(&self, leader_ns: i64, stream: &Stream<T>) -> Partner {
        let after = stream.waiting.partition_point(|one| one.stamp_ns < leader_ns);
        let tolerance_ns = self.how.tolerance_ns();
        let distance = |at: usize| {
            let distance = leader_ns.saturating_sub(stream.waiting.get(at)?.stamp_ns).saturating_abs();
            (distance <= tolerance_ns).then_some((at, distance))
        };
        let before = after.checked_sub(1).and_then(distance);
        let before = before.filter(|(_, distance)| !self.belongs_before(leader_ns, *distance));
        let after = distance(after);
        let nearest = [before, after].into_iter().flatten().min_by_key(|(_, distance)| *distance);
        if let Some((at, 0)) = nearest {
            return Partner::At(at);
        }
        let distance = nearest.map_or(tolerance_ns, |(_, distance)| distance);
        if self.complete(stream) < leader_ns.saturating_add(distance) {
            return Partner::Wait; // a nearer one may still come
        }
        match (before, after) {
            (Some((at, _)), _) if before == nearest => Partner::At(at),
            (_, Some((at, distance))) => self.unless_next_is_nearer(leader_ns, distance, at, before.map(|(at, _)| at)),
            _ => Partner::None,
        }
    }

    /// Whether the leader before was nearer to something so long before this leader.
    fn belongs_before(&self, leader_ns: i64, distance: i64) -> bool {
        let before = self.streams[0].decided;
        before != i64::MIN && leader_ns.saturating_sub(distance).abs_diff(before) <= distance as u64
    }

    /// The one at `at`, so long after the leader, unless it is nearer to the next leader: then the other.
    fn unless_next_is_nearer(&self, leader_ns: i64, distance: i64, at: usize, other: Option<usize>) -> Partner {
        let leaders = &self.streams[0];
        let rival_ns = leader_ns.saturating_add(distance.saturating_mul(2));
        match leaders.waiting.get(1) {
            Some(next) if next.stamp_ns < rival_ns => other.map_or(Partner::None, Partner::At),
            _ if self.complete(leaders) < rival_ns => Partner::Wait,
            _ => Partner::At(at),
        }
    }

    /// Up to which stamp nothing more is expected on a stream.
    fn complete(&self, stream: &Stream<T>) -> i64 {
        if self.finished {
            i64::MAX
        } else {
            stream.newest.map_or(i64::MIN, |newest| newest.saturating_sub(self.slack_ns))
        }
    }

    /// The leader and its partners.
    fn take(&mut self, leader_ns: i64, partners: &[usize]) -> Vec<Stamped<T>> {
        let mut pair = Vec::with_capacity(self.streams.len());
        for (stream, at) in self.streams.iter_mut().zip(std::iter::once(&0).chain(partners)) {
            let one = &mut stream.waiting[*at];
            if !std::mem::replace(&mut one.used, true) {
                stream.counts.matched += 1;
            }
            pair.push(Stamped { stamp_ns: one.stamp_ns, item: one.item.clone() });
        }
        let furthest = pair.iter().map(|one| one.stamp_ns.abs_diff(leader_ns)).max();
        self.skews.push(furthest.unwrap_or(0));
        pair
    }

    /// The first leader is done with, and so is all that could only have belonged to it.
    fn decide(&mut self, leader_ns: i64) {
        let (leaders, others) = self.streams.split_at_mut(1);
        leaders[0].forget_first(1, leader_ns);
        for stream in others {
            if let Pairing::LatestAt(_) = self.how {
                let after = stream.waiting.partition_point(|one| one.stamp_ns <= leader_ns);
                let newest = after.checked_sub(1).map(|at| stream.waiting[at].stamp_ns - 1);
                stream.forget_first(after.saturating_sub(1), newest.unwrap_or(i64::MIN));
            } else {
                let used = stream.waiting.iter().rposition(|one| one.used).map_or(0, |at| at + 1);
                let decided = used.checked_sub(1).map_or(leader_ns, |at| stream.waiting[at].stamp_ns.max(leader_ns));
                let past = stream.waiting.partition_point(|one| one.stamp_ns <= leader_ns);
                stream.forget_first(used.max(past), decided);
            }
        }
    }
}

impl<T> Stream<T> {
    fn new() -> Stream<T> {
        let counts = StreamCounts::default();
        Stream { waiting: VecDeque::new(), newest: None, decided: i64::MIN, suspect: None, counts }
    }

    /// Starts over; what waited is unmatched.
    fn begin(&mut self) {
        self.forget_first(self.waiting.len(), i64::MIN);
        (self.newest, self.decided, self.suspect) = (None, i64::MIN, None);
    }

    /// Whether stamps so far back mean that the stream began anew: one alone is only late.
    fn begins_anew(&mut self, stamp_ns: i64, horizon_ns: i64) -> bool {
        let far_back = self.newest.is_some_and(|newest| stamp_ns < newest.saturating_sub(horizon_ns));
        let suspect = std::mem::replace(&mut self.suspect, far_back.then_some(stamp_ns));
        far_back && suspect.is_some_and(|suspect| stamp_ns > suspect)
    }

    fn insert(&mut self, stamp_ns: i64, item: T, keep: usize) {
        if stamp_ns <= self.decided {
            self.counts.late += 1;
            return;
        }
        // Nearly always the last place.
        let at = match self.waiting.back() {
            Some(last) if last.stamp_ns >= stamp_ns => self.waiting.partition_point(|one| one.stamp_ns < stamp_ns),
            _ => self.waiting.len(),
        };
        if self.waiting.get(at).is_some_and(|there| there.stamp_ns == stamp_ns) {
            self.counts.duplicate += 1;
            return;
        }
        self.newest = self.newest.max(Some(stamp_ns));
        self.waiting.insert(at, Waiting { stamp_ns, item, used: false });
        if self.waiting.len() > keep {
            self.forget_first(1, i64::MIN);
        }
    }

    fn forget_before(&mut self, stamp_ns: i64) {
        let old = self.waiting.partition_point(|one| one.stamp_ns < stamp_ns);
        self.forget_first(old, i64::MIN);
    }

    /// Drops the first so many; what comes up to them or to `decided` is late from now on.
    fn forget_first(&mut self, count: usize, decided: i64) {
        for gone in self.waiting.drain(..count) {
            self.decided = self.decided.max(gone.stamp_ns);
            self.counts.unmatched += u64::from(!gone.used);
        }
        self.decided = self.decided.max(decided);
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
