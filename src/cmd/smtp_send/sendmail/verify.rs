//! Recipients judged by the routes of the spool that is ours, where there is no server to ask.

use crate::cli::config::router::router;
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, Status};
use crate::cli::report::Rows;
use crate::cmd::smtp_send::dry_run::ROUTED;
use crate::cmd::smtp_send::results::{self, Result as Row};
use crate::mail::address::{Domain, ForwardPath};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::relay::route::{Follow, NextHop};

/// A row on stdout for each, as a server's answers give.
pub fn by_routes(config: &Config, hostname: Domain, recipients: &[ForwardPath]) -> Result<Status, Failure> {
    let router = router(config, hostname)?;
    let row = |recipient: &ForwardPath| Row::without_session(recipient, outcome(router.resolve(recipient, Follow::Aliases)));
    let judged: Vec<Row> = recipients.iter().map(row).collect();
    let mut rows = Rows::new(false);
    for row in &judged {
        rows.put(row)?;
    }
    Ok(results::status(&judged))
}

/// What is put aside or thrown away is taken, too.
fn outcome(hop: NextHop) -> Outcome {
    let taken = |text: String| Outcome::Accepted(Diagnostic::local(ROUTED, text));
    match hop {
        NextHop::Refuse(status, text) => Outcome::Refused(Diagnostic::local(status, text)),
        NextHop::Defer(status, text) => Outcome::Deferred(Diagnostic::local(status, text)),
        NextHop::Mx(domain) => taken(format!("for the mail servers of {domain}")),
        NextHop::Server(server) => taken(format!("for {server}")),
        NextHop::Account(name) => taken(format!("by the account {name}")),
        NextHop::Maildir { dir, .. } => taken(format!("into {}", dir.display())),
        NextHop::Pipe(argv) => taken(format!("to the program {}", argv.first().map_or("", String::as_str))),
        NextHop::Hold => taken("to be held".to_owned()),
        NextHop::Discard => taken("to be discarded".to_owned()),
        NextHop::Alias(targets) => {
            let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
            taken(format!("an alias of {}", names.join(", ")))
        }
    }
}
