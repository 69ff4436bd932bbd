//! Words for a conversation that wait in a poll: told by other threads while its driver sleeps.

use nix::fcntl::OFlag;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TryRecvError};

/// What a look into the mailbox found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    Tell(T),
    Nothing,
    /// Nothing, and nobody is left who could send.
    Deserted,
}

/// Opens a mailbox for one conversation.
pub fn mailbox<T>() -> io::Result<(Sender<T>, Mailbox<T>)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let (tells, received) = mpsc::channel();
    let stopped = Arc::new(AtomicBool::new(false));
    let sender = Sender { tells, stopped: Arc::clone(&stopped), bell: Arc::new(writer) };
    Ok((sender, Mailbox { tells: received, stopped, bell: reader }))
}

/// Puts words into a mailbox, from any thread. What is sent to a conversation that is over is lost.
#[derive(Debug)]
pub struct Sender<T> {
    // Dropped before the bell: who hears the bell's end finds the channel closed.
    tells: mpsc::Sender<T>,
    stopped: Arc<AtomicBool>,
    bell: Arc<OwnedFd>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender { tells: self.tells.clone(), stopped: Arc::clone(&self.stopped), bell: Arc::clone(&self.bell) }
    }
}

impl<T> Sender<T> {
    /// Goes to the engine.
    pub fn tell(&self, tell: T) {
        if self.tells.send(tell).is_ok() {
            self.ring();
        }
    }

    /// The conversation is to end now, before what was told and not yet heard.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ring();
    }

    fn ring(&self) {
        // A full pipe has rung already, and a closed one has nobody to wake.
        let _ = nix::unistd::write(&self.bell, &[1]);
    }
}

/// The receiving end. Its descriptor polls as readable when there may be something new.
#[derive(Debug)]
pub struct Mailbox<T> {
    tells: mpsc::Receiver<T>,
    stopped: Arc<AtomicBool>,
    bell: OwnedFd,
}

impl<T> Mailbox<T> {
    /// Somebody wants the conversation to end.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The next word, without waiting.
    pub fn look(&mut self) -> Found<T> {
        match self.tells.try_recv() {
            Ok(tell) => Found::Tell(tell),
            Err(TryRecvError::Empty) => Found::Nothing,
            Err(TryRecvError::Disconnected) => Found::Deserted,
        }
    }

    /// To be called when the descriptor polled as readable, before [`Mailbox::look`]: a word is sent before its bell rings, so
    /// that none is missed.
    pub fn hush(&mut self) {
        while nix::unistd::read(&self.bell, &mut [0; 64]).is_ok_and(|n| n == 64) {}
    }
}

impl<T> AsFd for Mailbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn rings(mailbox: &Mailbox<u8>) -> bool {
        poll(&mut [PollFd::new(mailbox.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() > 0
    }

    #[test]
    fn words_ring_and_come_in_order() {
        let (sender, mut mailbox) = mailbox::<u8>().unwrap();
        assert!(!rings(&mailbox));
        for n in 0..100 {
            sender.tell(n);
        }
        assert!(rings(&mailbox) && !mailbox.stopped());
        sender.clone().stop();
        assert!(mailbox.stopped());
        mailbox.hush();
        for n in 0..100 {
            assert_eq!(mailbox.look(), Found::Tell(n));
        }
        assert_eq!(mailbox.look(), Found::Nothing);
        mailbox.hush();
        assert!(!rings(&mailbox));
        drop(sender);
        assert!(rings(&mailbox));
        assert_eq!(mailbox.look(), Found::Deserted);
    }

    #[test]
    fn a_flood_of_words_never_blocks_the_sender() {
        let (sender, mut mailbox) = mailbox::<u8>().unwrap();
        for _ in 0..100_000 {
            sender.tell(1);
        }
        mailbox.hush();
        assert!(!rings(&mailbox));
        assert_eq!((0..100_000).filter(|_| mailbox.look() == Found::Tell(1)).count(), 100_000);
    }
}
