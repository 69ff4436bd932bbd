//! Bytes passed between our own streams and a UNIX socket, both ways, unread.

use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Connects what is read and what is written with the socket at `path` until its other end closes. An error before the first byte is the socket's; later
/// ones only end it.
pub fn socket(path: &Path, stdin: File, mut stdout: File) -> io::Result<()> {
    let socket = UnixStream::connect(path)?;
    let to = socket.try_clone()?;
    // Not waited for: it may read for ever when the other end is gone.
    std::thread::spawn(move || {
        let _ = io::copy(&mut &stdin, &mut &to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut &socket, &mut stdout);
    Ok(())
}
