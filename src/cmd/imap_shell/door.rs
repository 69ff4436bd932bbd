//! Sessions at one account, as many as are wanted.

use super::args::Args;
use super::way;
use crate::browse::session::{self, Lead};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::opts::auth::Auth;
use crate::cli::opts::way::Way;
use crate::cli::screen::Screen;
use crate::protocol::imap::words::ClientConfig;
use crate::relay::ended::Ended;
use crate::relay::session::{Around, Login};

/// Where sessions come from.
pub struct Door<'a> {
    pub args: &'a Args,
    pub way: &'a Way,
    /// Of each of them, tags apart.
    pub settings: ClientConfig,
    pub screen: &'a Screen,
}

impl Door<'_> {
    /// Connects, and has `lead` lead the session that follows. Failures name the account.
    pub fn open<R>(&self, lead: impl FnOnce(&mut Lead) -> R) -> Result<(R, Ended), Failure> {
        let (connection, via) = self.way.connect(&self.args.network.dialer()).map_err(|failure| self.titled(failure))?;
        let handshake = self.way.handshake();
        let around = Around {
            tls: Some(handshake.as_ref()),
            login: self.way.login.as_ref().map(|login| login as &dyn Login),
            watch: Some(self.screen),
        };
        let settings = ClientConfig { tags: way::tags(self.args)?, ..self.settings.clone() };
        session::run(connection, settings, around, &via, lead).or_status(Status::Os)
    }

    pub fn titled(&self, failure: Failure) -> Failure {
        Failure { error: failure.error.context(self.way.title()), ..failure }
    }

    /// `alice@host`
    pub fn who(&self) -> String {
        format!("{}@{}", self.way.login.as_ref().map_or("", Auth::user), self.way.title())
    }
}

/// Why a session ended that nobody had asked to end.
pub fn failure(ended: &Ended) -> Failure {
    match &ended.failure {
        Some(failure) => Failure::text(failure.fault.into(), &failure.text),
        None => Failure::text(Status::TryAgain, "the server ended the session"),
    }
}
