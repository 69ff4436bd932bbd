//! The tools themselves, under strace: every call to the system that touches the spool or a Maildir fails in turn, with an I/O error and
//! with a full disk, and every one is once the last before a kill -9. What was acknowledged comes out whole, once but for what was in
//! flight. `make proof` runs this; `make test` does not, since it needs strace and some minutes.

#[path = "proof/letters.rs"]
mod letters;
#[path = "support/process.rs"]
mod process;
#[path = "proof/sink.rs"]
mod sink;
#[path = "proof/site.rs"]
mod site;
#[path = "proof/trace.rs"]
mod trace;
#[path = "support/usage.rs"]
mod usage;

use jiff::Timestamp;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use postroad::disk::spool::format::Arrival;
use postroad::disk::spool::layout::Spool;
use postroad::mail::envelope::Envelope;
use postroad::mail::queue_id::QueueId;
use sink::Sink;
use site::{Answer, PIPED, SENDER, Sent, Site, Tally};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ChildStdin, ChildStdout};
use trace::{Call, Fault, Traced, Whom};

const FAULTS: [Fault; 3] = [Fault::Error("EIO"), Fault::Error("ENOSPC"), Fault::Kill];
/// What a tool whose file system failed may end with: done what could be done, OS, cannot create, I/O, try again.
const SANE: [i32; 4] = [71, 73, 74, 75];
/// Messages of one run, two of them long.
const NUMBERS: [u32; 4] = [1, 64, 128, 2];
/// A file that somebody put into the spool.
const NO_MESSAGE: (&str, &str) = ("letter.eml", "Subject: hi\n");

/// What is done under strace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// smtp-listen takes the messages, one session.
    Listen,
    /// smtp-send puts one message into the spool.
    Enqueue,
    /// mailq-run makes a pass with the messages in `new/`.
    Pass,
    /// The same, once each was tried and is due.
    Again,
    /// This command of mailq-run for the messages.
    Hand(&'static str),
    /// smtp-listen on a port of its own takes the messages, a session each, all at once.
    Serve,
    /// A pass by root, where the Maildirs are somebody else's.
    AsRoot,
    /// mailq-run sets right what somebody did to the spool.
    Repair,
}

impl Work {
    /// Else the messages are in the spool before.
    fn accepts(self) -> bool {
        matches!(self, Work::Listen | Work::Enqueue | Work::Serve)
    }
}

#[test]
fn accept_by_smtp_listen() {
    everywhere(Work::Listen, &["bob@hamburger.test", "dave@crepes.test"]);
}

#[test]
fn accept_by_smtp_send() {
    everywhere(Work::Enqueue, &["bob@hamburger.test", "dave@crepes.test"]);
}

#[test]
fn pass_with_an_smtp_and_an_lmtp_server() {
    everywhere(Work::Pass, &["bob@hamburger.test", "later@hamburger.test", "carl@pickle.test", "later@pickle.test"]);
}

#[test]
fn pass_with_what_was_deferred() {
    everywhere(Work::Again, &["bob@hamburger.test", "later@hamburger.test"]);
}

#[test]
fn bounce() {
    everywhere(Work::Pass, &["nobody@hamburger.test", "bob@hamburger.test", "nobody@pickle.test"]);
}

#[test]
fn maildir_delivery() {
    everywhere(Work::Pass, &["dave@crepes.test"]);
}

#[test]
fn expansion_of_an_alias() {
    everywhere(Work::Pass, &["team@crepes.test", "dave@crepes.test"]);
}

#[test]
fn hold_by_hand() {
    everywhere(Work::Hand("hold"), &["bob@hamburger.test", "dave@crepes.test"]);
}

#[test]
fn release_by_hand() {
    everywhere(Work::Hand("release"), &["bob@hamburger.test", "dave@crepes.test"]);
}

#[test]
fn retry_by_hand() {
    everywhere(Work::Hand("retry"), &["bob@hamburger.test", "later@hamburger.test"]);
}

#[test]
fn bounce_by_hand() {
    everywhere(Work::Hand("bounce"), &["nobody@hamburger.test", "nobody@pickle.test"]);
}

#[test]
fn edit_by_hand() {
    everywhere(Work::Hand("edit"), &["bob@hamburger.test", "dave@crepes.test"]);
}

