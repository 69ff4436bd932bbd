//! A world for passes: a spool in a temporary directory, hosts that speak SMTP over socket pairs, a table for a DNS, a clock that is
//! turned by hand.

use jiff::{SignedDuration, Timestamp};
use postroad::disk::real::Real;
use postroad::disk::spool::facts::{Facts, State};
use postroad::disk::spool::format::Arrival;
use postroad::disk::spool::layout::Spool;
use postroad::mail::address::Domain;
use postroad::mail::envelope::Envelope;
use postroad::mail::mx::{Addresses, DnsError, HostList, Kind, Lookup, MailHosts, MxHost};
use postroad::mail::notify::{EnvelopeId, Request, Wish};
use postroad::mail::queue_id::QueueId;
use postroad::net::connection::Connection;
use postroad::net::dial::Reached;
use postroad::net::tls::layer::{Handshake, Secured, TlsError, Until};
use postroad::net::wire::Wire;
use postroad::protocol::smtp::client::words::Timeouts;
use postroad::relay::clock::{Chance, Clock};
use postroad::relay::deliver::{Courier, Dial, NoWay, Secure};
use postroad::relay::desk::Desk;
use postroad::relay::event::{Event, Log};
use postroad::relay::halt::Halt;
use postroad::relay::local::{Known, Local};
use postroad::relay::own_name::OwnName;
use postroad::relay::pass::{Done, Limits, Pass};
use postroad::relay::retry::Schedule;
use postroad::relay::route::{Route, Router, Users};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// When every world begins: Sun, 22 Nov 2026 10:00:00 +0000.
pub const BEGIN: i64 = 1_795_341_600;

pub struct World {
    pub dir: tempfile::TempDir,
    pub spool: Spool,
    pub router: Router,
    pub clock: Turned,
    pub dns: Table,
    pub hosts: Hosts,
    pub log: Lines,
    pub halt: Halt,
    pub workers: usize,
    /// The most time for a program or a Maildir.
    pub within: Duration,
}

/// A clock that stands until it is turned.
pub struct Turned(Mutex<Timestamp>);

/// Chances that are always in the middle, and ids that count up.
pub struct Counting(AtomicU64);

#[derive(Default)]
pub struct Lines(Mutex<Vec<Event>>);

/// Domains and their MX hosts. Every host has the address that [`Hosts`] gave it.
#[derive(Default)]
pub struct Table {
    pub answers: HashMap<String, Result<MailHosts, DnsError>>,
    pub addresses: HashMap<String, Result<Vec<IpAddr>, DnsError>>,
}

/// Servers by address.
#[derive(Default)]
pub struct Hosts {
    servers: HashMap<IpAddr, Arc<Server>>,
    /// Every address that was dialled, those included where nobody is.
    pub dialled: Mutex<Vec<IpAddr>>,
}

/// A server that takes everything, but for the replies that a test gives.
#[derive(Default)]
pub struct Server {
    /// `greeting` or the start of a command, and what is said instead: a reply, `DROP`, or `SILENT`, perhaps behind a line. `.` is the end of data.
    pub replies: Mutex<Vec<(String, String)>>,
    pub extensions: Mutex<Vec<String>>,
    pub messages: Mutex<Vec<Taken>>,
    /// Every MAIL and RCPT.
    pub commands: Mutex<Vec<String>>,
    pub sessions: AtomicU64,
    /// How often it fell silent.
    pub silences: AtomicU64,
    /// What it is silent about it says in the end.
    pub speaks: AtomicBool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    /// Without dots, with its CRLFs.
    pub data: Vec<u8>,
}

