//! A server that is a program of ours: started without a shell, spoken to over a socket that is its stdin and stdout, as inetd
//! does it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to end once it is no longer spoken to.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// A program that ends, at the latest, when this is dropped.
#[derive(Debug)]
pub(super) struct Running(Child);

/// Starts a program, with our environment and stderr. The error is that of starting it: no such program, no right to run it.
pub(super) fn start(argv: &[String]) -> io::Result<(UnixStream, Running)> {
    let Some((program, arguments)) = argv.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let (ours, theirs) = UnixStream::pair()?;
    let (input, output) = (OwnedFd::from(theirs.try_clone()?), OwnedFd::from(theirs));
    let child = Command::new(program).args(arguments).stdin(Stdio::from(input)).stdout(Stdio::from(output)).spawn()?;
    Ok((ours, Running(child)))
}

impl Drop for Running {
    fn drop(&mut self) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.0.try_wait() {
                Ok(None) => thread::sleep(LOOK),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // Not reaped yet, so the number is still its own.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
