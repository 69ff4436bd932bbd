//! What smtp-send tells of a server: `--serverinfo`, and TLS with `-v`.

mod support;

use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;
use support::dialogue::{Does, Site, hears, says, serve};
use support::process::{Ran, run, tool};

/// Runs smtp-send as `client.test` with these words and checks that the server's script was followed.
fn send(server: (SocketAddr, JoinHandle<Result<(), String>>), words: &[&str]) -> Ran {
    let (address, serving) = server;
    let ran = run(tool("smtp-send").args(["--ehlo", "client.test", "-s", &address.to_string()]).args(words), b"");
    if let Err(why) = serving.join().unwrap() {
        panic!("{why}\n{}{}", ran.out, ran.err);
    }
    ran
}

fn with_tls() -> Vec<Does> {
    vec![
        says("220 mx.test ESMTP"),
        hears("EHLO client.test"),
        says("250-mx.test\n250-SIZE 10240000\n250-AUTH PLAIN SCRAM-SHA-256\n250-XODD thing\n250 STARTTLS"),
        hears("STARTTLS"),
        says("220 go ahead"),
        Does::Tls,
        hears("EHLO client.test"),
        says("250-mx.test\n250-SIZE 10240000\n250 AUTH LOGIN"),
        hears("QUIT"),
        says("221 bye"),
    ]
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    serde_json::from_str(&ran.out).unwrap()
}

/// A server that takes its time over a message; what stands on the terminal that is stderr, all of it.
fn shown_while_sending(words: &[&str], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        let mut client = BufReader::new(listener.accept().unwrap().0);
        client.get_mut().write_all(b"220 mx.test\r\n").unwrap();
        let (mut line, mut octets) = (Vec::new(), 0);
        while client.read_until(b'\n', &mut line).unwrap() > 0 {
            let reply: &[u8] = match &line[..] {
                b"DATA\r\n" => b"354 go\r\n",
                b"QUIT\r\n" => b"221 bye\r\n",
                b".\r\n" => b"250 ok\r\n",
                line if line.starts_with(b"x") || line.starts_with(b"Subject") || line == b"\r\n" => b"",
                _ => b"250 ok\r\n",
            };
            if octets == 0 && line.starts_with(b"x") {
                std::thread::sleep(pause);
            }
            octets += if line.starts_with(b"x") { line.len() } else { 0 };
            client.get_mut().write_all(reply).unwrap();
            line.clear();
        }
        octets
    });
    let size = nix::pty::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = nix::pty::openpty(&size, None).unwrap();
    let mut message = tempfile::tempfile().unwrap();
    let line = format!("{}\n", "x".repeat(99));
    // In pieces: what this process holds counts for its children, whose memory is looked at.
    message.write_all(b"Subject: long\n\n").unwrap();
    (0..300).for_each(|_| message.write_all(line.repeat(1000).as_bytes()).unwrap());
    message.rewind().unwrap();
    let mut command = tool("smtp-send");
    command
        .args(["-s", &address, "--ehlo", "client.test", "-f", "a@x.test", "b@y.test"])
        .args(words)
        .stdin(message)
        .env("TERM", "xterm");
    let mut child = command.stderr(terminal.slave).spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    // The last end of the terminal is closed: an error on Linux, the end elsewhere.
    let _ = File::from(terminal.master).read_to_end(&mut shown);
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&shown));
    assert!(serving.join().unwrap() > 30_000_000);
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn a_bar_stands_on_a_terminal_for_what_takes_over_a_second() {
    let shown = shown_while_sending(&[], Duration::from_millis(1500));
    assert!(shown.contains(" MiB/28.90 MiB "), "{shown:?}");
    assert!(!shown.contains("GiB/s"), "a start that the buffers took is no speed: {shown:?}");
    assert!(!shown.contains('\n'), "it is gone at the end: {shown:?}");
    assert_eq!(shown_while_sending(&["-q"], Duration::from_millis(1500)), "");
}

