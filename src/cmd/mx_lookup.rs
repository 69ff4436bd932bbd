//! mx-lookup: arguments, bulk work in order, and the printing of where a domain's mail goes.

mod report;

use crate::cli::args::{Parsed, parse};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::opts::duration::timeout;
use crate::cli::report::json_line;
use crate::cli::stdio::{Stdout, StdoutError, say};
use crate::net::dial::Family;
use crate::net::dns::{Options, Resolver, Servers};
use clap::{CommandFactory, Parser};
use report::{Question, Report};
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest line taken from stdin, in bytes; an address has at most 320.
const MAX_LINE: u64 = 4096;

const AFTER_HELP: &str = "\
OUTPUT
  One line a mail host, in the order in which a sender tries them, fields separated by tabs:
    PREFERENCE HOST ADDRESS...        `-` where the host has no address
  With more than one DOMAIN, or with domains from stdin, the domain comes first:
    DOMAIN PREFERENCE HOST ADDRESS...
  What else there is to say goes to stderr, one line each, with the domain's name.

  --json: one object a domain, absent facts left out.
    domain      as the DNS knows it; unicode where it reads otherwise
    status      ok, implicit (no MX record: the domain is its own mail host), null (takes no
                mail), nxdomain, nodata (neither MX record nor address), tempfail, invalid (no
                domain; or none of its hosts can be used)
    mx          preference, host, addresses, error, ad and, where the host is an alias, canonical
    ad          the resolver says that it validated the MX answer; in mx: the addresses
    canonical   what the domain is an alias of
    error       why, for every status but ok and implicit

EXIT STATUS
  0    ok or implicit
  1    some domains are, some are not
  64   usage
  65   the argument is no domain or address
  68   nxdomain
  69   null, nodata, or no usable host: a retry is of no help
  75   tempfail: a retry may help

  Of several domains with none ok: the status they share, else 75 before 69.

EXAMPLES
  mx-lookup hamburger.test
  mx-lookup --json bob@hamburger.test | jq -r '.mx[].host'
  mx-lookup -j 20 < domains";

/// Show where a domain's mail goes
///
/// Looks up the MX records of each DOMAIN, or of the domain of each e-mail ADDRESS, and the addresses of each mail host, in the order
/// in which a sender tries them: lower preferences first, equals shuffled. Without arguments, reads one a line from stdin.
#[derive(Parser, Debug)]
#[command(name = "mx-lookup", version, after_long_help = AFTER_HELP, max_term_width = 100)]
struct Args {
    /// A domain, an e-mail address, or an address literal such as [192.0.2.1]
    #[arg(value_name = "DOMAIN|ADDRESS")]
    names: Vec<String>,
    /// Print one JSON object a domain
    #[arg(long)]
    json: bool,
    /// Ask this DNS server instead of those in /etc/resolv.conf
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = server)]
    server: Option<SocketAddr>,
    /// Longest wait for the answer to one question [default: as /etc/resolv.conf says]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    timeout: Option<Duration>,
    /// Domains that are looked up at a time; the output stays in order
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// IPv4 addresses only
    #[arg(short = '4', conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 addresses only
    #[arg(short = '6')]
    ipv6: bool,
    /// Sort hosts of equal preference by name
    #[arg(long)]
    no_shuffle: bool,
    /// Say nothing on stderr: the exit status tells
    #[arg(short, long)]
    quiet: bool,
}

pub fn command() -> clap::Command {
    Args::command()
}

pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let args = match parse::<Args>(args)? {
        Parsed::Run(args) => args,
        Parsed::Answered => return Ok(Status::Done),
    };
    if args.names.is_empty() && io::stdin().is_terminal() {
        return Err(Failure::text(Status::Usage, "no domain given: name some, or write them to stdin, one a line"));
    }
    let mut printer = Printer::new(&args);
    let (orders, results) = sync_channel(args.jobs.into());
    let pool = Pool::start(&args);
    let names = args.names;
    // Not joined: when stdout is gone, nobody waits for a slow stdin or server.
    thread::spawn(move || {
        if names.is_empty() {
            pool.feed(lines(io::stdin().lock()), &orders);
        } else {
            pool.feed(names.into_iter().map(Ok), &orders);
        }
    });
    for result in results {
        match result {
            Ok(report) => printer.print(&report.recv().or_status(Status::Software)?)?,
            Err(error) => return Err(Failure::text(Status::Io, format!("cannot read stdin: {error}"))),
        }
    }
    Ok(printer.tally.status())
}

/// `ADDR[:PORT]`; an IPv6 address with a port stands in brackets.
fn server(text: &str) -> Result<SocketAddr, String> {
    const DNS_PORT: u16 = 53;
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let with_port = bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    with_port.or_else(|_| text.parse()).map_err(|_| "not an IP address with or without a port".to_owned())
}

/// The threads that look up.
struct Pool {
    work: SyncSender<(String, SyncSender<Report>)>,
}

/// A result's place in the order of output: it comes later, or reading the input failed.
type Order = Result<Receiver<Report>, io::Error>;

