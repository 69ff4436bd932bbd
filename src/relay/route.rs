//! The next hop of a recipient, in the order of the contract: alias, route (the first that matches), local, mx. Pure: resolves and
//! opens nothing.

use super::alias::{Aliases, Expansion, without_tag};
use super::template::{Hostile, Template, TemplateError};
use crate::mail::address::{Domain, ForwardPath, LocalPart, Mailbox};
use crate::mail::reply::EnhancedStatus;
use crate::mail::server::{Place, Scheme, Server, ServerError};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a recipient's copy goes next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NextHop {
    /// The MX hosts of a domain; the host itself where it is a literal.
    Mx(Domain),
    /// A named server, never MX-resolved.
    Server(Server),
    /// The server of an account, where somebody logs in.
    Account(String),
    Maildir {
        dir: PathBuf,
        user: String,
    },
    /// A program's argv; the message goes to its stdin.
    Pipe(Vec<String>),
    /// Put aside until somebody releases it.
    Hold,
    Discard,
    Refuse(EnhancedStatus, String),
    /// Not now: the configuration lacks something.
    Defer(EnhancedStatus, String),
    /// An alias: a child of the message goes to these.
    Alias(Vec<ForwardPath>),
}

/// Whether aliases count. Those of a message's expansion were followed to the end already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    Aliases,
    Nothing,
}

/// Everything that decides a next hop.
#[derive(Debug, Clone)]
pub struct Router {
    /// The name of this host: whose `postmaster` the bare `<Postmaster>` is.
    pub hostname: Domain,
    /// Ours: delivered here unless a route says otherwise.
    pub domains: Vec<Domain>,
    pub aliases: Aliases,
    pub routes: Vec<Route>,
    pub local: Local,
}

/// Where mail for our own domains is stored, and for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Local {
    pub maildir: Option<Template>,
    pub users: Users,
}

/// Who has mail here. Names compare in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// `"*"`: whoever is written to.
    All,
    Listed(Vec<String>),
}

impl Default for Users {
    fn default() -> Self {
        Users::Listed(Vec::new())
    }
}

/// One `[[route]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub pattern: Pattern,
    pub target: Target,
}

/// `match` of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    Any,
    Domain(Domain),
    /// What ends in this, dot included, in lower case.
    Subdomains(String),
    /// Compares in any case.
    Mailbox(Mailbox),
}

/// `to` of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `mx`: the recipient's own MX hosts.
    Mx,
    Server(Server),
    /// `account:NAME`
    Account(String),
    Maildir(Template),
    Pipe(Vec<String>),
    Hold,
    Refuse(String),
    Discard,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("{0}: neither a domain, .domain, user@domain nor *")]
    Pattern(String),
    #[error(
        "{0}: neither a server's URL, mx, mx:DOMAIN, account:NAME, lmtp:/PATH, maildir:DIR, pipe:CMD, hold, refuse:TEXT nor discard"
    )]
    Target(String),
    #[error("{0}: {1}")]
    Server(String, ServerError),
    #[error("{0}: mail goes by SMTP or LMTP")]
    Scheme(String),
    #[error("{0}: a next hop is given without user and path; where somebody logs in, it is account:NAME")]
    Login(String),
    #[error("{0}")]
    Template(#[from] TemplateError),
    #[error("no command")]
    NoCommand,
    #[error("unclosed quote in {0}")]
    Quote(String),
    #[error("pipe: {0}")]
    Pipe(Box<RouteError>),
}

impl Router {
    /// The next hop of `path`.
    pub fn resolve(&self, path: &ForwardPath, follow: Follow) -> NextHop {
        self.decide(path, follow, true)
    }

    /// As [`Router::resolve`] for a message that somebody released: a route that holds is passed over.
    pub fn resolve_released(&self, path: &ForwardPath, follow: Follow) -> NextHop {
        self.decide(path, follow, false)
    }

