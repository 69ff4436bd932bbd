//! The keys of `postroad.toml` as they stand in the file: names and shapes, each value with its place. What they mean is in
//! `settings.rs`, how they are checked in `layer.rs`.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// One string, or several.
pub type Words = Spanned<Vec<Spanned<String>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Keys {
    pub hostname: Option<Spanned<String>>,
    pub domains: Option<Words>,
    pub spool: Option<Spanned<String>>,
    pub relay_domains: Option<Words>,
    pub relay_from: Option<Words>,
    pub trusted_users: Option<Words>,
    pub node: Option<Spanned<String>>,
    pub local: Option<LocalKeys>,
    pub listen: Option<ListenKeys>,
    pub route: Option<Vec<Spanned<RouteKeys>>>,
    pub sendmail: Option<SendmailKeys>,
    pub account: Option<BTreeMap<String, Spanned<AccountKeys>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalKeys {
    pub maildir: Option<Spanned<String>>,
    pub users: Option<Spanned<UsersKey>>,
    pub users_file: Option<Spanned<String>>,
    pub aliases: Option<Spanned<String>>,
}

/// `users = "*"` or `users = ["alice", "bob"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "users is \"*\" or a list of names")]
pub enum UsersKey {
    Word(String),
    Listed(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ListenKeys {
    pub tls_cert: Option<Spanned<String>>,
    pub tls_key: Option<Spanned<String>>,
    pub max_size: Option<Spanned<Quantity>>,
    pub max_rcpt: Option<Spanned<u64>>,
    pub max_conn: Option<Spanned<u64>>,
    pub timeout: Option<Spanned<Quantity>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SendmailKeys {
    pub account: Option<Spanned<String>>,
    pub socket: Option<Spanned<String>>,
    pub log: Option<Spanned<String>>,
}

/// A number, or a string with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a number, or a string with a unit such as \"50M\" or \"5m\"")]
pub enum Quantity {
    Number(u64),
    Text(String),
}

/// `auth = "PLAIN"` or `auth = ["SCRAM-SHA-256", "PLAIN"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "the name of a mechanism, or a list of names")]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RouteKeys {
    #[serde(rename = "match")]
    pub pattern: Spanned<String>,
    pub to: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccountKeys {
    pub server: Spanned<String>,
    pub from: Option<Spanned<String>>,
    pub user: Option<Spanned<String>>,
    pub auth: Option<Spanned<OneOrMore>>,
    pub password: Option<Spanned<String>>,
    pub password_command: Option<Spanned<String>>,
    pub password_file: Option<Spanned<String>>,
    pub tls: Option<Spanned<String>>,
    pub tls_ca: Option<Spanned<String>>,
    pub tls_fingerprint: Option<Spanned<String>>,
}
