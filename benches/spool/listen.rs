//! As many SMTP clients at one smtp-listen as there are writers in the control.

use crate::figures::{Figures, median};
use crate::place::Place;
use crate::writer::{Kind, Writers, body};
use anyhow::{Context, Result, bail};
use postroad::disk::spool::layout::Spool;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SIZE: usize = 10 * 1024;
const CLIENTS: [usize; 3] = [1, 10, 50];
const TURN: Duration = Duration::from_millis(150);
const WARM_UP: usize = 1;

/// Tells the ratios. The clients share the processor with the server, so no figure is asked for.
pub fn run(place: &Place, rounds: usize) -> Result<bool> {
    println!("\nmessages of {} KiB over SMTP into one smtp-listen, clients and server on this machine", SIZE / 1024);
    for clients in CLIENTS {
        compare(place, rounds, clients)?;
    }
    Ok(true)
}

fn compare(place: &Place, rounds: usize, count: usize) -> Result<()> {
    let (bare, spool) = (place.make(&format!("bare-listen.{count}"))?, place.make(&format!("spool-listen.{count}"))?);
    Spool::create(&spool)?;
    let mut writers = Writers::start(Kind::Bare, &bare, SIZE, count, 1)?;
    let server = Server::start(&spool)?;
    let mut clients: Vec<Client> = (0..count).map(|_| Client::connect(&server.address)).collect::<Result<_>>()?;
    let message = body(SIZE);
    let (mut control, mut ours) = (Vec::new(), Vec::new());
    for round in 0..rounds + WARM_UP {
        for turn in 0..2 {
            place.go_on()?;
            let is_ours = (turn + round) % 2 == 0;
            let rate = if is_ours { send_for(&mut clients, &message, TURN)? } else { writers.write_for(TURN)?.rate };
            if round >= WARM_UP {
                if is_ours { &mut ours } else { &mut control }.push(rate);
            }
        }
    }
    let ratio = Figures::ratios(&ours, &control);
    println!("{count:4} {:23} bare {:6.0}/s   SMTP  {:6.0}/s   {ratio}", "clients", median(&control), median(&ours));
    Ok(())
}

/// Messages a second of all clients together.
fn send_for(clients: &mut [Client], message: &[u8], time: Duration) -> Result<f64> {
    std::thread::scope(|scope| {
        let send = |client| scope.spawn(move || send_one_for(client, message, time));
        let threads: Vec<_> = clients.iter_mut().map(send).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn send_one_for(client: &mut Client, message: &[u8], time: Duration) -> Result<f64> {
    let (began, mut count) = (Instant::now(), 0.0);
    loop {
        client.send(message)?;
        count += 1.0;
        let took = began.elapsed();
        if took >= time {
            return Ok(count / took.as_secs_f64());
        }
    }
}

struct Client {
    wire: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: &str) -> Result<Client> {
        let wire = TcpStream::connect(address).context("cannot connect")?;
        wire.set_nodelay(true)?;
        let mut client = Client { replies: BufReader::new(wire.try_clone()?), wire };
        client.expect("220")?;
        client.wire.write_all(b"EHLO client.crepes.test\r\n")?;
        client.expect("250")?;
        Ok(client)
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.wire.write_all(b"MAIL FROM:<alice@crepes.test>\r\nRCPT TO:<bob@hamburger.test>\r\nDATA\r\n")?;
        self.expect("250")?;
        self.expect("250")?;
        self.expect("354")?;
        self.wire.write_all(message)?;
        self.wire.write_all(b".\r\n")?;
        self.expect("250")
    }

    fn expect(&mut self, code: &str) -> Result<()> {
        loop {
            let mut line = String::new();
            self.replies.read_line(&mut line)?;
            if !line.starts_with(code) {
                bail!("the server said {line:?}, not {code}");
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(spool: &Path) -> Result<Server> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_smtp-listen"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--quiet",
                "--hostname",
                "mx.hamburger.test",
                "--domain",
                "hamburger.test",
                "--spool",
            ])
            .arg(spool)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start smtp-listen")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let mut server = Server { child, address: String::new() };
        server.address = line.trim_end().strip_prefix("listening ").context("smtp-listen does not listen")?.to_owned();
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
