//! smtp-send: sends a message from stdin to a server, a smarthost, or straight to the recipients' MX hosts.

mod args;
mod compose;
mod debugging;
mod dry_run;
mod extensions;
mod hand_login;
mod ledger;
mod letter;
mod logline;
mod mailbag;
mod queue;
mod quit_after;
mod results;
mod script;
mod sending;
mod sendmail;
mod serverinfo;
mod source;
mod tongue;
mod typist;

use crate::cli::args::{self as words, Parsed};
use crate::cli::config::settings::{Config, TlsMode};
use crate::cli::config::system_hostname;
use crate::cli::conversation::Lead;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::interactive;
use crate::cli::log::Target;
use crate::cli::message::Message;
use crate::cli::opts::auth::{Auth, refuse_passwords};
use crate::cli::opts::server::Chosen;
use crate::cli::opts::session::ToolTls;
use crate::cli::opts::tls::ClientTls;
use crate::cli::progress::Progress;
use crate::cli::report::Rows;
use crate::cli::screen::Screen;
use crate::cli::stdio::say;
use crate::cli::typing::Who;
use crate::cli::veil::words::Speech;
use crate::mail::outcome::Outcome;
use crate::mail::server::{Host, Place, Scheme, Server};
use crate::net::dial::{DialError, Dialer};
use crate::net::dns::{Options, Resolver};
use crate::net::tls::client::{Client, ClientConfig, Verify};
use crate::protocol::session::StartTls;
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::Timeouts;
use crate::protocol::smtp::dialect::Smtp;
use crate::relay::deliver::{Courier, Destination};
use crate::relay::own_name::OwnName;
use crate::relay::plan::Reached;
use args::Args;
use clap::CommandFactory;
use dry_run::DryRun;
use hand_login::HandLogin;
use ledger::Ledger;
use letter::Letter;
use logline::Known;
use mailbag::{Mailbag, envelope, reverse_path};
use quit_after::Trial;
use script::Script;
use sending::Sending;
use sendmail::Order;
use source::{Given, Source};
use std::cell::RefCell;
use std::ffi::OsString;
use tongue::SmtpTongue;
use typist::Typist;

/// The command line's definition, for man page and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// The name of the tool by its own path, for what it says on stderr.
pub fn name(own: Option<OsString>) -> &'static str {
    sendmail::name(own.as_slice()).unwrap_or("smtp-send")
}

/// Runs the tool; `args` with its own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let words: Vec<OsString> = args.collect();
    if sendmail::is_called(&words) {
        return match sendmail::run(words)? {
            Order::Nothing(status) => Ok(status),
            Order::Carry(args, given) => carry(*args, given.map(|given| *given)),
            Order::Speak(speak) => speak.run(carry),
        };
    }
    refuse_passwords(&words)?;
    let Parsed::Run(args) = words::parse::<Args>(words)? else { return Ok(Status::Done) };
    carry(args, None)
}

