//! The roles in a storm, each in processes that are killed: senders, the receiver, runners.

use crate::Dice;
use crate::letters::letter;
use crate::process::{Process, tool};
use crate::site::{Answer, SENDER, Sent, Site};
use crate::talk::Talk;
use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Tells a process that sends where to: address, first number, count.
const ORDER: &str = "POSTROAD_TEST_SENDER";
/// Messages that one such process sends over one connection, if it lives.
const RUN: u32 = 50;
/// No storm takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);
const TICK: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub struct Kills {
    pub senders: AtomicUsize,
    pub receivers: AtomicUsize,
    pub runners: AtomicUsize,
}

/// What the roles share.
pub struct Yard<'a> {
    site: &'a Site,
    messages: u32,
    /// Of each role at least.
    wanted: usize,
    began: Instant,
    address: Mutex<Option<SocketAddr>>,
    next: AtomicU32,
    answers: Mutex<BTreeMap<u32, Answer>>,
    taken: AtomicUsize,
    pub kills: Kills,
    over: AtomicBool,
}

/// Ends the others where one fails.
struct Bell<'a>(&'a AtomicBool);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Who gets the message with that number.
fn recipients(number: u32) -> Vec<String> {
    let more: &[&str] = match number % 20 {
        3 | 13 => &["nobody@hamburger.test"],
        5 | 15 => &["later@hamburger.test"],
        7 => &["team@crepes.test"],
        9 => &["carl@pickle.test", "nobody@pickle.test"],
        _ => &[],
    };
    ["bob@hamburger.test", "dave@crepes.test"].iter().chain(more).map(|address| (*address).to_owned()).collect()
}

