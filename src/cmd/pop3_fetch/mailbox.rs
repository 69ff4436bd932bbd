//! One mailbox: what was asked for is done in one session.

use super::args::Args;
use super::hop::Hop;
use super::logging::MailboxLog;
use super::objects::Objects;
use super::rows::{Counts, ListedRow, OutcomeRow};
use super::serverinfo::{Looking, Seen};
use super::signals::Signals;
use super::target::stopped;
use super::way::Way;
use crate::cli::clock::System;
use crate::cli::exit::{Failure, Status};
use crate::cli::log::Sink;
use crate::cli::progress::Progress;
use crate::cli::report::Rows;
use crate::cli::screen::Screen;
use crate::cli::stdio::{StdoutError, say};
use crate::fetch::fetching::{Fetching, Finished, Witness};
use crate::fetch::keeper::Keeper;
use crate::fetch::listing::{Listing, Telling};
use crate::fetch::reading::{Extent, Reading};
use crate::fetch::session::{self, Around, Job};
use crate::fetch::words::{Listed, Outcome, Row, Stop};
use crate::net::dial::Dialer;
use crate::protocol::session::{Failure as SessionFailure, Fault, StartTls};
use crate::relay::clock::Clock;
use crate::relay::ended::Ended;
use crate::relay::session::{Login, Via, Watch};
use std::cell::RefCell;
use std::io::{self, IsTerminal};

/// How many lines of a body --top gives where nobody says.
const TOP_LINES: u32 = 10;

pub struct Mailbox<'a> {
    pub args: &'a Args,
    pub way: &'a Way,
    /// Where messages are handed to, if to a server.
    pub hop: Option<&'a Hop>,
    pub screen: &'a Screen,
    pub log: &'a Sink,
    pub signals: &'a Signals,
    /// Ours, in names and trace fields.
    pub hostname: &'a str,
    /// There are others: rows say whose they are.
    pub several: bool,
}

/// The server did not prove to be who it should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stranger(String);

