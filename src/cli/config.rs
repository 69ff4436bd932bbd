//! Where the config comes from: `--config`, the environment, the user's file over the system's. What it says is in
//! `config/settings.rs`.

pub mod keys;
pub mod layer;
pub mod place;
pub mod router;
pub mod settings;

use self::layer::Layer;
use self::place::ConfigError;
use self::settings::Config;
use super::exit::{Failure, Status};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The system's file.
pub const SYSTEM: &str = "/etc/postroad/config.toml";
/// Names the one file to read, as `--config` does.
pub const VARIABLE: &str = "POSTROAD_CONFIG";

/// Who reads: the clients also have a file of the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Reads the user's file over the system's.
    Client,
    /// smtp-listen and mailq-run: what they do for everybody never depends on who started them.
    Server,
}

/// Loads the config. `flag` is `--config`'s file; it, or else `$POSTROAD_CONFIG`, is then the only one and must be there.
/// No file at all is [`Config::default`]. Whatever is wrong ends the tool with status 78.
pub fn load(reader: Reader, flag: Option<&Path>) -> Result<Config, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    load_from(reader, flag, &variable, Path::new(SYSTEM)).map_err(|error| Failure::new(Status::Config, error))
}

fn load_from(
    reader: Reader,
    flag: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    system: &Path,
) -> Result<Config, ConfigError> {
    if let Some(file) = flag.map(Path::to_owned).or_else(|| variable(VARIABLE).map(PathBuf::from)) {
        return Layer::parse(&file, &read(&file)?)?.finish();
    }
    let user = if reader == Reader::Client { user_file(variable) } else { None };
    let user = user.map(|file| read_if_there(&file)).transpose()?.unwrap_or_default();
    user.over(read_if_there(system)?).finish()
}

/// `$XDG_CONFIG_HOME/postroad/config.toml`, by default below `~/.config`. The variable counts only where it is absolute, as its
/// specification says.
fn user_file(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let xdg = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")))?;
    Some(base.join("postroad/config.toml"))
}

fn read(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|error| ConfigError::Unreadable { file: file.to_owned(), error })
}

fn read_if_there(file: &Path) -> Result<Layer, ConfigError> {
    match read(file) {
        Ok(text) => Layer::parse(file, &text),
        Err(ConfigError::Unreadable { error, .. }) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Layer::default())
        }
        Err(error) => Err(error),
    }
}

/// The system's own name, `localhost` where it has none that could stand in a greeting.
pub fn system_hostname() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| name.parse::<crate::mail::address::Domain>().is_ok()).unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests;