impl Yard<'_> {
    pub fn new(site: &Site, messages: u32, wanted: usize) -> Yard<'_> {
        Yard {
            site,
            messages,
            wanted,
            began: Instant::now(),
            address: Mutex::new(None),
            next: AtomicU32::new(1),
            answers: Mutex::default(),
            taken: AtomicUsize::new(0),
            kills: Kills::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Plays a role again and again as long as the storm lasts.
    pub fn until_over(&self, mut role: impl FnMut()) {
        let _bell = Bell(&self.over);
        while !self.over.load(Ordering::Relaxed) {
            assert!(self.began.elapsed() < PATIENCE, "a storm without end");
            role();
        }
    }

    /// Every message that was begun.
    pub fn sent(&self) -> Vec<Sent> {
        let answers = self.answers.lock().unwrap();
        answers.iter().map(|(&number, &answer)| Sent { number, recipients: recipients(number), answer }).collect()
    }

    /// One process that sends, killed in most cases. `alone`: smtp-send, with one message.
    pub fn send(&self, alone: bool, dice: &mut Dice) {
        let Some(address) = *self.address.lock().unwrap() else { return thread::sleep(TICK) };
        let after = dice.within(Duration::from_millis(if alone { 40 } else { 1500 }));
        let spared = dice.below(3) == 0;
        let numbers = self.next.fetch_add(if alone { 1 } else { RUN }, Ordering::Relaxed);
        if alone { self.smtp_send(address, numbers, after, spared) } else { self.sender(address, numbers, after, spared) }
    }

    fn smtp_send(&self, address: SocketAddr, number: u32, after: Duration, spared: bool) {
        let mut command = tool("smtp-send");
        command.args(["-s", &format!("smtp://{address}"), "--config", "/dev/null", "--tls", "never", "-q", "-f", SENDER]);
        let mut process = Process::start(command.args(recipients(number)).stdin(Stdio::piped()).stderr(Stdio::null()));
        let (_, mut stdin, stdout) = process.pipes();
        self.note(number, Answer::None);
        thread::scope(|scope| {
            // One that is killed reads no more.
            scope.spawn(move || drop(stdin.write_all(letter(number).as_bytes())));
            let rows = scope.spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).collect::<Vec<_>>());
            self.kill_after(process, after, spared, &self.kills.senders);
            let rows = rows.join().unwrap();
            let accepted = rows.iter().filter(|row| row.starts_with("accepted\t")).count();
            if accepted == recipients(number).len() {
                self.note(number, Answer::Taken);
            }
        });
    }

    fn sender(&self, address: SocketAddr, first: u32, after: Duration, spared: bool) {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "sender", "--nocapture"]).env(ORDER, format!("{address} {first} {RUN}"));
        let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let said = process.stderr();
        thread::scope(|scope| {
            scope.spawn(move || {
                for line in BufReader::new(said).lines().map_while(Result::ok) {
                    match line.split_once(' ').and_then(|(word, number)| Some((word, number.parse().ok()?))) {
                        Some(("begun", number)) => self.note(number, Answer::None),
                        Some(("taken", number)) => self.note(number, Answer::Taken),
                        _ => panic!("a sender said {line}"),
                    }
                }
            });
            self.kill_after(process, after, spared, &self.kills.senders);
        });
    }

    fn note(&self, number: u32, answer: Answer) {
        self.answers.lock().unwrap().insert(number, answer);
        self.taken.fetch_add(usize::from(answer == Answer::Taken), Ordering::Relaxed);
    }

    /// Waits for the end of a process, or for the time of its death. Gives whether it ended of its own accord.
    fn kill_after(&self, mut process: Process, after: Duration, spared: bool, count: &AtomicUsize) -> bool {
        let began = Instant::now();
        loop {
            if let Some(ended) = process.poll() {
                assert!(ended.status.code().is_some_and(|code| code != 70), "ended with {:?}", ended.status);
                return true;
            }
            if (began.elapsed() >= after && !spared) || self.over.load(Ordering::Relaxed) {
                process.kill();
                process.wait();
                count.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            thread::sleep(TICK);
        }
    }

    /// One smtp-listen, killed a while after it took some messages. Ends the storm when all is sent and enough was killed.
    pub fn receive(&self, dice: &mut Dice) {
        let listener = self.site.listener();
        *self.address.lock().unwrap() = Some(listener.address);
        let share = u64::from(self.messages) / self.wanted as u64;
        let until = self.taken.load(Ordering::Relaxed) + dice.below(share) as usize;
        while self.taken.load(Ordering::Relaxed) < until && !self.over.load(Ordering::Relaxed) {
            assert!(self.began.elapsed() < PATIENCE, "nothing is accepted any more");
            thread::sleep(TICK);
        }
        thread::sleep(dice.within(Duration::from_millis(20)));
        *self.address.lock().unwrap() = None;
        listener.kill();
        self.kills.receivers.fetch_add(1, Ordering::Relaxed);
        let Kills { senders, receivers, runners } = &self.kills;
        let enough = [senders, receivers, runners].into_iter().all(|role| role.load(Ordering::Relaxed) >= self.wanted);
        if enough && self.taken.load(Ordering::Relaxed) >= self.messages as usize {
            self.over.store(true, Ordering::Relaxed);
        }
    }

    /// One mailq-run, a pass or a watch, killed in most cases: a pass at some moment of the time that `whole` ones take.
    pub fn run(&self, watch: bool, dice: &mut Dice, whole: &mut Duration) {
        let (most, spared) = if watch { (Duration::from_secs(3), false) } else { (*whole, dice.below(4) == 0) };
        let arguments: &[&str] = if watch { &["--watch", "--log", "none"] } else { &["--log", "none"] };
        let mut command = self.site.mailq(arguments);
        command.stderr(self.site.complaint_file()).stdout(Stdio::null());
        let began = Instant::now();
        let process = Process::start(&mut command);
        if self.kill_after(process, dice.within(most), spared, &self.kills.runners) {
            *whole = (*whole + began.elapsed()) / 2;
        }
    }
}

/// What a process does that [`Yard::send`] started: sends as many messages over one connection as it can, and says which.
pub fn send_as_told() {
    let Ok(order) = env::var(ORDER) else { return };
    let parts: Vec<&str> = order.split(' ').collect();
    let [address, first, count] = parts[..] else { panic!("{order}") };
    let (first, count): (u32, u32) = (first.parse().unwrap(), count.parse().unwrap());
    // Where the receiver dies, the session is over.
    let _ = session(address.parse().unwrap(), first..first + count);
}

fn session(address: SocketAddr, numbers: std::ops::Range<u32>) -> io::Result<()> {
    let mut talk = Talk::open(address)?;
    talk.ask("EHLO client.test")?;
    for number in numbers {
        say("begun", number)?;
        let mut lines = vec![format!("MAIL FROM:<{SENDER}>")];
        lines.extend(recipients(number).iter().map(|recipient| format!("RCPT TO:<{recipient}>")));
        lines.push("DATA".to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let replies = talk.ask_all(&lines)?;
        assert!(replies.last().is_some_and(|reply| reply.starts_with("354")), "{replies:?}");
        let reply = talk.ask(&format!("{}.", letter(number).replace("\r\n.", "\r\n..")))?;
        assert!(reply.starts_with("250"), "{reply}");
        say("taken", number)?;
    }
    talk.ask("QUIT").map(drop)
}

/// In one write, so that a kill never cuts it.
fn say(word: &str, number: u32) -> io::Result<()> {
    io::stderr().write_all(format!("{word} {number}\n").as_bytes())
}