#[test]
fn accept_by_smtp_listen_on_its_own() {
    everywhere(Work::Serve, &["bob@hamburger.test", "dave@crepes.test"]);
}

#[test]
fn delivery_to_a_program() {
    everywhere(Work::Pass, &[PIPED, "dave@crepes.test"]);
}

#[test]
fn maildir_delivery_by_root() {
    assert!(nix::unistd::geteuid().is_root(), "only root can deliver as somebody else: run make proof as root");
    everywhere(Work::AsRoot, &["dave@crepes.test"]);
}

#[test]
fn repair() {
    everywhere(Work::Repair, &["bob@hamburger.test", "dave@crepes.test"]);
}

/// Does the work once to see its calls, then once for each of them and each fault.
fn everywhere(work: Work, recipients: &[&str]) {
    let sink = Sink::start();
    let calls = once(&sink, work, recipients, None).0.calls;
    assert!(calls.len() > 20, "{calls:?}");
    let (mut runs, mut hits, mut tally) = (BTreeMap::<String, usize>::new(), 0, Tally::default());
    for call in calls.keys() {
        for fault in FAULTS {
            let (traced, found) = once(&sink, work, recipients, Some((call, fault)));
            *runs.entry(call.name.clone()).or_default() += 1;
            hits += usize::from(traced.hits > 0);
            tally += found;
        }
    }
    let total: usize = runs.values().sum();
    let list: Vec<String> = runs.iter().map(|(name, count)| format!("{name} {}", count / FAULTS.len())).collect();
    eprintln!(
        "inject {work:?} {recipients:?}: {} calls ({}), {total} runs, {hits} hit; {} messages, {} acknowledged, {} recipients delivered, \
         {} bounced, {} duplicates ({} in flight), {} lost",
        calls.len(),
        list.join(", "),
        tally.messages,
        tally.acknowledged,
        tally.delivered,
        tally.bounced,
        tally.duplicates,
        tally.in_flight,
        tally.lost
    );
    // Which thread of a listener does what is another thing each time.
    let least = if work == Work::Serve { total / 2 } else { total * 9 / 10 };
    assert!(hits >= least, "only {hits} of {total} runs were hit");
}

/// Does the work with a fault, goes on without one, and looks at what came of it.
fn once(sink: &Sink, work: Work, recipients: &[&str], fault: Option<(&Call, Fault)>) -> (Traced, Tally) {
    sink.forget();
    let site = if work == Work::AsRoot { Site::new(sink).of_somebody_else() } else { Site::new(sink) };
    let recipients: Vec<String> = recipients.iter().map(|recipient| (*recipient).to_owned()).collect();
    let (mut sent, mut by_hand) = (Vec::new(), Vec::new());
    if !work.accepts() {
        let ids;
        (sent, ids) = queue(&site, &recipients);
        sink.defer(true);
        by_hand = prepare(&site, work, &ids, &mut sent);
    }
    let traced = match work {
        Work::Listen => listen(&site, &recipients, fault, &mut sent),
        Work::Enqueue => enqueue(&site, &recipients, fault, &mut sent),
        Work::Serve => serve(&site, &recipients, fault, &mut sent),
        Work::Pass if recipients.iter().any(|to| to == PIPED) => {
            trace::run(Whom::ToolAlone, "mailq-run", &site.common(), &site.tree, fault, &mut trace::silent)
        }
        Work::Pass | Work::Again | Work::AsRoot => mailq_run(&site, &site.common(), fault),
        Work::Hand(_) | Work::Repair => mailq_run(&site, &by_hand, fault),
    };
    sink.defer(false);
    let tally = catch_unwind(AssertUnwindSafe(|| {
        ends_sanely(&traced, fault, if work == Work::Serve { NUMBERS.len() } else { 1 });
        if work.accepts() {
            goes_on(&site, &recipients, &mut sent);
        }
        match work {
            Work::Hand(_) => finish_by_hand(&site, work, &by_hand),
            Work::Repair => finish_repair(&site),
            _ => {}
        }
        let drafts = site.drafts();
        assert!(drafts == 0 || (work == Work::Hand("edit") && fault.is_some()), "{drafts} drafts are left");
        site.settle();
        let tally = site.tally(&sent);
        // A mark that cannot be written repeats its transaction.
        let allowed = match fault {
            Some((_, Fault::Error(_))) => traced.hits * recipients.len(),
            // A program cannot know of the death of who started it, nor we that it was done.
            Some((_, Fault::Kill)) if recipients.iter().any(|to| to == PIPED) => NUMBERS.len(),
            _ => 0,
        };
        assert!(tally.lost == 0 && tally.unexplained <= allowed, "{tally:?}");
        tally
    }));
    let Ok(tally) = tally else {
        let what = fault.and_then(|(call, _)| traced.calls.get(call));
        panic!(
            "{work:?}, {fault:?} at {what:?}, {} hits, {:?}, {sent:?}:\n{}{}",
            traced.hits, traced.status, traced.out, traced.err
        );
    };
    (traced, tally)
}

