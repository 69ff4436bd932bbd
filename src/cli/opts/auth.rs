//! Logging in: who, by which mechanisms, and where the password or token comes from. Flag before environment before config before
//! `.netrc` before the prompt.

use super::duration;
use super::server::Chosen;
use crate::bytes::secret::Secret;
use crate::cli::config::settings::Password;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::secret::file;
use crate::cli::secret::netrc::{self, Entry};
use crate::cli::secret::{SOURCES, Source, Vault};
use crate::cli::stdio::say;
use crate::mail::server::Place;
use crate::net::inherited;
use crate::protocol::sasl::words::{self as sasl, Authentication, InClear, Mechanism};
use crate::relay::route::argv;
use crate::relay::session::Login;
use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// The directory of systemd's credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Longest wait for a password command: somebody may have to find a key and touch it.
const PASSWORD_WITHIN: Duration = Duration::from_secs(120);
/// Random octets of a nonce.
const NONCE: usize = 18;

#[derive(Debug, Clone, Default, Args)]
pub struct AuthOptions {
    /// Log in as this user
    ///
    /// Default: the account's, or the one in the server's URL. Without any, nobody logs in.
    #[arg(long, value_name = "USER", help_heading = "Login options")]
    user: Option<String>,
    /// Log in by these mechanisms, the first choice first
    ///
    /// Default: the strongest that is offered of SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN. Only used when named here:
    /// OAUTHBEARER and XOAUTH2, for which the password is the access token, and EXTERNAL, by which the server takes us for whom
    /// --tls-cert says.
    #[arg(long, value_name = "MECH", value_delimiter = ',', help_heading = "Login options")]
    auth: Vec<Mechanism>,
    /// Act as this user once logged in (the authorization identity)
    #[arg(long, value_name = "USER", help_heading = "Login options", hide_short_help = true)]
    authzid: Option<String>,
    /// Go on without logging in where the server offers no way to
    #[arg(long, help_heading = "Login options", hide_short_help = true)]
    auth_optional: bool,
    /// The password is the first line that this command prints
    ///
    /// Its words are parted at blanks; quotes keep them together; there is no shell. It is run when the server asks for the
    /// password, and has to end with status 0, within --password-timeout.
    #[arg(long, value_name = "COMMAND", group = "password_source", help_heading = "Login options")]
    password_command: Option<String>,
    /// Longest wait for a password command, the account's too, in seconds or as 30s, 5m [default: 2m]
    ///
    /// One that takes longer is ended, and what it started: status 77.
    #[arg(long, value_name = "TIME", value_parser = duration::timeout, help_heading = "Login options", hide_short_help = true)]
    password_timeout: Option<Duration>,
    /// The password is the first line of this file
    #[arg(long, value_name = "FILE", group = "password_source", help_heading = "Login options")]
    password_file: Option<PathBuf>,
    /// The password is the first line that can be read from this file descriptor
    #[arg(long, value_name = "N", group = "password_source", help_heading = "Login options", hide_short_help = true)]
    password_fd: Option<i32>,
    /// The password is the first line of $CREDENTIALS_DIRECTORY/NAME
    ///
    /// Without this option the account's name, the server's host and `password` are looked for there.
    #[arg(long, value_name = "NAME", group = "password_source", help_heading = "Login options", hide_short_help = true)]
    credential: Option<String>,
    /// Send passwords also where there is no TLS
    ///
    /// Without it no password, nor an answer that passwords can be tried against, goes over a network in clear. For plain text say
    /// --tls never as well.
    #[arg(long, help_heading = "Login options", hide_short_help = true)]
    allow_plaintext_auth: bool,
    /// Show passwords in transcripts, where <hidden> stands otherwise
    #[arg(long, help_heading = "Login options", hide_short_help = true)]
    pub show_secrets: bool,
}

