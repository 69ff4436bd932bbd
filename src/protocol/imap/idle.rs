//! IDLE (RFC 9051 section 6.3.13): begun, ended from outside, and begun again before a server takes the client for gone.

use super::code::{Status, StatusKind};
use super::command::Command;
use super::pipeline::{Origin, Pipeline};
use super::words::CommandId;

/// IDLE under way.
#[derive(Debug)]
pub struct Idle {
    id: CommandId,
    /// `+` came.
    running: bool,
    /// DONE is to be sent, or was.
    ending: bool,
    /// It is begun again once it has ended.
    again: bool,
    /// The work above knows that it runs.
    told: bool,
}

impl Idle {
    pub fn new(id: CommandId) -> Idle {
        Idle { id, running: false, ending: false, again: false, told: false }
    }

    /// The server said `+` and waits.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// It goes on until somebody ends it.
    pub fn is_open(&self) -> bool {
        !self.ending
    }

    /// `+` came. True: that is news to the work above.
    pub fn begun(&mut self, wire: &mut Pipeline) -> bool {
        self.running = true;
        if self.ending {
            wire.say(b"DONE");
            return false;
        }
        !std::mem::replace(&mut self.told, true)
    }

    /// DONE, now or once it has begun.
    pub fn end(&mut self, wire: &mut Pipeline) {
        if self.running && !self.ending {
            wire.say(b"DONE");
        }
        (self.ending, self.again) = (true, false);
    }

    /// Its time is over: it ends, and is begun again. False: it is not running.
    pub fn renew(&mut self, wire: &mut Pipeline) -> bool {
        let may = self.running && !self.ending;
        if may {
            self.end(wire);
            self.again = true;
        }
        may
    }

    /// The command is done. What goes on, if another one follows.
    pub fn done(mut self, status: &Status, wire: &mut Pipeline) -> Option<Idle> {
        if !self.again || status.kind != StatusKind::Ok {
            return None;
        }
        (self.running, self.ending, self.again) = (false, false, false);
        wire.submit_first(Origin::Work(self.id), Command::bare("IDLE"));
        Some(self)
    }
}
