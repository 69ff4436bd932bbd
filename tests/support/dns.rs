//! A DNS server on a loopback port, written by hand so that it can misbehave. It answers from a zone as a recursive server would.

#![allow(dead_code, reason = "each test program uses its part of the server")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

const A: u16 = 1;
const CNAME: u16 = 5;
const MX: u16 = 15;
const AAAA: u16 = 28;

const NOERROR: u8 = 0;
const FORMERR: u8 = 1;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// A running server. Its threads end with the test program.
pub struct Dns {
    pub address: SocketAddr,
    zone: Arc<Zone>,
}

/// `OWNER TYPE DATA` a line, names without the last dot, `.` the root:
/// ```text
/// crepes.test      MX     10 mx.crepes.test
/// mx.crepes.test   A      192.0.2.1
/// www.crepes.test  CNAME  crepes.test
/// broken.test      ANY    SERVFAIL        or REFUSED, SILENT, GARBAGE, LAME; TYPE may be MX, A, AAAA, too
/// big.test         ANY    TRUNCATED       over UDP; TCP gives the records
/// rigged.test      ANY    SPOOFED         forged answers arrive before the right one
/// old.test         ANY    NOEDNS          FORMERR where the question has EDNS
/// short.test       ANY    UNCHASED        an alias is answered alone, its target left to be asked for
/// safe.test        ANY    SECURE          AD where the question asks for it
/// ```
/// A name without a line does not exist; one without such a record has no data.
struct Zone {
    lines: Vec<[String; 3]>,
    /// `MX crepes.test udp` for each question, in order of arrival.
    asked: Mutex<Vec<String>>,
}

/// What is read of a question.
struct Question<'a> {
    packet: &'a [u8],
    name: String,
    kind: u16,
    /// The question section's bytes.
    section: &'a [u8],
    edns: bool,
}

impl Dns {
    pub fn serve(zone: &str) -> Dns {
        Dns::on(sockets(), zone)
    }

    /// On the port where everybody asks, which is free in a network of one's own.
    pub fn serve_at(address: SocketAddr, zone: &str) -> Dns {
        Dns::on((UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap()), zone)
    }

    fn on((udp, tcp): (UdpSocket, TcpListener), zone: &str) -> Dns {
        let line = |line: &str| -> [String; 3] {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or_else(|| panic!("zone line: {line}")).to_owned();
            let (owner, kind) = (word().to_lowercase(), word());
            [owner, kind, words.collect::<Vec<_>>().join(" ")]
        };
        let lines = zone.lines().filter(|text| !text.trim().is_empty()).map(line).collect();
        let zone = Arc::new(Zone { lines, asked: Mutex::default() });
        let address = udp.local_addr().unwrap();
        let (for_udp, for_tcp) = (zone.clone(), zone.clone());
        thread::spawn(move || serve_udp(&udp, &for_udp));
        thread::spawn(move || serve_tcp(&tcp, &for_tcp));
        Dns { address, zone }
    }

    /// The questions that came, as `MX crepes.test udp`.
    pub fn asked(&self) -> Vec<String> {
        self.zone.asked.lock().unwrap().clone()
    }
}

/// Both kinds on one port of the kernel's choice, which is now and then taken for one of them.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn serve_udp(socket: &UdpSocket, zone: &Zone) {
    let mut packet = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut packet) {
        for response in zone.respond(&packet[..length], "udp") {
            let _ = socket.send_to(&response, peer);
        }
    }
}

fn serve_tcp(listener: &TcpListener, zone: &Arc<Zone>) {
    for stream in listener.incoming().flatten() {
        let zone = zone.clone();
        thread::spawn(move || converse(stream, &zone));
    }
}

/// Messages with their length before them (RFC 1035 section 4.2.2), until the client closes.
fn converse(mut stream: TcpStream, zone: &Zone) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut packet).is_err() {
            return;
        }
        for response in zone.respond(&packet, "tcp") {
            let length = u16::try_from(response.len()).unwrap().to_be_bytes();
            if stream.write_all(&[&length[..], &response].concat()).is_err() {
                return;
            }
        }
    }
}

