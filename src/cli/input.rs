//! Lines that somebody types: on a terminal with editing, history and completion, else from stdin as it stands.

use crate::bytes::escape::visible;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, ExternalPrinter, Helper};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest line taken from a stdin that is no terminal, in octets.
const MAX_LINE: u64 = 1024 * 1024;
/// Most lines of the history.
const MAX_HISTORY: usize = 1000;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Without its line end.
    Line(Vec<u8>),
    /// Ctrl-D, or the end of stdin.
    End,
    /// Ctrl-C.
    Interrupted,
    Failed(String),
}

/// Where lines come from.
pub enum Input {
    Terminal(Box<Keyboard>),
    Plain(io::BufReader<io::Stdin>),
}

/// Somebody who types, perhaps before anybody asks.
pub struct Keyboard {
    editor: Editor<Words, FileHistory>,
    history: Option<PathBuf>,
    /// What came before it was asked for.
    ahead: Vec<u8>,
}

/// Prints lines beside what is being typed. Clones print to the same place.
#[derive(Clone)]
pub struct Printer(Arc<Mutex<Print>>);

type Print = dyn FnMut(&str) + Send;

/// The terminal as it was, to be restored when the tool ends in mid-line.
pub struct Restore(Option<Termios>);

impl Input {
    /// On a terminal with these words completed at the line's start, and with the history in this file, as far as that can be read.
    pub fn open(words: &'static [&'static str], history: Option<PathBuf>) -> io::Result<(Input, Printer, Restore)> {
        Input::with(Words::Known(words), history)
    }

    /// The same with whatever words `completing` finds.
    pub fn completing(completing: Completing, history: Option<PathBuf>) -> io::Result<(Input, Printer, Restore)> {
        Input::with(Words::Found(completing), history)
    }

    fn with(words: Words, history: Option<PathBuf>) -> io::Result<(Input, Printer, Restore)> {
        let stdin = io::stdin();
        if !(stdin.is_terminal() && io::stdout().is_terminal()) {
            let print = |line: &str| drop(io::stdout().write_all(format!("{line}\n").as_bytes()));
            return Ok((Input::Plain(io::BufReader::new(stdin)), Printer(Arc::new(Mutex::new(print))), Restore(None)));
        }
        let restore = Restore(tcgetattr(&stdin).ok());
        let config = Config::builder().auto_add_history(false).build();
        let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).map_err(io::Error::other)?;
        editor.set_helper(Some(words));
        editor.set_max_history_size(MAX_HISTORY).map_err(io::Error::other)?;
        let history = history.filter(|path| private_file(path).is_ok());
        if let Some(path) = &history {
            // A history that cannot be read is none.
            let _ = editor.load_history(path);
        }
        let mut printer = editor.create_external_printer().map_err(io::Error::other)?;
        let print = move |line: &str| drop(printer.print(format!("{line}\n")));
        let keyboard = Keyboard { editor, history, ahead: Vec::new() };
        Ok((Input::Terminal(Box::new(keyboard)), Printer(Arc::new(Mutex::new(print))), restore))
    }

    pub fn is_terminal(&self) -> bool {
        matches!(self, Input::Terminal(..))
    }

    /// The next line; waits for it.
    pub fn line(&mut self, prompt: &str) -> Typed {
        match self {
            Input::Terminal(keyboard) => keyboard.line(prompt),
            Input::Plain(stdin) => plain(stdin),
        }
    }

    /// Puts a line into the history. Secrets must not come here.
    pub fn remember(&mut self, line: &str) {
        let Input::Terminal(keyboard) = self else { return };
        // A history that cannot be kept is no reason to fail.
        let _ = keyboard.editor.add_history_entry(line);
        if let Some(path) = &keyboard.history {
            let _ = keyboard.editor.append_history(path);
        }
    }
}

impl Keyboard {
    fn line(&mut self, prompt: &str) -> Typed {
        if let Some(typed) = self.typed_ahead() {
            if let Typed::Line(line) = &typed {
                let _ = writeln!(io::stdout(), "{prompt}{}", visible(line));
            }
            return typed;
        }
        let begun: String = String::from_utf8_lossy(&std::mem::take(&mut self.ahead)).replace(char::is_control, "");
        match self.editor.readline_with_initial(prompt, (&begun, "")) {
            Ok(line) => Typed::Line(line.into_bytes()),
            Err(ReadlineError::Eof) => Typed::End,
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(error) => Typed::Failed(error.to_string()),
        }
    }