/// Does what the command line says; with the one message that was `given`, silently.
fn carry(args: Args, given: Option<Given>) -> Result<Status, Failure> {
    let config = args.client.config()?;
    let chosen = args.server.resolve(&config, Scheme::Smtp)?;
    if chosen.is_none() && !args.mx && !args.enqueue {
        return Err(Failure::text(Status::Usage, "no server: -s SERVER, -a ACCOUNT, --mx or --enqueue"));
    }
    if args.debugging.serverinfo {
        return server_info(&args, &config, chosen);
    }
    if args.debugging.interactive || args.debugging.script.is_some() {
        return by_hand(&args, &config, chosen);
    }
    let stage = args.debugging.quit_after;
    let needs_recipient = args.mx || !stage.is_some_and(Stage::is_before_rcpt);
    if needs_recipient && given.is_none() && args.recipients.is_empty() && !args.take_recipients {
        return Err(Failure::text(Status::Usage, "no recipient: name them, or take those of the message with -t"));
    }
    let log = args.log.open("smtp-send", Target::None)?;
    let tls = tls(&args, chosen.as_ref())?;
    if stage == Some(Stage::Auth) && tls.login.is_none() {
        return Err(Failure::text(
            Status::Usage,
            "--quit-after auth: nobody to log in as: say --user USER, or user@ in the server's URL",
        ));
    }
    if let Some(stage) = stage.filter(|stage| stage.is_before_data()) {
        return quit_early(&args, &config, chosen, &tls, stage);
    }
    let progress = Progress::new(args.client.quiet);
    let silent = given.is_some();
    let source = match given {
        Some(given) => Source::given(given),
        None if args.compose.sample => Source::made(compose::ComposeOptions::sample(), args.keep_bcc),
        None => Source::open(&args.many, args.keep_bcc, progress.is_shown())?,
    };
    if let Some(total) = source.total {
        progress.expect(total);
    }
    let (source, hostname) = (RefCell::new(source), own_name(&args, &config).as_str().to_owned());
    let ledger = Ledger::new(&args, &log, Known::of(chosen.as_ref(), tls.login.as_ref()), &hostname, &source, &progress);
    let ledger = if silent { ledger.without_rows() } else { ledger };
    let bag = Mailbag { args: &args, chosen: chosen.as_ref(), source: &source, ledger: &ledger };
    if args.debugging.dry_run {
        return try_dry(&bag, &config, &tls);
    }
    let sent = if args.enqueue { enqueue(&bag, &config) } else { send(&bag, &config, tls) };
    progress.finish();
    sent.and(source.borrow_mut().finish())?;
    match ledger.failures() {
        Some(text) => Err(Failure::text(ledger.status(), text)),
        None => Ok(ledger.status()),
    }
}

/// `--serverinfo`, of the server or, with `--mx`, of the MX hosts of each domain.
fn server_info(args: &Args, config: &Config, chosen: Option<Chosen>) -> Result<Status, Failure> {
    let mut tls = tls(args, chosen.as_ref())?;
    // Only to look: what is refused elsewhere is told here, and nobody logs in.
    tls.login = None;
    tls.client = Client::new(ClientConfig { verify: Verify::Report, report: true, ..tls.settings.connector() });
    let screen = screen(args)?;
    let dialer = args.network.dialer();
    let resolver = Resolver::new(Options { family: dialer.family, ..Options::default() });
    let courier = courier(args, config, &dialer, &resolver, &tls, &screen);
    if let Some(why) = chosen.as_ref().and_then(|chosen| no_such_host(&chosen.server, &dialer)) {
        return Err(Failure::text(Status::NoHost, why));
    }
    let to = match chosen {
        Some(chosen) => vec![Destination::Server(chosen.server)],
        None => sending::groups(&args.recipients, None).into_iter().filter_map(|(to, _)| to).collect(),
    };
    if to.is_empty() {
        return Err(Failure::text(Status::Usage, "no server to look at: -s SERVER, -s mx:DOMAIN, or --mx with an address"));
    }
    let status = serverinfo::run(&courier, &to, &tls.settings, args.client.json);
    // A certificate that is refused has its section.
    if !matches!(status, Ok(Status::Done | Status::Permission)) {
        screen.show_last();
    }
    status
}

/// `--interactive` and `--script`: who types, or wrote the script, leads the session.
fn by_hand(args: &Args, config: &Config, chosen: Option<Chosen>) -> Result<Status, Failure> {
    let script = args.debugging.script.as_deref().map(Script::read).transpose()?;
    let Some(Chosen { server, .. }) = &chosen else {
        return Err(Failure::text(Status::Usage, "no server to speak with: -s SERVER or -a ACCOUNT"));
    };
    let tls = tls(args, chosen.as_ref())?;
    let screen = screen(args)?;
    let dialer = args.network.dialer();
    let resolver = Resolver::new(Options { family: dialer.family, ..Options::default() });
    let courier = courier(args, config, &dialer, &resolver, &tls, &screen);
    if let Some(why) = no_such_host(server, &dialer) {
        return Err(Failure::text(Status::NoHost, why));
    }
    let reached = courier.reach(&Destination::Server(server.clone()));
    let Reached { connection, via, tls, lmtp, handshake } = reached.map_err(|outcome| {
        let refused = matches!(outcome, Outcome::Refused(_));
        let status = if refused { results::found_here(&outcome).unwrap_or(Status::NoHost) } else { Status::TryAgain };
        Failure::text(status, &outcome.diagnostic().text)
    })?;
    let within = courier.timeouts.command;
    let lead = Lead { tls: handshake, implicit: tls == StartTls::Implicit, within, by_the_book: script.is_none() };
    match &script {
        Some(script) => script::run(script, script::Stage { connection, via, lead, screen: &screen, json: args.client.json }),
        None => {
            let transcript = args.debugging.transcript.as_deref();
            let login = HandLogin::new(Who::new(courier.login, via.address.is_none()));
            let tongue = SmtpTongue { typist: Typist::new(lmtp), login };
            interactive::run(interactive::Setting { connection, via, lead, screen: &screen, transcript }, tongue, Smtp::default())
        }
    }
}

