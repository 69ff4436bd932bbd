//! smtp-send under the name of sendmail(8): the message on stdin, or those that a program gives in SMTP, go to this host's submission
//! socket, into the spool where that is ours, or to the account that the config names.

mod speak;
mod switches;
mod verify;

use super::args::Args;
use super::source::Given;
use crate::cli::args::{self as words, Parsed};
use crate::cli::clock::System;
use crate::cli::config::settings::{Account, Config};
use crate::cli::config::{self, Reader, system_hostname};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::message::Message;
use crate::cli::stdio::Stdout;
use crate::cmd::mailq_run;
use crate::mail::address::{Domain, ForwardPath, Mailbox, ReversePath};
use crate::mail::address_list::{self, NamedMailbox};
use crate::mail::complete::{Defaults, text_in_header};
use crate::mail::envelope::Envelope;
use crate::mail::queue_id::QueueId;
use crate::mail::{date, header, submitted};
use crate::net::connection::Connection;
use crate::net::through;
use crate::relay::clock::{Chance, Clock};
use anyhow::Context;
use nix::unistd::{User, geteuid, getuid};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use switches::{Mode, Switches};

/// Names the submission socket, before the config does.
const VARIABLE: &str = "POSTROAD_SUBMIT";
/// Where the submission socket is if nothing else is said.
const SOCKET: &str = "/run/postroad/submit";
/// The option that says what a name can say, too.
const OPTION: &str = "--sendmail";

/// Was the tool called under a name of sendmail's?
pub fn is_called(words: &[OsString]) -> bool {
    name(words).is_some() || words.get(1).is_some_and(|word| word == OPTION)
}

/// The name of sendmail's that the tool was called by.
pub fn name(words: &[OsString]) -> Option<&'static str> {
    let called = Path::new(words.first()?).file_name()?.to_str()?;
    if called.ends_with("sendmail") { Some("sendmail") } else { (called == "newaliases").then_some("newaliases") }
}

/// What is left to do.
pub enum Order {
    Nothing(Status),
    /// What this command line says, with the message if there is one.
    Carry(Box<Args>, Option<Box<Given>>),
    /// To speak SMTP with a program.
    Speak(Box<Speak>),
}

/// A program that gives messages in SMTP, and where they go.
pub struct Speak {
    connection: Connection,
    switches: Switches,
    config: Config,
    way: Way,
    home: Domain,
}

impl Speak {
    /// Until the program has no more; `carry` takes each message on its way.
    pub fn run(self, carry: fn(Args, Option<Given>) -> Result<Status, Failure>) -> Result<Status, Failure> {
        let Speak { connection, switches, config, way, home } = self;
        let hostname = home.to_string();
        speak::serve(&hostname, connection, move |arriving, message| {
            let envelope = arriving.envelope.clone();
            let args = arguments(&switches, &config, &way, &envelope.reverse_path, &[])?;
            let message = complete(message, &switches, &envelope.reverse_path, &home)?;
            carry(args, Some(Given { message, envelope }))
        })?;
        Ok(Status::Done)
    }
}

/// Where the message goes.
enum Way {
    Account(String),
    Socket(PathBuf),
    /// The spool is ours.
    Spool(PathBuf),
}

/// Runs the tool as sendmail.
pub fn run(words: Vec<OsString>) -> Result<Order, Failure> {
    let skip = if words.get(1).is_some_and(|word| word == OPTION) { 2 } else { 1 };
    let newaliases = name(&words) == Some("newaliases");
    let switches = Switches::parse(words.into_iter().skip(skip))?;
    let mailq_run = |command: &str| {
        let config = switches.config.iter().flat_map(|file| ["--config", file]);
        let words = std::iter::once(command).chain(config).map(OsString::from);
        mailq_run::run(words.collect::<Vec<_>>().into_iter())
    };
    match switches.mode {
        _ if newaliases => return Ok(Order::Nothing(Status::Done)),
        Mode::Aliases => return Ok(Order::Nothing(Status::Done)),
        Mode::List => return mailq_run("mailq").map(Order::Nothing),
        Mode::Queue => return mailq_run("mailq-run").map(Order::Nothing),
        Mode::Deliver | Mode::Smtp | Mode::Verify => {}
    }
    let config = config::load(Reader::Client, switches.config.as_deref().map(Path::new))?;
    let way = way(&switches, &config);
    if switches.mode == Mode::Smtp {
        return by_smtp(switches, config, way);
    }
    let account = match &way {
        Way::Account(name) => config.accounts.get(name),
        Way::Socket(_) | Way::Spool(_) => None,
    };
    let home = home(&config)?;
    if switches.mode == Mode::Verify {
        let reverse_path = sender(&switches, account, None, &home)?;
        let recipients = named_recipients(&switches.recipients, &home)?;
        if matches!(way, Way::Spool(_)) {
            return verify::by_routes(&config, home, &recipients).map(Order::Nothing);
        }
        let args = arguments(&switches, &config, &way, &reverse_path, &recipients)?;
        return Ok(Order::Carry(Box::new(args), None));
    }
    let message = read(switches.ignore_dots)?;
    let envelope = envelope(&switches, account, &message, &home)?;
    let args = arguments(&switches, &config, &way, &envelope.reverse_path, &[])?;
    let message = complete(message, &switches, &envelope.reverse_path, &home)?;
    Ok(Order::Carry(Box::new(args), Some(Box::new(Given { message, envelope }))))
}