    /// The domain is one of ours.
    pub fn is_ours(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    fn decide(&self, path: &ForwardPath, follow: Follow, holds: bool) -> NextHop {
        let mailbox = self.mailbox(path);
        if follow == Follow::Aliases
            && let Some(expansion) = self.aliases.expand(&mailbox, |domain| self.is_ours(domain))
        {
            match expansion {
                Expansion::Loop => {
                    return NextHop::Refuse(EnhancedStatus::new(5, 4, 6), "the aliases lead in a circle".to_owned());
                }
                // An alias that comes to itself alone is no alias.
                Expansion::To(found) if found.iter().all(|one| *one == mailbox) => {}
                Expansion::To(found) => return NextHop::Alias(found.into_iter().map(ForwardPath::Mailbox).collect()),
            }
        }
        if let Some(route) =
            self.routes.iter().filter(|route| holds || route.target != Target::Hold).find(|route| route.pattern.matches(&mailbox))
        {
            return route.target.next_hop(&mailbox);
        }
        if self.is_ours(&mailbox.domain) || *path == ForwardPath::Postmaster {
            return self.local.next_hop(&mailbox);
        }
        NextHop::Mx(mailbox.domain)
    }

    /// The mailbox behind a forward-path: `<Postmaster>` is this host's (RFC 5321 section 4.5.1).
    fn mailbox(&self, path: &ForwardPath) -> Mailbox {
        match path {
            ForwardPath::Mailbox(mailbox) => mailbox.clone(),
            ForwardPath::Postmaster => Mailbox { local: LocalPart::postmaster(), domain: self.hostname.clone() },
        }
    }
}

impl Local {
    fn next_hop(&self, mailbox: &Mailbox) -> NextHop {
        let Some(user) = self.users.find(mailbox.local.as_str()) else {
            return NextHop::Refuse(EnhancedStatus::new(5, 1, 1), "no such user here".to_owned());
        };
        match &self.maildir {
            Some(template) => maildir(template, &user, &mailbox.domain),
            None => NextHop::Defer(EnhancedStatus::new(4, 3, 5), "no maildir is configured for local users".to_owned()),
        }
    }
}

impl Users {
    /// The user that a local part means, `+tag` folded. `postmaster` is taken whoever is listed (RFC 5321 section 4.5.1): without
    /// an alias or a user of that name it means the first.
    fn find(&self, local: &str) -> Option<String> {
        let (whole, folded) = (local.to_ascii_lowercase(), without_tag(local).to_ascii_lowercase());
        let Users::Listed(users) = self else { return Some(folded) };
        let named = |name: &str| users.iter().find(|user| user.eq_ignore_ascii_case(name));
        let found = named(&whole).or_else(|| named(&folded));
        found.or_else(|| users.first().filter(|_| folded == "postmaster")).cloned()
    }
}

fn maildir(template: &Template, user: &str, domain: &Domain) -> NextHop {
    match template.path(user, domain) {
        Ok(dir) => NextHop::Maildir { dir, user: user.to_owned() },
        Err(Hostile) => NextHop::Refuse(EnhancedStatus::new(5, 1, 3), "no mailbox can have that name".to_owned()),
    }
}

impl Pattern {
    fn matches(&self, mailbox: &Mailbox) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Domain(domain) => *domain == mailbox.domain,
            Pattern::Subdomains(end) => mailbox.domain.name().is_some_and(|name| name.ends_with(end)),
            Pattern::Mailbox(one) => {
                one.domain == mailbox.domain && one.local.as_str().eq_ignore_ascii_case(mailbox.local.as_str())
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |_| RouteError::Pattern(text.to_owned());
        if text == "*" {
            return Ok(Pattern::Any);
        }
        if let Some(parent) = text.strip_prefix('.') {
            let domain: Domain = parent.parse().map_err(bad)?;
            let name = domain.name().ok_or_else(|| RouteError::Pattern(text.to_owned()))?;
            return Ok(Pattern::Subdomains(format!(".{name}")));
        }
        if text.contains('@') {
            text.parse().map(Pattern::Mailbox).map_err(bad)
        } else {
            text.parse().map(Pattern::Domain).map_err(bad)
        }
    }
}

impl Target {
    fn next_hop(&self, mailbox: &Mailbox) -> NextHop {
        match self {
            Target::Mx => NextHop::Mx(mailbox.domain.clone()),
            Target::Server(server) => NextHop::Server(server.clone()),
            Target::Account(name) => NextHop::Account(name.clone()),
            Target::Maildir(template) => {
                maildir(template, &without_tag(mailbox.local.as_str()).to_ascii_lowercase(), &mailbox.domain)
            }
            Target::Pipe(argv) => NextHop::Pipe(argv.clone()),
            Target::Hold => NextHop::Hold,
            Target::Refuse(text) => NextHop::Refuse(EnhancedStatus::new(5, 7, 1), text.clone()),
            Target::Discard => NextHop::Discard,
        }
    }
}

impl FromStr for Target {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (word, rest) = text.split_once(':').map_or((text, None), |(word, rest)| (word, Some(rest)));
        match (word, rest) {
            ("mx", None) => Ok(Target::Mx),
            ("hold", None) => Ok(Target::Hold),
            ("discard", None) => Ok(Target::Discard),
            ("refuse", Some(text)) if !text.trim().is_empty() => Ok(Target::Refuse(text.trim().to_owned())),
            ("account", Some(name)) if !name.is_empty() => Ok(Target::Account(name.to_owned())),
            ("maildir", Some(dir)) => Ok(Target::Maildir(dir.parse()?)),
            ("pipe", Some(command)) => argv(command).map(Target::Pipe).map_err(|error| RouteError::Pipe(Box::new(error))),
            // One bare word is more likely a slip than a host.
            (word, None) if !word.contains('.') => Err(RouteError::Target(text.to_owned())),
            _ => server(text),
        }
    }
}

