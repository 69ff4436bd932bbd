//! The config's routes, users and aliases as the relay floor wants them. Reads the users-file and the aliases, so only the tools that
//! route mail need be able to.

use super::layer::is_user;
use super::place::{ConfigError, Place};
use super::settings::{Config, UserList};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::address::Domain;
use crate::relay::alias::Aliases;
use crate::relay::route::{Local, Router, Users};
use std::fs;
use std::path::Path;

/// Everything that decides a next hop on the host called `hostname`. A file that is missing or wrong is status 78.
pub fn router(config: &Config, hostname: Domain) -> Result<Router, Failure> {
    let users = users(&config.local.users).or_status(Status::Config)?;
    Ok(Router {
        hostname,
        domains: config.domains.clone(),
        aliases: config.local.aliases.as_deref().map_or_else(|| Ok(Aliases::default()), aliases).or_status(Status::Config)?,
        routes: config.routes.clone(),
        local: Local { maildir: config.local.maildir.clone(), users },
    })
}

fn users(list: &UserList) -> Result<Users, ConfigError> {
    match list {
        UserList::Any => Ok(Users::All),
        UserList::Listed(names) => Ok(Users::Listed(names.clone())),
        UserList::File(file) => users_file(file),
    }
}

/// One name a line; blank lines and lines that start with `#` don't count.
fn users_file(file: &Path) -> Result<Users, ConfigError> {
    let text = read(file)?;
    let mut listed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let name = line.trim();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        if !is_user(name) {
            let place = Place { file: file.to_owned(), line: number + 1 };
            return Err(place.wrong(format_args!("\"{name}\": no user name")));
        }
        listed.push(name.to_owned());
    }
    Ok(Users::Listed(listed))
}

fn aliases(file: &Path) -> Result<Aliases, ConfigError> {
    read(file)?.parse().map_err(|error: crate::relay::alias::AliasError| {
        let place = Place { file: file.to_owned(), line: error.line };
        place.wrong(error.why)
    })
}

fn read(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|error| ConfigError::Unreadable { file: file.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::route::{Follow, NextHop};

    fn built(config: &Config) -> Result<Router, String> {
        router(config, "mx.a.test".parse().unwrap()).map_err(|failure| {
            assert_eq!(failure.status, Status::Config);
            failure.error.to_string()
        })
    }

    #[test]
    fn users_and_aliases_come_from_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let (users, aliases) = (dir.path().join("users"), dir.path().join("aliases"));
        fs::write(&users, "# people\nalice\n\n  Bob \n").unwrap();
        fs::write(&aliases, "team: alice, bob\n").unwrap();
        let mut config = Config { domains: vec!["a.test".parse().unwrap()], ..Config::default() };
        config.local.users = UserList::File(users.clone());
        config.local.aliases = Some(aliases.clone());
        config.local.maildir = Some("/mail/{user}".parse().unwrap());
        let hop = |path: &str| built(&config).unwrap().resolve(&path.parse().unwrap(), Follow::Aliases);
        assert!(matches!(hop("BOB+x@a.test"), NextHop::Maildir { .. }));
        assert!(matches!(hop("eve@a.test"), NextHop::Refuse(..)));
        assert!(matches!(hop("team@a.test"), NextHop::Alias(to) if to.len() == 2));
        assert!(matches!(hop("eve@b.test"), NextHop::Mx(_)));

        fs::write(&users, "alice\nb o b\n").unwrap();
        assert_eq!(built(&config).unwrap_err(), format!("{}:2: \"b o b\": no user name", users.display()));
        fs::write(&users, "").unwrap();
        fs::write(&aliases, "a: b\nteam alice\n").unwrap();
        assert_eq!(built(&config).unwrap_err(), format!("{}:2: no colon behind the name", aliases.display()));
        fs::remove_file(&aliases).unwrap();
        assert!(built(&config).unwrap_err().starts_with(&format!("cannot read {}: No such file", aliases.display())));
    }
}