impl Mailbox<'_> {
    /// [`Status::NoInput`]: there was nothing to fetch.
    pub fn run(&self) -> Result<Status, Failure> {
        let looking = &self.args.looking;
        if looking.serverinfo {
            self.look()
        } else if looking.list {
            self.list()
        } else if looking.stat {
            self.stat()
        } else if !looking.top.is_empty() {
            self.read(&looking.top, Extent::Top(self.args.lines.unwrap_or(TOP_LINES)))
        } else if !looking.retr.is_empty() {
            self.read(&looking.retr, Extent::Whole)
        } else {
            self.fetch()
        }
    }

    fn look(&self) -> Result<Status, Failure> {
        let mut looking = Looking::default();
        let (ended, via) = self.session_by(&mut looking)?;
        Seen::new(self.way, &via, &looking, &ended).of(self.account()).tell(self.args.client.json)
    }

    fn session(&self, job: &mut dyn Job) -> Result<Ended, Failure> {
        self.session_by(job).map(|(ended, _)| ended)
    }

    /// A session, and another without TLS where that failed and nobody needs it.
    fn session_by(&self, job: &mut dyn Job) -> Result<(Ended, Via), Failure> {
        let (mut ended, mut via) = self.session_with(self.way.tls.start(), job)?;
        if let Some(failure) = &ended.failure
            && failure.fault == Fault::Tls
            && self.way.may_go_in_clear()
            && !self.signals.came()
        {
            self.screen.info(&format!("{}: {}; going on without TLS", self.way.title(), failure.text));
            (ended, via) = self.session_with(StartTls::Never, job)?;
        }
        self.warn(&ended.denied);
        Ok((ended, via))
    }

    fn session_with(&self, tls: StartTls, job: &mut dyn Job) -> Result<(Ended, Via), Failure> {
        let titled = |failure: Failure| Failure { error: failure.error.context(self.way.title()), ..failure };
        let dialer = Dialer { over: self.signals.flag(), ..self.args.network.dialer() };
        let (connection, via) = self.way.connect(&dialer).map_err(titled)?;
        let handshake = self.way.handshake();
        let around = Around {
            tls: Some(handshake.as_ref()),
            login: self.way.login.as_ref().map(|login| login as &dyn Login),
            watch: Some(self.screen),
            stoppers: Some(&|stopper| self.signals.end(stopper)),
        };
        Ok((session::run(connection, self.way.config(tls), around, job, &via), via))
    }

    fn account(&self) -> Option<&str> {
        self.way.name.as_deref().filter(|_| self.several)
    }

    fn failure(&self, failure: &SessionFailure) -> Failure {
        let text = format!("{}: {}", self.way.title(), failure.text);
        match failure.fault {
            // The password did not come since a signal did.
            Fault::Login if self.signals.came() => Failure::text(Status::TryAgain, text),
            Fault::Stranger => Failure::new(Status::Permission, Stranger(text)),
            fault => Failure::text(fault.into(), text),
        }
    }

    /// A session that broke, perhaps within a message, of which nothing was `done`.
    fn cut_off(&self, failure: &SessionFailure, within: Option<u32>, done: &str) -> Failure {
        let cut = within.map(|number| format!(", in message {number}: nothing of it was {done}"));
        self.failure(&SessionFailure { text: format!("{}{}", failure.text, cut.unwrap_or_default()), ..failure.clone() })
    }

    fn stopped(&self, stop: &Stop) -> Failure {
        let failure = stopped(stop);
        Failure { error: failure.error.context(self.way.title()), ..failure }
    }

    fn warn(&self, problems: &[String]) {
        if !self.args.client.quiet {
            problems.iter().for_each(|problem| say(&format!("pop3-fetch: {}: {problem}", self.way.title())));
        }
    }

    fn list(&self) -> Result<Status, Failure> {
        let mut rows = Rows::new(self.args.client.json);
        let (mut is_empty, mut told) = (true, Ok(()));
        let mut tell = |listed: Listed| {
            is_empty = false;
            if told.is_ok() {
                told = rows.add(&ListedRow::new(&listed, self.account()));
            }
        };
        let mut telling = Telling { listing: Listing::new(), tell: &mut tell };
        let ended = self.session(&mut telling)?;
        let listing = telling.listing;
        told?;
        rows.flush()?;
        if let Some(failure) = &ended.failure
            && !listing.is_done()
        {
            return Err(self.failure(failure));
        }
        self.warn(listing.problems());
        Ok(match listing.problems() {
            [] if self.args.exit_empty && is_empty => Status::NoInput,
            [] => Status::Done,
            _ => Status::Partly,
        })
    }

    fn stat(&self) -> Result<Status, Failure> {
        let mut listing = Listing::counting();
        let ended = self.session(&mut listing)?;
        match (listing.counts(), &ended.failure) {
            (Some((messages, size)), _) => {
                Rows::new(self.args.client.json).put(&Counts { account: self.account(), messages, size })?;
                Ok(if messages == 0 && self.args.exit_empty { Status::NoInput } else { Status::Done })
            }
            (None, Some(failure)) => Err(self.failure(failure)),
            (None, None) => {
                let why = listing.problems().first().map_or("no answer to STAT", String::as_str);
                Err(Failure::text(Status::Protocol, format_args!("{}: {why}", self.way.title())))
            }
        }
    }

    fn read(&self, numbers: &[u32], extent: Extent) -> Result<Status, Failure> {
        let options = &self.args.target;
        let mut target = if self.args.client.json { Box::<Objects>::default() } else { options.stream(self.several)? };
        let mut reading = Reading::new(numbers, extent, options.policy.max_size, target.as_mut(), System.now());
        let ended = self.session(&mut reading)?;
        if let Some(stop) = &reading.stop {
            return Err(self.stopped(stop));
        }
        if let Some(failure) = &ended.failure
            && !reading.is_overrun()
        {
            return Err(self.cut_off(failure, reading.current(), "written"));
        }
        for refused in &reading.refused {
            say(&format!("pop3-fetch: {}: message {}: {}", self.way.title(), refused.number, refused.text));
        }
        let (failed, lasting) = (reading.refused.len(), reading.refused.iter().filter(|refused| refused.lasting).count());
        Ok(Tally { handled: numbers.len(), failed, lasting, in_part: 0 }.status())
    }

    fn fetch(&self) -> Result<Status, Failure> {
        let progress = Progress::new(self.args.client.quiet);
        let log = RefCell::new(MailboxLog::new(self.log, self.way));
        let mut tell = |line: &str| self.warn(&[line.to_owned()]);
        let target = &self.args.target;
        let whose = self.way.whose(self.hostname, self.several);
        let done = target.with_keeper((&whose, self.hop, self.signals), &mut tell, |keeper| {
            let mut teller = Teller {
                mailbox: self,
                progress: &progress,
                log: &log,
                rows: (!target.is_stdout()).then(|| Rows::new(self.args.client.json)),
                untold: Vec::new(),
                tally: Tally::default(),
                broken: None,
            };
            let mut fetching = Fetching::new(keeper, &mut teller);
            let ended = self.session_by(&mut fetching);
            if let Ok((ended, via)) = &ended {
                log.borrow_mut().ended(ended, via);
            }
            let finished = fetching.finish();
            progress.finish();
            let Teller { untold, tally, broken, .. } = teller;
            // What stops the target ends the tool, which tells it.
            let news: Vec<&Row> = untold.iter().filter(|row| keeper.stop().is_none_or(|stop| stop.text != row.text)).collect();
            self.failed(&news);
            match (ended, broken) {
                (Err(failure), _) => Err(failure),
                (_, Some(error)) => Err(error.into()),
                (Ok((ended, _)), None) => self.judge(keeper, &ended, &finished, tally),
            }
        });
        // What stops a target before it began is told with the mailbox's name, too.
        let titled = |failure: Failure| Failure { error: failure.error.context(self.way.title()), ..failure };
        let done = done.map_err(titled).and_then(|done| done);
        log.borrow().done(&done);
        done
    }

    /// Messages that failed, on stderr. Where the rows are elsewhere, perhaps where nobody looks, one stands for all.
    fn failed(&self, rows: &[&Row]) {
        let told = |row: &Row, more: &str| say(&format!("pop3-fetch: {}: {}{more}", self.way.title(), row.told()));
        match rows {
            rows if self.args.target.is_stdout() => rows.iter().for_each(|row| told(row, "")),
            [] => {}
            _ if io::stderr().is_terminal() => {}
            [one] => told(one, ""),
            [first, others @ ..] => told(first, &format!("; {} more failed", others.len())),
        }
    }

    fn judge(&self, keeper: &Keeper<'_>, ended: &Ended, finished: &Finished, tally: Tally) -> Result<Status, Failure> {
        self.warn(&finished.problems);
        if let Some(stop) = keeper.stop() {
            return Err(self.stopped(stop));
        }
        if let Some(failure) = &ended.failure {
            return Err(self.cut_off(failure, finished.cut, "delivered"));
        }
        if let Some(refusal) = &finished.not_updated {
            say(&format!("pop3-fetch: {}: the server did not delete all that it was to: {refusal}", self.way.title()));
            return Ok(Status::Partly);
        }
        Ok(match tally.status() {
            Status::Done | Status::NoInput if finished.not_deleted => Status::Partly,
            status => status,
        })
    }
}

