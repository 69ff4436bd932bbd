//! A part of more than 4 GiB through a pipe: sizes and places are right behind it, and memory stays small.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Octets of the part, decoded: over 4 GiB with `--features interop`, where there is time.
const SIZE: u64 = if cfg!(feature = "interop") { (4 << 30) + 1 } else { 64 << 20 };
const OCTETS: u64 = 57;
const LINES: u64 = SIZE / OCTETS + 1;
const BEFORE: &str = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n";
const AFTER: &str = "--b\n\nsecond\n--b--\nnul\0\n";

/// Standard output of the tool for that message, how long it is, and what of it comes last; and the most memory it took, in octets.
fn run_fed(words: &[&str]) -> (u64, String, u64) {
    let mut tool =
        Command::new(env!("CARGO_BIN_EXE_mime-pack")).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = tool.stdin.take().unwrap();
    let fed = std::thread::spawn(move || {
        let line = "A".repeat(76) + "\n";
        let block = line.repeat(10_000);
        stdin.write_all(BEFORE.as_bytes())?;
        (0..LINES / 10_000).try_for_each(|_| stdin.write_all(block.as_bytes()))?;
        stdin.write_all(line.repeat((LINES % 10_000) as usize).as_bytes())?;
        stdin.write_all(AFTER.as_bytes())
    });
    let mut stdout = tool.stdout.take().unwrap();
    let (mut length, mut last, mut peak) = (0, Vec::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    let status = format!("/proc/{}/status", tool.id());
    loop {
        let read = stdout.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        length += read as u64;
        last.extend_from_slice(&buffer[..read]);
        last.drain(..last.len().saturating_sub(2000));
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        let kib = told.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
    }
    fed.join().unwrap().unwrap();
    tool.wait().unwrap();
    (length, String::from_utf8_lossy(&last).into_owned(), peak)
}

#[test]
fn sizes_and_places_behind_four_gibibytes_are_right() {
    let (_, rows, _) = run_fed(&["--list"]);
    let size = LINES * OCTETS;
    assert!(rows.contains(&format!("\n1\ttext/plain\t{size}\t")) && rows.contains("\n2\ttext/plain\t6\t"), "{rows}");
    assert_eq!(run_fed(&["-O", "2"]).1, "second");
    let place = BEFORE.len() as u64 + LINES * 77 + AFTER.find('\0').unwrap() as u64;
    let (_, findings, _) = run_fed(&["--check"]);
    assert!(findings.contains(&format!("\n{place}\tTEXT\tRFC 5322 2.1\ta NUL\n")), "{place}: {findings}");
    let (length, zeros, peak) = run_fed(&["-O", "1"]);
    assert_eq!((length, zeros.trim_matches('\0')), (size, ""));
    assert!(peak > 0 && peak < 16 << 20, "{peak} octets of memory");
}