fn mailq_run(site: &Site, arguments: &[String], fault: Option<(&Call, Fault)>) -> Traced {
    trace::run(Whom::All, "mailq-run", arguments, &site.tree, fault, &mut trace::silent)
}

/// Puts the messages into the spool, and gives their queue ids, too.
fn queue(site: &Site, recipients: &[String]) -> (Vec<Sent>, Vec<String>) {
    let spool = Spool::create(&site.spool()).unwrap();
    let envelope = Envelope::new(SENDER.parse().unwrap(), recipients.iter().map(|to| to.parse().unwrap())).unwrap();
    let queue = |number: u32| {
        let now = Timestamp::now();
        let id = QueueId::new(now.as_millisecond() as u64, number.into());
        let name = id.to_string();
        let mut incoming = spool.begin(id, &envelope, &Arrival { at: now, ..Arrival::default() }).unwrap();
        incoming.write(letters::letter(number).as_bytes()).unwrap();
        drop(incoming.commit().unwrap());
        (Sent { number, recipients: recipients.to_vec(), answer: Answer::Taken }, name)
    };
    NUMBERS.map(queue).into_iter().unzip()
}

/// Brings the queued messages to where the work begins. Gives the arguments of a command by hand.
fn prepare(site: &Site, work: Work, ids: &[String], sent: &mut [Sent]) -> Vec<String> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    if matches!(work, Work::Again | Work::Hand("retry")) {
        let first = process::run(&mut site.mailq(&["--log", "none"]), b"");
        assert_eq!(first.status, 0, "{first:?}");
        make_due(site);
    }
    let arguments = match work {
        Work::Repair => {
            disorder(site, &ids);
            vec!["check", "--repair"]
        }
        Work::Hand("retry") => vec!["retry", "--all"],
        Work::Hand("edit") => {
            sent[1].recipients[0] = "carol@hamburger.test".to_owned();
            vec!["edit", ids[1], "--rcpt", "bob@hamburger.test=carol@hamburger.test"]
        }
        Work::Hand("release") => {
            assert_eq!(process::run(&mut site.mailq(&[&["hold"], &ids[..]].concat()), b"").status, 0);
            [&["release"], &ids[..]].concat()
        }
        Work::Hand(command) => [&[command], &ids[..]].concat(),
        _ => return Vec::new(),
    };
    site.common()[..2].iter().cloned().chain(arguments.into_iter().map(String::from)).collect()
}

/// Whoever gave the command gives it again, and lets go what is held. That it was carried out already is no fault.
fn finish_by_hand(site: &Site, work: Work, by_hand: &[String]) {
    let mut arguments: Vec<&str> = by_hand[2..].iter().map(String::as_str).collect();
    if work == Work::Hand("hold") {
        arguments[0] = "release";
    }
    let ran = process::run(&mut site.mailq(&arguments), b"");
    assert!([0, 1, 66].contains(&ran.status), "{arguments:?} once more: {ran:?}");
}

/// Each message's file is wrong in another way, a directory is gone, one is open to all, and something is there that is no message.
fn disorder(site: &Site, ids: &[&str]) {
    let at = |name: &str| site.spool().join(name);
    fs::rename(at("new").join(ids[0]), at("due").join(ids[0])).unwrap();
    fs::set_permissions(at("new").join(ids[1]), Permissions::from_mode(0o644)).unwrap();
    fs::hard_link(at("new").join(ids[2]), at("hold").join(ids[2])).unwrap();
    fs::OpenOptions::new().append(true).open(at("new").join(ids[3])).unwrap().write_all(b"0123abcd {\"kind\"").unwrap();
    fs::remove_dir(at("failed")).unwrap();
    fs::set_permissions(at("hold"), Permissions::from_mode(0o755)).unwrap();
    fs::write(at("new").join(NO_MESSAGE.0), NO_MESSAGE.1).unwrap();
    fs::set_permissions(at("new").join(NO_MESSAGE.0), Permissions::from_mode(0o600)).unwrap();
}

