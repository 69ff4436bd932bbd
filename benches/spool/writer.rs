//! Who writes: the bare system calls, or the spool. Writers stand ready as processes of their own, or as threads of one, and write
//! for as long as they are told.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use postroad::disk::spool::format::{Arrival, Head, Preamble, Sort, head_crc, trailer};
use postroad::disk::spool::layout::Spool;
use postroad::disk::spool::mark::Mark;
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
    /// Makes a file as long as the spool's, writes it at once, syncs it, syncs the directory, which it keeps open.
    Bare,
    /// Accepts into a spool.
    Spool,
}

/// What a turn came to.
#[derive(Clone, Copy)]
pub struct Turn {
    /// Files a second.
    pub rate: f64,
    /// Microseconds of CPU for each file, the kernel's included.
    pub cpu: f64,
}

/// Processes that stand ready to write.
pub struct Writers(Vec<Process>);

struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    results: BufReader<ChildStdout>,
}

impl Writers {
    /// `processes` of `threads` each, that write messages of `size` octets below `dir`. The threads of one share a [`Spool`].
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

    /// All together.
    pub fn write_for(&mut self, time: Duration) -> Result<Turn> {
        for process in &mut self.0 {
            let orders = process.orders.as_mut().context("a writer is gone")?;
            writeln!(orders, "{}", time.as_millis()).context("a writer is gone")?;
        }
        let [mut rate, mut files, mut cpu] = [0.0; 3];
        for process in &mut self.0 {
            let line = process.line()?;
            let figures: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().context("a writer failed")?;
            let [rate_of_it, files_of_it, cpu_of_it] = figures[..] else { bail!("a writer says {line}") };
            (rate, files, cpu) = (rate + rate_of_it, files + files_of_it, cpu + cpu_of_it);
        }
        Ok(Turn { rate, cpu: cpu / files })
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
    let writers: Vec<Box<dyn WriteOne>> = match *kind {
        "bare" => (0..threads).map(|_| Ok(Box::new(Bare::new(dir, size)?) as Box<dyn WriteOne>)).collect::<Result<_>>()?,
        _ => {
            let spool = Spool::open(Path::new(dir))?;
            (0..threads).map(|_| Ok(Box::new(Accepting::new(&spool, size)?) as Box<dyn WriteOne>)).collect::<Result<_>>()?
        }
    };
    println!("ready");
    for order in std::io::stdin().lines() {
        let time = Duration::from_millis(order?.parse()?);
        let before = cpu_micros()?;
        let turns = std::thread::scope(|scope| {
            let threads: Vec<_> = writers.iter().map(|writer| scope.spawn(move || write_for(writer.as_ref(), time))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<(f64, f64)>>>()
        })?;
        let (rate, files) = turns.iter().fold((0.0, 0.0), |(rate, files), turn| (rate + turn.0, files + turn.1));
        println!("{rate} {files} {}", cpu_micros()? - before);
    }
    Ok(())
}

/// Of this process so far.
fn cpu_micros() -> Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

/// Files a second, and files.
fn write_for(writer: &dyn WriteOne, time: Duration) -> Result<(f64, f64)> {
    let (began, mut count) = (Instant::now(), 0.0);
    loop {
        writer.write_one()?;
        count += 1.0;
        let took = began.elapsed();
        if took >= time {
            return Ok((count / took.as_secs_f64(), count));
        }
    }
}

/// Makes one file durable.
trait WriteOne: Send + Sync {
    fn write_one(&self) -> Result<()>;
}

struct Bare {
    path: PathBuf,
    dir: File,
    content: Vec<u8>,
}

impl Bare {
    fn new(path: &str, size: usize) -> Result<Bare> {
        let content = content(fresh_id()?, &arrival(Timestamp::now()), size)?;
        Ok(Bare { path: path.into(), dir: File::open(path)?, content })
    }
}

impl WriteOne for Bare {
    fn write_one(&self) -> Result<()> {
        let path = self.path.join(fresh_id()?.as_str());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&self.content)?;
        file.sync_all()?;
        Ok(self.dir.sync_all()?)
    }
}

struct Accepting {
    spool: Spool,
    envelope: Envelope,
    arrival: Arrival,
    body: Vec<u8>,
}

impl Accepting {
    fn new(spool: &Spool, size: usize) -> Result<Accepting> {
        Ok(Accepting { spool: spool.clone(), envelope: envelope()?, arrival: arrival(Timestamp::now()), body: body(size) })
    }
}

impl WriteOne for Accepting {
    fn write_one(&self) -> Result<()> {
        let mut incoming = self.spool.begin(fresh_id()?, &self.envelope, &self.arrival)?;
        incoming.write(&self.body)?;
        drop(incoming.commit()?);
        Ok(())
    }
}

pub fn fresh_id() -> Result<QueueId> {
    let millis = u64::try_from(Timestamp::now().as_millisecond())?;
    Ok(QueueId::new(millis, getrandom::u64()?))
}

fn envelope() -> Result<Envelope> {
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

/// The whole file of a message in the spool.
pub fn content(id: QueueId, arrival: &Arrival, size: usize) -> Result<Vec<u8>> {
    let head = Head { id: &id, sort: Sort::Message, arrival, envelope: &envelope()?, parent: None }.line();
    let body = body(size);
    let preamble =
        Preamble { head: u32::try_from(head.len())?, recipients: 1, body: u64::try_from(body.len())?, eight_bit: false };
    let mut content = preamble.line().to_vec();
    content.extend([Mark::Pending.byte(), b'\n']);
    content.extend(&head);
    content.extend(&body);
    content.extend(trailer(head_crc(&preamble, &head), crc32c::crc32c(&body)));
    Ok(content)
}
