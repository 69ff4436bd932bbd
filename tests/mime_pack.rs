//! mime-pack as scripts call it: what it composes is read by another parser, what it lists is compared with checked-in listings.

#[path = "mime_pack/answers.rs"]
mod answers;
#[path = "mime_pack/asked.rs"]
mod asked;
#[path = "mime_pack/attached.rs"]
mod attached;
#[path = "mime_pack/checks.rs"]
mod checks;
#[path = "mime_pack/compose.rs"]
mod compose;
#[path = "mime_pack/extract.rs"]
mod extract;
#[path = "mime_pack/hostile.rs"]
mod hostile;
#[path = "mime_pack/huge.rs"]
mod huge;
#[path = "mime_pack/misread.rs"]
mod misread;
#[path = "mime_pack/mutated.rs"]
mod mutated;
#[path = "mime_pack/reading.rs"]
mod reading;
#[path = "mime_pack/sealed.rs"]
mod sealed;
#[path = "mime_pack/take_apart.rs"]
mod take_apart;
#[path = "mime_pack/terminal.rs"]
mod terminal;
#[path = "mime_pack/told.rs"]
mod told;
#[path = "mime_pack/whole.rs"]
mod whole;
#[path = "mime_pack/words.rs"]
mod words;

use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

const TEXT: &str = "Hi Bob,\nhere it is.\n";

/// What a run came to.
struct Ran {
    status: i32,
    out: Vec<u8>,
    err: String,
}

impl Ran {
    /// What it wrote, where all went well and nothing was complained of.
    fn done(self) -> Vec<u8> {
        assert_eq!((self.status, self.err.as_str()), (0, ""));
        self.out
    }
}

fn tool(directory: &Path) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_mime-pack"));
    command.current_dir(directory).env_remove("SOURCE_DATE_EPOCH");
    command
}

fn run(directory: &Path, words: &[&str], stdin: impl Into<Vec<u8>>) -> Ran {
    ran(tool(directory).args(words).write_stdin(stdin))
}

fn ran(command: &mut assert_cmd::Command) -> Ran {
    let output = command.output().unwrap();
    let (status, err) = (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap());
    Ran { status, out: output.stdout, err }
}

/// A directory with these files.
fn files(files: &[(&str, &[u8])]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// The objects of `--list --json`.
fn listed(message: &[u8]) -> Vec<Value> {
    let lines = String::from_utf8(run(Path::new("."), &["--list", "--json"], message).done()).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `PART TYPE ENCODING` of each part.
fn shape(message: &[u8]) -> Vec<String> {
    let text = |part: &Value, key: &str| part[key].as_str().unwrap_or("-").to_owned();
    listed(message)
        .iter()
        .map(|part| format!("{} {} {}", text(part, "part"), text(part, "type"), text(part, "encoding")))
        .collect()
}

fn part(message: &[u8], selector: &str) -> Vec<u8> {
    run(Path::new("."), &["-O", selector], message).done()
}

fn crlf(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&byte| if byte == b'\n' { vec![b'\r', b'\n'] } else { vec![byte] }).collect()
}
