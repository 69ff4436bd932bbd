//! Runs an engine over a connection, blocking: one poll for both directions, deadlines by the monotonic clock, constant memory.
//! Knows no protocol; what the engine asks goes to the [`Work`] above.

pub mod fault;
mod held;
pub mod work;

use self::fault::Fault;
use self::held::Held;
use self::work::{Direction, Options, Traffic, Work};
use super::connection::Connection;
use super::mailbox::{Found, Mailbox};
use super::tls::layer::{TlsError, Until};
use super::wire::Directions;
use crate::protocol::engine::{Engine, Step};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How much of what the peer sent, and of a body, is held at once.
const HELD: usize = 32 * 1024;
/// So much of a body waits for more before it is written: each write is a system call and, inside TLS, a record.
const GATHERED: usize = 8 * 1024;
/// Steps in a row in which nothing moved before an engine counts as broken.
const STUCK_AFTER: u32 = 1 << 20;
/// The most time for the last words of a conversation that was stopped.
const STOPPED_CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// Drives an engine to its end and closes the connection. Gives the first thing that went wrong; what became of the work, the
/// engine and `work` know.
pub fn drive<E: Engine, W: Work<E>>(
    engine: &mut E,
    connection: &mut Connection,
    work: &mut W,
    options: Options<'_, E::Tell>,
) -> Result<Traffic, Fault> {
    let session_ends = options.session_within.map(|limit| Instant::now() + limit);
    let mut driver = Driver {
        engine,
        connection,
        work,
        options,
        session_ends,
        held: Held::new(HELD),
        buf: Vec::new(),
        readable: true,
        read_needs: Directions::default(),
        write_needs: Directions::default(),
        input_over: false,
        broken: None,
        unit: None,
        fault: None,
        told_to_stop: None,
        stopped: false,
        deserted: false,
        traffic: Traffic::default(),
        moved: false,
    };
    driver.run()
}

struct Driver<'a, E: Engine, W> {
    engine: &'a mut E,
    connection: &'a mut Connection,
    work: &'a mut W,
    options: Options<'a, E::Tell>,
    /// Cleared once the engine was told.
    session_ends: Option<Instant>,
    /// Read, but not yet taken by the engine.
    held: Held,
    /// Passes the body through; empty until there is one.
    buf: Vec<u8>,
    /// Nothing speaks against reading; else poll comes first.
    readable: bool,
    /// What the last blocked read, and write, wait for: inside TLS either may wait for the other direction.
    read_needs: Directions,
    write_needs: Directions,
    input_over: bool,
    /// What a write failed with. What the peer said before it left is read first: it may tell why.
    broken: Option<io::Error>,
    unit: Option<Unit>,
    /// The first.
    fault: Option<Fault>,
    /// When somebody wanted the conversation to end.
    told_to_stop: Option<Instant>,
    /// The engine was told so.
    stopped: bool,
    /// Whoever could have sent words is gone.
    deserted: bool,
    traffic: Traffic,
    /// Something happened in this step.
    moved: bool,
}

struct Unit {
    number: u64,
    began: Instant,
    /// It was late once already. One look past the deadline is allowed: the time may have gone to our own work.
    late: bool,
}

/// What an attempt to move bytes came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Moved,
    Blocked,
    /// There was nothing to move.
    Idle,
    /// The engine was told that the conversation can't go on.
    Ended,
}