/// How many messages came to what.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// Fetched, or tried; in a dry run those that would be.
    handled: usize,
    failed: usize,
    /// Those of them that will fail again.
    lasting: usize,
    /// Those of them that some recipients have.
    in_part: usize,
}

impl Tally {
    fn add(&mut self, row: &Row) {
        self.handled += usize::from(row.intended || !matches!(row.outcome, Outcome::Kept | Outcome::Skipped));
        self.failed += usize::from(row.outcome == Outcome::Failed);
        self.lasting += usize::from(row.lasting);
        self.in_part += usize::from(row.in_part);
    }

    /// [`Status::NoInput`]: there was nothing to do.
    fn status(self) -> Status {
        match self {
            Tally { handled: 0, .. } => Status::NoInput,
            Tally { failed: 0, .. } => Status::Done,
            Tally { handled, failed, in_part, .. } if failed < handled || in_part > 0 => Status::Partly,
            Tally { failed, lasting, .. } if lasting == failed => Status::Refused,
            _ => Status::TryAgain,
        }
    }
}

/// Tells what comes of messages while it does.
struct Teller<'a> {
    mailbox: &'a Mailbox<'a>,
    progress: &'a Progress,
    log: &'a RefCell<MailboxLog<'a>>,
    /// None: messages go to stdout, and only failures are told, on stderr.
    rows: Option<Rows>,
    /// Those that failed, to be told on stderr.
    untold: Vec<Row>,
    tally: Tally,
    broken: Option<StdoutError>,
}

impl Witness for Teller<'_> {
    fn expect(&mut self, octets: u64) {
        self.progress.expect(octets);
    }

    fn passed(&mut self, octets: u64) {
        self.progress.passed(octets);
    }

    fn rows(&mut self, all: Vec<Row>) {
        self.log.borrow_mut().messages(&all);
        for row in &all {
            self.tally.add(row);
            if let Some(rows) = &mut self.rows {
                let told = rows.add(&OutcomeRow::new(row, self.mailbox.account()));
                self.broken = self.broken.take().or(told.err());
            }
            if row.outcome == Outcome::Failed {
                self.untold.push(row.clone());
            }
        }
        if let Some(rows) = &mut self.rows {
            let told = rows.flush();
            self.broken = self.broken.take().or(told.err());
        }
    }
}