/// A login that is wanted. The password is fetched when a server offers a mechanism that needs it.
#[derive(Debug)]
pub struct Auth {
    mechanisms: Vec<Mechanism>,
    optional: bool,
    allowed_in_clear: bool,
    user: String,
    authzid: Option<String>,
    server: Option<(String, u16)>,
    vault: Vault,
}

/// What is looked at besides the options.
struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Told to the user, as with a file that others may read.
    warn: &'a dyn Fn(&str),
}

/// Options that other tools take a password by.
const PASSWORDS: [&str; 4] = ["--password", "--passwd", "--pass", "--auth-password"];

/// Refuses a command line with a password in it, without repeating it.
pub fn refuse_passwords(words: &[OsString]) -> Result<(), Failure> {
    let is_password = |word: &OsString| {
        let word = word.to_string_lossy();
        PASSWORDS.contains(&word.split('=').next().unwrap_or_default())
    };
    if words.iter().take_while(|word| *word != "--").any(is_password) {
        return Err(usage(format_args!("a password has no place on the command line, where everybody sees it: {SOURCES}")));
    }
    Ok(())
}

impl AuthOptions {
    /// The login that options, account and server come to; none where nobody is to log in. What can't be is told now, before anything
    /// is connected: status 64 on the command line, 78 in files.
    pub fn resolve(&self, chosen: Option<&Chosen>, tool: &str, quiet: bool) -> Result<Option<Auth>, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let warn = |text: &str| {
            // Where nobody is there to mend it, as in cron, it would only be told again and again.
            if !quiet && std::io::stderr().is_terminal() {
                say(&format!("{tool}: {text}"))
            }
        };
        self.resolve_in(chosen, &Surroundings { variable: &variable, warn: &warn })
    }

    fn resolve_in(&self, chosen: Option<&Chosen>, around: &Surroundings<'_>) -> Result<Option<Auth>, Failure> {
        self.refuse_secrets()?;
        let account = chosen.and_then(|chosen| chosen.account.as_ref());
        let of_server = || chosen.and_then(|chosen| chosen.server.user.clone());
        let user = self.user.clone().or_else(|| account.and_then(|account| account.user.clone())).or_else(of_server);
        let named = if self.auth.is_empty() { account.map(|a| a.auth.clone()).unwrap_or_default() } else { self.auth.clone() };
        if user.is_none() && named.is_empty() {
            return self.nobody(chosen).map(|()| None);
        }
        let Some(chosen) = chosen else {
            return Err(usage("who logs in needs a server: -s SERVER or -a ACCOUNT"));
        };
        let server = match &chosen.server.place {
            // The DNS names the hosts, and whoever forges it would have the password.
            Place::Mx(_) => return Err(usage("nobody logs in at MX hosts: name the server by its host")),
            Place::Host { host, port } => Some((host.to_string(), *port)),
            Place::Socket(_) | Place::Command(_) => None,
        };
        let mechanisms = if named.is_empty() { Mechanism::FOR_PASSWORDS.to_vec() } else { named };
        let secrets = mechanisms.iter().any(|mechanism| mechanism.needs_secret());
        let host = server.as_ref().map(|(host, _)| host.as_str());
        let (user, source) = if secrets {
            self.source(chosen, host, user, around)?
        } else {
            (user.unwrap_or_default(), Source::Known(Secret::new(String::new())))
        };
        Ok(Some(Auth {
            mechanisms,
            optional: self.auth_optional,
            allowed_in_clear: self.allow_plaintext_auth,
            user,
            authzid: self.authzid.clone(),
            server,
            vault: Vault::new(source),
        }))
    }

    /// The mechanisms that were named.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.auth
    }

    /// A password on the command line is not used, whatever it stands in. The errors don't repeat it.
    fn refuse_secrets(&self) -> Result<(), Failure> {
        if self.user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err(usage(format_args!("--user takes no password, nor a user with a colon: {SOURCES}")));
        }
        let names = [("--user", &self.user), ("--authzid", &self.authzid)];
        match names.into_iter().find(|(_, name)| name.as_ref().is_some_and(|n| n.is_empty() || n.chars().any(char::is_control))) {
            Some((option, _)) => Err(usage(format_args!("{option}: no user's name"))),
            None => Ok(()),
        }
    }

    /// Nobody logs in; what only makes sense otherwise is a slip, and mail that was meant to go under a name must not go without.
    fn nobody(&self, chosen: Option<&Chosen>) -> Result<(), Failure> {
        let source = [
            self.password_command.is_some(),
            self.password_file.is_some(),
            self.password_fd.is_some(),
            self.credential.is_some(),
            self.authzid.is_some(),
            self.auth_optional,
        ];
        if source.contains(&true) {
            return Err(usage("nobody to log in as: say --user USER, or user@ in the server's URL"));
        }
        match chosen.and_then(|chosen| Some((chosen.name.as_ref()?, chosen.account.as_ref()?.password.as_ref()?))) {
            Some((name, _)) => Err(config(anyhow!("account {name} has a password and no user"))),
            None => Ok(()),
        }
    }

    /// Where the password is, and whose it is where only that place says so.
    fn source(
        &self,
        chosen: &Chosen,
        host: Option<&str>,
        user: Option<String>,
        around: &Surroundings<'_>,
    ) -> Result<(String, Source), Failure> {
        let netrc = || host.map_or(Ok(None), |host| of_netrc(host, user.as_deref(), around));
        let first = match self.of_flags(around)? {
            Some(source) => Some(source),
            None => match of_credentials(chosen, host, around)? {
                Some(source) => Some(source),
                None => of_account(chosen, self.password_within(), around)?,
            },
        };
        let (user, first) = match (user.clone(), first) {
            (Some(user), Some(source)) => return Ok((user, source)),
            halves => halves,
        };
        match (netrc()?, user) {
            (Some(Entry { login: Some(user), password, .. }), None) => {
                // Only the name is asked of it where the password is elsewhere.
                let of_entry = || password.map(Source::Known);
                first.or_else(of_entry).map(|source| (user, source)).ok_or_else(|| usage("--auth needs a user"))
            }
            (Some(Entry { password: Some(password), .. }), Some(user)) => Ok((user, Source::Known(password))),
            (_, Some(user)) => {
                let at = chosen.name.as_deref().or(host).map(|place| format!(" at {place}")).unwrap_or_default();
                Ok((user.clone(), Source::Terminal(format!("Password for {user}{at}"))))
            }
            (_, None) => Err(usage("--auth needs a user: say --user USER, or user@ in the server's URL")),
        }
    }

    fn password_within(&self) -> Duration {
        self.password_timeout.unwrap_or(PASSWORD_WITHIN)
    }

    fn of_flags(&self, around: &Surroundings<'_>) -> Result<Option<Source>, Failure> {
        if let Some(command) = &self.password_command {
            let words = argv(command).map_err(|error| usage(format_args!("--password-command: {error}")))?;
            return Ok(Some(Source::Program(words, self.password_within())));
        }
        if let Some(path) = &self.password_file {
            return of_file(path, around).map(Some);
        }
        if let Some(number) = self.password_fd {
            let stream = match number {
                0 => return Err(usage("--password-fd 0: the message comes from there")),
                number => inherited::one(number),
            };
            let stream = stream.map_err(|error| usage(format_args!("--password-fd {number}: {error}")))?;
            return Ok(Some(Source::Stream(Mutex::new(Some(File::from(stream))))));
        }
        let Some(name) = &self.credential else { return Ok(None) };
        let Some(dir) = (around.variable)(CREDENTIALS) else {
            return Err(config(anyhow!("--credential {name}: ${CREDENTIALS} is not set")));
        };
        if name.is_empty() || name.contains('/') {
            return Err(usage(format_args!("--credential {name}: no name of a credential")));
        }
        of_file(&Path::new(&dir).join(name), around).map(Some)
    }
}

