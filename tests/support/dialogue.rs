//! A server that follows a script: what it says, what it has to hear, when TLS starts. For one client.

use super::certs::{Pair, authority};
use super::process::{Ran, run, tool};
use super::speaker::Speaker;
use postroad::net::tls::files::IdentityFiles;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

/// One step of the script.
#[derive(Debug, Clone)]
pub enum Does {
    /// These bytes, as they are.
    Says(Vec<u8>),
    /// This line, CRLF added, and nothing else.
    Hears(String),
    Tls,
    /// All that comes until the client closes must be this.
    Ends(Vec<u8>),
}

pub fn says(lines: &str) -> Does {
    Does::Says(lines.lines().map(|line| format!("{line}\r\n")).collect::<String>().into_bytes())
}

pub fn hears(line: &str) -> Does {
    Does::Hears(line.to_owned())
}

/// A certificate for mx.test and 127.0.0.1, and who vouches for it.
pub struct Site {
    pub dir: TempDir,
    pub host: Pair,
    pub ca: PathBuf,
    files: IdentityFiles,
}

impl Site {
    pub fn new() -> Site {
        Site::valid_for(10)
    }

    pub fn valid_for(days: i64) -> Site {
        let (dir, authority) = (tempfile::tempdir().unwrap(), authority());
        let host = authority.issue(&["mx.test", "127.0.0.1"], days);
        let (files, ca) = (host.files(dir.path(), "host"), authority.certificate_file(dir.path(), "ca"));
        Site { dir, host, ca, files }
    }
}

/// A server's address, and the thread that gives what went otherwise.
pub type Serving = (SocketAddr, JoinHandle<Result<(), String>>);

/// Types these lines into a pipe to the tool, which leads a session with that server by hand.
pub fn typed(name: &str, server: Serving, words: &[&str], lines: &str) -> Ran {
    let (address, serving) = server;
    let ran = run(tool(name).args(["--interactive", "-s", &address.to_string()]).args(words), lines.as_bytes());
    if let Err(why) = serving.join().unwrap() {
        panic!("{why}\n{}{}", ran.out, ran.err);
    }
    ran
}

/// Runs the script for the next client.
pub fn serve(site: &Site, script: Vec<Does>) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, files) = (listener.local_addr().unwrap(), site.files.clone());
    (address, thread::spawn(move || follow(&listener, &files, script)))
}

/// Runs a script for each client that comes, one after the other.
pub fn serve_each(site: &Site, scripts: Vec<Vec<Does>>) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, files) = (listener.local_addr().unwrap(), site.files.clone());
    let all = move || scripts.into_iter().try_for_each(|script| follow(&listener, &files, script));
    (address, thread::spawn(all))
}

fn follow(listener: &TcpListener, files: &IdentityFiles, script: Vec<Does>) -> Result<(), String> {
    let mut talk = Speaker::accept(listener).map_err(|error| format!("no client: {error}"))?;
    for step in script {
        match step {
            // A client that has heard enough may be gone.
            Does::Says(bytes) => drop(talk.write_all(&bytes)),
            Does::Hears(line) => hear(&mut talk, format!("{line}\r\n").as_bytes())?,
            Does::Tls => talk = talk.secure_as_server(files)?,
            Does::Ends(bytes) => {
                let mut rest = Vec::new();
                let _ = talk.read_to_end(&mut rest);
                same(&bytes, &rest)?;
            }
        }
    }
    Ok(())
}

fn hear(talk: &mut Speaker, wanted: &[u8]) -> Result<(), String> {
    let mut said = vec![0; wanted.len()];
    talk.read_exact(&mut said).map_err(|error| format!("{error}, not {}", String::from_utf8_lossy(wanted)))?;
    same(wanted, &said)
}

fn same(wanted: &[u8], said: &[u8]) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if wanted == said { Ok(()) } else { Err(format!("wanted {:?}, heard {:?}", text(wanted), text(said))) }
}