/// The domain of names without one, and of what is made up here.
fn home(config: &Config) -> Result<Domain, Failure> {
    config.hostname.clone().map_or_else(|| system_hostname().parse().or_status(Status::Os), Ok)
}

/// Switch before environment before config; who owns the spool needs no socket.
fn way(switches: &Switches, config: &Config) -> Way {
    if let Some(name) = &switches.account {
        return Way::Account(name.clone());
    }
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Way::Socket(path.into());
    }
    if let Some(name) = &config.sendmail.account {
        return Way::Account(name.clone());
    }
    if let Some(path) = &config.sendmail.socket {
        return Way::Socket(path.clone());
    }
    let spool = config.spool_tree();
    if std::fs::metadata(&spool).is_ok_and(|facts| facts.is_dir() && facts.uid() == geteuid().as_raw()) {
        return Way::Spool(spool);
    }
    Way::Socket(SOCKET.into())
}

/// The command line of smtp-send that does it.
fn arguments(
    switches: &Switches,
    config: &Config,
    way: &Way,
    reverse_path: &ReversePath,
    recipients: &[ForwardPath],
) -> Result<Args, Failure> {
    let mut line: Vec<OsString> = vec!["sendmail".into(), format!("--from={reverse_path}").into()];
    let mut add = |option: &str, value: OsString| line.extend([OsString::from(option), value]);
    match way {
        Way::Account(name) => add("--account", name.into()),
        Way::Socket(path) => {
            add("--server", format!("unix:{}", path.display()).into());
            add("--tls", "never".into());
        }
        Way::Spool(dir) => add("--spool", dir.into()),
    }
    if let Some(file) = &switches.config {
        add("--config", file.into());
    }
    if let Some(target) = &config.sendmail.log {
        add("--log", target.into());
    }
    if switches.mode == Mode::Verify {
        add("--quit-after", "rcpt".into());
    }
    let wishes = [("--notify", &switches.notify), ("--ret", &switches.ret), ("--envid", &switches.envid)];
    for (option, wish) in wishes {
        if let Some(wish) = wish {
            line.push(format!("{option}={wish}").into());
        }
    }
    if matches!(way, Way::Spool(_)) {
        line.push("--enqueue".into());
    }
    match switches.verbose {
        0 => line.push("--quiet".into()),
        more => line.extend((0..more).map(|_| OsString::from("-v"))),
    }
    line.push("--".into());
    line.extend(recipients.iter().map(|recipient| recipient.to_string().into()));
    match words::parse::<Args>(line)? {
        Parsed::Run(args) => Ok(args),
        Parsed::Answered => Err(Failure::text(Status::Software, "a command line that asks for help")),
    }
}

fn read(ignore_dots: bool) -> Result<Message, Failure> {
    Ok(match Message::submitted(ignore_dots)? {
        Some(message) => message,
        // `sendmail root < /dev/null` has always sent a message.
        None => Message::empty(),
    })
}

/// The recipients of the command line and, with `-t`, of the header; names without a domain are of this host.
fn envelope(switches: &Switches, account: Option<&Account>, message: &Message, home: &Domain) -> Result<Envelope, Failure> {
    let mut recipients = named_recipients(&switches.recipients, home)?;
    let header = fields(message);
    if switches.take_recipients {
        let found = submitted::recipients_at(header, Some(home)).or_status(Status::Data)?;
        recipients.extend(found.into_iter().map(ForwardPath::Mailbox));
    }
    let reverse_path = sender(switches, account, Some(header), home)?;
    let none = "no recipient: name them, or take those of the message with -t";
    Envelope::new(reverse_path, recipients).map_err(|_| Failure::text(Status::Usage, none))
}

/// The header as far as it is one.
fn fields(message: &Message) -> &[u8] {
    let header = message.whole_header();
    &header[..text_in_header(header).unwrap_or(header.len())]
}