fn server(text: &str) -> Result<Target, RouteError> {
    let server = Server::parse(text, Scheme::Smtp).map_err(|why| RouteError::Server(text.to_owned(), why))?;
    if !server.scheme.is_transport() {
        return Err(RouteError::Scheme(text.to_owned()));
    }
    if server.user.is_some() || server.path.is_some() {
        return Err(RouteError::Login(text.to_owned()));
    }
    if let Place::Mx(domain) = &server.place
        && domain.parse::<Domain>().is_err()
    {
        return Err(RouteError::Target(text.to_owned()));
    }
    Ok(Target::Server(server))
}

/// Words separated by blanks, as a shell would part them: quotes keep blanks, a backslash the next character. Nothing is
/// expanded.
pub fn argv(command: &str) -> Result<Vec<String>, RouteError> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(RouteError::Quote(command.to_owned()));
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) { Err(RouteError::NoCommand) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(&str, &str)]) -> Router {
        let route =
            |&(pattern, target): &(&str, &str)| Route { pattern: pattern.parse().unwrap(), target: target.parse().unwrap() };
        Router {
            hostname: "mx.ours.test".parse().unwrap(),
            domains: vec!["ours.test".parse().unwrap()],
            aliases: "team: alice, bob@else.test\nalice: alice\nround: about\nabout: round".parse().unwrap(),
            routes: routes.iter().map(route).collect(),
            local: Local {
                maildir: Some("/mail/{domain}/{user}".parse().unwrap()),
                users: Users::Listed(vec!["Alice".into(), "bob".into()]),
            },
        }
    }

    fn hop(routes: &[(&str, &str)], path: &str) -> NextHop {
        router(routes).resolve(&path.parse().unwrap(), Follow::Aliases)
    }

    fn status(hop: NextHop) -> String {
        match hop {
            NextHop::Refuse(status, _) | NextHop::Defer(status, _) => status.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_order_is_alias_route_local_mx() {
        let routes = [("alice@ours.test", "hold"), ("else.test", "smtp://127.0.0.1:2526")];
        let NextHop::Alias(found) = hop(&routes, "Team@ours.test") else { panic!() };
        assert_eq!(found, ["alice@ours.test", "bob@else.test"].map(|s| s.parse().unwrap()));
        assert_eq!(hop(&routes, "alice@ours.test"), NextHop::Hold, "an alias for itself alone is none");
        let released = router(&routes).resolve_released(&"alice@ours.test".parse().unwrap(), Follow::Aliases);
        assert!(matches!(released, NextHop::Maildir { .. }), "{released:?}");
        assert_eq!(hop(&routes, "x@else.test"), NextHop::Server(Server::parse("smtp://127.0.0.1:2526", Scheme::Smtp).unwrap()));
        assert_eq!(
            hop(&routes, "bob+lists@OURS.test"),
            NextHop::Maildir { dir: "/mail/ours.test/bob".into(), user: "bob".into() }
        );
        assert_eq!(hop(&routes, "x@third.test"), NextHop::Mx("third.test".parse().unwrap()));
        assert_eq!(hop(&routes, "x@[192.0.2.1]"), NextHop::Mx("[192.0.2.1]".parse().unwrap()));
        let followed = router(&routes).resolve(&"team@ours.test".parse().unwrap(), Follow::Nothing);
        assert_eq!(status(followed), "5.1.1");
    }

    #[test]
    fn the_first_route_that_matches_counts() {
        let routes =
            [("a@b.test", "discard"), (".b.test", "refuse: not here "), ("b.test", "mx:mail.test"), ("*", "lmtp:/run/lmtp")];
        assert_eq!(hop(&routes, "A@b.test"), NextHop::Discard);
        assert_eq!(hop(&routes, "a@x.B.test"), NextHop::Refuse(EnhancedStatus::new(5, 7, 1), "not here".into()));
        assert!(matches!(hop(&routes, "x@b.test"), NextHop::Server(server) if server.to_string() == "mx:mail.test"));
        assert!(matches!(hop(&routes, "x@c.test"), NextHop::Server(server) if server.to_string() == "lmtp:/run/lmtp"));
    }

    #[test]
    fn who_is_unknown_or_hostile_is_refused() {
        assert_eq!(status(hop(&[], "eve@ours.test")), "5.1.1");
        assert_eq!(status(hop(&[], "round@ours.test")), "5.4.6");
        let mut router = router(&[]);
        router.local.users = Users::All;
        for local in ["\"../../etc\"", "\"..\"", "\".bob\"", "\"a/b\"", "\"\"", "\"a b/../c\""] {
            let path = format!("{local}@ours.test").parse().unwrap();
            assert_eq!(status(router.resolve(&path, Follow::Aliases)), "5.1.3", "{local}");
        }
    }

    #[test]
    fn postmaster_always_has_a_mailbox() {
        assert_eq!(hop(&[], "Postmaster"), NextHop::Maildir { dir: "/mail/mx.ours.test/Alice".into(), user: "Alice".into() });
        assert!(matches!(hop(&[], "postmaster@ours.test"), NextHop::Maildir { user, .. } if user == "Alice"));
        let mut bare = router(&[]);
        bare.local = Local::default();
        assert_eq!(status(bare.resolve(&ForwardPath::Postmaster, Follow::Aliases)), "5.1.1");
        bare.local.users = Users::All;
        assert_eq!(status(bare.resolve(&ForwardPath::Postmaster, Follow::Aliases)), "4.3.5");
    }

    #[test]
    fn commands_are_split_without_a_shell() {
        assert_eq!(argv("/bin/x 'a b' \"c \\\" $HOME\" d\\ e ''").unwrap(), ["/bin/x", "a b", "c \" $HOME", "d e", ""]);
        for bad in ["pipe:", "pipe: ''", "pipe:x 'y"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (bad, want) in [
            ("holdd", "neither a server's URL"),
            ("refuse:", "refuse:: bad port"),
            ("imap://x", "mail goes by SMTP or LMTP"),
            ("smtp://u@x", "without user and path"),
            ("maildir:rel/{user}", "not absolute"),
            ("mx:-x", "neither a server's URL"),
        ] {
            let error = bad.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad}: {error}");
        }
        for bad in ["", "a b", ".", "@b.test", ".[192.0.2.1]"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
