//! Who writes: the bare system calls, or the spool. Writers stand ready as processes of their own, or as threads of one, and write
//! for as long as they are told.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use postroad::disk::spool::format::Arrival;
use postroad::disk::spool::layout::Spool;
use postroad::mail::address::{ForwardPath, ReversePath};
use postroad::mail::envelope::Envelope;
use postroad::mail::queue_id::QueueId;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes a file, writes it, syncs it, syncs the directory.
    Bare,
    /// Accepts into a spool.
    Spool,
}

/// Processes that stand ready to write.
pub struct Writers(Vec<Process>);

struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    results: BufReader<ChildStdout>,
}

impl Writers {
    /// `processes` of `threads` each, that write files of `size` octets below `dir`. The threads of one share a [`Spool`].
    pub fn start(kind: Kind, dir: &Path, size: usize, processes: usize, threads: usize) -> Result<Writers> {
        let start = |_| {
            let mut child = Command::new(std::env::current_exe()?)
                .args(["writer", if kind == Kind::Bare { "bare" } else { "spool" }])
                .arg(dir)
                .args([size.to_string(), threads.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start a writer")?;
            let results = BufReader::new(child.stdout.take().context("no stdout")?);
            Ok(Process { orders: child.stdin.take(), results, child })
        };
        let mut writers = Writers((0..processes).map(start).collect::<Result<_>>()?);
        for process in &mut writers.0 {
            if process.line()? != "ready" {
                bail!("a writer did not start");
            }
        }
        Ok(writers)
    }

    /// Files a second of all together.
    pub fn write_for(&mut self, time: Duration) -> Result<f64> {
        for process in &mut self.0 {
            let orders = process.orders.as_mut().context("a writer is gone")?;
            writeln!(orders, "{}", time.as_millis()).context("a writer is gone")?;
        }
        let mut sum = 0.0;
        for process in &mut self.0 {
            sum += process.line()?.parse::<f64>().context("a writer failed")?;
        }
        Ok(sum)
    }
}

impl Process {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.results.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }
}

/// The other side: `bare|spool DIR SIZE THREADS`.
pub fn serve(words: &[&str]) -> Result<()> {
    let [kind, dir, size, threads] = words else { bail!("a writer takes four words") };
    let (size, threads): (usize, usize) = (size.parse()?, threads.parse()?);
    let body = body(size);
    let writers: Vec<Box<dyn WriteOne>> = match *kind {
        "bare" => (0..threads).map(|_| Bare::new(dir).map(|bare| Box::new(bare) as Box<dyn WriteOne>)).collect::<Result<_>>()?,
        _ => {
            let spool = Spool::open(Path::new(dir))?;
            (0..threads).map(|_| Box::new(spool.clone()) as Box<dyn WriteOne>).collect()
        }
    };
    println!("ready");
    for order in std::io::stdin().lines() {
        let time = Duration::from_millis(order?.parse()?);
        let rates = std::thread::scope(|scope| {
            let write = |writer: &'_ dyn WriteOne| write_for(writer, &body, time);
            let threads: Vec<_> = writers.iter().map(|writer| scope.spawn(move || write(writer.as_ref()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<f64>>>()
        })?;
        println!("{}", rates.iter().sum::<f64>());
    }
    Ok(())
}

/// Files a second.
fn write_for(writer: &dyn WriteOne, body: &[u8], time: Duration) -> Result<f64> {
    let (began, mut count) = (Instant::now(), 0.0);
    loop {
        writer.write_one(body)?;
        count += 1.0;
        let took = began.elapsed();
        if took >= time {
            return Ok(count / took.as_secs_f64());
        }
    }
}

/// Makes one file durable.
trait WriteOne: Send + Sync {
    fn write_one(&self, body: &[u8]) -> Result<()>;
}

struct Bare {
    path: PathBuf,
    dir: File,
}

impl Bare {
    fn new(path: &str) -> Result<Bare> {
        Ok(Bare { path: path.into(), dir: File::open(path)? })
    }
}

impl WriteOne for Bare {
    fn write_one(&self, body: &[u8]) -> Result<()> {
        let path = self.path.join(fresh_id()?.as_str());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(body)?;
        file.sync_all()?;
        Ok(self.dir.sync_all()?)
    }
}

impl WriteOne for Spool {
    fn write_one(&self, body: &[u8]) -> Result<()> {
        let mut incoming = self.begin(fresh_id()?, &envelope()?, &arrival(Timestamp::now()))?;
        incoming.write(body)?;
        drop(incoming.commit()?);
        Ok(())
    }
}

pub fn fresh_id() -> Result<QueueId> {
    let millis = u64::try_from(Timestamp::now().as_millisecond())?;
    Ok(QueueId::new(millis, getrandom::u64()?))
}

pub fn envelope() -> Result<Envelope> {
    let recipient: ForwardPath = "bob@hamburger.test".parse()?;
    Ok(Envelope::new(ReversePath::Mailbox("alice@crepes.test".parse()?), vec![recipient])?)
}

pub fn arrival(at: Timestamp) -> Arrival {
    Arrival {
        at,
        client: Some("192.0.2.1".to_owned()),
        helo: Some("mail.crepes.test".to_owned()),
        tls: None,
        user: None,
        protocol: Some("ESMTP".to_owned()),
    }
}

/// A message of that many octets.
pub fn body(size: usize) -> Vec<u8> {
    let header = b"From: <alice@crepes.test>\r\nTo: <bob@hamburger.test>\r\nSubject: a letter\r\n\r\n";
    let line = b"Nothing in this line is of any interest to anybody who reads it.\r\n";
    let mut body: Vec<u8> = header.iter().chain(line.iter().cycle()).take(size.max(2) - 2).copied().collect();
    body.extend(b"\r\n");
    body
}