impl World {
    pub fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::create(&dir.path().join("spool")).unwrap();
        std::fs::create_dir(dir.path().join("mail")).unwrap();
        let mut router = Router {
            hostname: "mx.crepes.test".parse().unwrap(),
            domains: vec!["crepes.test".parse().unwrap()],
            aliases: Default::default(),
            routes: Vec::new(),
            local: Default::default(),
        };
        router.local.maildir = Some(format!("{}/{{user}}", dir.path().join("mail").display()).parse().unwrap());
        router.local.users = Users::Listed(["alice", "carol"].map(String::from).to_vec());
        World {
            dir,
            spool,
            router,
            clock: Turned(Mutex::new(Timestamp::from_second(BEGIN).unwrap())),
            dns: Table::default(),
            hosts: Hosts::default(),
            log: Lines::default(),
            halt: Halt::default(),
            workers: 4,
            within: Duration::from_secs(2),
        }
    }

    /// A server that is the only MX of `domain`.
    pub fn host(&mut self, domain: &str) -> Arc<Server> {
        let name = format!("mx.{domain}");
        let server = self.server(&name);
        self.dns.mx(domain, &[(10, &name)]);
        server
    }

    /// A server with a name and an address.
    pub fn server(&mut self, name: &str) -> Arc<Server> {
        let address = self.address(name);
        let server = Arc::new(Server::default());
        server.extensions.lock().unwrap().extend(["PIPELINING", "SIZE 10000000", "8BITMIME"].map(String::from));
        self.hosts.servers.insert(address, server.clone());
        server
    }

    /// A name with an address where nobody is.
    pub fn address(&mut self, name: &str) -> IpAddr {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, self.dns.addresses.len() as u8 + 1));
        self.dns.addresses.insert(name.to_owned(), Ok(vec![address]));
        address
    }

    pub fn route(&mut self, pattern: &str, to: &str) {
        self.router.routes.push(Route { pattern: pattern.parse().unwrap(), target: to.parse().unwrap() });
    }

    /// Accepts a message, as smtp-listen does.
    pub fn accept(&self, from: &str, to: &[&str], body: &[u8]) -> QueueId {
        self.accept_from(&Envelope::new(from.parse().unwrap(), to.iter().map(|to| to.parse().unwrap())).unwrap(), body)
    }

    pub fn accept_from(&self, envelope: &Envelope, body: &[u8]) -> QueueId {
        let arrival = Arrival { at: self.clock.now(), ..Arrival::default() };
        let random = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = QueueId::new(self.clock.now().as_millisecond() as u64, random);
        let mut incoming = self.spool.begin(id.clone(), envelope, &arrival).unwrap();
        incoming.write(body).unwrap();
        drop(incoming.commit().unwrap());
        id
    }

    /// One pass that meets no trouble.
    pub fn pass(&self) -> Done {
        let (done, trouble) = self.troubled_pass();
        assert_eq!(trouble, None);
        done
    }

    /// One pass, and the first thing that failed in it.
    pub fn troubled_pass(&self) -> (Done, Option<String>) {
        let chance = Counting(AtomicU64::new(0));
        let desk = Desk::new(&self.spool, &self.clock, &chance, &self.log, Schedule::default(), "mx.crepes.test");
        let courier = Courier {
            name: OwnName::Known("mx.crepes.test".to_owned()),
            own_addresses: Vec::new(),
            dial: &self.hosts,
            dns: &self.dns,
            tls: &NoTls,
            login: None,
            timeouts: Timeouts::capped(PATIENCE),
            discard_ehlo: Vec::new(),
            watch: None,
        };
        let local = Local {
            fs: Real::shared(),
            hostname: "mx.crepes.test".into(),
            helper: None,
            within: self.within,
            over: self.halt.flag(),
            known: Known::default(),
        };
        let limits = Limits { workers: self.workers, ..Limits::default() };
        let pass = Pass { desk: &desk, router: &self.router, carrier: &courier, local: &local, limits, halt: &self.halt };
        let done = pass.run().unwrap();
        (done, desk.first_trouble())
    }

    pub fn turn(&self, by: SignedDuration) {
        let mut now = self.clock.0.lock().unwrap();
        *now += by;
    }

    /// Turns the clock to when the next message is due.
    pub fn turn_to_next(&self) {
        let next = self.list().iter().filter_map(Facts::next).min().expect("something deferred");
        *self.clock.0.lock().unwrap() = next;
    }

    pub fn list(&self) -> Vec<Facts> {
        self.spool.list(self.clock.now()).collect::<Result<_, _>>().unwrap()
    }

    /// The state of each message: `deferred alice@b.test pending 1 451 4.3.0 later`.
    pub fn states(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for facts in self.list() {
            for recipient in facts.recipients() {
                let last = recipient.last.map(|last| last.outcome.diagnostic().to_string()).unwrap_or_default();
                let state: State = facts.state(self.clock.now());
                let row = format!("{} {} {} {} {last}", state.word(), recipient.path, recipient.mark.word(), recipient.attempts);
                rows.push(row.trim_end().to_owned());
            }
        }
        rows.sort();
        rows
    }

    pub fn mail(&self, user: &str) -> PathBuf {
        self.dir.path().join("mail").join(user)
    }

    /// The files in a user's Maildir, as they are stored.
    pub fn mailbox(&self, user: &str) -> Vec<Vec<u8>> {
        files(&self.mail(user).join("new"))
    }

    /// `outcome recipient code enhanced text` of every recipient's line in the log.
    pub fn outcomes(&self) -> Vec<String> {
        let events = self.log.0.lock().unwrap();
        let rows = events.iter().filter(|event| event.event == "recipient").map(|event| {
            let code = event.code.map(|code| format!("{code} ")).unwrap_or_default();
            let or = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{} {} {code}{} {}", event.outcome.unwrap(), or(&event.recipient), or(&event.enhanced), or(&event.text))
        });
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        rows
    }

    pub fn events(&self, word: &str) -> usize {
        self.log.0.lock().unwrap().iter().filter(|event| event.event == word).count()
    }
}

