//! Messages made to cost: many parts, deep nests, long headers, readers that go away.

use super::*;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// Lists what `write` writes; gives the rows and the most memory, in KiB, that was in use when all but the end was read.
fn list_while(write: impl FnOnce(&mut dyn Write) + Send + 'static) -> (usize, u64) {
    run_while("--list", write)
}

/// The same for another job.
fn run_while(job: &str, write: impl FnOnce(&mut dyn Write) + Send + 'static) -> (usize, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mime-pack"));
    let mut child = child.arg(job).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut listing = Vec::new();
        stdout.read_to_end(&mut listing).unwrap();
        listing.iter().filter(|&&b| b == b'\n').count()
    });
    let mut out = std::io::BufWriter::new(&mut stdin);
    write(&mut out);
    out.flush().unwrap();
    drop(out);
    let peak = peak_kib(&child);
    drop(stdin);
    let rows = reader.join().unwrap();
    assert!(child.wait().unwrap().code().is_some_and(|status| status == 0 || job == "--check"));
    (rows, peak)
}

fn peak_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn many_parts_stream_through() {
    let (rows, peak) = list_while(|out| {
        out.write_all(b"Content-Type: multipart/mixed; boundary=b\n\n").unwrap();
        (0..200_000).for_each(|_| out.write_all(b"--b\nContent-Type: text/html; name=a\n\nx\n").unwrap());
        out.write_all(b"--b--\n").unwrap();
    });
    assert_eq!(rows, 200_001);
    assert!(peak < 32 * 1024, "{peak} KiB");
}

#[test]
fn a_header_full_of_addresses_is_checked_in_little_memory() {
    let (rows, peak) = run_while("--check", |out| {
        out.write_all(b"To: ").unwrap();
        (0..250_000).for_each(|_| out.write_all(b"a@b,").unwrap());
        out.write_all(b"c@d\n\n").unwrap();
        // So much that the header is read before the end is.
        (0..100_000).for_each(|_| out.write_all(b"body\n").unwrap());
    });
    assert!((4..12).contains(&rows) && peak < 16 * 1024, "{rows} rows, {peak} KiB");
}

#[test]
fn a_deep_nest_is_split_so_far_and_no_further() {
    let (rows, peak) = list_while(|out| {
        (0..50_000).for_each(|n| write!(out, "Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n").unwrap());
    });
    assert_eq!(rows, 65);
    assert!(peak < 32 * 1024, "{peak} KiB");
}

#[test]
fn a_header_without_end_is_read_to_a_limit() {
    let (rows, peak) = list_while(|out| {
        (0..300_000).for_each(|n| writeln!(out, "X-Field-{n}: =?utf-8?q?{n}?= =?utf-8?q?{n}?= =?a?=?= (((((((((( \"").unwrap());
        (0..1000).for_each(|_| out.write_all(&[b'x'; 16_384]).unwrap());
    });
    assert_eq!(rows, 1);
    assert!(peak < 32 * 1024, "{peak} KiB");
}

#[test]
fn one_field_of_a_megabyte_costs_no_time() {
    let began = std::time::Instant::now();
    let here = files(&[]);
    for unit in ["=?utf-8?q?a?= ", "=?", "(", "\"\\", ";a*0*=", "; ", "a,", "<", "=?a?q?"] {
        let value = unit.repeat(900_000 / unit.len());
        let fields = ["Content-Type: text/plain; ", "Content-Disposition: x; filename=", "Subject: "];
        let messages = fields.map(|field| format!("{field}{value}\n\n"));
        assert!(messages.iter().all(|message| listed(message.as_bytes()).len() == 1));
        let [.., subject] = messages;
        assert!(!run(here.path(), &["-H", "subject"], subject).done().is_empty(), "{unit}");
    }
    // Quadratic work on one such field would take hours.
    assert!(began.elapsed().as_secs() < 600);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let here = files(&[("big.bin", &vec![7; 4 * 1024 * 1024])]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_mime-pack"));
    let child =
        child.current_dir(here.path()).args(["-a", "big.bin"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}
