//! All mutations in one copy of the source, each switched on by the environment: one build serves them all.

use super::list::ALL;
use super::places::regions;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which mutation is on.
pub const SWITCH: &str = "POSTROAD_MUTATION";

/// The file with every mutation in it, none of them switched on.
fn with_switches(file: &str, source: &str) -> Result<String, String> {
    let mut out = source.to_owned();
    for ((start, end), mutations) in regions(file, source)?.into_iter().rev() {
        let original = &source[start..end];
        let mut text = format!("{{ {original} }}");
        for mutation in mutations.into_iter().rev() {
            text = format!("if crate::mutated({:?}) {{ {} }} else {text}", mutation.name, mutation.instead);
        }
        // A condition or a value must not be read as a statement.
        let text = if original.ends_with(';') { text } else { format!("({text})") };
        out.replace_range(start..end, &text);
    }
    Ok(out)
}

/// Builds the model with all mutations in it; gives the program.
pub fn build(root: &Path, target: &Path) -> PathBuf {
    let tree = target.join("tmp").join("mutants");
    let _ = fs::remove_dir_all(&tree);
    copy(&root.join("src"), &tree.join("src"));
    copy(&root.join("tests/model"), &tree.join("tests/model"));
    fs::copy(root.join("tests/model.rs"), tree.join("tests/model.rs")).unwrap();
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    fs::write(tree.join("Cargo.lock"), lock.replace("\nname = \"postroad\"\n", "\nname = \"postroad-mutants\"\n")).unwrap();
    fs::write(tree.join("Cargo.toml"), manifest(&fs::read_to_string(root.join("Cargo.toml")).unwrap())).unwrap();
    let files: std::collections::BTreeSet<&str> = ALL.iter().map(|mutation| mutation.file).collect();
    for file in files {
        let path = tree.join("src").join(file);
        let source = fs::read_to_string(&path).unwrap();
        fs::write(&path, with_switches(file, &source).unwrap()).unwrap();
    }
    let lib = tree.join("src/lib.rs");
    let switch = format!(
        "\n/// Whether that mutation is on.\npub fn mutated(name: &str) -> bool {{\n    \
         static ON: std::sync::OnceLock<String> = std::sync::OnceLock::new();\n    \
         ON.get_or_init(|| std::env::var({SWITCH:?}).unwrap_or_default()) == name\n}}\n"
    );
    fs::write(&lib, fs::read_to_string(&lib).unwrap() + &switch).unwrap();
    compile(&tree, target)
}

/// The package with its library and the model alone.
fn manifest(text: &str) -> String {
    let mut kept = true;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            kept = !line.starts_with("[[");
        }
        if kept {
            lines.push(line);
        }
        // Or what is built of the two trees would have the same names.
        if line == "name = \"postroad\"" {
            lines.pop();
            lines.push("name = \"postroad-mutants\"");
        }
        if line == "[package]" {
            lines.extend(["autobins = false", "autotests = false", "autoexamples = false"]);
        }
    }
    lines.extend(["[lib]", "name = \"postroad\"", "[[test]]", "name = \"model\"", ""]);
    lines.join("\n")
}

/// Shares what is built of other packages.
fn compile(tree: &Path, target: &Path) -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--locked", "--test", "model", "--no-run", "--message-format=json"]).current_dir(tree);
    if cfg!(feature = "vendored") {
        command.args(["--features", "vendored"]);
    }
    let built = command.env("CARGO_TARGET_DIR", target).output().unwrap();
    assert!(built.status.success(), "{}", errors(&built.stdout));
    let messages = String::from_utf8(built.stdout).unwrap();
    let program = |line: &str| -> Option<PathBuf> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let named = message["target"]["name"] == "model";
        message["executable"].as_str().filter(|_| named).map(PathBuf::from)
    };
    messages.lines().find_map(program).expect("cargo names the program that it built")
}

fn errors(messages: &[u8]) -> String {
    let text = String::from_utf8_lossy(messages);
    let rendered = text.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(message["message"]["rendered"].as_str()?.to_owned()).filter(|text| text.starts_with("error"))
    });
    rendered.collect::<Vec<_>>().join("\n")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
