//! A connection: a wire, in clear or inside TLS, and who is at its other end.

use super::deflate::Deflated;
use super::peer::Peer;
use super::tls::layer::{Facts, Handshake, Secured, TlsError, Until};
use super::wire::{Directions, Ready, Wire};
use crate::protocol::proxy::Introduction;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The most bytes a server reads and forgets after its last reply.
const LINGER_LIMIT: usize = 1024 * 1024;

/// One connection.
pub struct Connection {
    layer: Layer,
    /// What is above it, once both sides agreed on that.
    deflated: Option<Box<Deflated>>,
    peer: Peer,
    /// What was said before all else.
    introduction: Option<Introduction>,
    /// Ends after the wire did: what the connection was made to.
    _keeper: Option<Box<dyn Send>>,
}

/// Our half of a connection.
#[derive(Debug)]
pub struct Half(OwnedFd);

impl Half {
    /// Nothing more is sent; what is read is not touched. A peer that was faster is no fault.
    pub fn shut(&self) {
        let _ = SockRef::from(&self.0).shutdown(Shutdown::Write);
    }
}

enum Layer {
    Clear(Wire),
    Secure(Box<dyn Secured>),
    /// A handshake failed; the wire is gone.
    Lost,
}

impl Connection {
    pub fn new(wire: Wire, peer: Peer) -> Connection {
        Connection { layer: Layer::Clear(wire), deflated: None, peer, introduction: None, _keeper: None }
    }

    /// With what was said on it already.
    pub(super) fn introduced_by(self, introduction: Option<Introduction>) -> Connection {
        Connection { introduction, ..self }
    }

    /// The header of the PROXY protocol that it began with.
    pub fn introduction(&self) -> Option<&Introduction> {
        self.introduction.as_ref()
    }

    /// With what is to be dropped once the connection is closed.
    pub(super) fn kept_by(self, keeper: impl Send + 'static) -> Connection {
        Connection { _keeper: Some(Box::new(keeper)), ..self }
    }

    /// Over a connected socket; asks the kernel who is there. What is written to TCP goes out at once: an answer that waits for an
    /// acknowledgement costs 40 ms.
    pub fn over(socket: impl Into<std::os::fd::OwnedFd>) -> io::Result<Connection> {
        let wire = Wire::new(socket);
        let peer = Peer::of(wire.input())?;
        if matches!(peer, Peer::Ip(_)) {
            SockRef::from(&wire.input()).set_tcp_nodelay(true)?;
        }
        Ok(Connection::new(wire, peer))
    }

    /// Over fd 0 and 1, as inetd gives them; a socket is one connection, a pipe or terminal one a direction.
    pub fn of_streams(stdin: &io::Stdin, stdout: &io::Stdout) -> io::Result<Connection> {
        match Peer::of(stdin.as_fd())? {
            Peer::Ip(_) | Peer::Unix { .. } => Connection::over(stdin.as_fd().try_clone_to_owned()?),
            peer @ (Peer::Pipe | Peer::Terminal) => Ok(Connection::new(Wire::copies(stdin, stdout)?, peer)),
        }
    }

    /// What ends our half of a connection in clear, at any time and beside its driver.
    pub fn half(&self) -> io::Result<Half> {
        match &self.layer {
            Layer::Clear(wire) => wire.output().ok_or(io::ErrorKind::BrokenPipe)?.try_clone_to_owned().map(Half),
            Layer::Secure(_) | Layer::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Where it comes from on our side; none for a socket of this host, or a pipe.
    pub fn own_address(&self) -> Option<IpAddr> {
        let Layer::Clear(wire) = &self.layer else { return None };
        let own = SockRef::from(&wire.output()?).local_addr().ok()?.as_socket()?;
        Some(own.ip().to_canonical())
    }

    /// What is known of TLS, once it runs.
    pub fn facts(&self) -> Option<&Facts> {
        match &self.layer {
            Layer::Secure(tls) => Some(tls.facts()),
            Layer::Clear(_) | Layer::Lost => None,
        }
    }

    /// Starts TLS at once, as implicit TLS (RFC 8314) does. After a failure the connection is closed.
    pub fn secure(&mut self, tls: &dyn Handshake, within: Duration) -> Result<(), TlsError> {
        self.secure_until(tls, Until { time: Instant::now() + within, over: &|| false })
    }

    /// The same, as the driver does it.
    pub(super) fn secure_until(&mut self, tls: &dyn Handshake, until: Until<'_>) -> Result<(), TlsError> {
        let Layer::Clear(wire) = std::mem::replace(&mut self.layer, Layer::Lost) else {
            return Err(TlsError::Handshake { peer: self.peer.to_string(), why: "started twice".into() });
        };
        self.layer = Layer::Secure(tls.shake(wire, until)?);
        Ok(())
    }

    /// Compresses both directions from here on (RFC 4978); `ahead` is what of the peer was read already.
    pub(super) fn compress(&mut self, ahead: &[u8]) {
        self.deflated = Some(Box::new(Deflated::new(ahead)));
    }

    /// More may be held above the socket than was read from it last.
    pub(super) fn holds_back(&self) -> bool {
        self.is_secure() || self.deflated.is_some()
    }

    pub(super) fn is_secure(&self) -> bool {
        matches!(self.layer, Layer::Secure(_))
    }

    /// What the last reads and writes waited for.
    pub(super) fn take_blocked(&mut self) -> Directions {
        self.wire().map(Wire::take_blocked).unwrap_or_default()
    }

    pub(super) fn wait(
        &mut self,
        wanted: Directions,
        other: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> io::Result<Ready> {
        self.wire()?.wait(wanted, other, until)
    }

    /// Ends what we say: close_notify inside TLS, then the end of the stream. `linger` is how long the peer's rest is read and
    /// forgotten, so that unread bytes don't turn the close into a reset that eats our last reply (RFC 1122 section 4.2.2.13).
    pub(super) fn close(&mut self, linger: Option<Duration>) {
        if let Layer::Secure(tls) = &mut self.layer {
            tls.close();
        }
        let Ok(wire) = self.wire() else { return };
        wire.shut_output();
        if let Some(linger) = linger {
            drain(wire, Instant::now() + linger);
        }
    }

    fn wire(&mut self) -> io::Result<&mut Wire> {
        match &mut self.layer {
            Layer::Clear(wire) => Ok(wire),
            Layer::Secure(tls) => Ok(tls.wire()),
            Layer::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Gives `WouldBlock` instead of waiting.
impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.deflated {
            Some(deflated) => deflated.read(&mut self.layer, buf),
            None => self.layer.read(buf),
        }
    }
}

impl Read for Layer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Layer::Clear(wire) => wire.read(buf),
            Layer::Secure(tls) => tls.read(buf),
            Layer::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Gives `WouldBlock` instead of waiting.
impl Write for Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.deflated {
            Some(deflated) => deflated.write(&mut self.layer, buf),
            None => self.layer.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Layer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Layer::Clear(wire) => wire.write(buf),
            Layer::Secure(tls) => tls.write(buf),
            Layer::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn drain(wire: &mut Wire, until: Instant) {
    let mut buf = [0; 4096];
    let mut left = LINGER_LIMIT;
    while left > 0 && Instant::now() < until {
        match wire.read(&mut buf) {
            Ok(0) => return,
            Ok(n) => left = left.saturating_sub(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match wire.wait(Directions { read: true, write: false }, None, Some(until)) {
                    Ok(ready) if ready.wire.read => {}
                    Ok(_) | Err(_) => return,
                }
            }
            Err(_) => return,
        }
    }
}
