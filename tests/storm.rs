//! A storm: messages by the hundred or by the ten thousand while senders, the receiver and three runners are killed with kill -9 at random
//! moments. What was answered 250 is delivered or bounced, once, but for what was in flight to a server when its runner died.
//! `make test` runs the small one, `make proof` the large one.

#[path = "proof/letters.rs"]
mod letters;
#[path = "support/process.rs"]
mod process;
#[path = "storm/roles.rs"]
mod roles;
#[path = "proof/sink.rs"]
mod sink;
#[path = "proof/site.rs"]
mod site;
#[path = "support/talk.rs"]
mod talk;
#[path = "support/usage.rs"]
mod usage;

use roles::{Kills, Yard};
use sink::Sink;
use site::Site;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Processes that send, and those that run passes. One of each kind is unlike the others: it starts smtp-send for each message, and it is
/// a watch.
const SENDERS: usize = 4;
const RUNNERS: usize = 3;

#[test]
fn a_small_storm_loses_nothing() {
    storm(300, 5);
}

#[cfg(feature = "proof")]
#[test]
fn the_storm_loses_nothing() {
    storm(10_000, 50);
}

/// Not a test of its own: a process that sends.
#[test]
fn sender() {
    roles::send_as_told();
}

/// So many messages, with so many kills of each role at least.
fn storm(messages: u32, kills: usize) {
    let began = Instant::now();
    let sink = Sink::start();
    let site = Site::new(&sink);
    // The spool is there before the first pass.
    site.listener().stop();
    sink.defer(true);
    let yard = Yard::new(&site, messages, kills);
    let seed = seed();
    thread::scope(|scope| {
        let yard = &yard;
        for slot in 0..SENDERS {
            let mut dice = Dice(seed + 1 + slot as u64);
            scope.spawn(move || yard.until_over(|| yard.send(slot == 0, &mut dice)));
        }
        for slot in 0..RUNNERS {
            let (mut dice, mut whole) = (Dice(seed + 101 + slot as u64), Duration::from_millis(200));
            scope.spawn(move || yard.until_over(|| yard.run(slot == 0, &mut dice, &mut whole)));
        }
        let mut dice = Dice(seed + 201);
        yard.until_over(|| yard.receive(&mut dice));
    });
    sink.defer(false);
    let stormed = began.elapsed();
    site.settle();
    let tally = site.tally(&yard.sent());
    let Kills { senders, receivers, runners } = &yard.kills;
    let count = |kills: &std::sync::atomic::AtomicUsize| kills.load(Ordering::Relaxed);
    eprintln!(
        "storm: {} messages sent, {} acknowledged: {} recipients delivered, {} bounced, {} lost; killed: {} senders, {} receivers, \
         {} runners; {} duplicates, {} in flight at kills, {} unexplained; {} s and {} s to settle",
        tally.messages,
        tally.acknowledged,
        tally.delivered,
        tally.bounced,
        tally.lost,
        count(senders),
        count(receivers),
        count(runners),
        tally.duplicates,
        tally.in_flight,
        tally.unexplained,
        stormed.as_secs(),
        (began.elapsed() - stormed).as_secs(),
    );
    assert_eq!((tally.lost, tally.unexplained), (0, 0), "{tally:?}");
    assert!(tally.acknowledged * 2 > tally.messages, "too few acknowledged to tell");
    assert!([senders, receivers, runners].into_iter().all(|role| count(role) >= kills), "too few kills to tell");
    assert_eq!(site.complaints(), "", "what the tools said on stderr");
}

/// xorshift64*: from the same seed the same numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % most.max(1)
    }

    fn within(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.below(1000) as f64 / 1000.0)
    }
}

/// `$POSTROAD_TEST_SEED`, else another one each time; on stderr, which is shown where a test fails.
fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64);
    let seed = std::env::var("POSTROAD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
    eprintln!("again with POSTROAD_TEST_SEED={seed}");
    seed.max(1)
}
