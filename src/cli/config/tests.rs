//! The config file as people write it, right and wrong.

use super::settings::{Listen, Password, TlsMode, UserList};
use super::*;
use crate::bytes::secret::Secret;
use crate::protocol::sasl::words::Mechanism;
use std::time::Duration;

const EXAMPLE: &str = r#"
hostname = "mx.crepes.test"
domains  = ["crepes.test"]
spool    = "/var/spool/postroad"
relay-domains = ["backup.test"]
relay-from = ["192.0.2.0/24", "::1"]
node     = "mx1"
[local]
maildir  = "/var/mail/{user}"
users    = ["Alice", "bob"]
aliases  = "aliases"
[listen]
tls-cert = "tls/cert.pem"
tls-key  = "tls/key.pem"
max-size = "10M"
timeout  = 60
[[route]]
match = "hamburger.test"
to    = "smtp://127.0.0.1:2526"
[[route]]
match = "*"
to    = "mx"
[account.work]
server = "submission://alice@mail.crepes.test"
from = "alice@crepes.test"
password-command = "pass mail/work"
tls = "require"
"#;

struct World {
    dir: tempfile::TempDir,
    variables: Vec<(&'static str, PathBuf)>,
}

impl World {
    fn new() -> World {
        World { dir: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, reader: Reader, flag: Option<&Path>) -> Result<Config, String> {
        let variable =
            |name: &str| self.variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone().into_os_string());
        load_from(reader, flag, &variable, &self.dir.path().join("etc.toml")).map_err(|e| e.to_string())
    }

