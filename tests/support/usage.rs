//! The memory that a process took, from the kernel at its end. The only file of the tests with `unsafe`.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub status: ExitStatus,
    /// Most bytes of it in memory at once, of its own children that it waited for, or of us when it was started: whichever was most.
    pub peak: u64,
}

/// The end of a child of ours, which is then gone: nothing else may wait for it. None: it goes on.
pub fn wait4(pid: u32) -> io::Result<Option<Ended>> {
    let mut status = 0;
    // SAFETY: a rusage is plain numbers, for which zeros are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: both pointers are to places of ours that live through the call.
    match unsafe { libc::wait4(pid, &mut status, libc::WNOHANG, &mut usage) } {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        // Linux counts in units of 1024 bytes.
        _ => Ok(Some(Ended { status: ExitStatus::from_raw(status), peak: usage.ru_maxrss as u64 * 1024 })),
    }
}
