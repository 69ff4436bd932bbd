//! Programs that options name, and what they inherit.

use crate::fetch::target::exec::Program;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long one may take.
const WITHIN: Duration = Duration::from_secs(600);
/// What of the environment is passed on.
const PASSED_ON: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ"];

/// The first of `words` with the others for arguments; no shell. `over` is set when it is to end.
pub fn program(words: Vec<String>, over: Arc<AtomicBool>) -> Program {
    let mut words = words.into_iter();
    let path = PathBuf::from(words.next().unwrap_or_default());
    let variable = |name: &'static str| Some((name, std::env::var(name).ok()?));
    let environment = PASSED_ON.into_iter().filter_map(variable).collect();
    Program { path, arguments: words.map(Into::into).collect(), environment, within: WITHIN, over }
}