/// `--quit-after` a stage before the message.
fn quit_early(args: &Args, config: &Config, chosen: Option<Chosen>, tls: &ToolTls, stage: Stage) -> Result<Status, Failure> {
    let wanted = args.take_recipients && !stage.is_before_rcpt();
    let message = wanted.then(|| mailbag::prepared(args, chosen.as_ref(), Message::from_stdin(args.keep_bcc)?)).transpose()?;
    let (reverse_path, recipients) = if stage.is_before_rcpt() {
        (reverse_path(args, chosen.as_ref(), None, false), args.recipients.clone())
    } else {
        let envelope = envelope(args, chosen.as_ref(), message.as_ref(), false)?;
        (envelope.reverse_path.clone(), envelope.recipients().to_vec())
    };
    let screen = screen(args)?;
    let dialer = args.network.dialer();
    let resolver = Resolver::new(Options { family: dialer.family, ..Options::default() });
    let courier = courier(args, config, &dialer, &resolver, tls, &screen);
    let trial = Trial { stage, reverse_path: &reverse_path, recipients: &recipients };
    let unknown = chosen.as_ref().and_then(|chosen| no_such_host(&chosen.server, &dialer));
    let results = match unknown {
        Some(why) => trial.no_such_host(&why),
        None => trial.run(&courier, chosen.map(|chosen| Destination::Server(chosen.server)).as_ref()),
    };
    if !results.as_ref().is_ok_and(|results| results::status(results) == Status::Done) {
        screen.show_last();
        say_why_nobody(results.as_ref().ok().and_then(|results| results::no_login(results)));
    }
    let (results, mut rows) = (results?, Rows::new(args.client.json));
    results.iter().try_for_each(|result| rows.put(result))?;
    Ok(results::status(&results))
}

fn screen(args: &Args) -> Result<Screen, Failure> {
    Ok(args.client.screen(Speech::Smtp, &args.trace, args.trace.files()?, args.auth.show_secrets))
}

fn courier<'a>(
    args: &Args,
    config: &Config,
    dialer: &'a Dialer,
    resolver: &'a Resolver,
    tls: &'a ToolTls,
    screen: &'a Screen,
) -> Courier<'a> {
    Courier {
        name: own_name(args, config),
        own_addresses: Vec::new(),
        dial: dialer,
        dns: resolver,
        tls,
        login: tls.login(),
        timeouts: args.network.timeout().map_or_else(Timeouts::default, Timeouts::capped),
        discard_ehlo: args.extensions.discard.clone(),
        watch: Some(screen),
    }
}

/// `--dry-run`.
fn try_dry(bag: &Mailbag<'_>, config: &Config, tls: &ToolTls) -> Result<Status, Failure> {
    let (args, screen) = (bag.args, screen(bag.args)?);
    let dialer = args.network.dialer();
    let resolver = Resolver::new(Options { family: dialer.family, ..Options::default() });
    let courier = courier(args, config, &dialer, &resolver, tls, &screen);
    let to = bag.chosen.map(|chosen| Destination::Server(chosen.server.clone()));
    if let Some(why) = bag.chosen.and_then(|chosen| no_such_host(&chosen.server, &dialer)) {
        return Err(Failure::text(Status::NoHost, why));
    }
    let mut status = Status::Done;
    while let Some(Letter { message, envelope, .. }) = bag.next()? {
        let (size, eight_bit) = (message.size, message.eight_bit);
        let found = DryRun { envelope: &envelope, size, eight_bit, verify: tls.settings.verify }.run(
            &courier,
            to.as_ref(),
            args.client.json,
        )?;
        status = if found == Status::Done { status } else { found };
    }
    Ok(status)
}