impl<E: Engine, W: Work<E>> Driver<'_, E, W> {
    fn run(&mut self) -> Result<Traffic, Fault> {
        let mut still = 0;
        loop {
            self.moved = false;
            match self.engine.step() {
                Step::Io { read, within, unit } => self.io(read, within, unit)?,
                Step::Ask(ask) => {
                    if let Some(tell) = self.work.ask(ask) {
                        self.engine.tell(tell);
                    }
                }
                Step::NeedBody { room } => self.need_body(room)?,
                Step::Wait => self.wait()?,
                Step::Secure => self.secure(),
                Step::Inflate => self.inflate(),
                Step::Done => return self.done(),
            }
            still = if self.moved { 0 } else { still + 1 };
            if still > STUCK_AFTER {
                return Err(Fault::Engine("it goes round in circles"));
            }
        }
    }

    fn io(&mut self, read: bool, within: Duration, unit: u64) -> Result<(), Fault> {
        if self.hear() {
            return Ok(());
        }
        let until = self.deadline(within, unit);
        if self.unit.as_ref().is_some_and(|unit| unit.late) {
            self.time_is_up(within);
            return Ok(());
        }
        loop {
            let wrote = self.write_some();
            let took = if read { self.read_some()? } else { Attempt::Idle };
            let progress = [wrote, took].iter().any(|a| matches!(a, Attempt::Moved | Attempt::Ended));
            if progress {
                self.note_late(until);
                return Ok(());
            }
            if self.give_up_if_broken() || (wrote == Attempt::Idle && took == Attempt::Idle) {
                return Ok(());
            }
            let mut wanted = Directions::default();
            if wrote == Attempt::Blocked {
                wanted = wanted.or(self.write_needs);
            }
            if took == Attempt::Blocked {
                wanted = wanted.or(self.read_needs);
            }
            if !self.sleep(wanted, Some(until)) {
                if !self.cut_short() && Instant::now() >= until {
                    self.time_is_up(within);
                }
                return Ok(());
            }
            if self.hear() {
                return Ok(());
            }
        }
    }

    fn need_body(&mut self, room: usize) -> Result<(), Fault> {
        if self.cut_short() {
            return Ok(());
        }
        if self.engine.outgoing().len() >= GATHERED {
            let _ = self.write_some();
        }
        if self.held.is_empty() {
            self.readable = true;
        }
        if matches!(self.read_some_or_leave(), Attempt::Moved | Attempt::Ended) || self.give_up_if_broken() {
            return Ok(());
        }
        self.buf.resize(HELD, 0);
        let room = room.min(HELD);
        if room == 0 {
            return Ok(());
        }
        let n = match self.work.body(&mut self.buf[..room]) {
            Ok(n) => n.min(room),
            Err(error) => {
                self.end(Fault::Body(error));
                return Ok(());
            }
        };
        self.moved = true;
        if self.engine.body(&self.buf[..n], n == 0) < n {
            return Err(Fault::Engine("it took less of the body than it asked for"));
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Fault> {
        if self.hear() || self.write_some() == Attempt::Moved {
            return Ok(());
        }
        let nothing_to_write = self.broken.is_some() || self.engine.outgoing().is_empty();
        if self.options.mailbox.is_none() && nothing_to_write {
            if self.deserted {
                self.end(Fault::Deserted);
                return Ok(());
            }
            return Err(Fault::Engine("it waits for an answer that nobody will give"));
        }
        let wanted = if nothing_to_write { Directions::default() } else { self.write_needs };
        self.sleep(wanted, None);
        Ok(())
    }

    /// Writes what goes before the wire changes.
    fn flush_before_turn(&mut self, until: Instant) -> bool {
        self.moved = true;
        let flushed = self.flush(until);
        if !flushed {
            let fault = match self.broken.take() {
                Some(error) => Fault::Broken(error),
                None => Fault::Silent(self.options.secure_within),
            };
            self.end(fault);
        }
        flushed
    }

    fn inflate(&mut self) {
        if self.flush_before_turn(Instant::now() + self.options.secure_within) {
            self.connection.compress(self.held.bytes());
            self.held.consume(HELD);
            self.readable = true;
        }
    }

    fn secure(&mut self) {
        let until = Instant::now() + self.options.secure_within;
        if !self.flush_before_turn(until) {
            return;
        }
        if !self.held.is_empty() {
            return self.end(Fault::Injected);
        }
        let Some(tls) = self.options.tls else {
            return self.end(Fault::Tls(TlsError::Setup("TLS was agreed on, but it is not set up".into())));
        };
        let mailbox = self.options.mailbox.as_ref();
        let over = || mailbox.is_some_and(Mailbox::stopped);
        match self.connection.secure_until(tls, Until { time: until, over: &over }) {
            Ok(()) => {
                self.readable = true;
                if let Some(facts) = self.connection.facts() {
                    self.work.secured(facts);
                }
            }
            Err(error) => {
                self.input_over = true;
                // Whoever broke it off has no quarrel with TLS, and nothing is to be tried without.
                self.stopped = self.options.mailbox.as_ref().is_some_and(Mailbox::stopped);
                self.end(if self.stopped { Fault::Stopped } else { Fault::Tls(error) });
            }
        }
    }

    fn done(&mut self) -> Result<Traffic, Fault> {
        let within = if self.stopped { self.options.close_within.min(STOPPED_CLOSES_WITHIN) } else { self.options.close_within };
        let whole = self.flush(Instant::now() + within);
        self.connection.close(self.options.linger);
        match self.fault.take() {
            Some(fault) => Err(fault),
            None if whole => Ok(self.traffic),
            None => Err(self.broken.take().map_or(Fault::Silent(self.options.close_within), Fault::Broken)),
        }
    }

    /// Writes all that is outgoing, and reads nothing.
    fn flush(&mut self, until: Instant) -> bool {
        loop {
            match self.write_some() {
                Attempt::Moved => {}
                Attempt::Idle | Attempt::Ended => return self.broken.is_none() || self.engine.outgoing().is_empty(),
                Attempt::Blocked => {
                    if !self.connection.wait(self.write_needs, None, Some(until)).is_ok_and(|ready| ready.wire.any()) {
                        return false;
                    }
                }
            }
        }
    }

    fn write_some(&mut self) -> Attempt {
        let bytes = self.engine.outgoing();
        if bytes.is_empty() || self.broken.is_some() {
            return Attempt::Idle;
        }
        match self.connection.write(bytes) {
            Ok(n) => {
                self.work.crossed(Direction::Sent, self.connection.is_secure(), &bytes[..n]);
                self.engine.wrote(n);
                self.traffic.sent += n as u64;
                self.moved = true;
                Attempt::Moved
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.write_needs = self.connection.take_blocked();
                Attempt::Blocked
            }
            Err(error) => {
                self.broken = Some(error);
                self.readable = true;
                Attempt::Idle
            }
        }
    }

    /// Offers the engine what the peer sends; it has to take some of it.
    fn read_some(&mut self) -> Result<Attempt, Fault> {
        let held = !self.held.is_empty();
        match self.read_some_or_leave() {
            Attempt::Idle if held => Err(Fault::Engine("it reads, but takes nothing")),
            attempt => Ok(attempt),
        }
    }

    /// Offers the engine what the peer sends; what it leaves is offered again later, before anything more is read.
    fn read_some_or_leave(&mut self) -> Attempt {
        if self.held.is_empty() {
            if self.input_over {
                self.end(Fault::Closed);
                return Attempt::Ended;
            }
            if !self.readable {
                return Attempt::Blocked;
            }
            match self.connection.read(self.held.space()) {
                Ok(0) => {
                    self.input_over = true;
                    self.end(Fault::Closed);
                    return Attempt::Ended;
                }
                Ok(n) => {
                    // A short read emptied the socket; inside TLS, or compressed, more may be held above it.
                    self.readable = n == HELD || self.connection.holds_back();
                    self.read_needs = Directions { read: true, write: false };
                    self.held.filled(n);
                    self.work.crossed(Direction::Received, self.connection.is_secure(), self.held.bytes());
                    self.traffic.received += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    self.read_needs = self.connection.take_blocked();
                    return Attempt::Blocked;
                }
                Err(error) => {
                    self.input_over = true;
                    self.end(Fault::broken(error));
                    return Attempt::Ended;
                }
            }
        }
        let taken = self.engine.receive(self.held.bytes());
        self.held.consume(taken);
        if taken == 0 {
            return Attempt::Idle;
        }
        self.moved = true;
        Attempt::Moved
    }

    /// After a failed write, when the peer has said all it had to say.
    fn give_up_if_broken(&mut self) -> bool {
        let Some(error) = self.broken.as_ref() else { return false };
        let copy = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        self.end(Fault::broken(copy));
        true
    }

    /// The conversation is to end now; the engine is told once.
    fn cut_short(&mut self) -> bool {
        if !self.stopped && self.options.mailbox.as_ref().is_some_and(Mailbox::stopped) {
            self.told_to_stop.get_or_insert_with(Instant::now);
            if self.parts_at().is_none_or(|at| Instant::now() >= at) {
                self.stopped = true;
                self.end(Fault::Stopped);
                return true;
            }
        }
        self.session_over()
    }

    /// Until when a conversation that is to stop may go on.
    fn parts_at(&self) -> Option<Instant> {
        self.told_to_stop.filter(|_| !self.stopped).map(|told| told + self.engine.parting())
    }

    /// Delivers one word from outside, if there is one.
    fn hear(&mut self) -> bool {
        if self.cut_short() {
            return true;
        }
        let Some(mailbox) = &mut self.options.mailbox else { return false };
        match mailbox.look() {
            Found::Nothing => return false,
            Found::Tell(tell) => self.engine.tell(tell),
            // From now on a wait has no end, which `wait` tells.
            Found::Deserted => {
                self.options.mailbox = None;
                self.deserted = true;
                return false;
            }
        }
        self.moved = true;
        true
    }

    /// Tells the engine once that the whole conversation took too long.
    fn session_over(&mut self) -> bool {
        let Some(limit) = self.options.session_within else { return false };
        if self.session_ends.is_none_or(|ends| Instant::now() < ends) {
            return false;
        }
        self.session_ends = None;
        self.end(Fault::SessionLimit(limit));
        true
    }

    /// Sleeps until there is something to do; false: the time is up, the session's or that of the step.
    fn sleep(&mut self, wanted: Directions, until: Option<Instant>) -> bool {
        let until = [until, self.session_ends, self.parts_at()].into_iter().flatten().min();
        let bell = self.options.mailbox.as_ref().map(|mailbox| mailbox.as_fd());
        let ready = match self.connection.wait(wanted, bell, until) {
            Ok(ready) => ready,
            Err(error) => {
                self.broken.get_or_insert(error);
                return true;
            }
        };
        if ready.other
            && let Some(mailbox) = &mut self.options.mailbox
        {
            mailbox.hush();
        }
        self.readable |= ready.wire.meets(self.read_needs);
        ready.other || ready.wire.any()
    }

    fn deadline(&mut self, within: Duration, number: u64) -> Instant {
        match &self.unit {
            Some(unit) if unit.number == number => unit.began + within,
            _ => {
                let began = Instant::now();
                self.unit = Some(Unit { number, began, late: false });
                began + within
            }
        }
    }

    fn time_is_up(&mut self, within: Duration) {
        if self.engine.lapsed() {
            (self.unit, self.moved) = (None, true);
        } else {
            self.end(Fault::Silent(within));
        }
    }

    fn note_late(&mut self, until: Instant) {
        if let Some(unit) = &mut self.unit {
            unit.late |= Instant::now() >= until;
        }
    }

    fn end(&mut self, fault: Fault) {
        self.engine.ended(fault.end());
        self.fault.get_or_insert(fault);
    }
}
