//! A program that looks at a message's header and says whether it is wanted.

use crate::fetch::target::Facts;
use crate::fetch::target::exec::{Program, Run};
use crate::fetch::words::{Stop, Why};

/// The most of a header that is held to be judged, in octets.
pub const MOST_HEADER: usize = 256 * 1024;

/// What was said of a header.
#[derive(Debug)]
pub enum Judgement {
    Fetch,
    /// Not wanted at all.
    Delete(String),
    /// Not now: left on the server.
    Skip(String),
    /// Nothing was said: left on the server.
    Failed(String),
    Stop(Stop),
}

pub trait Filter {
    /// Judges by a header in wire form.
    fn judge(&self, facts: &Facts<'_>, header: &[u8]) -> Judgement;
}

/// A program with the header on its stdin: status 0 fetches, 1 deletes, 2 skips, 75 ends the session; any other leaves the message
/// there as failed.
pub struct ByProgram(pub Program);

impl Filter for ByProgram {
    fn judge(&self, facts: &Facts<'_>, header: &[u8]) -> Judgement {
        match self.0.run(facts, &mut &*header) {
            Ok(Run::Status(0, _)) => Judgement::Fetch,
            Ok(Run::Status(1, said)) => Judgement::Delete(said),
            Ok(Run::Status(2, said)) => Judgement::Skip(said),
            Ok(Run::Status(75, said)) => Judgement::Stop(Stop::new(Why::Retry, said)),
            Ok(Run::Stopped(stop)) => Judgement::Stop(stop),
            Ok(Run::Status(_, said) | Run::Failed(said)) => Judgement::Failed(said),
            Err(error) => Judgement::Failed(format!("cannot read the header back: {error}")),
        }
    }
}
