//! TLS on both sides: who is believed, what is reported, and what is thrown at it.

mod support;

use openssl::ssl::{NameType, Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod, SslStream, SslVerifyMode, SslVersion};
use postroad::net::connection::Connection;
use postroad::net::drive::drive;
use postroad::net::drive::fault::Fault;
use postroad::net::drive::work::{Direction, Options, Traffic, Work};
use postroad::net::tls::client::{Client, ClientConfig, Target, Verify};
use postroad::net::tls::files::IdentityFiles;
use postroad::net::tls::layer::{Facts, MinVersion, TlsError, Verdict};
use postroad::net::tls::server::Server;
use postroad::protocol::engine::End;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use support::certs::{Pair, authority};
use support::drive::*;
use support::engines::*;
use tempfile::TempDir;

/// A directory with an authority's certificate and the certificate of mx.test.
struct Site {
    dir: TempDir,
    authority: Pair,
    host: Pair,
    files: IdentityFiles,
}

fn site() -> Site {
    site_of(&["mx.test", "127.0.0.1"], 10)
}

fn site_of(names: &[&str], days: i64) -> Site {
    let (dir, authority) = (tempfile::tempdir().unwrap(), authority());
    let host = authority.issue(names, days);
    let files = host.files(dir.path(), "host");
    Site { dir, authority, host, files }
}

impl Site {
    /// Believes the site's authority.
    fn config(&self) -> ClientConfig {
        ClientConfig { ca_file: Some(self.authority.certificate_file(self.dir.path(), "ca")), ..ClientConfig::default() }
    }
}

fn to(name: &str, config: ClientConfig) -> Target {
    Client::new(config).to(name)
}

/// What one side of a conversation came to.
struct Said {
    result: Result<Traffic, Fault>,
    end: Option<End>,
    facts: Option<Facts>,
    /// Crossed inside TLS.
    secret: Vec<u8>,
}

/// Records the facts and what crosses inside TLS.
#[derive(Default)]
struct Watcher {
    facts: Option<Facts>,
    secret: Vec<u8>,
}