fn enqueue(bag: &Mailbag<'_>, config: &Config) -> Result<(), Failure> {
    let mut failed = None;
    while let Some(mut letter) = bag.next()? {
        let results = match queue::enqueue(bag.args, config, &letter.message, &letter.envelope) {
            Ok(results) => results,
            Err(failure) if failure.status == Status::Io => {
                let results = queue::not_kept(&letter.envelope, &failure);
                failed.get_or_insert(failure);
                results
            }
            Err(failure) => return Err(failure),
        };
        letter.settle_all(results);
        bag.ledger.done(&mut letter)?;
    }
    match failed {
        Some(failure) if bag.ledger.status() == Status::Partly => {
            say(&format!("smtp-send: {:#}", failure.error));
            Ok(())
        }
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn send(bag: &Mailbag<'_>, config: &Config, tls: ToolTls) -> Result<(), Failure> {
    let args = bag.args;
    let screen = screen(args)?;
    let dialer = args.network.dialer();
    let resolver = Resolver::new(Options { family: dialer.family, ..Options::default() });
    let courier = courier(args, config, &dialer, &resolver, &tls, &screen);
    if let Some(why) = bag.chosen.and_then(|chosen| no_such_host(&chosen.server, &dialer)) {
        while let Some(mut letter) = bag.next()? {
            letter.settle_all(results::refused_all(letter.envelope.recipients(), &why));
            bag.ledger.done(&mut letter)?;
        }
        return Ok(());
    }
    let sending = Sending { bag, courier: &courier, progress: bag.ledger.progress, quit_after: args.debugging.quit_after };
    sending.run(bag.chosen.map(|chosen| Destination::Server(chosen.server.clone())).as_ref())?;
    if bag.ledger.was_refused_any() {
        screen.show_last();
        say_why_nobody(bag.ledger.no_login().as_deref());
    }
    Ok(())
}

/// No exchange on the screen shows why nobody could log in where that was found before one.
fn say_why_nobody(why: Option<&str>) {
    if let Some(why) = why {
        say(&format!("smtp-send: {why}"));
    }
}

/// A server's name that nobody knows is told as such, and not tried again and again.
fn no_such_host(server: &Server, dialer: &Dialer) -> Option<String> {
    let Place::Host { host: Host::Name(name), port } = &server.place else { return None };
    dialer.lookup(name, *port).err().filter(DialError::is_no_such_host).map(|error| error.to_string())
}

/// A name without a dot is none that others know.
fn own_name(args: &Args, config: &Config) -> OwnName {
    let named = args.ehlo.as_ref().or(config.hostname.as_ref()).map(ToString::to_string);
    let system = || Some(system_hostname()).filter(|name| name.contains('.'));
    named.or_else(system).map_or(OwnName::Unknown, OwnName::Known)
}

/// With `--mx` and `--enqueue` there is no server to say how TLS is used: any host on port 25 then.
fn tls(args: &Args, chosen: Option<&Chosen>) -> Result<ToolTls, Failure> {
    let login = args.auth.resolve(chosen, "smtp-send", args.client.quiet)?;
    let anyone = || Server { scheme: Scheme::Smtp, user: None, place: Place::Mx(String::new()), path: None };
    let (server, account) = chosen.map_or_else(|| (anyone(), None), |chosen| (chosen.server.clone(), chosen.account.as_ref()));
    let secrets = login.as_ref().is_some_and(Auth::has_secrets);
    let options = args.tls.clone();
    let options = if args.extensions.require_tls { options.required() } else { options };
    let mut settings: ClientTls = options.resolve(&server, account, secrets)?;
    args.extensions.check(chosen.map(|chosen| &chosen.server), &settings)?;
    let connector = settings.connector();
    let report = args.client.verbose > 0 || args.trace.is_any() || args.debugging.interactive;
    let client = Client::new(if report { connector.reporting() } else { connector });
    if args.debugging.quit_after == Some(Stage::Tls) {
        if settings.mode == TlsMode::Never {
            return Err(Failure::text(Status::Usage, "--quit-after tls and --tls never exclude each other"));
        }
        // To go on without it would not reach the stage.
        settings.mode = TlsMode::Require;
    }
    if settings.ca.is_some() || settings.cert.is_some() {
        client.prepare().or_status(Status::Config)?;
    }
    Ok(ToolTls { settings, client, login })
}
