//! A transcript against a tool: the server's part played over a socket, with a certificate for mx.test.

use super::certs::authority;
use super::login::PASSWORD;
use super::process::{Ran, run, tool};
use super::speaker::Speaker;
use super::transcript::{self, Handshake, Line, Transcript};
use postroad::net::tls::files::IdentityFiles;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

/// Runs the transcript's command line, which has to be one of `name`, against the server's part. Gives how it ran, and all that a failed
/// assertion has to show of it. `$SERVER`, `$CA`, `$OTHER_CA` and `$PASSWORD` in the arguments stand for what is made here.
pub fn play(name: &str, transcript: &Transcript) -> (Ran, String) {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (authority(), authority());
    let ca = ours.certificate_file(dir.path(), "ca");
    let other_ca = other.certificate_file(dir.path(), "other-ca");
    let files = ours.issue(&["mx.test"], 10).files(dir.path(), "host");
    let password = dir.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = {
        let transcript = transcript.clone();
        thread::spawn(move || serve(&transcript, &listener, &files))
    };
    assert_eq!(transcript.args[0], name);
    let arguments = transcript.args[1..].iter().map(|word| {
        word.replace("$SERVER", &address)
            .replace("$CA", &ca.display().to_string())
            .replace("$PASSWORD", &password.display().to_string())
            .replace("$OTHER_CA", &other_ca.display().to_string())
    });
    let ran = run(tool(name).env("HOME", dir.path()).args(arguments), &transcript.stdin);
    let place = format!("{}: stderr\n{}stdout\n{}", transcript.path.display(), ran.err, ran.out);
    if let Err(why) = serving.join().unwrap() {
        panic!("{place}{why}");
    }
    (ran, place)
}

/// Holds the tool to the transcript: stdout, what is told on stderr, the status. Where that is one of `silent`, stderr is empty, else not.
pub fn check(name: &str, silent: &[i32], transcript: &Transcript) {
    let (Ran { status, out, err, .. }, place) = play(name, transcript);
    if transcript.stored.is_empty() {
        let rows: Vec<String> = out.lines().map(|line| line.replace('\t', " ")).collect();
        assert!(transcript.same_outcomes(&rows), "wanted {:#?}\n{place}", transcript.outcomes);
    } else {
        assert!(is_stored(&out, transcript), "wanted\n{}{place}", String::from_utf8_lossy(&transcript.stored));
    }
    assert_eq!(Some(status), transcript.exit, "{place}");
    for told in &transcript.told {
        assert!(err.lines().any(|line| line.contains(told.as_str())), "{told:?} is not told: {place}");
    }
    assert!(silent.contains(&status) == err.is_empty(), "a failure is shown, a success is silent: {place}");
    // Both as it is, and in base64 behind the NUL of PLAIN.
    assert!(!err.contains(PASSWORD) && !err.contains("AHMzY3JldA"), "a password is shown: {place}");
}

/// Line by line; a closing `…` stands for any text.
pub fn is_stored(out: &str, transcript: &Transcript) -> bool {
    let wanted = String::from_utf8_lossy(&transcript.stored).into_owned();
    let same = |(line, wanted): (&str, &str)| wanted.strip_suffix('…').map_or(line == wanted, |start| line.starts_with(start));
    out.lines().count() == wanted.lines().count() && out.lines().zip(wanted.lines()).all(same)
}

/// Speaks the server's part; an error where the client says anything but what it should.
fn serve(transcript: &Transcript, listener: &TcpListener, files: &IdentityFiles) -> Result<(), String> {
    let connect = || Speaker::accept(listener).map_err(|error| format!("no client: {error}"));
    let mut talk = Some(connect()?);
    let mut server_spoke = false;
    for turn in transcript.turns() {
        if turn[0] == Line::Connect {
            talk = Some(connect()?);
            continue;
        }
        let current = talk.as_mut().ok_or("the connection is over")?;
        match &turn[0] {
            Line::Server(_) => current.write_all(&transcript::server_bytes(turn)).map_err(|error| error.to_string())?,
            Line::Client(_) => {
                let wanted = transcript::client_bytes(turn);
                let mut said = vec![0; wanted.len()];
                let complete = current.read_exact(&mut said);
                if complete.is_err() || said != wanted {
                    let (wanted, said) = (String::from_utf8_lossy(&wanted), String::from_utf8_lossy(&said));
                    return Err(format!("wanted\n{wanted}said {complete:?}\n{said}"));
                }
            }
            Line::Tls(handshake) => talk = handshaken(talk.take().ok_or("the connection is over")?, *handshake, files)?,
            Line::Close | Line::Lost => {
                // Who spoke last closes.
                if !server_spoke || turn[0] == Line::Lost {
                    current.hang_up().map_err(|error| error.to_string())?;
                }
                let rest = current.rest().map_err(|error| error.to_string())?;
                if !rest.is_empty() {
                    return Err(format!("said {} too much", String::from_utf8_lossy(&rest)));
                }
            }
            Line::Connect => {}
        }
        server_spoke = matches!(turn[0], Line::Server(_));
    }
    Ok(())
}

/// The conversation after the handshake, if it goes on.
fn handshaken(talk: Speaker, handshake: Handshake, files: &IdentityFiles) -> Result<Option<Speaker>, String> {
    let mut talk = talk;
    match handshake {
        Handshake::Made => talk.secure_as_server(files).map(Some),
        Handshake::Refused => match talk.secure_as_server(files) {
            Ok(_) => Err("the client took the certificate".to_owned()),
            Err(_) => Ok(None),
        },
        Handshake::Broken => {
            let mut hello = [0; 3];
            talk.read_exact(&mut hello).map_err(|error| error.to_string())?;
            // RFC 8446 section 5.1: a handshake record.
            if hello[..2] == [22, 3] { Ok(None) } else { Err(format!("no ClientHello: {hello:?}")) }
        }
    }
}
