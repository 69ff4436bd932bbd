//! Secrets in files and streams: the first line, without its line end. Who else may read a file is looked at.

use crate::bytes::secret::Secret;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Most octets of a secret with its line end; what is longer is none.
pub const MAX: usize = 64 * 1024;
/// Read by the file's group, or by all.
const OTHERS: u32 = 0o044;

/// The first line of a file.
pub fn read(path: &Path) -> Result<Secret<String>> {
    let shown = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    from(file, &shown)
}

/// The first line of what `from` gives. It is read an octet at a time up to its line end: what follows is somebody else's.
pub fn from(mut from: impl Read, shown: &str) -> Result<Secret<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX));
    let mut octet = [0];
    loop {
        match from.read(&mut octet) {
            Ok(0) => break,
            Ok(_) if octet[0] == b'\n' => break,
            Ok(_) if line.len() == MAX => bail!("{shown}: a line over {MAX} octets is no password"),
            Ok(_) => line.push(octet[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        }
    }
    secret(&line, shown)
}

/// A line as a secret.
pub fn secret(line: &[u8], shown: &str) -> Result<Secret<String>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Ok(text) = std::str::from_utf8(line) else { bail!("{shown}: the password is no UTF-8") };
    if text.is_empty() {
        bail!("{shown}: no password on the first line");
    }
    Ok(Secret::new(text.to_owned()))
}

/// A regular file that others than its owner may read.
pub fn is_open_to_others(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_secret_and_nothing_behind_it_is_read() {
        let of = |bytes: &[u8]| from(bytes, "it").map(|s| s.reveal().clone()).map_err(|e| e.to_string());
        assert_eq!(of(b"s3cret\r\nmore\n").as_deref(), Ok("s3cret"));
        assert_eq!((of(b" with blanks ").as_deref(), of(b"a\rb\n").as_deref()), (Ok(" with blanks "), Ok("a\rb")));
        assert_eq!(of(b"\nsecond"), Err("it: no password on the first line".to_owned()));
        assert_eq!(of(b"\xff\n"), Err("it: the password is no UTF-8".to_owned()));
        assert!(of(&vec![b'x'; MAX + 1]).unwrap_err().ends_with("is no password"));
        let mut two: &[u8] = b"one\ntwo\n";
        from(&mut two, "it").unwrap();
        assert_eq!(two, b"two\n");
    }

    #[test]
    fn a_file_that_others_may_read_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "x\n").unwrap();
        for (mode, open) in [(0o600, false), (0o640, true), (0o604, true), (0o622, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(&path), open, "{mode:o}");
        }
        assert!(!is_open_to_others(dir.path()));
        let error = format!("{:#}", read(&dir.path().join("none")).unwrap_err());
        assert!(error.starts_with("cannot open /") && error.contains("No such file"), "{error}");
    }
}
