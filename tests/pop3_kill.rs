//! pop3-fetch ended at random moments over a mailbox of a thousand messages: by kill -9 again and again, by a signal, by a full disk. No message is
//! lost, none is half there, and none is there twice but where nobody can know. `make test` kills it a few times, `make proof` 200 times.

#[path = "pop3_kill/full_disk.rs"]
mod full_disk;
#[path = "pop3_kill/home.rs"]
mod home;
#[path = "support/process.rs"]
mod process;
#[path = "pop3_kill/server.rs"]
mod server;
#[path = "support/usage.rs"]
mod usage;

use home::{Found, Home, Into, texts};
use process::{Process, run_as_is};
use server::Server;
use std::fs::{self, File};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MESSAGES: usize = 1000;

/// What a storm came to.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    /// Mailboxes that were brought home in the end.
    mailboxes: usize,
    lost: usize,
    twice: usize,
    strange: Vec<String>,
}

impl Tally {
    fn add(&mut self, found: Found) {
        self.lost += found.copies.iter().filter(|copies| **copies == 0).count();
        self.twice += found.copies.iter().map(|copies| copies.saturating_sub(1)).sum::<usize>();
        self.strange.extend(found.strange);
    }
}

/// One mailbox after the other, each brought home by as many runs as it takes, until so many of them were killed.
fn storm(into: Into, disposal: &'static str, kills: usize, messages: usize) -> Tally {
    let mut dice = Dice(seed());
    let (mut tally, texts) = (Tally::default(), texts(messages));
    let mut whole = None;
    while tally.kills < kills {
        let (home, server) = (Home::new(into, disposal), Server::start(texts.clone()));
        // The first one shows how long a run takes, for the moments of the kills.
        while let Some(whole) = whole.filter(|_| tally.kills < kills) {
            let mut process = Process::start(home.fetch(&server).stdout(Stdio::null()).stderr(Stdio::null()));
            thread::sleep(dice.within(whole));
            process.kill();
            let ended = process.wait();
            match ended.status.code() {
                None => tally.kills += 1,
                Some(code) => {
                    assert_eq!(code, 0, "of a run that nobody killed");
                    break;
                }
            }
        }
        let began = Instant::now();
        let ran = run_as_is(&mut home.fetch(&server));
        assert_eq!((ran.status, &*ran.err), (0, ""), "after {} kills", tally.kills);
        whole.get_or_insert(began.elapsed());
        assert_eq!(server.left().len(), if disposal == "--delete" { 0 } else { messages }, "what the server has");
        tally.add(home.found(messages));
        tally.mailboxes += 1;
    }
    eprintln!(
        "pop3-fetch {disposal} into {into:?}: {} mailboxes of {messages} messages, {} kills: {} lost, {} twice, {} strange",
        tally.mailboxes,
        tally.kills,
        tally.lost,
        tally.twice,
        tally.strange.len()
    );
    assert_eq!((tally.lost, &tally.strange), (0, &Vec::new()));
    tally
}

#[test]
fn killed_anywhere_it_loses_nothing_and_delivers_nothing_twice_into_a_maildir() {
    assert_eq!(storm(Into::Maildir, "--delete", 4, MESSAGES).twice, 0);
    assert_eq!(storm(Into::Maildir, "--keep", 3, MESSAGES).twice, 0);
}

#[test]
fn killed_anywhere_it_appends_nothing_twice_to_an_mbox() {
    assert_eq!(storm(Into::Mbox, "--delete", 4, MESSAGES).twice, 0);
}

/// Which cannot be asked what it has: a kill costs one copy at most, and none of them is torn.
#[test]
fn a_kill_costs_a_command_one_copy_at_most() {
    let tally = storm(Into::Command, "--delete", 3, 60);
    assert!(tally.twice <= tally.kills, "{tally:?}");
}

#[test]
fn a_kill_costs_a_spool_one_copy_at_most() {
    let tally = storm(Into::Spool, "--delete", 4, 200);
    assert!(tally.twice <= tally.kills, "{tally:?}");
}

/// What the server took of a message whose end we did not live to hear is sent again: one, since one transaction is under way at a time.
#[test]
fn a_kill_costs_an_lmtp_server_one_copy_at_most() {
    let tally = storm(Into::Lmtp, "--delete", 4, 150);
    assert!(tally.twice <= tally.kills, "{tally:?}");
}

#[cfg(feature = "proof")]
mod proof {
    use super::*;

    #[test]
    fn two_hundred_kills_maildir() {
        assert_eq!(storm(Into::Maildir, "--delete", 200, MESSAGES).twice, 0);
        assert_eq!(storm(Into::Maildir, "--keep", 200, MESSAGES).twice, 0);
    }

    #[test]
    fn two_hundred_kills_mbox() {
        assert_eq!(storm(Into::Mbox, "--delete", 200, MESSAGES).twice, 0);
    }

    #[test]
    fn two_hundred_kills_command_and_spool() {
        for into in [Into::Command, Into::Spool] {
            let tally = storm(into, "--delete", 200, MESSAGES);
            assert!(tally.twice <= tally.kills, "{tally:?}");
        }
    }
}

/// A signal lets it bring to an end what came whole: not one message is fetched again but where it says that it ended a program, and nothing is left over.
#[test]
fn a_signal_anywhere_loses_nothing_and_repeats_nothing() {
    let mut dice = Dice(seed());
    for into in [Into::Maildir, Into::Mbox, Into::Command] {
        let messages = if into == Into::Command { 60 } else { MESSAGES };
        let began = Instant::now();
        run_as_is(&mut Home::new(into, "--delete").fetch(&Server::start(texts(messages))));
        let whole = began.elapsed();
        let (home, server) = (Home::new(into, "--delete"), Server::start(texts(messages)));
        let (mut ended, mut programs) = (Vec::new(), 0);
        for _ in 0..4 {
            let rows = home.path("rows");
            let told = File::create(&rows).unwrap();
            let mut process = Process::start(home.fetch(&server).stdout(told).stderr(Stdio::null()));
            thread::sleep(Duration::from_millis(20) + dice.within(whole));
            process.terminate();
            ended.push(process.wait().status);
            programs += fs::read_to_string(&rows).unwrap().matches("a signal came, and ended").count();
        }
        // One that came before it could be caught ends it at once.
        let fine = |status: &std::process::ExitStatus| matches!(status.code(), None | Some(0 | 75));
        assert!(ended.iter().all(fine), "{ended:?}");
        let ran = run_as_is(&mut home.fetch(&server));
        assert_eq!((ran.status, &*ran.err), (0, ""));
        let Found { copies, strange } = home.found(messages);
        let twice = copies.iter().map(|copies| copies.saturating_sub(1)).sum::<usize>();
        assert!(twice <= programs && !copies.contains(&0) && strange.is_empty(), "{into:?}: {ended:?}, {copies:?}, {strange:?}");
        assert!(server.left().is_empty());
    }
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
        most.mul_f64(self.below(10_000) as f64 / 10_000.0)
    }
}

/// `$POSTROAD_TEST_SEED`, else another one each time; on stderr, which is shown where a test fails.
fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64);
    let seed = std::env::var("POSTROAD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
    eprintln!("again with POSTROAD_TEST_SEED={seed}");
    seed.max(1)
}
