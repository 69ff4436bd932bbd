//! Secrets from programs such as password managers: started without a shell, with the environment and the terminal that they need, and
//! with nothing of the message on their stdin. One that takes too long is ended.

use super::file::{MAX, secret};
use crate::bytes::secret::Secret;
use crate::cli::family::Family;
use crate::cli::signal::{Held, obey};
use anyhow::{Context, Result, anyhow, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How often a program is looked at that has printed its line, or closed its stdout, and has not ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long stdout may stay open, without a line, once the program is gone: something that it started may hold it.
const PATIENCE: Duration = Duration::from_millis(500);

/// What would end us, and leave the program behind.
const SIGNALS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

type Line = io::Result<Zeroizing<Vec<u8>>>;

/// The first line of a program's output. All of it is read, so that none dies of a closed pipe; its status must be 0, and it must end
/// `within` that time, or it is ended, and with it what it started; so it is where a signal ends us.
pub fn run(words: &[String], within: Duration) -> Result<Secret<String>> {
    let until = Instant::now() + within;
    let [program, arguments @ ..] = words else { bail!("no password command") };
    let shown = format!("password command {program}");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let family = Family::of(&mut command);
    let signals = Held::watch(&SIGNALS).context("cannot watch for signals")?;
    let mut child = command.spawn().with_context(|| format!("cannot start the {shown}"))?;
    let (tell, told) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        // Not joined: what the program leaves behind may hold it open.
        thread::spawn(move || first_line(stdout, &tell));
    }
    let ended = ended(&mut child, &told, until, &signals).with_context(|| format!("cannot wait for the {shown}"))?;
    let (status, line) = match ended {
        Ended::ByItself(status, line) => (status, line),
        Ended::TooLate => {
            family.end(&mut child);
            bail!("the {shown} took longer than {within:?}");
        }
        Ended::Signal(number, is_left) => {
            if is_left {
                family.end(&mut child);
            } else {
                family.set_back();
            }
            obey(number).context("cannot end by a signal")?;
            bail!("a signal came, and ended the {shown}, too");
        }
    };
    if !status.success() {
        bail!("the {shown} failed: {status}");
    }
    let line = line.ok_or_else(|| anyhow!("the {shown} ended, and its output did not"))?;
    secret(&line.with_context(|| format!("cannot read from the {shown}"))?, &format!("the {shown}"))
}

/// Why a program is not waited for any longer.
enum Ended {
    /// With its status and its line.
    ByItself(ExitStatus, Option<Line>),
    TooLate,
    /// A signal came to us. True: the program is still there; false: Ctrl-C has ended it, too.
    Signal(i32, bool),
}

fn ended(child: &mut Child, told: &Receiver<Line>, until: Instant, signals: &Held) -> io::Result<Ended> {
    let mut line = None;
    loop {
        if let Some(status) = child.try_wait()? {
            if status.signal().is_some() {
                // What came to both may be noted here a moment later.
                thread::sleep(LOOK);
            }
            if let Some(number) = signals.caught() {
                return Ok(Ended::Signal(number, false));
            }
            return Ok(Ended::ByItself(status, line.or_else(|| told.recv_timeout(PATIENCE).ok())));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Ended::TooLate);
        }
        if let Some(number) = signals.caught() {
            return Ok(Ended::Signal(number, true));
        }
        let pause = left.min(LOOK);
        if line.is_some() {
            thread::sleep(pause);
            continue;
        }
        match told.recv_timeout(pause) {
            Ok(got) => line = Some(got),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(pause),
        }
    }
}

/// Tells the first line without its end, cut where it is too long to be a secret; the rest is read and forgotten.
fn first_line(mut from: impl Read, tell: &Sender<Line>) {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX));
    let (mut chunk, mut open) = (Zeroizing::new([0; 4096]), true);
    loop {
        let n = match from.read(&mut chunk[..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if open => return drop(tell.send(Err(error))),
            Ok(0) if open => return drop(tell.send(Ok(line))),
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        if !open {
            continue;
        }
        let end = chunk[..n].iter().position(|byte| *byte == b'\n');
        let room = MAX - line.len();
        line.extend_from_slice(&chunk[..end.unwrap_or(n).min(room)]);
        if end.is_some() {
            open = false;
            // Who waited may have given up.
            let _ = tell.send(Ok(std::mem::take(&mut line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn within(time: Duration, words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        run(&words, time).map(|secret| secret.reveal().clone()).map_err(|error| format!("{error:#}"))
    }

    fn of(words: &[&str]) -> Result<String, String> {
        within(LONG, words)
    }

    #[test]
    fn the_first_line_counts_and_the_status_does() {
        assert_eq!(of(&["printf", "s3cret\\r\\nuser: alice\\n"]).as_deref(), Ok("s3cret"));
        assert_eq!(of(&["sh", "-c", "echo one; seq 100000"]).as_deref(), Ok("one"), "a long rest breaks no pipe");
        assert_eq!(of(&["cat"]), Err("the password command cat: no password on the first line".to_owned()), "stdin is empty");
        assert_eq!(of(&["sh", "-c", "echo x; exit 3"]), Err("the password command sh failed: exit status: 3".to_owned()));
        let gone = of(&["/nonexistent/pass"]).unwrap_err();
        assert!(gone.starts_with("cannot start the password command /nonexistent/pass: No such file"), "{gone}");
        assert_eq!(of(&["echo", "$HOME; *"]).as_deref(), Ok("$HOME; *"), "there is no shell");
    }

    #[test]
    fn an_agent_that_it_leaves_behind_is_not_waited_for() {
        let began = Instant::now();
        assert_eq!(of(&["sh", "-c", "sleep 20 & echo s3cret"]).as_deref(), Ok("s3cret"));
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }

    #[test]
    fn one_that_takes_too_long_is_ended_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let script = format!("trap '' TERM; sleep 600 & echo $$ $! > '{}'; echo early; wait; sleep 600", pids.display());
        let told = within(Duration::from_secs(1), &["sh", "-c", &script]);
        assert_eq!(told, Err("the password command sh took longer than 1s".to_owned()));
        let pids = std::fs::read_to_string(pids).unwrap();
        let gone = |pid: &str| {
            let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
            // Whoever reaps the orphan may take a moment.
            (0..400).any(|_| {
                thread::sleep(LOOK);
                nix::sys::signal::kill(pid, None).is_err() || is_zombie(pid)
            })
        };
        assert!(pids.split_whitespace().all(gone), "{pids}");
    }

    fn is_zombie(pid: nix::unistd::Pid) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }
}
