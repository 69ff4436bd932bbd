//! Descriptors that come from whoever started us, as a service manager (sd_listen_fds(3)). The one file of this floor that takes a descriptor
//! by its number.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// Takes descriptors 3 to 3 + `count` - 1, each once in a process's life, and keeps children from inheriting them. A number that is no open
/// descriptor is an error.
pub fn take(count: u32) -> std::io::Result<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(std::io::Error::other("descriptors were taken already"));
    }
    let last = RawFd::try_from(count).ok().and_then(|count| FIRST.checked_add(count)).ok_or(std::io::ErrorKind::InvalidInput)?;
    (FIRST..last).map(own).collect()
}

/// Takes one descriptor that whoever started us opened, and keeps children from inheriting it. Standard input, output and error are not
/// taken, nor what this process opened itself, nor any twice.
pub fn one(number: RawFd) -> std::io::Result<OwnedFd> {
    if number < FIRST {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: `number` is only looked at.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // All that is opened here is closed on exec; what came through an exec can't be.
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    own(number)
}

/// Keeps children from inheriting what whoever started us left open, such as a shell's lock. Where the system does not list what is open
/// (no /dev/fd) nothing is done.
pub fn withhold() {
    let open = std::fs::read_dir("/dev/fd").into_iter().flatten().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    for number in numbers.filter(|number| *number >= FIRST) {
        // SAFETY: only a flag of the descriptor changes, one that all that is opened here has anyway; a number that is closed
        // meanwhile is an error without consequence.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whoever started us left stdout closed, as the shell's `>&-` does. Before `main` the standard library opens /dev/null in its place, where
/// all that is written is lost without an error. A /dev/null that others opened so for reading and writing, as many do for a program whose
/// output they do not want, looks the same by then; so this is found out before.
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

extern "C" fn look_at_stdout() {
    // SAFETY: the descriptor is only looked at. Nothing here needs the standard library's runtime, which does not run yet.
    let closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0;
    STDOUT_WAS_CLOSED.store(closed, Ordering::Relaxed);
}

/// Called by the C runtime before `main`.
#[used]
// SAFETY: the section holds pointers to functions of this type, each called once; it takes no arguments that are passed, as C allows.
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static BEFORE_MAIN: extern "C" fn() = look_at_stdout;

fn own(fd: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: `fd` is only looked at. Nothing else in the process owns it: it was handed over from outside, and `take` runs
    // once; `one` takes none that was taken.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is open, as just seen, and from here on owned by this value alone.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the descriptor is open and ours.
    if unsafe { libc::fcntl(owned.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(owned)
}
