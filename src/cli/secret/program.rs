//! Secrets from programs such as password managers: started without a shell, with the environment and the terminal that they need, and
//! with nothing of the message on their stdin.

use super::file::{MAX, secret};
use crate::bytes::secret::Secret;
use anyhow::{Context, Result, bail};
use std::io::{self, Read};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// The first line of a program's output. All of it is read, so that none dies of a closed pipe; its status must be 0.
pub fn run(words: &[String]) -> Result<Secret<String>> {
    let [program, arguments @ ..] = words else { bail!("no password command") };
    let shown = format!("password command {program}");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start the {shown}"))?;
    let line = child.stdout.take().map_or_else(|| Ok(Zeroizing::default()), first_line);
    let status = child.wait().with_context(|| format!("cannot wait for the {shown}"))?;
    if !status.success() {
        bail!("the {shown} failed: {status}");
    }
    secret(&line.with_context(|| format!("cannot read from the {shown}"))?, &format!("the {shown}"))
}

/// The first line without its end, cut where it is too long to be a secret; the rest is read and forgotten.
fn first_line(mut from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX));
    let (mut chunk, mut open) = (Zeroizing::new([0; 4096]), true);
    loop {
        let n = match from.read(&mut chunk[..]) {
            Ok(0) => return Ok(line),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if !open {
            continue;
        }
        let end = chunk[..n].iter().position(|byte| *byte == b'\n');
        open = end.is_none();
        let room = MAX - line.len();
        line.extend_from_slice(&chunk[..end.unwrap_or(n).min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        run(&words).map(|secret| secret.reveal().clone()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_first_line_counts_and_the_status_does() {
        assert_eq!(of(&["printf", "s3cret\\r\\nuser: alice\\n"]).as_deref(), Ok("s3cret"));
        assert_eq!(of(&["sh", "-c", "echo one; seq 100000"]).as_deref(), Ok("one"), "a long rest breaks no pipe");
        assert_eq!(of(&["cat"]), Err("the password command cat: no password on the first line".to_owned()), "stdin is empty");
        assert_eq!(of(&["sh", "-c", "echo x; exit 3"]), Err("the password command sh failed: exit status: 3".to_owned()));
        let gone = of(&["/nonexistent/pass"]).unwrap_err();
        assert!(gone.starts_with("cannot start the password command /nonexistent/pass: No such file"), "{gone}");
        assert_eq!(of(&["echo", "$HOME; *"]).as_deref(), Ok("$HOME; *"), "there is no shell");
    }
}