    /// The first line that was typed before now. The terminal gives one at a time; the editor would take all there are, and drop what stands
    /// behind the first.
    fn typed_ahead(&mut self) -> Option<Typed> {
        let stdin = io::stdin();
        let gives_lines = tcgetattr(&stdin).is_ok_and(|set| set.local_flags.contains(LocalFlags::ICANON));
        loop {
            // What was typed while the terminal changed hands ends in CR.
            if let Some(end) = self.ahead.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                let mut line: Vec<u8> = self.ahead.drain(..=end).collect();
                line.pop();
                return Some(Typed::Line(line));
            }
            let mut piece = [0; 4096];
            let is_more = || matches!(poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO), Ok(1..));
            if !gives_lines || self.ahead.len() as u64 > MAX_LINE || !is_more() {
                return None;
            }
            match nix::unistd::read(&stdin, &mut piece) {
                Ok(0) if self.ahead.is_empty() => return Some(Typed::End),
                Ok(0) | Err(_) => return None,
                Ok(n) => self.ahead.extend_from_slice(&piece[..n]),
            }
        }
    }
}

fn plain(stdin: &mut impl BufRead) -> Typed {
    let mut line = Vec::new();
    match stdin.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
        Ok(0) => Typed::End,
        Ok(_) if line.len() as u64 == MAX_LINE => Typed::Failed("a line is too long".to_owned()),
        Ok(_) => {
            let end = line.strip_suffix(b"\n").unwrap_or(&line);
            let end = end.strip_suffix(b"\r").unwrap_or(end).len();
            line.truncate(end);
            Typed::Line(line)
        }
        Err(error) => Typed::Failed(error.to_string()),
    }
}

impl Printer {
    pub fn print(&self, line: &str) {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(line);
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, settings);
        }
    }
}

/// `$XDG_STATE_HOME/postroad/NAME`, `~/.local/state` where that is not set.
pub fn state_file(name: &str) -> Option<PathBuf> {
    let set = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("postroad").join(name))
}

/// Made if it is missing, for this user alone.
fn private_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Where in what was typed the word begins that is to be completed, and what it may become.
pub type Completing = Box<dyn Fn(&str) -> (usize, Vec<String>) + Send>;

/// What is completed.
pub enum Words {
    /// Words that a line begins with, in any case, and paths behind `:send`.
    Known(&'static [&'static str]),
    Found(Completing),
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..at).unwrap_or_default();
        let words = match self {
            Words::Known(words) => words,
            Words::Found(completing) => {
                let (start, found) = completing(typed);
                return Ok((start, found.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()));
            }
        };
        if let Some(path) = typed.strip_prefix(":send ") {
            return Ok((at - path.len(), files(path)));
        }
        let fits = |word: &&&str| word.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed));
        let pair = |word: &&str| Pair { display: (*word).trim_end().to_owned(), replacement: (*word).to_owned() };
        Ok((0, words.iter().filter(fits).map(pair).collect()))
    }
}

fn files(start: &str) -> Vec<Pair> {
    let (folder, name) = start.rsplit_once('/').map_or(("", start), |(folder, name)| (folder, name));
    let looked = if start.starts_with('/') && folder.is_empty() {
        "/"
    } else if folder.is_empty() {
        "."
    } else {
        folder
    };
    let entries = fs::read_dir(looked).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let found = entry.file_name().into_string().ok().filter(|found| found.starts_with(name))?;
        let slash = if entry.path().is_dir() { "/" } else { "" };
        Some(found + slash)
    });
    let whole = |found: String| Pair { replacement: format!("{}{found}", &start[..start.len() - name.len()]), display: found };
    let mut pairs: Vec<Pair> = names.map(whole).collect();
    pairs.sort_by(|a, b| a.display.cmp(&b.display));
    pairs
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Validator for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_pipe_lose_their_ends_alone() {
        let mut stdin = io::Cursor::new(b"EHLO x\r\n\nlast ".to_vec());
        let line = |text: &str| Typed::Line(text.as_bytes().to_vec());
        let typed: Vec<Typed> = (0..4).map(|_| plain(&mut stdin)).collect();
        assert_eq!(typed, [line("EHLO x"), line(""), line("last "), Typed::End]);
        let mut endless = io::repeat(b'x');
        assert!(matches!(plain(&mut io::BufReader::new(&mut endless)), Typed::Failed(_)));
    }

    #[test]
    fn verbs_are_completed_in_any_case_and_files_behind_send() {
        let words = Words::Known(&["MAIL FROM:<", "RCPT TO:<", "RSET"]);
        let history = FileHistory::new();
        let of = |line: &str| {
            let (at, found) = words.complete(line, line.len(), &Context::new(&history)).unwrap();
            (at, found.into_iter().map(|pair| pair.replacement).collect::<Vec<_>>())
        };
        assert_eq!(of("ma"), (0, vec!["MAIL FROM:<".to_owned()]));
        assert_eq!(of("R").1, ["RCPT TO:<", "RSET"]);
        assert_eq!(of("RCPT TO:<b").1.len(), 0);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("message.eml"), "").unwrap();
        let start = format!(":send {}/mess", dir.path().display());
        assert_eq!(of(&start), (6, vec![format!("{}/message.eml", dir.path().display())]));
    }

    #[test]
    fn the_history_is_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/postroad/history");
        drop(private_file(&path).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
