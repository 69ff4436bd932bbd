//! The transcripts of `tests/smtp_send` against the binary over a socket.

mod support;

use postroad::net::tls::files::IdentityFiles;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use support::certs::authority;
use support::login::PASSWORD;
use support::process::{Ran, run, tool};
use support::speaker::Speaker;
use support::transcript::{self, Handshake, Line, Transcript};

/// Speaks the server's part, with a certificate for mx.test; an error where the client says anything but what it should.
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
            Line::Close => {
                // Who spoke last closes.
                if !server_spoke {
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

fn check(transcript: &Transcript) {
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
    assert_eq!(transcript.args[0], "smtp-send");
    let arguments = transcript.args[1..].iter().map(|word| {
        word.replace("$SERVER", &address)
            .replace("$CA", &ca.display().to_string())
            .replace("$PASSWORD", &password.display().to_string())
            .replace("$OTHER_CA", &other_ca.display().to_string())
    });
    let Ran { status, out, err, .. } = run(tool("smtp-send").args(arguments), &transcript.stdin);
    let place = format!("{}: stderr\n{err}stdout\n{out}", transcript.path.display());
    if let Err(why) = serving.join().unwrap() {
        panic!("{place}{why}");
    }
    let rows: Vec<String> = out.lines().map(|line| line.replace('\t', " ")).collect();
    assert!(transcript.same_outcomes(&rows), "wanted {:#?}\n{place}", transcript.outcomes);
    assert_eq!(Some(status), transcript.exit, "{place}");
    assert_eq!(err.is_empty(), transcript.exit == Some(0), "a failure is shown, a success is silent: {place}");
}

#[test]
fn every_transcript_passes_against_the_binary() {
    transcript::check_all("smtp_send", check);
}

/// As above, with many messages or recipients: more than one connection, or transactions that depend on the ones before.
#[test]
fn every_batch_passes_against_the_binary() {
    transcript::check_all("smtp_batch", check);
}