    /// What is said of a file that holds `text`, without its directory.
    fn refused(&self, text: &str) -> String {
        let file = self.write("c.toml", text);
        let error = self.load(Reader::Server, Some(&file)).expect_err(text);
        error.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

#[test]
fn the_example_says_what_it_says() {
    let world = World::new();
    let file = world.write("postroad/config.toml", EXAMPLE);
    let config = world.load(Reader::Server, Some(&file)).unwrap();
    assert_eq!(config.hostname.unwrap().to_string(), "mx.crepes.test");
    assert_eq!(config.domains, ["crepes.test".parse().unwrap()]);
    assert_eq!(config.relay_from.len(), 2);
    assert_eq!(config.node.as_deref(), Some("mx1"));
    assert_eq!(config.local.users, UserList::Listed(vec!["Alice".to_owned(), "bob".to_owned()]));
    assert_eq!(config.local.maildir, Some("/var/mail/{user}".parse().unwrap()));
    assert_eq!(config.local.aliases, Some(world.dir.path().join("postroad/aliases")), "from the file's own directory");
    let tls = config.listen.tls.unwrap();
    assert_eq!(tls.cert, world.dir.path().join("postroad/tls/cert.pem"));
    assert_eq!((config.listen.max_size, config.listen.timeout), (10 << 20, Duration::from_secs(60)));
    assert_eq!(config.listen.max_rcpt, Listen::default().max_rcpt);
    assert_eq!(config.routes[0].pattern, "hamburger.test".parse().unwrap());
    assert_eq!(config.routes[1].target, "mx".parse().unwrap());
    let work = &config.accounts["work"];
    assert_eq!(work.server.user.as_deref(), Some("alice"));
    let command = Password::Command(["pass", "mail/work"].map(String::from).into());
    assert_eq!((work.tls, work.password.clone()), (Some(TlsMode::Require), Some(command)));
}

#[test]
fn no_file_accepts_nothing_and_relays_nothing() {
    let config = World::new().load(Reader::Client, None).unwrap();
    assert_eq!(config, Config::default());
    assert!(config.domains.is_empty() && config.relay_domains.is_empty() && config.relay_from.is_empty());
    assert_eq!(config.spool.0, Path::new("/var/spool/postroad"));
    assert_eq!(config.local.users, UserList::default());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let world = World::new();
    let route = |to: &str| format!("[[route]]\nmatch = \"*\"\n{to}");
    for (text, why) in [
        ("hostnme = \"x\"".to_owned(), "c.toml:1: unknown key \"hostnme\"; the nearest is \"hostname\""),
        ("\n[local]\nmaildirs = \"/x\"".to_owned(), "c.toml:3: unknown key \"maildirs\"; the nearest is \"maildir\""),
        (route("too = \"mx\""), "c.toml:3: unknown key \"too\"; the nearest is \"to\""),
        (route(""), "c.toml:1: missing field `to`"),
        ("[account.x]\nserver = \"h\"\npasword-command = \"x\"".to_owned(), "the nearest is \"password-command\""),
        ("domains = [\n\"a.test\",\n\"b..test\"]".to_owned(), "c.toml:3: domains: \"b..test\": bad domain"),
        ("domains = [\"[192.0.2.1]\"]".to_owned(), "c.toml:1: domains: \"[192.0.2.1]\": a name, not an address"),
        ("node = \"../mx\"".to_owned(), "c.toml:1: node: \"../mx\": only letters, digits and -"),
        ("spool = \"\"".to_owned(), "c.toml:1: spool: empty path"),
        ("relay-from = [\"192.0.2.1/33\"]".to_owned(), "c.toml:1: relay-from: no network: 192.0.2.1/33"),
        (route("to = \"mz\""), "c.toml:3: to: mz: neither a server's URL, mx"),
        ("[local]\nmaildir = \"mail/{user}\"".to_owned(), "c.toml:2: maildir: mail/{user}: not absolute"),
        ("[local]\nmaildir = \"/{home}\"".to_owned(), "only {user} and {domain} can stand in braces"),
        ("[local]\nusers = \"alice\"".to_owned(), "c.toml:2: users: \"alice\": a list of names, or \"*\""),
        ("[local]\nusers = [\"../x\"]".to_owned(), "users: \"../x\": no user name"),
        ("[local]\nusers = [\"a/b\"]".to_owned(), "users: \"a/b\": no user name"),
        ("[local]\nusers = 3".to_owned(), "c.toml:2: users is \"*\" or a list of names"),
        ("[local]\nusers = \"*\"\nusers-file = \"x\"".to_owned(), "c.toml:3: users and users-file: give one of them"),
        ("[listen]\ntls-cert = \"x\"".to_owned(), "c.toml:2: tls-cert without tls-key"),
        ("[listen]\nmax-size = \"50MB\"".to_owned(), "c.toml:2: max-size: no size: 50MB"),
        ("[listen]\nmax-rcpt = 3".to_owned(), "c.toml:2: max-rcpt: 100 at least"),
        ("[listen]\ntimeout = 0".to_owned(), "c.toml:2: timeout: must be more than zero"),
        ("[account.x]\nserver = \"smtp://a:b@h\"".to_owned(), "c.toml:2: server: a password has no place in a server's URL"),
        ("[account.x]\nserver = \"h\"\ntls = \"maybe\"".to_owned(), "c.toml:3: tls is require, opportunistic or never"),
        (account("user = \"\""), "c.toml:3: user: \"\": no name"),
        (account("auth = \"PLAIN,GSSAPI\""), "c.toml:3: auth: unknown mechanism GSSAPI; there are SCRAM-SHA-256-PLUS, "),
        (account("auth = []"), "c.toml:3: auth: no mechanism"),
        (account("auth = 3"), "c.toml:3: the name of a mechanism, or a list of names"),
        (account("password = \"\""), "c.toml:3: password: one line that is not empty"),
        (account("password-command = \"pass 'x\""), "c.toml:3: password-command: "),
        (account("password-file = \"x\"\npassword = \"y\""), "c.toml:3: password, password-command and password-file: give one"),
        (account("pasword = \"y\""), "unknown key"),
        ("hostname = 3".to_owned(), "c.toml:1: invalid type: integer `3`, expected a string"),
        ("hostname = \"a\"\nhostname = \"b\"".to_owned(), "c.toml:2: duplicate key"),
        ("x".to_owned(), "c.toml:1: "),
        ("domains = [\"a.test\"]".to_owned(), "c.toml:1: domains without users: list them under [local], or say users = \"*\""),
    ] {
        let said = world.refused(&text);
        assert!(said.contains(why) && !said.contains('\n'), "{text}\nsaid {said}\nwant {why}");
    }
}

/// An account's table with these lines in it.
fn account(lines: &str) -> String {
    format!("[account.x]\nserver = \"h\"\n{lines}")
}

#[test]
fn an_account_says_how_to_log_in() {
    let world = World::new();
    let of = |lines: &str| {
        let file = world.write("c.toml", &account(lines));
        world.load(Reader::Client, Some(&file)).unwrap().accounts["x"].clone()
    };
    let both = [Mechanism::ScramSha256, Mechanism::Plain];
    assert_eq!(of("auth = \"scram-sha-256, plain\"").auth, both);
    assert_eq!(of("auth = [\"SCRAM-SHA-256\", \"PLAIN\"]").auth, both);
    assert_eq!(of("user = \"alice\"").user.as_deref(), Some("alice"));
    let file = world.dir.path().join("secret");
    assert_eq!(of("password-file = \"secret\"").password, Some(Password::File(file)));
    let here = Password::Here { password: Secret::new("a b".into()), file: world.dir.path().join("c.toml") };
    let read = of("password = \"a b\"");
    assert_eq!(read.password, Some(here));
    assert!(!format!("{read:?}").contains("a b"), "it is in no debug output");
}

#[test]
fn domains_need_no_users_where_there_are_none() {
    let world = World::new();
    let file = world.write("c.toml", "domains = [\"a.test\"]\nlocal.users = \"*\"");
    assert_eq!(world.load(Reader::Server, Some(&file)).unwrap().local.users, UserList::Any);
    let file = world.write("c.toml", "domains = []");
    world.load(Reader::Server, Some(&file)).unwrap();
}

#[test]
fn a_named_file_is_the_only_one_and_must_be_there() {
    let mut world = World::new();
    world.write("etc.toml", "hostname = \"etc.test\"");
    let flag = world.write("flag.toml", "spool = \"/flag\"");
    let hostname = |config: Config| config.hostname.map(|h| h.to_string());
    assert_eq!(hostname(world.load(Reader::Server, None).unwrap()).as_deref(), Some("etc.test"));

    let gone = world.dir.path().join("gone.toml");
    assert!(world.load(Reader::Server, Some(&gone)).unwrap_err().starts_with("cannot read "));
    assert!(world.load(Reader::Server, Some(world.dir.path())).is_err(), "a directory is no config");

    world.variables.push((VARIABLE, gone));
    assert!(world.load(Reader::Server, None).is_err(), "the environment's file must be there, too");
    let config = world.load(Reader::Server, Some(&flag)).unwrap();
    assert_eq!((config.spool.0.to_str(), config.hostname), (Some("/flag"), None), "the flag goes before the environment");
}

#[test]
fn the_user_s_file_lies_over_the_system_s_for_clients_only() {
    let mut world = World::new();
    let account = |server: &str| format!("[account.work]\nserver = \"{server}\"\n");
    let system = "hostname = \"etc.test\"\nspool = \"/etc-spool\"\n[account.home]\nserver = \"home.test\"\n";
    world.write("etc.toml", &(system.to_owned() + &account("etc.test")));
    world.write("home/.config/postroad/config.toml", &("spool = \"mine\"\n".to_owned() + &account("user.test")));
    world.variables.push(("HOME", world.dir.path().join("home")));
    world.variables.push(("XDG_CONFIG_HOME", PathBuf::from("relative, so it does not count")));

    let client = world.load(Reader::Client, None).unwrap();
    assert_eq!(client.hostname.unwrap().to_string(), "etc.test");
    assert_eq!(client.spool.0, world.dir.path().join("home/.config/postroad/mine"));
    assert_eq!(client.accounts.keys().collect::<Vec<_>>(), ["home", "work"]);
    assert_eq!(client.accounts["work"].server.to_string(), "submission://user.test:587");

    let server = world.load(Reader::Server, None).unwrap();
    assert_eq!(server.spool.0, Path::new("/etc-spool"));
    assert_eq!(server.accounts["work"].server.to_string(), "submission://etc.test:587");
}

#[test]
fn an_unreadable_file_is_never_passed_over() {
    let world = World::new();
    let folder = world.dir.path().join("etc.toml");
    fs::create_dir(&folder).unwrap();
    assert!(world.load(Reader::Server, None).unwrap_err().starts_with("cannot read "), "it is there, but cannot be read");
}