#[test]
fn a_server_is_told_of_in_words() {
    let site = Site::new();
    let ran = send(serve(&site, with_tls()), &["--serverinfo", "--tls-ca", site.ca.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    for told in [
        "  banner       220 mx.test ESMTP\n",
        "  verified     yes\n",
        "  subject      CN=mx.test, O=Test\n",
        "  issuer       CN=Test Authority, O=Test\n",
        "  names        mx.test, 127.0.0.1\n",
        " days left\n",
        "    AUTH LOGIN\n        logs clients in (RFC 4954) by LOGIN: sends the password: only inside TLS\n",
        "  offers before TLS only\n    AUTH PLAIN SCRAM-SHA-256\n",
        "    XODD thing\n        not registered",
    ] {
        assert!(ran.out.contains(told), "{told:?} is missing in\n{}", ran.out);
    }
}

#[test]
fn a_server_is_told_of_in_json_with_the_keys_of_the_contract() {
    let site = Site::new();
    let server = serve(&site, with_tls());
    let address = server.0.to_string();
    let told = json(&send(server, &["--serverinfo", "--json", "--tls-ca", site.ca.to_str().unwrap()]));
    assert_eq!(told["host"], "127.0.0.1");
    assert_eq!(told["address"], address);
    assert_eq!(told["banner"], "220 mx.test ESMTP");
    assert_eq!(told["extensions"], serde_json::json!(["SIZE 10240000", "AUTH LOGIN"]));
    assert_eq!(told["extensions_before_tls"].as_array().unwrap().len(), 4);
    let tls = &told["tls"];
    assert_eq!(tls["version"], "TLSv1.3");
    assert_eq!(tls["subject"], "CN=mx.test, O=Test");
    assert_eq!(tls["issuer"], "CN=Test Authority, O=Test");
    assert_eq!(tls["names"], serde_json::json!(["mx.test", "127.0.0.1"]));
    assert_eq!(tls["verified"], true);
    let fingerprint: String = site.host.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(tls["fingerprint"], fingerprint);
    assert!(tls["not_after"].as_str().unwrap().ends_with('Z') && tls["cipher"].is_string());
}

#[test]
fn a_certificate_that_is_refused_is_told_all_the_same() {
    let site = Site::new();
    let other = Site::new();
    let of = |words: &[&str]| {
        let ran = send(serve(&site, with_tls()), &[&["--serverinfo", "--json"], words].concat());
        (ran.status, json(&ran))
    };
    let (status, told) = of(&["--tls", "require", "--tls-ca", other.ca.to_str().unwrap()]);
    assert_eq!((status, &told["tls"]["verified"], &told["tls"]["subject"]), (77, &false.into(), &"CN=mx.test, O=Test".into()));
    assert!(told["tls"]["error"].as_str().unwrap().contains("signature failure"), "{told}");
    let (status, told) = of(&["--tls-name", "elsewhere.test", "--tls-ca", site.ca.to_str().unwrap()]);
    assert_eq!((status, &told["tls"]["error"]), (77, &"hostname mismatch".into()));
    let pin: String = site.host.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    let (status, told) = of(&["--tls", "require", "--tls-fingerprint", &pin]);
    assert_eq!((status, &told["tls"]["verified"]), (0, &true.into()));
    let (status, told) = of(&["--tls", "require", "--tls-fingerprint", &"ab".repeat(32)]);
    assert_eq!((status, &told["tls"]["error"]), (77, &"its fingerprint is another".into()));
    // Opportunistic TLS asks for no proof.
    let (status, told) = of(&[]);
    assert_eq!((status, &told["tls"]["verified"]), (0, &false.into()));
}

#[test]
fn an_expired_certificate_says_since_when() {
    let site = Site::valid_for(-3);
    let ran = send(serve(&site, with_tls()), &["--serverinfo", "--tls", "require", "--tls-ca", site.ca.to_str().unwrap()]);
    assert_eq!(ran.status, 77, "{}", ran.out);
    assert!(ran.out.contains("verified     no: certificate has expired\n") && ran.out.contains(", 3 days ago\n"), "{}", ran.out);
}

#[test]
fn a_server_without_what_was_asked_for_is_a_failure_with_what_it_did_say() {
    let site = Site::new();
    let plain =
        || vec![says("220 mx.test"), hears("EHLO client.test"), says("250-mx.test\n250 HELP"), hears("QUIT"), says("221 bye")];
    let ran = send(serve(&site, plain()), &["--serverinfo", "--json", "--tls", "require"]);
    assert_eq!((ran.status, &json(&ran)["extensions"]), (75, &serde_json::json!(["HELP"])));
    assert!(json(&ran)["tls"].is_null());
    assert_eq!(send(serve(&site, plain()), &["--serverinfo", "--tls", "never"]).status, 0);
    let refusing = vec![says("554 5.3.2 no mail here"), hears("QUIT"), says("221 bye")];
    let ran = send(serve(&site, refusing), &["--serverinfo", "--json"]);
    assert_eq!((ran.status, &json(&ran)["banner"]), (69, &"554 5.3.2 no mail here".into()));
    let old = vec![
        says("220 old.test"),
        hears("EHLO client.test"),
        says("500 what?"),
        hears("HELO client.test"),
        says("250 hello"),
        hears("QUIT"),
        says("221 bye"),
    ];
    assert_eq!(send(serve(&site, old), &["--serverinfo"]).status, 0);
}

#[test]
fn a_hostile_server_drives_no_terminal_and_no_memory() {
    let site = Site::new();
    let script = vec![
        Does::Says(b"220 \x1b]0;owned\x07 mx\r\n".to_vec()),
        hears("EHLO client.test"),
        Does::Says(b"250-mx\r\n250-\x1b[2JX 1\r\n250 SIZE \x9b1\r\n".to_vec()),
        hears("QUIT"),
        says("221 bye"),
    ];
    for words in [&["--serverinfo", "-v"][..], &["--serverinfo", "-v", "--json"]] {
        let ran = send(serve(&site, script.clone()), words);
        assert_eq!(ran.status, 0, "{}", ran.err);
        let told = ran.out + &ran.err;
        assert!(!told.contains(['\x1b', '\x07', '\u{9b}']), "{told:?}");
    }
    let endless = vec![Does::Says(b"220-more\r\n".repeat(2_000_000)), Does::Ends(Vec::new())];
    let ran = send(serve(&site, endless), &["--serverinfo"]);
    assert_eq!(ran.status, 76, "{}", ran.err);
    assert!(ran.peak < 64 * 1024 * 1024, "{} bytes", ran.peak);
    let injected = vec![
        says("220 mx"),
        hears("EHLO client.test"),
        says("250-mx\n250 STARTTLS"),
        hears("STARTTLS"),
        says("220 go\n250 injected"),
    ];
    assert_eq!(send(serve(&site, injected), &["--serverinfo"]).status, 76);
}

/// The session to where `--quit-after tls` ends it.
fn to_tls() -> Vec<Does> {
    vec![
        says("220 mx.test"),
        hears("EHLO client.test"),
        says("250-mx.test\n250 STARTTLS"),
        hears("STARTTLS"),
        says("220 go"),
        Does::Tls,
        hears("QUIT"),
        says("221 bye"),
    ]
}

#[test]
fn tls_is_reported_with_the_session() {
    let site = Site::new();
    let ca = site.ca.to_str().unwrap();
    let server = serve(&site, to_tls());
    let address = server.0;
    let ran = send(server, &["-v", "--quit-after", "tls", "--tls", "require", "--tls-ca", ca]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let line =
        format!("=== Verified TLS connection established to 127.0.0.1[127.0.0.1]:{}: TLSv1.3 with cipher ", address.port());
    assert!(ran.err.contains(&line), "{}", ran.err);
    let fingerprint: String = site.host.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    for fact in ["subject: CN=mx.test", "issuer: CN=Test Authority", "names: mx.test, 127.0.0.1", "expires: ", &fingerprint] {
        assert!(ran.err.contains(fact), "{fact} is missing in\n{}", ran.err);
    }
    let ran = send(serve(&site, to_tls()), &["-v", "--quit-after", "tls"]);
    assert!(ran.err.contains("=== Untrusted TLS connection") && ran.err.contains("=== not verified: "), "{}", ran.err);
}

#[test]
fn a_handshake_that_fails_tells_which_certificate_was_shown() {
    let site = Site::new();
    let other = Site::new();
    let fingerprint: String = site.host.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, ca, why) in [("mx.test", &other.ca, "signature failure"), ("elsewhere.test", &site.ca, "hostname mismatch")] {
        let (address, serving) = serve(&site, to_tls());
        let mut command = tool("smtp-send");
        command.args(["--ehlo", "client.test", "-s", &address.to_string(), "-v", "--quit-after", "tls", "--tls", "require"]);
        let ran = run(command.args(["--tls-name", name, "--tls-ca"]).arg(ca), b"");
        assert!(serving.join().unwrap().is_err(), "the client took the certificate");
        assert_eq!(ran.status, 75, "{}", ran.err);
        assert!(ran.err.contains("certificate subject: CN=mx.test") && ran.err.contains(&fingerprint), "{}", ran.err);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}
