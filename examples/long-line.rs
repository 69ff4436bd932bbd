//! A line with a delay, for measuring: `long-line PORT MILLISECONDS` listens on a free port of loopback, prints it, and passes every
//! connection on to PORT there, each byte so much later in either direction. Bounds no rate. Ends when it is killed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Most pieces on their way at once, of 64 KiB at most.
const ON_THE_WAY: usize = 1024;

fn main() -> io::Result<()> {
    let numbers: Vec<u16> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [port, milliseconds] = numbers[..] else { return Err(io::Error::other("usage: long-line PORT MILLISECONDS")) };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    for near in listener.incoming() {
        let (near, far) = (near?, TcpStream::connect((Ipv4Addr::LOCALHOST, port))?);
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
            to.set_nodelay(true)?;
            thread::spawn(move || pass(from, to, Duration::from_millis(milliseconds.into())));
        }
    }
    Ok(())
}

/// One direction. What is read while earlier pieces are on their way does not wait for them.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, pieces) = mpsc::sync_channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    thread::spawn(move || {
        for (due, piece) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                return;
            }
        }
        // Nobody may be there any more.
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
            return;
        }
    }
}