/// With the words of MAIL and of each RCPT: `RET=`, `ENVID=`, `REQUIRETLS`, `NOTIFY=`, `ORCPT=`.
pub fn envelope(from: &str, mail: &str, recipients: &[(&str, &str)]) -> Envelope {
    let value = |words: &str, key: &str| words.split(' ').find_map(|word| word.strip_prefix(key)).map(str::to_owned);
    let request = Request {
        ret: value(mail, "RET=").map(|ret| ret.parse().unwrap()),
        envid: value(mail, "ENVID=").map(|envid| EnvelopeId::from_xtext(&envid).unwrap()),
        require_tls: mail.contains("REQUIRETLS"),
        utf8: mail.contains("SMTPUTF8"),
    };
    let wish = |words: &str| Wish {
        notify: value(words, "NOTIFY=").map(|notify| notify.parse().unwrap()),
        original: value(words, "ORCPT=").map(|orcpt| orcpt.parse().unwrap()),
    };
    let recipients = recipients.iter().map(|(recipient, words)| (recipient.parse().unwrap(), wish(words)));
    Envelope::asking(from.parse().unwrap(), recipients, request).unwrap()
}

static COUNT: AtomicU64 = AtomicU64::new(0);

pub fn files(dir: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

impl Server {
    pub fn say(&self, to: &str, reply: &str) {
        self.replies.lock().unwrap().push((to.to_owned(), reply.to_owned()));
    }

    pub fn behave(&self) {
        self.replies.lock().unwrap().clear();
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.messages.lock().unwrap().clone()
    }

    /// Every MAIL and RCPT, as it came.
    pub fn said(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }

    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Serves on a loopback port too, for programs of their own.
    pub fn listen() -> (Arc<Server>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Server::default());
        server.extensions.lock().unwrap().extend(["PIPELINING", "8BITMIME"].map(String::from));
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream.try_clone().unwrap(), stream));
            }
        });
        (server, address)
    }

    /// One session, to its end or to a `DROP`.
    fn serve(&self, reader: impl Read, mut writer: impl Write) -> Option<()> {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        let mut reader = BufReader::new(reader);
        let mut taken = Taken { from: String::new(), to: Vec::new(), data: Vec::new() };
        self.reply(&mut writer, "greeting", "220 mx.test")?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
            let line = line.trim_end();
            if line.starts_with("MAIL") || line.starts_with("RCPT") {
                self.commands.lock().unwrap().push(line.to_owned());
            }
            let usual = match line.split(' ').next().unwrap() {
                "EHLO" | "LHLO" => format!("250-mx.test\r\n250-{}\r\n250 HELP", self.extensions.lock().unwrap().join("\r\n250-")),
                "DATA" if taken.to.is_empty() => "554 no valid recipients".to_owned(),
                "DATA" => "354 go ahead".to_owned(),
                "QUIT" => "221 bye".to_owned(),
                "STARTTLS" => "220 go ahead".to_owned(),
                _ => "250 ok".to_owned(),
            };
            let said = self.reply(&mut writer, line, &usual)?;
            let path = line.split_once(':').map_or("", |(_, path)| path.split(' ').next().unwrap());
            let path = path.trim_matches(['<', '>']).to_owned();
            match said.get(..3) {
                Some("250") if line.starts_with("MAIL") => taken = Taken { from: path, to: Vec::new(), data: Vec::new() },
                Some("250") if line.starts_with("RCPT") => taken.to.push(path),
                Some("354") => {
                    taken.data = read_data(&mut reader)?;
                    let said = self.reply(&mut writer, ".", "250 2.0.0 taken")?;
                    if said.starts_with("250") {
                        self.messages.lock().unwrap().push(taken.clone());
                    }
                }
                Some("221") => return Some(()),
                _ => {}
            }
        }
    }

    fn reply(&self, writer: &mut impl Write, line: &str, usual: &str) -> Option<String> {
        let replies = self.replies.lock().unwrap();
        let said =
            replies.iter().find(|(start, _)| line.starts_with(start.as_str())).map_or(usual, |(_, reply)| reply).to_owned();
        drop(replies);
        if said == "DROP" {
            return None;
        }
        if let Some(before) = said.strip_suffix("SILENT") {
            writer.write_all(before.as_bytes()).ok()?;
            self.silences.fetch_add(1, Ordering::Relaxed);
            while !self.speaks.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
            }
            writer.write_all(format!("{usual}\r\n").as_bytes()).ok()?;
            return Some(usual.to_owned());
        }
        writer.write_all(format!("{said}\r\n").as_bytes()).ok()?;
        Some(said)
    }
}