impl Zone {
    fn respond(&self, packet: &[u8], transport: &str) -> Vec<Vec<u8>> {
        let Some(question) = Question::read(packet) else { return Vec::new() };
        let kind = [(MX, "MX"), (A, "A"), (AAAA, "AAAA")].iter().find(|(kind, _)| *kind == question.kind);
        let kind = kind.map_or("?", |(_, word)| word);
        self.asked.lock().unwrap().push(format!("{kind} {} {transport}", question.name));
        let does = |what: &str| {
            let of_kind = |k: &str| k == "ANY" || k == kind;
            self.lines.iter().any(|[owner, k, data]| *owner == question.name && of_kind(k) && data == what)
        };
        let flat = |rcode| vec![question.response(rcode, false, false, &[])];
        if does("SILENT") {
            return Vec::new();
        } else if does("SERVFAIL") {
            return flat(SERVFAIL);
        } else if does("REFUSED") {
            return flat(REFUSED);
        } else if does("NOEDNS") && question.edns {
            return flat(FORMERR);
        } else if does("GARBAGE") {
            return vec![[&packet[..2], &[0x84, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0xc0, 0x0c, 0xff]].concat()];
        } else if does("TRUNCATED") && transport == "udp" {
            return vec![question.response(NOERROR, true, false, &[])];
        } else if does("LAME") {
            let mut response = question.response(NOERROR, false, false, &[]);
            response[2] &= !0x04;
            response[3] &= !0x80;
            return vec![response];
        }
        let (rcode, answers) = self.answer(&question.name, kind, does("UNCHASED"));
        let right = question.response(rcode, false, does("SECURE"), &answers);
        if does("SPOOFED") { [question.forgeries(), vec![right]].concat() } else { vec![right] }
    }

    /// The records, with the aliases that lead to them, and the response code of the last name.
    fn answer(&self, name: &str, kind: &str, unchased: bool) -> (u8, Vec<Vec<u8>>) {
        let (mut name, mut answers) = (name.to_owned(), Vec::new());
        for _ in 0..8 {
            let here: Vec<_> = self.lines.iter().filter(|[owner, ..]| *owner == name).collect();
            let alias = here.iter().find(|[_, k, _]| k == "CNAME").map(|[_, _, to]| to.to_lowercase());
            let records =
                here.iter().filter(|[_, k, data]| k == kind && !is_behaviour(data)).map(|[_, k, data]| record(&name, k, data));
            let records: Vec<_> = records.collect();
            match alias {
                Some(to) if records.is_empty() => {
                    answers.push(record(&name, "CNAME", &to));
                    name = to;
                }
                _ => {
                    answers.extend(records);
                    return (if here.is_empty() { NXDOMAIN } else { NOERROR }, answers);
                }
            }
            if unchased {
                break;
            }
        }
        (NOERROR, answers)
    }
}

/// A word for what the server does, not a record's data.
fn is_behaviour(data: &str) -> bool {
    data.len() > 1 && data.bytes().all(|b| b.is_ascii_uppercase())
}

impl<'a> Question<'a> {
    fn read(packet: &'a [u8]) -> Option<Question<'a>> {
        let (mut at, mut name) = (12, String::new());
        while let length @ 1.. = usize::from(*packet.get(at)?) {
            let label = String::from_utf8_lossy(packet.get(at + 1..at + 1 + length)?);
            name = if name.is_empty() { label.to_lowercase() } else { format!("{name}.{}", label.to_lowercase()) };
            at += 1 + length;
        }
        let kind = u16::from_be_bytes([*packet.get(at + 1)?, *packet.get(at + 2)?]);
        let section = packet.get(12..at + 5)?;
        Some(Question { packet, name, kind, section, edns: packet[11] > 0 })
    }

    /// A whole response: AA, RA and the given bits.
    fn response(&self, rcode: u8, truncated: bool, secure: bool, answers: &[Vec<u8>]) -> Vec<u8> {
        let wants_ad = self.packet[3] & 0x20 != 0;
        let ad = if secure && wants_ad { 0x20 } else { 0 };
        let mut out = self.packet[..2].to_vec();
        out.extend([0x85 | if truncated { 0x02 } else { 0 }, 0x80 | ad | rcode, 0, 1]);
        out.extend(u16::try_from(answers.len()).unwrap().to_be_bytes());
        out.extend([0; 4]);
        out.extend(self.section);
        out.extend(answers.concat());
        out
    }

    /// What an attacker off the path would try: another id, and another question under the right id.
    fn forgeries(&self) -> Vec<Vec<u8>> {
        let evil = record(&self.name, "MX", "1 evil.test");
        let mut other_id = self.response(NOERROR, false, false, std::slice::from_ref(&evil));
        other_id[1] ^= 1;
        let mut other_question = self.response(NOERROR, false, false, &[evil]);
        other_question[13] ^= 1;
        vec![other_id, other_question]
    }
}

fn record(owner: &str, kind: &str, data: &str) -> Vec<u8> {
    let (kind, data) = match kind {
        "MX" => {
            let (preference, exchange) = data.split_once(' ').unwrap();
            (MX, [&preference.parse::<u16>().unwrap().to_be_bytes()[..], &name(exchange)].concat())
        }
        "CNAME" => (CNAME, name(data)),
        _ => match data.parse().unwrap_or_else(|_| panic!("zone data: {data}")) {
            IpAddr::V4(address) => (A, address.octets().to_vec()),
            IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
        },
    };
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&name(owner)[..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length, &data].concat()
}

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}
