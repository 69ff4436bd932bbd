//! The way to one account: server, TLS, login.

use super::args::{Args, By};
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::opts::server::{Chosen, account, named, piped};
use crate::cli::opts::way::{Regard, Way, checked, names_mechanisms};
use crate::mail::server::{Place, Scheme};
use crate::protocol::imap::words::{ClientConfig, LoginBy, Tags, Timeouts};

/// The account that was asked for.
pub fn chosen(args: &Args, config: &Config) -> Result<Chosen, Failure> {
    let options = &args.account;
    if let Some(command) = &options.pipe {
        return piped(command, Scheme::Imap);
    }
    let checked = |chosen| checked(chosen, "IMAP", [Scheme::Imap, Scheme::Imaps]);
    match (options.place.as_ref().or(options.server.as_ref()), &options.account) {
        (Some(text), _) => checked(named(text, Scheme::Imap)?),
        (None, Some(name)) => checked(account(name, config)?),
        (None, None) => Err(Failure::text(Status::Usage, "no server: name one, or an account with -a")),
    }
}

/// The way there, and the settings of its sessions.
pub fn way(args: &Args, chosen: Chosen) -> Result<(Way, ClientConfig), Failure> {
    let login = args.auth.resolve(Some(&chosen), "imap-shell", args.client.quiet)?;
    let local = matches!(chosen.server.place, Place::Socket(_) | Place::Command(_));
    if login.is_none() && !local {
        return Err(Failure::text(Status::Usage, "nobody to log in as: say --user USER, or user@ in the server's URL"));
    }
    let regard = Regard::seen(args.client.verbose > 0 || args.trace.is_any());
    let by = match args.login {
        Some(By::Auth) => LoginBy::Auth,
        Some(By::Login) => LoginBy::Login,
        None if names_mechanisms(&args.auth, &chosen) => LoginBy::Auth,
        None => LoginBy::Any,
    };
    let way = Way::new(chosen, &args.tls, login, regard)?;
    let config = ClientConfig {
        tls: way.tls.start(),
        auth: way.authentication(),
        by,
        initial_response: !args.no_initial_response,
        timeouts: args.network.timeout().map_or_else(Timeouts::default, Timeouts::capped),
        discard: args.disable_extension.clone(),
        tags: tags(args)?,
    };
    Ok((way, config))
}

/// Of one session.
pub fn tags(args: &Args) -> Result<Tags, Failure> {
    Ok(match &args.tags {
        Some(prefix) => Tags::Counted(prefix.clone()),
        None => Tags::Random(getrandom::u64().map_err(std::io::Error::from).or_status(Status::Os)?),
    })
}
