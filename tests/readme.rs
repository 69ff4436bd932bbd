//! The README's examples are run as they stand: each block that is fenced as `sh test`, in a directory of its own, with the tools that
//! were built. An `output` block behind one is what it prints.

use std::fs;
use std::path::Path;
use std::process::Command;

struct Example {
    line: usize,
    script: String,
    output: Option<String>,
}

/// Fenced blocks with the line they start in, their words behind the fence, and their text.
fn blocks(text: &str) -> Vec<(usize, &str, String)> {
    let mut found: Vec<(usize, &str, String)> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(words) => {
                open = true;
                found.push((number + 1, words, String::new()));
            }
            None if open => {
                if let Some((.., body)) = found.last_mut() {
                    body.push_str(line);
                    body.push('\n');
                }
            }
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    found
}

fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for (line, words, body) in blocks(text) {
        match words {
            "sh test" => found.push(Example { line, script: body, output: None }),
            "output" => found.last_mut().expect("output of nothing").output = Some(body),
            _ => {}
        }
    }
    found
}

#[test]
fn the_examples_run_and_print_what_they_say() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let tools = Path::new(env!("CARGO_BIN_EXE_mime-pack")).parent().unwrap();
    let path = std::env::join_paths([tools, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let examples = examples(&readme);
    assert!(examples.len() >= 2, "the examples were not found");
    for example in examples {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-eu", "-c", &example.script]).current_dir(dir.path());
        shell.env_clear().env("PATH", &path).env("HOME", dir.path()).env("LC_ALL", "C.UTF-8");
        let run = shell.output().unwrap();
        let (said, cried) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "README.md:{}: {}\n{said}{cried}", example.line, run.status);
        if let Some(output) = example.output {
            assert_eq!(said, output, "README.md:{}", example.line);
        }
    }
}

#[test]
fn the_first_two_commands_are_try_and_test() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let first = blocks(&readme).remove(0).2;
    let commands: Vec<&str> = first.lines().filter_map(|line| line.split('#').next()).map(str::trim).collect();
    assert_eq!(commands, ["make try", "make test"]);
}

#[test]
fn blocks_are_found_as_they_are_fenced() {
    let text = "a\n```sh test\nx\n```\n```output\n1\n```\n```sh\nno\n```\n";
    let found = examples(text);
    assert_eq!((found.len(), found[0].line, &*found[0].script, found[0].output.as_deref()), (1, 2, "x\n", Some("1\n")));
}
