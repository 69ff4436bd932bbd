//! `mailq-run check`: what is wrong in the spool, a line for each finding, and what a repair did.

use super::args::Check;
use super::rows::Line;
use crate::cli::clock::System;
use crate::cli::exit::{Failure, Status};
use crate::cli::report::{Row, Rows};
use crate::cli::stdio::{StdoutError, say};
use crate::disk::spool::check::Finding;
use crate::disk::spool::judge::Remedy;
use crate::disk::spool::layout::Spool;
use crate::relay::clock::Clock;
use serde::Serialize;

/// One finding. `repair` is what would be done, `done` what was.
#[derive(Debug, Serialize)]
struct FindingRow {
    path: String,
    problem: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<String>,
}

/// 0: nothing needs a repair, or all of it was repaired; 65: something does; 74: not everything could be looked at or repaired.
pub fn run(spool: &Spool, options: &Check) -> Result<Status, Failure> {
    let (mut rows, mut told) = (Rows::new(options.json), Ok(()));
    let (mut open, mut failed) = (false, false);
    spool.check(System.now(), options.repair, &mut |found| match found {
        Ok(finding) => {
            open |= finding.is_open();
            let put: Result<(), StdoutError> = rows.put(&FindingRow::new(&finding));
            if told.is_ok() {
                told = put;
            }
        }
        Err(error) => {
            failed = true;
            say(&format!("mailq-run: {error}"));
        }
    });
    told?;
    Ok(match (failed, open) {
        (true, _) => Status::Io,
        (false, true) => Status::Data,
        (false, false) => Status::Done,
    })
}

impl FindingRow {
    fn new(finding: &Finding) -> FindingRow {
        let done = finding.done.as_ref().map(|to| match (to, &finding.remedy) {
            (Some(to), _) => format!("moved to {}", to.display()),
            (None, Remedy::Make) => "made".to_owned(),
            (None, Remedy::SetMode(mode)) => format!("mode set to {mode:04o}"),
            (None, Remedy::Cut) => "cut off".to_owned(),
            (None, Remedy::DropName | Remedy::Remove) => "removed".to_owned(),
            (None, _) => "gone meanwhile".to_owned(),
        });
        let repair = (done.is_none() && finding.remedy != Remedy::Nothing).then(|| finding.remedy.to_string());
        FindingRow { path: finding.path.display().to_string(), problem: finding.problem.to_string(), repair, done }
    }
}

impl Row for FindingRow {
    fn columns(&self) -> Vec<Option<String>> {
        let third = self.done.clone().or_else(|| self.repair.clone());
        Line::new([Some(self.path.clone()), Some(self.problem.clone()), third]).columns()
    }
}