/// Sets right what is left. Only what was no message may have been moved aside, and it is whole.
fn finish_repair(site: &Site) {
    let ran = process::run(&mut site.mailq(&["check", "--repair"]), b"");
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    let aside: Vec<_> = fs::read_dir(site.spool().join("corrupt")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(fs::read_to_string(&aside[0]).unwrap(), NO_MESSAGE.1);
    fs::remove_file(&aside[0]).unwrap();
    // Of two names either may be the one that stays: then the message is held.
    for held in fs::read_dir(site.spool().join("hold")).unwrap() {
        let id = held.unwrap().file_name();
        assert_eq!(process::run(&mut site.mailq(&["release", id.to_str().unwrap()]), b"").status, 0);
    }
}

/// Sets the time at which deferred messages are due into the past, so far that their slice is empty and over after the next pass.
fn make_due(site: &Site) {
    let (due, slice) = ("1700000300", "1700000256");
    let mut count = 0;
    for file in site.waiting() {
        let id = file.file_name().unwrap().to_str().unwrap().split_once('.').expect("a deferred message").1;
        let slice = site.spool().join("due").join(slice);
        let _ = fs::create_dir(&slice);
        fs::rename(&file, slice.join(format!("{due}.{id}"))).unwrap();
        count += 1;
    }
    assert!(count > 0, "nothing was deferred");
}

/// One session, and what each of its messages was answered.
fn listen(site: &Site, recipients: &[String], fault: Option<(&Call, Fault)>, sent: &mut Vec<Sent>) -> Traced {
    let mut arguments = site.common();
    arguments.extend(["--inetd", "--domain", "hamburger.test", "--domain", "crepes.test"].map(String::from));
    let mut talk = |stdin: ChildStdin, stdout: BufReader<ChildStdout>, _: Pid| {
        let mut session = Session { to: stdin, from: stdout, said: String::new() };
        // The end comes early where the tool is killed.
        let _ = session.greet();
        for number in NUMBERS {
            let answer = session.submit(number, recipients).unwrap_or(Answer::None);
            sent.push(Sent { number, recipients: recipients.to_vec(), answer });
        }
        let _ = session.ask("QUIT");
        drop(session.to);
        session.said + &trace::rest(session.from)
    };
    trace::run(Whom::All, "smtp-listen", &arguments, &site.tree, fault, &mut talk)
}

/// A listener, and what it answered to clients that come all at once.
fn serve(site: &Site, recipients: &[String], fault: Option<(&Call, Fault)>, sent: &mut Vec<Sent>) -> Traced {
    let mut arguments = site.common();
    arguments.extend(["--listen", "127.0.0.1:0", "--domain", "hamburger.test", "--domain", "crepes.test"].map(String::from));
    let mut talk = |stdin: ChildStdin, mut stdout: BufReader<ChildStdout>, group: Pid| {
        drop(stdin);
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening ").unwrap_or_default();
        let client = |number| submit_to(address, number, recipients).unwrap_or(Answer::None);
        let answers = std::thread::scope(|scope| {
            let clients = NUMBERS.map(|number| (number, scope.spawn(move || client(number))));
            clients.map(|(number, client)| (number, client.join().unwrap()))
        });
        sent.extend(answers.map(|(number, answer)| Sent { number, recipients: recipients.to_vec(), answer }));
        let _ = killpg(group, Signal::SIGTERM);
        line + &trace::rest(stdout)
    };
    trace::run(Whom::All, "smtp-listen", &arguments, &site.tree, fault, &mut talk)
}

/// A session of its own for one message.
fn submit_to(address: &str, number: u32, recipients: &[String]) -> io::Result<Answer> {
    let to = TcpStream::connect(address)?;
    let mut session = Session { from: BufReader::new(to.try_clone()?), to, said: String::new() };
    session.greet()?;
    let answer = session.submit(number, recipients)?;
    let _ = session.ask("QUIT");
    Ok(answer)
}

/// A client on two pipes, or a socket.
struct Session<W, R> {
    to: W,
    from: R,
    said: String,
}

impl<W: Write, R: BufRead> Session<W, R> {
    fn greet(&mut self) -> io::Result<()> {
        self.reply()?;
        self.ask("EHLO client.test").map(drop)
    }

    fn submit(&mut self, number: u32, recipients: &[String]) -> io::Result<Answer> {
        let mut commands = vec![format!("MAIL FROM:<{SENDER}>")];
        commands.extend(recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>")));
        commands.push("DATA".to_owned());
        for command in commands {
            let reply = self.ask(&command)?;
            if reply.starts_with('4') {
                self.ask("RSET")?;
                return Ok(Answer::Refused);
            }
            assert!(reply.starts_with(['2', '3']), "{command}: {reply}");
        }
        let stuffed = letters::letter(number).replace("\r\n.", "\r\n..");
        let reply = self.ask(&format!("{stuffed}."))?;
        assert!(reply.starts_with("250 ") || reply.starts_with("45"), "{reply}");
        Ok(if reply.starts_with("250 ") { Answer::Taken } else { Answer::Refused })
    }

    fn ask(&mut self, line: &str) -> io::Result<String> {
        self.to.write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<String> {
        loop {
            let start = self.said.len();
            if self.from.read_line(&mut self.said)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.said.as_bytes().get(start + 3) != Some(&b'-') {
                return Ok(self.said[start..].trim_end().to_owned());
            }
        }
    }
}

/// smtp-send with the first message.
fn enqueue(site: &Site, recipients: &[String], fault: Option<(&Call, Fault)>, sent: &mut Vec<Sent>) -> Traced {
    let arguments = [&enqueue_arguments(site), recipients].concat();
    let mut talk = |mut stdin: ChildStdin, stdout: BufReader<ChildStdout>, group: Pid| {
        // One that is killed reads no more.
        let _ = stdin.write_all(letters::letter(NUMBERS[0]).as_bytes());
        trace::silent(stdin, stdout, group)
    };
    let traced = trace::run(Whom::All, "smtp-send", &arguments, &site.tree, fault, &mut talk);
    let accepted = traced.out.lines().filter(|line| line.starts_with("accepted\t")).count();
    let answer = match traced.status.code() {
        Some(0) => Answer::Taken,
        Some(_) => Answer::Refused,
        None => Answer::None,
    };
    if answer != Answer::None {
        assert_eq!(accepted, if answer == Answer::Taken { recipients.len() } else { 0 }, "{:?} {}", traced.status, traced.out);
    }
    let answer = if accepted == recipients.len() { Answer::Taken } else { answer };
    sent.push(Sent { number: NUMBERS[0], recipients: recipients.to_vec(), answer });
    traced
}

fn enqueue_arguments(site: &Site) -> Vec<String> {
    let mut arguments = site.common();
    arguments.extend(["--enqueue", "-f", SENDER].map(String::from));
    arguments
}

/// The next message is taken as if nothing had happened.
fn goes_on(site: &Site, recipients: &[String], sent: &mut Vec<Sent>) {
    const NUMBER: u32 = 7;
    let mut command = process::tool("smtp-send");
    command.args(enqueue_arguments(site)).args(recipients);
    let ran = process::run(&mut command, letters::letter(NUMBER).as_bytes());
    assert_eq!((ran.status, &*ran.err), (0, ""), "the next message");
    sent.push(Sent { number: NUMBER, recipients: recipients.to_vec(), answer: Answer::Taken });
}

/// Killed by the fault and by nothing else; else a status that says what is wrong, with a line that does, or success. Of many sessions
/// each may have its line.
fn ends_sanely(traced: &Traced, fault: Option<(&Call, Fault)>, sessions: usize) {
    let lines = traced.err.lines().count();
    match traced.status.code() {
        None => assert_eq!(fault.map(|(_, fault)| fault), Some(Fault::Kill), "ended by a signal"),
        Some(0) if fault.is_none() => assert_eq!(traced.err, ""),
        Some(0) => assert!(lines <= sessions, "more than a line for each session"),
        Some(status) => assert!(SANE.contains(&status) && lines == 1, "a status that makes no sense, or not one line"),
    }
    assert!(!traced.err.contains("panicked"), "a panic");
}