fn named_recipients(words: &[String], home: &Domain) -> Result<Vec<ForwardPath>, Failure> {
    let mut recipients = Vec::new();
    for word in words {
        let found = address_list::recipients_at(word.as_bytes(), Some(home)).or_status(Status::Usage)?;
        recipients.extend(found.into_iter().map(ForwardPath::Mailbox));
    }
    Ok(recipients)
}

/// `-f`, the account's own address, of a message for an account its author, else who we are.
fn sender(switches: &Switches, account: Option<&Account>, header: Option<&[u8]>, home: &Domain) -> Result<ReversePath, Failure> {
    if let Some(from) = &switches.from {
        return match from.as_str() {
            "" | "<>" => Ok(ReversePath::Null),
            named => match address_list::recipients_at(named.as_bytes(), Some(home)).or_status(Status::Usage)?.as_slice() {
                [only] => Ok(ReversePath::Mailbox(only.clone())),
                _ => Err(Failure::text(Status::Usage, format_args!("-f {named}: one address"))),
            },
        };
    }
    let author = |header: &[u8]| {
        let of = |name: &&str| address_list::recipients(&header::field(header, name)?.value()).ok()?.into_iter().next();
        ["Sender", "From"].iter().find_map(of)
    };
    let known = account.and_then(|account| account.from.clone().or_else(|| author(header?)));
    known.map_or_else(|| ourselves(home), Ok).map(ReversePath::Mailbox)
}

fn ourselves(home: &Domain) -> Result<Mailbox, Failure> {
    let user = user().map_or_else(|| getuid().to_string(), |user| user.name);
    format!("{user}@{home}").parse().or_status(Status::Os)
}

fn user() -> Option<User> {
    User::from_uid(getuid()).ok().flatten()
}

/// With the fields that a message cannot be without.
fn complete(message: Message, switches: &Switches, reverse_path: &ReversePath, home: &Domain) -> Result<Message, Failure> {
    let at = System.now();
    let id = QueueId::new(u64::try_from(at.as_millisecond()).unwrap_or(0), System.draw());
    let mailbox = match reverse_path {
        ReversePath::Mailbox(mailbox) => mailbox.clone(),
        ReversePath::Null => ourselves(home)?,
    };
    // Our name belongs to our own address alone.
    let name =
        switches.full_name.clone().or_else(|| full_name().filter(|_| switches.from.is_none())).filter(|name| !name.is_empty());
    let from = NamedMailbox { name, mailbox };
    let defaults = Defaults { from, date: date::rfc5322(at), message_id: format!("{id}@{home}") };
    let missing = defaults.missing(fields(&message)).or_status(Status::Usage)?;
    Ok(message.with_fields(&missing))
}

/// The user's name as the system knows it: up to the first comma, `&` for the login name.
fn full_name() -> Option<String> {
    let user = user()?;
    let name = user.gecos.into_string().ok()?;
    let name = name.split(',').next()?.trim();
    let mut login = user.name;
    if let Some(first) = login.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Some(name.replace('&', &login))
}

/// `-bs`: what speaks SMTP to us speaks to the submission socket; where mail goes another way, to us.
fn by_smtp(switches: Switches, config: Config, way: Way) -> Result<Order, Failure> {
    let name = config.hostname.as_ref().map_or_else(system_hostname, ToString::to_string);
    // RFC 5321 section 3.8: who speaks SMTP hears of it in SMTP.
    let refuse = |_: &Failure| drop(Stdout::new().write_all(format!("421 4.3.2 {name} takes no mail now\r\n").as_bytes()));
    let connection = Connection::of_streams(&std::io::stdin(), &std::io::stdout());
    let connection = connection.context("cannot speak on stdin").or_status(Status::Os)?;
    speak::is_ours(connection.peer()).inspect_err(refuse)?;
    let path = match way {
        Way::Socket(path) => path,
        Way::Account(ref account) if !config.accounts.contains_key(account) => {
            let failure = Failure::text(Status::Config, format_args!("account {account}: not in the config"));
            return Err(failure).inspect_err(refuse);
        }
        Way::Account(_) | Way::Spool(_) => {
            let home = home(&config).inspect_err(refuse)?;
            return Ok(Order::Speak(Box::new(Speak { connection, switches, config, way, home })));
        }
    };
    let ours = |stream: BorrowedFd<'_>| stream.try_clone_to_owned().map(File::from).or_status(Status::Os);
    let (stdin, stdout) = (ours(std::io::stdin().as_fd())?, ours(std::io::stdout().as_fd())?);
    let passed = through::socket(&path, stdin, stdout);
    let passed = passed.with_context(|| format!("cannot speak to {}", path.display())).or_status(Status::TryAgain);
    passed.inspect_err(refuse).map(|()| Order::Nothing(Status::Done))
}