impl Pool {
    fn start(args: &Args) -> Pool {
        let family = match (args.ipv4, args.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        let mut options = Options { timeout: args.timeout, family, ..Options::default() };
        if let Some(server) = args.server {
            options.servers = Servers::At(vec![server]);
        }
        let resolver = Arc::new(Resolver::new(options));
        let (work, waiting) = sync_channel::<(String, SyncSender<Report>)>(0);
        let waiting = Arc::new(Mutex::new(waiting));
        let threads = if args.names.is_empty() { args.jobs.into() } else { args.names.len().min(args.jobs.into()) };
        for _ in 0..threads {
            let (waiting, resolver, shuffle) = (waiting.clone(), resolver.clone(), !args.no_shuffle);
            thread::spawn(move || {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((name, done)) = next else { return };
                    let _ = done.send(report::look_up(&resolver, Question::read(&name), shuffle));
                }
            });
        }
        Pool { work }
    }

    /// Hands out names until they end or nobody wants results. `orders` is bounded, so a slow first name stops the reading.
    fn feed(&self, names: impl Iterator<Item = io::Result<String>>, orders: &SyncSender<Order>) {
        for name in names {
            let order = name.map(|name| {
                let (done, result) = sync_channel(1);
                (self.work.send((name, done)), result).1
            });
            if orders.send(order).is_err() {
                return;
            }
        }
    }
}

/// The lines of `input` that are not blank. An overlong one is cut, which makes it no domain; so does what is not UTF-8.
fn lines(mut input: impl BufRead) -> impl Iterator<Item = io::Result<String>> {
    let mut line = move || -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.len() as u64 == MAX_LINE && !bytes.ends_with(b"\n") {
            input.skip_until(b'\n')?;
        }
        Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
    };
    std::iter::from_fn(move || line().transpose()).filter(|line| !matches!(line, Ok(line) if line.is_empty()))
}

struct Printer {
    out: Stdout,
    json: bool,
    quiet: bool,
    /// Whether each line starts with its domain.
    several: bool,
    tally: Tally,
}

impl Printer {
    fn new(args: &Args) -> Printer {
        Printer {
            out: Stdout::new(),
            json: args.json,
            quiet: args.quiet,
            several: args.names.len() != 1,
            tally: Tally::default(),
        }
    }

    fn print(&mut self, report: &Report) -> Result<(), Failure> {
        self.tally.count(report.exit);
        self.write(report).and_then(|()| self.out.flush()).map_err(|e| StdoutError::from(e).into())
    }

    fn write(&mut self, report: &Report) -> io::Result<()> {
        if self.json {
            return writeln!(self.out, "{}", json_line(report));
        }
        for row in report.rows() {
            let domain = if self.several { format!("{}\t", report.domain()) } else { String::new() };
            writeln!(self.out, "{domain}{row}")?;
        }
        if !self.quiet {
            // What is seen on a terminal stands in the order in which it was found.
            self.out.flush()?;
            report.notes().iter().for_each(|note| say(&format!("mx-lookup: {note}")));
        }
        Ok(())
    }
}

/// What all domains together came to.
#[derive(Debug, Default)]
struct Tally {
    any_done: bool,
    worst: Option<Status>,
}

impl Tally {
    fn count(&mut self, status: Status) {
        match (status, self.worst) {
            (Status::Done, _) => self.any_done = true,
            (Status::TryAgain, _) | (_, None) => self.worst = Some(status),
            (_, Some(worst)) if worst == status || worst == Status::TryAgain => {}
            _ => self.worst = Some(Status::Refused),
        }
    }

    fn status(&self) -> Status {
        match (self.any_done, self.worst) {
            (_, None) => Status::Done,
            (true, Some(_)) => Status::Partly,
            (false, Some(worst)) => worst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_domains_have_one_status() {
        use Status::{Data, Done, NoHost, Partly, Refused, TryAgain};
        let of = |all: &[Status]| {
            let mut tally = Tally::default();
            all.iter().for_each(|status| tally.count(*status));
            tally.status()
        };
        assert_eq!(of(&[]), Done);
        assert_eq!(of(&[Done, Done]), Done);
        assert_eq!(of(&[NoHost, Done]), Partly);
        assert_eq!(of(&[NoHost, NoHost]), NoHost);
        assert_eq!(of(&[NoHost, Data]), Refused);
        assert_eq!(of(&[TryAgain, NoHost, Refused]), TryAgain);
        assert_eq!(of(&[NoHost, TryAgain]), TryAgain);
    }

    #[test]
    fn servers_are_addresses_with_a_port_or_without() {
        let good = ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5353"];
        let read = good.map(|text| server(text).unwrap().to_string());
        assert_eq!(read, ["192.0.2.1:53", "192.0.2.1:5353", "[2001:db8::1]:53", "[2001:db8::1]:53", "[2001:db8::1]:5353"]);
        for bad in ["", "dns.test", "192.0.2.1:", "192.0.2.1:65536", "[192.0.2.1"] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_are_trimmed_and_bounded() {
        let long = "x".repeat(3 * MAX_LINE as usize);
        let text = format!(" a.test \r\n\n\t\nb\u{fc}.test\n{long}\nlast.test");
        let read: Vec<String> = lines(text.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(read.len(), 4);
        assert_eq!((read[0].as_str(), read[1].as_str(), read[3].as_str()), ("a.test", "b\u{fc}.test", "last.test"));
        assert_eq!(read[2].len() as u64, MAX_LINE);
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