impl Auth {
    /// Who logs in; empty where the mechanism says it.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password is to come from whoever sits at the terminal.
    pub fn asks_somebody(&self) -> bool {
        self.vault.asks_somebody()
    }

    /// A secret is to be sent.
    pub fn has_secrets(&self) -> bool {
        self.mechanisms.iter().any(|mechanism| mechanism.needs_secret())
    }
}

impl Login for Auth {
    fn authentication(&self, local: bool) -> Authentication {
        let in_clear = match (local, self.allowed_in_clear) {
            (true, _) => InClear::Local,
            (false, true) => InClear::Allowed,
            (false, false) => InClear::Never,
        };
        Authentication { mechanisms: self.mechanisms.clone(), optional: self.optional, in_clear }
    }

    fn login(&self, mechanism: Mechanism) -> Result<sasl::Login, String> {
        let secret = if mechanism.needs_secret() { self.vault.open()? } else { Secret::new(String::new()) };
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| format!("the system gives no random numbers: {error}"))?;
        Ok(sasl::Login {
            user: self.user.clone(),
            authzid: self.authzid.clone(),
            secret,
            nonce: STANDARD.encode(nonce),
            binding: None,
            server: self.server.clone(),
        })
    }
}

fn usage(text: impl std::fmt::Display) -> Failure {
    Failure::text(Status::Usage, text)
}