/// The data up to its dot; none where the client left before.
fn read_data(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok().filter(|&n| n > 0)?;
        assert!(line.ends_with(b"\r\n"), "a bare line end: {line:?}");
        if line == b".\r\n" {
            return Some(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

impl Dial for Hosts {
    fn lookup(&self, host: &str, _port: u16) -> Result<Vec<SocketAddr>, String> {
        Err(format!("cannot find the address of {host}: not in this world"))
    }

    fn connect(&self, host: &str, addresses: &[SocketAddr]) -> Result<Reached, String> {
        let mut failed = Vec::new();
        let found = addresses.iter().find_map(|address| {
            self.dialled.lock().unwrap().push(address.ip());
            let server = self.servers.get(&address.ip());
            if server.is_none() {
                failed.push((*address, io::ErrorKind::ConnectionRefused.into()));
            }
            server.map(|server| (server, *address))
        });
        let Some((server, address)) = found else {
            return Err(format!("cannot connect to {host}: {}: Connection refused", addresses[0]));
        };
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        let server = server.clone();
        std::thread::spawn(move || server.serve(theirs.try_clone().unwrap(), theirs));
        Ok(Reached { connection: Connection::over(ours).unwrap(), address, failed })
    }

    fn command(&self, argv: &[String]) -> Result<Connection, NoWay> {
        Err(format!("cannot start {}: not in this world", argv[0]).into())
    }

    fn unix(&self, path: &Path) -> Result<Connection, String> {
        Err(format!("cannot connect to {}: No such file or directory", path.display()))
    }
}

impl Table {
    pub fn mx(&mut self, domain: &str, hosts: &[(u16, &str)]) {
        let host = |&(preference, name): &(u16, &str)| MxHost { preference, name: name.to_owned() };
        let list = HostList { kind: Kind::Mx, hosts: hosts.iter().map(host).collect(), authentic: false };
        self.answers.insert(domain.to_owned(), Ok(MailHosts::Hosts(list)));
    }
}

impl Lookup for Table {
    fn mail_hosts(&self, domain: &Domain) -> Result<MailHosts, DnsError> {
        match domain {
            Domain::Literal(address) => Ok(MailHosts::literal(*address)),
            Domain::Name(name) => {
                let answer = self.answers.get(&name.to_ascii_lowercase()).cloned();
                answer.unwrap_or_else(|| Err(DnsError::NoDomain(name.clone())))
            }
        }
    }

    fn addresses(&self, host: &str) -> Result<Addresses, DnsError> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')?.parse().ok());
        let found = literal.map(|address| Ok(vec![address])).or_else(|| self.addresses.get(host).cloned());
        let list = found.unwrap_or_else(|| Err(DnsError::NoDomain(host.to_owned())))?;
        Ok(Addresses { list, canonical: host.to_owned(), authentic: false })
    }
}

/// TLS that never comes to stand.
struct NoTls;

impl Secure for NoTls {
    fn client(&self, _host: &str, _verified: bool) -> Result<Box<dyn Handshake>, TlsError> {
        Ok(Box::new(NoTls))
    }
}

impl Handshake for NoTls {
    fn shake(&self, _wire: Wire, _until: Until<'_>) -> Result<Box<dyn Secured>, TlsError> {
        Err(TlsError::Handshake { peer: "mx.test".into(), why: "no common version".into() })
    }
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Chance for Counting {
    fn draw(&self) -> u64 {
        u64::MAX / 2 + COUNT.fetch_add(1, Ordering::Relaxed) + self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Log for Lines {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}
