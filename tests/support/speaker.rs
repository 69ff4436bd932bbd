//! One end of a conversation over a socket that may turn to TLS.

use super::engines::PATIENCE;
use openssl::ssl::{SslAcceptor, SslConnector, SslFiletype, SslMethod, SslStream, SslVerifyMode};
use postroad::net::tls::files::IdentityFiles;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

pub enum Speaker {
    Clear(TcpStream),
    Secure(SslStream<TcpStream>),
}

impl Speaker {
    pub fn connect(address: SocketAddr) -> Speaker {
        Speaker::over(TcpStream::connect(address).unwrap())
    }

    /// The next client; an error where none comes.
    pub fn accept(listener: &TcpListener) -> io::Result<Speaker> {
        listener.set_nonblocking(true)?;
        let started = Instant::now();
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Ok(Speaker::over(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && started.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn over(stream: TcpStream) -> Speaker {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Speaker::Clear(stream)
    }

    /// Starts TLS as a client that believes everybody.
    pub fn secure_as_client(self) -> Speaker {
        let Speaker::Clear(stream) = self else { panic!("TLS inside TLS") };
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        Speaker::Secure(connector.build().connect("mx.test", stream).unwrap())
    }

    /// Starts TLS as a server; an error where the client does not go along.
    pub fn secure_as_server(self, files: &IdentityFiles) -> Result<Speaker, String> {
        let Speaker::Clear(stream) = self else { panic!("TLS inside TLS") };
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate_chain_file(&files.certificate).unwrap();
        acceptor.set_private_key_file(&files.key, SslFiletype::PEM).unwrap();
        acceptor.build().accept(stream).map(Speaker::Secure).map_err(|error| error.to_string())
    }

    /// So many lines, with their CRLF; fewer where the peer closes.
    pub fn lines(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut said = Vec::new();
        while said.windows(2).filter(|pair| pair == b"\r\n").count() < count {
            let mut byte = [0];
            if self.read(&mut byte)? == 0 {
                break;
            }
            said.push(byte[0]);
        }
        Ok(said)
    }

    /// We say nothing more.
    pub fn hang_up(&mut self) -> io::Result<()> {
        match self {
            Speaker::Clear(stream) => stream.shutdown(Shutdown::Write),
            Speaker::Secure(stream) => {
                stream.shutdown().map_err(io::Error::other)?;
                stream.get_ref().shutdown(Shutdown::Write)
            }
        }
    }

    /// All that the peer says until it closes.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.read_to_end(&mut rest)?;
        Ok(rest)
    }
}

impl Read for Speaker {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Speaker::Clear(stream) => stream.read(buf),
            Speaker::Secure(stream) => stream.read(buf),
        }
    }
}

impl Write for Speaker {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Speaker::Clear(stream) => stream.write(buf),
            Speaker::Secure(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Speaker::Clear(stream) => stream.flush(),
            Speaker::Secure(stream) => stream.flush(),
        }
    }
}
