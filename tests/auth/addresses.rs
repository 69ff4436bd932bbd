//! A server with two addresses: who was refused at one is not refused again at the other.

use crate::support::login;
use postroad::mail::envelope::Envelope;
use postroad::mail::outcome::Outcome;
use postroad::mail::server::{Scheme, Server};
use postroad::net::connection::Connection;
use postroad::net::dial::{Dialer, Reached};
use postroad::net::dns::{Options, Resolver};
use postroad::net::tls::layer::{Handshake, TlsError};
use postroad::protocol::sasl::words::{Authentication, InClear, Login as Words, Mechanism};
use postroad::protocol::session::StartTls;
use postroad::protocol::smtp::client::words::{Fault, Timeouts, Transaction};
use postroad::relay::deliver::{Courier, Destination, Dial, NoWay, Secure};
use postroad::relay::own_name::OwnName;
use postroad::relay::session::{Login, Outbox, Parcel, Sent, Via};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

struct TwoAddresses(Vec<SocketAddr>);

impl Dial for TwoAddresses {
    fn lookup(&self, _host: &str, _port: u16) -> Result<Vec<SocketAddr>, String> {
        Ok(self.0.clone())
    }

    fn connect(&self, host: &str, addresses: &[SocketAddr]) -> Result<Reached, String> {
        Dialer::default().addresses(host, addresses).map_err(|error| error.to_string())
    }

    fn unix(&self, _path: &Path) -> Result<Connection, String> {
        Err("no socket here".to_owned())
    }

    fn command(&self, _argv: &[String]) -> Result<Connection, NoWay> {
        Err("no program here".to_owned().into())
    }
}

struct NoTls;

impl Secure for NoTls {
    fn client(&self, _host: &str, _verified: bool) -> Result<Box<dyn Handshake>, TlsError> {
        Err(TlsError::Setup("no TLS here".into()))
    }

    fn start(&self, _usual: StartTls) -> StartTls {
        StartTls::Never
    }
}

struct Alice;

impl Login for Alice {
    fn authentication(&self, _local: bool) -> Authentication {
        Authentication { mechanisms: vec![Mechanism::Plain], optional: false, in_clear: InClear::Allowed }
    }

    fn login(&self, _mechanism: Mechanism) -> Result<Words, String> {
        Ok(login::login("alice"))
    }
}

/// One message, and what became of it.
#[derive(Default)]
struct One {
    sent: RefCell<bool>,
    outcomes: RefCell<Vec<(Outcome, Option<Fault>)>>,
}

impl Outbox<()> for One {
    fn is_waiting(&self) -> bool {
        !*self.sent.borrow()
    }

    fn next(&self) -> Option<Parcel<()>> {
        if self.sent.replace(true) {
            return None;
        }
        let envelope = Envelope::new("a@x.test".parse().unwrap(), ["b@y.test".parse().unwrap()]).unwrap();
        Some(Parcel { transaction: Transaction::new(envelope), body: Box::new(std::io::empty()), tag: () })
    }

    fn settle(&self, sent: Sent<()>, _via: &Via) {
        self.outcomes.borrow_mut().extend(sent.outcomes.into_iter().map(|outcome| (outcome, sent.fault)));
    }
}

/// Refuses with this reply whoever logs in; counts them.
fn refuse(listener: TcpListener, reply: &'static str, asked: Arc<AtomicUsize>) {
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut to = stream.try_clone().unwrap();
            let _ = to.write_all(b"220 mx.test\r\n");
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let said = match line.split(' ').next().unwrap_or_default() {
                    "EHLO" => "250-mx.test\r\n250 AUTH PLAIN",
                    "AUTH" => {
                        asked.fetch_add(1, Ordering::SeqCst);
                        reply
                    }
                    _ => "221 bye",
                };
                let _ = to.write_all(format!("{said}\r\n").as_bytes());
            }
        }
    });
}

/// How often a server with two addresses was asked, and how it ended.
fn attempts(reply: &'static str) -> (usize, Outcome, Option<Fault>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let listen = |address: &str| {
        let listener = TcpListener::bind(address);
        let listener = listener.unwrap_or_else(|error| panic!("{address}: {error}"));
        let address = listener.local_addr().unwrap();
        refuse(listener, reply, Arc::clone(&asked));
        address
    };
    let dial = TwoAddresses(vec![listen("127.0.0.1:0"), listen("127.0.0.2:0")]);
    let dns = Resolver::new(Options::default());
    let courier = Courier {
        name: OwnName::Known("client.test".into()),
        own_addresses: Vec::new(),
        dial: &dial,
        dns: &dns,
        tls: &NoTls,
        login: Some(&Alice),
        timeouts: Timeouts::default(),
        discard_ehlo: Vec::new(),
        watch: None,
    };
    let one = One::default();
    let server = Server::parse("mx.test:2525", Scheme::Smtp).unwrap();
    courier.serve(&Destination::Server(server), &one);
    let (outcome, fault) = one.outcomes.borrow_mut().remove(0);
    (asked.load(Ordering::SeqCst), outcome, fault)
}

#[test]
fn a_wrong_password_is_tried_once_and_a_tired_server_is_not_all() {
    let (times, outcome, fault) = attempts("535 5.7.8 no");
    assert_eq!((times, fault), (1, Some(Fault::Auth)));
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    let (times, outcome, fault) = attempts("454 4.7.0 later");
    assert_eq!((times, fault), (2, Some(Fault::Reply)));
    assert!(matches!(outcome, Outcome::Deferred(_)), "{outcome:?}");
}
