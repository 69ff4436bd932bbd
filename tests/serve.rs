//! A listener in a process of its own: with descriptors passed to it, and with none left. The process is this test program again,
//! told by its environment what to be.

mod support;

use nix::sys::resource::{Resource, setrlimit};
use postroad::net::connection::Connection;
use postroad::net::drive::drive;
use postroad::net::drive::work::{Options, Work};
use postroad::net::inherited;
use postroad::net::listen::{Handed, Host, Listener, handed_over, serve};
use postroad::net::mailbox::{Mailbox, mailbox};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use support::engines::*;

const ROLE: &str = "POSTROAD_TEST_ROLE";

/// Gives verdicts.
struct Hall;

impl Host<String> for Hall {
    fn serve(&self, mut connection: Connection, mailbox: Mailbox<String>) {
        let options = Options { mailbox: Some(mailbox), linger: Some(Duration::from_millis(20)), ..Options::default() };
        let _ = drive(&mut Verdicts::default(), &mut connection, &mut Yes, options);
    }

    fn busy(&self, mut connection: Connection) {
        connection.write_all(b"421 full\r\n").unwrap();
    }

    fn complain(&self, what: &str) {
        eprintln!("complaint: {what}");
    }
}

struct Yes;

impl Work<Verdicts> for Yes {
    fn ask(&mut self, ask: String) -> Option<String> {
        Some(format!("250 {ask}"))
    }

    fn body(&mut self, _buf: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
}

/// Runs `child` below with `socket` as stdin and, moved by the shell, as the descriptors of `fds`.
fn spawn(role: &str, socket: impl Into<OwnedFd>, fds: &str) -> Child {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("exec \"$0\" --exact child --nocapture {fds}")).arg(std::env::current_exe().unwrap());
    command.env(ROLE, role).stdin(Stdio::from(socket.into())).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Not a test of its own: what the processes of the tests below do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let count = role[..1].parse().unwrap();
    match handed_over(inherited::take(count).unwrap()).unwrap() {
        Handed::Client(fd) => Hall.serve(Connection::over(fd).unwrap(), mailbox().unwrap().1),
        Handed::Listening(listeners) => {
            assert_eq!(listeners.len(), usize::try_from(count).unwrap());
            if role.ends_with("starved") {
                let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
                setrlimit(Resource::RLIMIT_NOFILE, open + 9, open + 9).unwrap();
            }
            listen(listeners);
        }
    }
    assert!(inherited::take(1).is_err(), "what was taken is not given twice");
}

fn listen(listeners: Vec<Listener>) {
    let (_stopper, mut stop) = mailbox().unwrap();
    serve(listeners, 100, &Hall, &mut stop, String::new, PATIENCE).unwrap();
}

fn client(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// The reply to a line; empty where the server hung up.
fn ask(client: &mut BufReader<TcpStream>, line: &str) -> String {
    let mut reply = String::new();
    let _ = client.get_mut().write_all(format!("{line}\r\n").as_bytes());
    let _ = client.read_line(&mut reply);
    reply
}

#[test]
fn a_client_is_handed_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = client(listener.local_addr().unwrap());
    let mut server = spawn("1 client", listener.accept().unwrap().0, "3<&0 </dev/null");
    assert_eq!(ask(&mut client, "a"), "250 a\r\n");
    assert_eq!(ask(&mut client, "QUIT"), "221 bye\r\n");
    assert!(server.wait().unwrap().success());
}

#[test]
fn listening_sockets_are_handed_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = spawn("2 listeners", listener, "3<&0 4<&0 </dev/null");
    let mut clients = [client(address), client(address)];
    for client in &mut clients {
        assert_eq!(ask(client, "a"), "250 a\r\n");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Out of descriptors, the server keeps those it serves, rests instead of spinning, and takes others once there is room.
#[test]
fn a_server_without_descriptors_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = spawn("1 starved", listener, "3<&0 </dev/null");
    let mut first = client(address);
    assert_eq!(ask(&mut first, "a"), "250 a\r\n");
    let crowd: Vec<_> = (0..20).map(|_| client(address)).collect();
    thread::sleep(Duration::from_millis(350));
    assert_eq!(ask(&mut first, "b"), "250 b\r\n");
    drop(crowd);
    let served = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(20));
        ask(&mut client(address), "c") == "250 c\r\n"
    });
    assert!(served, "nobody is served any more");
    assert_eq!(ask(&mut first, "d"), "250 d\r\n");
    server.kill().unwrap();
    let mut complaints = String::new();
    server.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    server.wait().unwrap();
    let count = complaints.lines().filter(|line| line.starts_with("complaint: ")).count();
    assert!(complaints.contains(": Too many open files") && count < 100, "{count} complaints: {complaints}");
}