impl<E: postroad::protocol::engine::Engine> Work<E> for Watcher
where
    E::Ask: ToString,
    E::Tell: From<String>,
{
    fn ask(&mut self, ask: E::Ask) -> Option<E::Tell> {
        Some(format!("250 {}", ask.to_string()).into())
    }

    fn body(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn crossed(&mut self, _direction: Direction, secure: bool, bytes: &[u8]) {
        if secure {
            self.secret.extend_from_slice(bytes);
        }
    }

    fn secured(&mut self, facts: &Facts) {
        self.facts = Some(facts.clone());
    }
}

/// A client's work: records like [`Watcher`].
struct Silent(Watcher);

impl Work<Asker> for Silent {
    fn ask(&mut self, (): ()) -> Option<()> {
        None
    }

    fn body(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        Work::<Verdicts>::crossed(&mut self.0, direction, secure, bytes);
    }

    fn secured(&mut self, facts: &Facts) {
        Work::<Verdicts>::secured(&mut self.0, facts);
    }
}

fn ask(mut connection: Connection, target: &Target, script: &[&'static str]) -> (Said, Vec<String>) {
    let (mut engine, mut work) = (Asker::new(script), Silent(Watcher::default()));
    let options = Options { tls: Some(target), secure_within: Duration::from_secs(5), ..Options::default() };
    let result = drive(&mut engine, &mut connection, &mut work, options);
    (Said { result, end: engine.talk.end, facts: work.0.facts, secret: work.0.secret }, engine.replies)
}

fn answer(stream: UnixStream, server: &Server) -> Said {
    let mut connection = Connection::over(stream).unwrap();
    let (mut engine, mut work) = (Verdicts::default(), Watcher::default());
    let options = Options { tls: Some(server), secure_within: Duration::from_secs(5), ..Options::default() };
    let result = drive(&mut engine, &mut connection, &mut work, options);
    Said { result, end: engine.talk.end, facts: work.facts, secret: work.secret }
}

const SCRIPT: &[&str] = &["EHLO", "STARTTLS", "AUTH", "QUIT"];

/// Our client and our server talk: the client's side, the server's side.
fn meet(site: &Site, target: &Target) -> (Said, Said) {
    let (connection, theirs) = pair();
    let server = Server::new(&site.files, MinVersion::Tls12).unwrap();
    let serving = thread::spawn(move || answer(theirs, &server));
    let (said, replies) = ask(connection, target, SCRIPT);
    if said.result.is_ok() {
        assert_eq!(replies, ["250 EHLO", "220 go", "250 AUTH", "221 bye"]);
    }
    (said, serving.join().unwrap())
}

fn refusal(said: &Said) -> String {
    assert_eq!(said.end, Some(End::Tls));
    match &said.result {
        Err(Fault::Tls(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_is_known_by_name_and_chain_and_the_session_reported() {
    let site = site();
    for name in ["mx.test", "mx.test.", "127.0.0.1"] {
        let (client, server) = meet(&site, &to(name, site.config()));
        client.result.unwrap();
        server.result.unwrap();
        let (facts, theirs) = (client.facts.unwrap(), server.facts.unwrap());
        assert_eq!((facts.version.as_str(), &facts.verdict), ("TLSv1.3", &Verdict::Verified));
        assert_eq!((&facts.version, &facts.cipher), (&theirs.version, &theirs.cipher));
        assert_eq!((theirs.certificate, theirs.verdict), (None, Verdict::Anonymous));
        let certificate = facts.certificate.unwrap();
        assert_eq!(certificate.subject, "CN=mx.test, O=Test");
        assert_eq!(certificate.issuer, "CN=Test Authority, O=Test");
        assert_eq!(certificate.names, ["mx.test", "127.0.0.1"]);
        assert_eq!(certificate.fingerprint, site.host.fingerprint());
        let left = certificate.not_after - jiff::Timestamp::now().as_second();
        assert!((10 * 86_400 - 600..=10 * 86_400).contains(&left), "{left} s");
        for secret in [client.secret, server.secret] {
            assert_eq!(String::from_utf8(secret).unwrap(), "AUTH\r\n250 AUTH\r\nQUIT\r\n221 bye\r\n");
        }
    }
}

#[test]
fn who_is_not_the_server_is_refused_with_the_reason() {
    let site = site();
    let (client, server) = meet(&site, &to("other.test", site.config()));
    assert_eq!(refusal(&client), "TLS with other.test: certificate verify failed: hostname mismatch");
    assert!(client.secret.is_empty());
    assert!(refusal(&server).contains("bad certificate"), "{}", refusal(&server));

    let (client, _) = meet(&site, &to("192.0.2.1", site.config()));
    assert_eq!(refusal(&client), "TLS with 192.0.2.1: certificate verify failed: IP address mismatch");

    let (client, _) = meet(&site, &to("mx.test", ClientConfig::default()));
    assert_eq!(refusal(&client), "TLS with mx.test: certificate verify failed: unable to get local issuer certificate");

    let expired = site_of(&["mx.test"], -1);
    let (client, _) = meet(&expired, &to("mx.test", expired.config()));
    assert_eq!(refusal(&client), "TLS with mx.test: certificate verify failed: certificate has expired");
}

#[test]
fn a_fingerprint_takes_the_place_of_the_chain() {
    let expired = site_of(&["other.test"], -1);
    let pin = |fingerprint| ClientConfig { verify: Verify::Fingerprint(fingerprint), ..ClientConfig::default() };
    let (client, _) = meet(&expired, &to("mx.test", pin(expired.host.fingerprint())));
    client.result.unwrap();
    assert_eq!(client.facts.unwrap().verdict, Verdict::Pinned);

    let (client, _) = meet(&expired, &to("mx.test", pin([7; 32])));
    let refusal = refusal(&client);
    assert!(refusal.starts_with("TLS with mx.test: certificate verify failed: fingerprint mismatch: it is "), "{refusal}");
    assert!(client.secret.is_empty());
}

#[test]
fn what_is_not_verified_is_encrypted_and_reported() {
    let site = site_of(&["other.test"], 10);
    let with = |verify, name: &str| {
        let (client, _) = meet(&site, &to(name, ClientConfig { verify, ..site.config() }));
        client.result.unwrap();
        client.facts.unwrap().verdict
    };
    assert_eq!(with(Verify::Report, "mx.test"), Verdict::Unverified("hostname mismatch".into()));
    assert_eq!(with(Verify::Report, "other.test"), Verdict::Verified);
    assert_eq!(with(Verify::Nothing, "mx.test"), Verdict::Unverified("not asked for".into()));
}

/// A server by the openssl crate alone, made as `tune` wants; it says `250 SAME` to each line.
fn foreign(site: &Site, mut stream: UnixStream, tune: impl FnOnce(&mut openssl::ssl::SslAcceptorBuilder)) -> ForeignServer {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    builder.set_certificate(&site.host.certificate).unwrap();
    builder.set_private_key(&site.host.key).unwrap();
    tune(&mut builder);
    let acceptor = builder.build();
    thread::spawn(move || {
        stream.read_exact(&mut [0; 10]).unwrap();
        stream.write_all(b"220 go\r\n").unwrap();
        let mut tls = acceptor.accept(stream).ok()?;
        tls.read_exact(&mut [0; 6]).ok()?;
        tls.write_all(b"250 NOOP\r\n").ok()?;
        Some(tls)
    })
}

type ForeignServer = thread::JoinHandle<Option<SslStream<UnixStream>>>;

#[test]
fn versions_are_held_and_named() {
    let site = site();
    let target = to("mx.test", site.config());
    for (version, name) in [(SslVersion::TLS1_2, "TLSv1.2"), (SslVersion::TLS1_3, "TLSv1.3")] {
        let (connection, theirs) = pair();
        let server = foreign(&site, theirs, |builder| builder.set_max_proto_version(Some(version)).unwrap());
        let (said, _) = ask(connection, &target, &["STARTTLS", "NOOP"]);
        said.result.unwrap();
        let tls = server.join().unwrap().unwrap();
        let facts = said.facts.unwrap();
        assert_eq!(facts.version, name);
        assert_eq!(facts.cipher, tls.ssl().current_cipher().unwrap().name());
    }
    for verify in [Verify::Pkix, Verify::Nothing] {
        let (connection, theirs) = pair();
        let server = foreign(&site, theirs, |builder| builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap());
        let strict = ClientConfig { min_version: MinVersion::Tls13, verify, ..site.config() };
        let (said, _) = ask(connection, &to("mx.test", strict), &["STARTTLS", "NOOP"]);
        assert_eq!(refusal(&said), "TLS with mx.test: tlsv1 alert protocol version");
        assert!(server.join().unwrap().is_none());
    }
}

#[test]
fn a_client_shows_its_certificate_when_asked_whatever_form_the_key_has() {
    let site = site();
    let user = site.authority.issue(&["alice"], 5);
    let files = user.files(site.dir.path(), "alice");
    let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
    for (n, pem) in [user.key.private_key_to_pem_pkcs8().unwrap(), user.key.ec_key().unwrap().private_key_to_pem().unwrap()]
        .into_iter()
        .enumerate()
    {
        std::fs::write(&files.key, pem).unwrap();
        for verify in [Verify::Pkix, Verify::Nothing] {
            let (connection, theirs) = pair();
            let server = foreign(&site, theirs, |builder| {
                builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
                builder.cert_store_mut().add_cert(site.authority.certificate.clone()).unwrap();
            });
            let config = ClientConfig { identity: Some(files.clone()), verify, ..site.config() };
            ask(connection, &to("mx.test", config), &["STARTTLS", "NOOP"]).0.result.unwrap();
            let shown = server.join().unwrap().unwrap().ssl().peer_certificate().unwrap();
            assert_eq!(shown.to_der().unwrap(), user.certificate.to_der().unwrap(), "key form {n}");
        }
    }
    std::fs::write(&files.key, rsa.private_key_to_pem().unwrap()).unwrap();
    let error = Client::new(ClientConfig { identity: Some(files.clone()), ..site.config() }).prepare().unwrap_err().to_string();
    let (key, certificate) = (files.key.display(), files.certificate.display());
    assert_eq!(error, format!("the key in {key} is not that of the certificate in {certificate}"));
}

#[test]
fn files_that_are_missing_or_wrong_are_named() {
    let site = site();
    let error = |files: &IdentityFiles| Server::new(files, MinVersion::Tls12).err().unwrap().to_string();
    let missing = IdentityFiles { key: site.dir.path().join("none"), ..site.files.clone() };
    assert_eq!(error(&missing), format!("cannot open {}: No such file or directory", missing.key.display()));
    let swapped = IdentityFiles { certificate: site.files.key.clone(), key: site.files.certificate.clone() };
    assert_eq!(error(&swapped), format!("{} holds no certificate", swapped.certificate.display()));
    let no_key = IdentityFiles { key: site.files.certificate.clone(), ..site.files.clone() };
    assert_eq!(error(&no_key), format!("{} holds no private key without passphrase", no_key.key.display()));
    let locked = site.host.key.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_128_cbc(), b"x").unwrap();
    std::fs::write(&site.files.key, locked).unwrap();
    assert_eq!(error(&site.files), format!("{} holds no private key without passphrase", site.files.key.display()));
    let no_ca = ClientConfig { ca_file: Some(site.files.key.clone()), ..ClientConfig::default() };
    let told = format!("{} holds no certificate", site.files.key.display());
    assert_eq!(Client::new(no_ca).prepare(), Err(TlsError::Setup(told)));
}

// What somebody in the middle, or a broken peer, throws at it.

#[test]
fn plain_text_behind_starttls_ends_the_session_on_both_sides() {
    let site = site();
    let (connection, mut theirs) = pair();
    theirs.write_all(b"250 EHLO\r\n220 go\r\n250 EVIL\r\n").unwrap();
    let (said, replies) = ask(connection, &to("mx.test", site.config()), SCRIPT);
    assert!(matches!(said.result, Err(Fault::Injected)), "{:?}", said.result);
    assert_eq!((said.end, replies.len()), (Some(End::Injected), 2));

    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"STARTTLS\r\nEVIL\r\n").unwrap();
    let said = answer(ours, &Server::new(&site.files, MinVersion::Tls12).unwrap());
    assert!(matches!(said.result, Err(Fault::Injected)), "{:?}", said.result);
    let mut replies = String::new();
    theirs.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "220 go\r\n");
}

#[test]
fn garbage_and_silence_in_the_handshake_are_told() {
    let site = site();
    for verify in [Verify::Pkix, Verify::Nothing] {
        let target = to("mx.test", ClientConfig { verify, ..site.config() });
        let (connection, mut theirs) = pair();
        let garbler = thread::spawn(move || {
            theirs.read_exact(&mut [0; 10]).unwrap();
            theirs.write_all(b"220 go\r\n").unwrap();
            theirs.read_exact(&mut [0; 50]).unwrap();
            theirs.write_all(b"500 what do you mean?\r\n").unwrap();
            theirs
        });
        let (said, _) = ask(connection, &target, &["STARTTLS", "NOOP"]);
        assert_eq!(refusal(&said), "TLS with mx.test: the peer does not speak TLS there (wrong version number)");
        drop(garbler.join().unwrap());

        let (connection, mut theirs) = pair();
        let closer = thread::spawn(move || {
            theirs.read_exact(&mut [0; 10]).unwrap();
            theirs.write_all(b"220 go\r\n").unwrap();
            theirs.read_exact(&mut [0; 50]).unwrap();
            theirs.shutdown(std::net::Shutdown::Write).unwrap();
            theirs
        });
        let (said, _) = ask(connection, &target, &["STARTTLS", "NOOP"]);
        assert_eq!(refusal(&said), "TLS with mx.test: the peer closed the connection");
        drop(closer.join().unwrap());
    }
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let server = Server::new(&site.files, MinVersion::Tls12).unwrap();
    let serving = thread::spawn(move || answer(ours, &server));
    theirs.write_all(b"STARTTLS\r\n").unwrap();
    theirs.read_exact(&mut [0; 8]).unwrap();
    theirs.write_all(b"EHLO evil\r\n").unwrap();
    let refusal = refusal(&serving.join().unwrap());
    assert_eq!(
        refusal,
        format!("TLS with uid {}: the peer does not speak TLS there (wrong version number)", nix::unistd::getuid())
    );
}

/// A record that comes in drops never ends; the deadline does not move.
#[test]
fn a_dripping_handshake_gains_no_time() {
    let site = site();
    for verify in [Verify::Pkix, Verify::Nothing] {
        let (mut connection, mut theirs) = pair();
        let dripper = thread::spawn(move || {
            let _ = theirs.write_all(&[22, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0xf0]);
            while theirs.write_all(&[0]).is_ok() {
                thread::sleep(Duration::from_millis(3));
            }
        });
        let target = to("mx.test", ClientConfig { verify, ..site.config() });
        let began = Instant::now();
        let error = connection.secure(&target, Duration::from_millis(120)).unwrap_err();
        assert_eq!(error.to_string(), "TLS with mx.test: no answer in time");
        assert!(began.elapsed() < Duration::from_secs(10));
        drop(connection);
        dripper.join().unwrap();
    }
}

#[test]
fn a_cut_session_is_an_end_and_a_forged_record_a_tls_fault() {
    let site = site();
    for verify in [Verify::Pkix, Verify::Nothing] {
        for forged in [false, true] {
            let (connection, theirs) = pair();
            let server = foreign(&site, theirs, |_| {});
            let cutter = thread::spawn(move || {
                let mut tls = server.join().unwrap().unwrap();
                tls.read_exact(&mut [0; 6]).unwrap();
                if forged {
                    tls.get_mut()
                        .write_all(&[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
                        .unwrap();
                }
                let socket = tls.get_ref().try_clone().unwrap();
                socket.shutdown(std::net::Shutdown::Write).unwrap();
                socket
            });
            let target = to("mx.test", ClientConfig { verify: verify.clone(), ..site.config() });
            let (said, _) = ask(connection, &target, &["STARTTLS", "NOOP", "NOOP"]);
            if forged {
                assert_eq!(refusal(&said), "TLS with mx.test: decryption failed or bad record mac");
            } else {
                assert!(matches!(said.result, Err(Fault::Closed)), "{:?}", said.result);
                assert_eq!(said.end, Some(End::Eof));
            }
            cutter.join().unwrap();
        }
    }
}

/// Commands and replies at once through narrow buffers, inside TLS.
#[test]
fn a_window_runs_full_duplex_inside_tls() {
    const COUNT: usize = 5_000;
    let site = site();
    for verify in [Verify::Pkix, Verify::Nothing] {
        let (mut connection, theirs) = narrow_pair();
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        builder.set_certificate(&site.host.certificate).unwrap();
        builder.set_private_key(&site.host.key).unwrap();
        let acceptor = builder.build();
        let server = thread::spawn(move || {
            let mut tls = io::BufReader::new(acceptor.accept(theirs).unwrap());
            for n in 1..=COUNT {
                let mut line = String::new();
                io::BufRead::read_line(&mut tls, &mut line).unwrap();
                assert_eq!(line, format!("RETR {n}\r\n"));
                tls.get_mut().write_all(format!("400\r\n{}", "m".repeat(400)).as_bytes()).unwrap();
            }
        });
        connection.secure(&to("mx.test", ClientConfig { verify, ..site.config() }), PATIENCE).unwrap();
        let mut engine = Window::new(COUNT);
        drive(&mut engine, &mut connection, &mut Quiet, Options::default()).unwrap();
        server.join().unwrap();
        assert_eq!(engine.got.len(), COUNT);
    }
}

struct Quiet;

impl Work<Window> for Quiet {
    fn ask(&mut self, (): ()) -> Option<()> {
        None
    }

    fn body(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

#[test]
fn one_client_serves_many_threads() {
    let site = Arc::new(site());
    let client = Client::new(site.config());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (site, client) = (Arc::clone(&site), Arc::clone(&client));
            thread::spawn(move || meet(&site, &client.to("mx.test")).0.result.unwrap())
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn the_name_asked_for_may_be_another_than_the_one_verified() {
    let site = site();
    for (sni, want) in [(None, "mx.test"), (Some("front.test"), "front.test")] {
        for verify in [Verify::Pkix, Verify::Nothing] {
            let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
            builder.set_certificate_file(&site.files.certificate, SslFiletype::PEM).unwrap();
            builder.set_private_key_file(&site.files.key, SslFiletype::PEM).unwrap();
            let (told, asked) = mpsc::channel();
            builder.set_servername_callback(move |ssl, _| {
                told.send(ssl.servername(NameType::HOST_NAME).map(str::to_owned)).unwrap();
                Ok(())
            });
            let (mut connection, theirs) = pair();
            let server = Ssl::new(&builder.build()).unwrap();
            let serving = thread::spawn(move || server.accept(theirs).map(|_| ()).map_err(|error| error.to_string()));
            let config = ClientConfig { verify, sni: sni.map(str::to_owned), ..site.config() };
            connection.secure(&to("mx.test", config), PATIENCE).unwrap();
            serving.join().unwrap().unwrap();
            assert_eq!(asked.recv().unwrap().as_deref(), Some(want));
        }
    }
    let config = ClientConfig { sni: Some("mx.test".to_owned()), ..site.config() };
    let (client, _) = meet(&site, &to("other.test", config));
    assert!(refusal(&client).contains("certificate verify failed"), "asking for a name does not verify it");
}
