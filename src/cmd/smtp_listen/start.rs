//! How smtp-listen starts: one client on fd 0 and 1, sockets of a service manager, or sockets of its own.

use super::args::{Args, Place};
use super::session::{Host, Sessions};
use super::settings::{Settings, Store};
use crate::cli::clock::System;
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::log::Target;
use crate::cli::signal::heeded;
use crate::cli::stdio::{Stdout, StdoutError, say, stderr_is_the_client};
use crate::net::connection::Connection;
use crate::net::inherited;
use crate::net::listen::{self, Handed, Listener};
use crate::net::mailbox::mailbox;
use crate::net::tls::server::Server;
use crate::protocol::smtp::server::ServerTell;
use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long sessions may finish their transaction when we are told to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a session comes to us.
enum Start {
    /// One client is there already.
    Client(Connection),
    /// Clients come by these.
    Listeners(Vec<Listener>),
}

pub fn run(args: &Args, config: &Config) -> Result<Status, Failure> {
    let start = start(args)?;
    let tls = args.tls.clone().resolve(config)?;
    let settings = Settings::resolve(args, config, tls.is_some(), tls.as_ref().is_some_and(|tls| tls.implicit))?;
    let tls = tls.map(|tls| Server::new(&tls.identity(), tls.min.into()).or_status(Status::Config)).transpose()?;
    if args.inetd && matches!(settings.store, Store::Stdout) {
        return Err(Failure::text(Status::Usage, "--stdout and --inetd both want fd 1"));
    }
    let log = args.log.open("smtp-listen", log_target(args, &start))?;
    let leaving = Arc::new(AtomicBool::new(false));
    let host = Host { settings: &settings, tls: tls.as_ref(), log: &log, clock: &System, chance: &System, leaving: &leaving };
    match start {
        Start::Client(connection) => {
            let (sender, mailbox) = mailbox().or_status(Status::Os)?;
            on_signal(&leaving, move || sender.tell(ServerTell::Goodbye))?;
            host.serve(connection, mailbox);
        }
        Start::Listeners(listeners) => serve(listeners, &host, &leaving)?,
    }
    Ok(Status::Done)
}

fn serve(listeners: Vec<Listener>, host: &Host<'_>, leaving: &Arc<AtomicBool>) -> Result<(), Failure> {
    let (stopper, mut stop) = mailbox::<()>().or_status(Status::Os)?;
    on_signal(leaving, move || stopper.stop())?;
    let to_stdout = matches!(host.settings.store, Store::Stdout);
    for listener in &listeners {
        if let Some(address) = listener.address() {
            announce(&address.to_string(), to_stdout)?;
        } else if let Some(path) = listener.path() {
            announce(&format!("unix:{}", path.display()), to_stdout)?;
        }
    }
    let sessions = Sessions { host };
    listen::serve(listeners, host.settings.max_conn, &sessions, &mut stop, || ServerTell::Goodbye, PATIENCE)
        .context("cannot listen")
        .or_status(Status::Os)
}

/// `listening ADDRESS:PORT`, for who started us; on stderr where stdout is for messages.
fn announce(address: &str, to_stdout: bool) -> Result<(), Failure> {
    let line = format!("listening {address}");
    if to_stdout {
        say(&line);
        return Ok(());
    }
    let mut out = Stdout::new();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| StdoutError::from(error).into())
}

fn start(args: &Args) -> Result<Start, Failure> {
    if args.inetd {
        let connection = Connection::of_streams(&io::stdin(), &io::stdout());
        return connection.context("cannot speak on stdin").or_status(Status::Os).map(Start::Client);
    }
    if !args.listen.is_empty() {
        let bind = |place: &Place| match place {
            Place::Address(address) => {
                Listener::bind(*address).with_context(|| format!("cannot listen on {address}")).or_status(Status::Os)
            }
            Place::Socket(path) => Listener::bind_socket(path)
                .with_context(|| format!("cannot listen on unix:{}", path.display()))
                .or_status(Status::Os),
        };
        return args.listen.iter().map(bind).collect::<Result<_, _>>().map(Start::Listeners);
    }
    let Some(count) = handed_count() else {
        return Err(Failure::text(Status::Usage, "no way to start: --inetd, --listen ADDRESS:PORT, or a socket of systemd's"));
    };
    let handed = inherited::take(count).and_then(listen::handed_over);
    match handed.context("cannot use the sockets of systemd").or_status(Status::Os)? {
        Handed::Listening(listeners) => Ok(Start::Listeners(listeners)),
        Handed::Client(fd) => {
            Connection::over(fd).map(Start::Client).context("cannot use the client's socket").or_status(Status::Os)
        }
    }
}

/// How many descriptors systemd handed over, if it meant us (sd_listen_fds(3)).
fn handed_count() -> Option<u32> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    (number("LISTEN_PID")? == std::process::id()).then(|| number("LISTEN_FDS")).flatten().filter(|count| *count > 0)
}

/// Under inetd fd 2 is the client's socket, too: nothing of ours may be written there.
fn log_target(args: &Args, start: &Start) -> Target {
    if args.quiet {
        return Target::None;
    }
    match start {
        Start::Client(_) if stderr_is_the_client() => Target::Syslog,
        _ => Target::Stderr,
    }
}

/// SIGTERM, SIGINT and SIGHUP end us in order; a second one at once.
fn on_signal(leaving: &Arc<AtomicBool>, act: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let mut signals = signal_hook::iterator::Signals::new(heeded(&[SIGTERM, SIGINT, SIGHUP])).or_status(Status::Os)?;
    let leaving = Arc::clone(leaving);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if leaving.swap(true, Ordering::SeqCst) {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            act();
        }
    });
    Ok(())
}
