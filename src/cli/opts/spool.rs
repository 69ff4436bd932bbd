//! Which spool.

use crate::cli::config::settings::Config;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Default, Args)]
pub struct SpoolOptions {
    /// The spool's directory [default: the config's, else /var/spool/postroad]
    #[arg(long, value_name = "DIR", env = "POSTROAD_SPOOL", hide_env_values = true, global = true)]
    spool: Option<PathBuf>,
}

impl SpoolOptions {
    /// The directory of the spool: as the flag or `$POSTROAD_SPOOL` says, else the config's with its node's own tree.
    pub fn resolve(&self, config: &Config) -> PathBuf {
        let named = self.spool.clone().filter(|dir| !dir.as_os_str().is_empty());
        named.unwrap_or_else(|| config.spool_tree())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_node_has_its_own_tree_unless_a_directory_was_named() {
        let mut config = Config::default();
        let (unsaid, named) = (SpoolOptions::default(), SpoolOptions { spool: Some("/s".into()) });
        assert_eq!(unsaid.resolve(&config), Path::new("/var/spool/postroad"));
        config.node = Some("mx1".to_owned());
        assert_eq!(unsaid.resolve(&config), Path::new("/var/spool/postroad/mx1"));
        assert_eq!(named.resolve(&config), Path::new("/s"));
    }
}
