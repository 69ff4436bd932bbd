//! kill -9 at random moments of accept and of delivery: what was answered 250 is delivered, and what is delivered twice was in flight.

use crate::process::{Listener, Process};
use crate::site::Site;
use crate::talk::Talk;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CLIENTS: usize = 4;
/// Kills of each tool.
const KILLS: usize = 10;
/// Most messages: the kills are over before.
const MOST: u32 = 3000;
/// Transactions of one mailq-run in flight to one server: its threads there.
const IN_FLIGHT: usize = 5;
const PATIENCE: Duration = Duration::from_secs(240);

/// xorshift64*: from the same seed the same numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % most.max(1)
    }
}

/// `$POSTROAD_TEST_SEED`, else another one each time; on stdout, which is shown where a test fails.
fn dice() -> Dice {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64);
    let seed = std::env::var("POSTROAD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
    println!("again with POSTROAD_TEST_SEED={seed}");
    Dice(seed.max(1))
}

/// What clients and killers share.
struct Yard {
    address: Mutex<Option<SocketAddr>>,
    next: AtomicU32,
    acknowledged: Mutex<Vec<u32>>,
    /// Passes that were killed.
    cut: AtomicUsize,
    over: AtomicBool,
}

/// Ends the others where one fails.
struct Bell<'a>(&'a AtomicBool);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn body(number: u32) -> String {
    // Every eighth is long enough to be cut off in its midst.
    let lines = if number.is_multiple_of(8) { 5000 } else { 1 };
    format!(
        "Subject: {number}\r\n\r\n{}end of {number}\r\n",
        format!("line of {number}, and no more than that\r\n").repeat(lines)
    )
}

impl Yard {
    /// Submits messages until it is over. One whose fate is unknown is not sent again, and does not count.
    fn client(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let address = *self.address.lock().unwrap();
            match address.map(|address| self.session(address)) {
                Some(Ok(())) => return,
                _ => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn session(&self, address: SocketAddr) -> io::Result<()> {
        let mut talk = Talk::open(address)?;
        talk.ask("EHLO client.test")?;
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= MOST {
                break;
            }
            let head =
                ["MAIL FROM:<alice@crepes.test>", "RCPT TO:<bob@hamburger.test>", "RCPT TO:<alice-test@crepes.test>", "DATA"];
            let replies = talk.ask_all(&head)?;
            assert!(replies[3].starts_with("354"), "{replies:?}");
            talk.send(body(number).as_bytes())?;
            let reply = talk.ask(".")?;
            assert!(reply.starts_with("250"), "{reply}");
            self.acknowledged.lock().unwrap().push(number);
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Starts listeners and kills each a while after some messages more, as long as enough of both tools are not killed.
    fn kill_listeners(&self, site: &Site, dice: &mut Dice) {
        let _bell = Bell(&self.over);
        for round in 0..4 * KILLS {
            if round >= KILLS && self.cut.load(Ordering::Relaxed) >= KILLS {
                break;
            }
            let listener = site.listener(&[]);
            *self.address.lock().unwrap() = Some(listener.address);
            let (until, began) = (self.count() + dice.below(12) as usize, Instant::now());
            while self.count() < until {
                assert!(began.elapsed() < PATIENCE, "nothing is accepted any more");
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(dice.below(20_000)));
            *self.address.lock().unwrap() = None;
            listener.kill();
        }
    }

    /// Makes passes while messages arrive, and kills most at a random moment of the time that whole ones take.
    fn kill_passes(&self, site: &Site, dice: &mut Dice) {
        let mut whole = Duration::from_millis(200);
        for round in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let spare = round % 4 == 3 || self.cut.load(Ordering::Relaxed) >= KILLS;
            let (started, mut pass) = (Instant::now(), Process::start(&mut site.mailq(&["--log", "none"])));
            let after = whole.mul_f64(dice.below(1000) as f64 / 1000.0);
            let ended = loop {
                match pass.poll() {
                    Some(ended) => break Some(ended),
                    None if !spare && started.elapsed() > after => break None,
                    None => thread::sleep(Duration::from_millis(1)),
                }
            };
            match ended {
                Some(ended) if ended.status.success() => whole = (whole + started.elapsed()) / 2,
                Some(ended) => panic!("a pass ended with {:?}", ended.status),
                None => {
                    self.cut.fetch_add(1, Ordering::Relaxed);
                    pass.kill();
                    pass.wait();
                }
            }
        }
    }
}

/// The messages of a Maildir, whole all of them: how often each number is there.
fn delivered(maildir: &Path) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for entry in std::fs::read_dir(maildir.join("new")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let number: u32 = text.split("\nSubject: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).expect("a number");
        assert!(text.ends_with(&body(number).replace("\r\n", "\n")), "message {number} is not what was sent");
        *counts.entry(number).or_default() += 1;
    }
    counts
}

#[test]
fn kills_lose_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let remote = dir.path().join("remote");
    let sink =
        ["--hostname", "mx.hamburger.test", "--config", "/dev/null", "--log", "none", "--maildir", remote.to_str().unwrap()];
    let downstream = Listener::start(&sink, &dir.path().join("downstream.log"));
    let site = Site::new(dir.path(), &downstream);
    // The spool is there before the first pass.
    site.listener(&[]).stop();
    let yard = Yard {
        address: Mutex::new(None),
        next: AtomicU32::new(0),
        acknowledged: Mutex::new(Vec::new()),
        cut: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let mut dice = dice();
    let mut others = Dice(dice.below(u64::MAX));
    thread::scope(|scope| {
        let (yard, site) = (&yard, &site);
        for _ in 0..CLIENTS {
            scope.spawn(|| yard.client());
        }
        scope.spawn(move || yard.kill_passes(site, &mut others));
        yard.kill_listeners(site, &mut dice);
    });
    let cut = yard.cut.into_inner();
    assert!(cut >= KILLS, "only {cut} passes were killed");

    let began = Instant::now();
    while !site.list().is_empty() {
        assert!(began.elapsed() < PATIENCE, "not delivered: {}", site.list());
        let pass = site.pass_all();
        assert_eq!((pass.status, &*pass.err), (0, ""), "{pass:?}");
    }
    let acknowledged: BTreeSet<u32> = yard.acknowledged.into_inner().unwrap().into_iter().collect();
    assert!(acknowledged.len() >= KILLS, "{} messages are too few to tell", acknowledged.len());
    let (local, sent) = (delivered(&site.mailbox()), delivered(&remote));
    for (place, counts) in [("the Maildir", &local), ("the server", &sent)] {
        let lost: Vec<&u32> = acknowledged.iter().filter(|number| !counts.contains_key(number)).collect();
        assert!(lost.is_empty(), "{place} never got {lost:?} of {}", acknowledged.len());
    }
    let repeated = |counts: &BTreeMap<u32, usize>| counts.values().map(|count| count - 1).sum::<usize>();
    println!("{} acknowledged, {} and {} delivered twice", acknowledged.len(), repeated(&local), repeated(&sent));
    assert_eq!(repeated(&local), 0, "a Maildir knows what it has");
    assert!(repeated(&sent) <= cut * IN_FLIGHT, "{} delivered twice by {cut} kills", repeated(&sent));
    assert_eq!(std::fs::read_dir(site.spool.join("corrupt")).map_or(0, Iterator::count), 0);
}