fn config(error: anyhow::Error) -> Failure {
    Failure::new(Status::Config, error)
}

/// A file that was named: it has to be there.
fn of_file(path: &Path, around: &Surroundings<'_>) -> Result<Source, Failure> {
    let secret = file::read(path).or_status(Status::Config)?;
    warn_of(path, around);
    Ok(Source::Known(secret))
}

fn warn_of(path: &Path, around: &Surroundings<'_>) {
    if file::is_open_to_others(path) {
        (around.warn)(&format!("warning: others may read the password in {}", path.display()));
    }
}

/// A credential by one of the names that it may have; there need not be any.
fn of_credentials(chosen: &Chosen, host: Option<&str>, around: &Surroundings<'_>) -> Result<Option<Source>, Failure> {
    let Some(dir) = (around.variable)(CREDENTIALS) else { return Ok(None) };
    let names = [chosen.name.as_deref(), host, Some("password")];
    for name in names.into_iter().flatten().filter(|name| !name.is_empty() && !name.contains('/')) {
        let path = Path::new(&dir).join(name);
        if path.is_file() {
            return of_file(&path, around).map(Some);
        }
    }
    Ok(None)
}

fn of_account(chosen: &Chosen, within: Duration, around: &Surroundings<'_>) -> Result<Option<Source>, Failure> {
    let Some(password) = chosen.account.as_ref().and_then(|account| account.password.as_ref()) else { return Ok(None) };
    Ok(Some(match password {
        Password::Here { password, file } => {
            warn_of(file, around);
            Source::Known(password.clone())
        }
        Password::Command(words) => Source::Program(words.clone(), within),
        Password::File(path) => of_file(path, around)?,
    }))
}

/// The entry for this host and user in `$NETRC` or `~/.netrc`. A password that others may read is not used.
fn of_netrc(host: &str, user: Option<&str>, around: &Surroundings<'_>) -> Result<Option<Entry>, Failure> {
    let of_home = || (around.variable)("HOME").map(|home| Path::new(&home).join(".netrc"));
    let Some(path) = (around.variable)("NETRC").map(PathBuf::from).or_else(of_home) else { return Ok(None) };
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(config(anyhow!("cannot read {shown}: {error}"))),
    };
    let entries = netrc::parse(&text).map_err(|error| config(anyhow!("{shown}: {error}")))?;
    let found = netrc::find(&entries, host, user).filter(|entry| entry.password.is_some()).cloned();
    if found.is_some() && file::is_open_to_others(&path) {
        return Err(config(anyhow!("{shown}: others may read the passwords in it, so none is used: chmod 600 {shown}")));
    }
    Ok(found)
}
