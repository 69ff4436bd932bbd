//! mx-lookup against a DNS server in the test: every status, the rules of RFC 5321 section 5.1 and RFC 7505, broken servers, bulk.

mod support;

use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::process::Output;
use support::dns::Dns;

const ZONE: &str = "
    crepes.test         MX     20 backup.crepes.test
    crepes.test         MX     10 mx1.crepes.test
    mx1.crepes.test     A      192.0.2.1
    mx1.crepes.test     AAAA   2001:db8::1
    backup.crepes.test     A      192.0.2.2

    implicit.test       A      192.0.2.3
    null.test           MX     0 .
    null.test           A      192.0.2.9
    nodata.test         ANY    SECURE
    broken.test         ANY    SERVFAIL
    refusing.test       ANY    REFUSED
    silent.test         ANY    SILENT
    garbage.test        ANY    GARBAGE
    lame.test           ANY    LAME
";

/// Runs mx-lookup against a server with these words and this stdin.
fn run_at(server: SocketAddr, words: &str, stdin: &[u8]) -> Output {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_mx-lookup"));
    command.args(["--server", &server.to_string()]).args(words.split(' ').filter(|word| !word.is_empty()));
    command.write_stdin(stdin).output().unwrap()
}

/// Exit status, stdout, stderr.
fn run(dns: &Dns, words: &str) -> (i32, String, String) {
    let output = run_at(dns.address, words, b"");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The objects of `--json`, and the exit status. Nothing else is said.
fn json_of(dns: &Dns, words: &str) -> (i32, Vec<Value>) {
    let (status, stdout, stderr) = run(dns, &format!("--json {words}"));
    assert_eq!(stderr, "");
    (status, stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// One domain's `status` and the exit status that goes with it.
fn status_of(dns: &Dns, words: &str) -> (i32, String) {
    let (status, objects) = json_of(dns, words);
    (status, objects[0]["status"].as_str().unwrap().to_owned())
}

#[test]
fn hosts_come_in_order_of_preference_with_all_their_addresses() {
    let dns = Dns::serve(ZONE);
    let rows = "10\tmx1.crepes.test\t2001:db8::1\t192.0.2.1\n20\tbackup.crepes.test\t192.0.2.2\n";
    for asked in ["crepes.test", "CREPES.test.", "alice@crepes.test", "<alice@crepes.test>"] {
        assert_eq!(run(&dns, asked), (0, rows.to_owned(), String::new()), "{asked}");
    }
    assert_eq!(run(&dns, "-4 crepes.test").1, "10\tmx1.crepes.test\t192.0.2.1\n20\tbackup.crepes.test\t192.0.2.2\n");
    let (status, stdout, stderr) = run(&dns, "-6 crepes.test");
    assert_eq!((status, stdout.as_str()), (0, "10\tmx1.crepes.test\t2001:db8::1\n20\tbackup.crepes.test\t-\n"));
    assert_eq!(stderr, "mx-lookup: crepes.test: backup.crepes.test: no address\n");
}

#[test]
fn the_json_holds_what_is_known_and_nothing_else() {
    let dns = Dns::serve(ZONE);
    let (status, objects) = json_of(&dns, "crepes.test");
    let mx1 = json!({"preference": 10, "host": "mx1.crepes.test", "addresses": ["2001:db8::1", "192.0.2.1"], "ad": false});
    let mx2 = json!({"preference": 20, "host": "backup.crepes.test", "addresses": ["192.0.2.2"], "ad": false});
    assert_eq!((status, &objects[0]), (0, &json!({"domain": "crepes.test", "status": "ok", "ad": false, "mx": [mx1, mx2]})));
    let (_, objects) = json_of(&dns, "gone.test");
    assert_eq!(objects[0], json!({"domain": "gone.test", "status": "nxdomain", "mx": [], "error": "no such domain"}));
}

#[test]
fn each_status_has_its_exit_status_and_its_line() {
    let dns = Dns::serve(ZONE);
    let address = dns.address;
    for (asked, exit, word, line) in [
        ("crepes.test", 0, "ok", String::new()),
        ("implicit.test", 0, "implicit", "no MX record: the domain is its own mail host".to_owned()),
        ("null.test", 69, "null", "takes no mail (null MX)".to_owned()),
        ("gone.test", 68, "nxdomain", "no such domain".to_owned()),
        ("nodata.test", 69, "nodata", "neither MX record nor address".to_owned()),
        ("broken.test", 75, "tempfail", format!("MX lookup failed: {address}: Server Failure")),
        ("refusing.test", 75, "tempfail", format!("MX lookup failed: {address}: Query Refused")),
        ("lame.test", 75, "tempfail", format!("MX lookup failed: {address}: does no recursion")),
        ("a..b", 65, "invalid", "not a domain name".to_owned()),
        ("192.0.2.1", 65, "invalid", "an address; as a mail domain it is written [192.0.2.1]".to_owned()),
    ] {
        assert_eq!(status_of(&dns, asked), (exit, word.to_owned()), "{asked}");
        let (status, stdout, stderr) = run(&dns, asked);
        let line = if line.is_empty() { line } else { format!("mx-lookup: {asked}: {line}\n") };
        assert_eq!((status, stdout.is_empty(), stderr), (exit, exit != 0, line), "{asked}");
        assert_eq!(run(&dns, &format!("-q {asked}")).2, "", "{asked}");
    }
}

#[test]
fn a_server_that_does_not_answer_or_talks_rubbish_is_a_temporary_failure() {
    let dns = Dns::serve(ZONE);
    for asked in ["silent.test", "garbage.test"] {
        assert_eq!(status_of(&dns, &format!("--timeout 600ms {asked}")), (75, "tempfail".to_owned()), "{asked}");
    }
    // Bound and never read: nobody else gets the port meanwhile.
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let output = run_at(address, "--timeout 400ms crepes.test", b"");
    let line = format!("mx-lookup: crepes.test: MX lookup failed: {address}: no answer\n");
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(75), line));
}

#[test]
fn a_failed_mx_lookup_never_falls_back_to_the_domain_itself() {
    // RFC 5321 section 5.1: the implicit MX stands for an empty answer, not for a missing one.
    let dns = Dns::serve("a.test MX SERVFAIL\na.test A 192.0.2.1\nb.test MX SILENT\nb.test A 192.0.2.1");
    assert_eq!(status_of(&dns, "a.test"), (75, "tempfail".to_owned()));
    assert_eq!(status_of(&dns, "--timeout 500ms b.test"), (75, "tempfail".to_owned()));
    assert!(dns.asked().iter().all(|question| question.starts_with("MX ")), "{:?}", dns.asked());
}

#[test]
fn the_implicit_mx_is_the_domain_with_preference_0() {
    let dns = Dns::serve(ZONE);
    assert_eq!(run(&dns, "implicit.test").1, "0\timplicit.test\t192.0.2.3\n");
}

#[test]
fn mx_records_that_are_no_use_do_not_bring_the_implicit_mx_back() {
    let dns = Dns::serve("a.test MX 10 gone.test\na.test A 192.0.2.1");
    let (status, stdout, stderr) = run(&dns, "a.test");
    assert_eq!((status, stdout.as_str()), (69, "10\tgone.test\t-\n"));
    assert_eq!(
        stderr,
        "mx-lookup: a.test: gone.test: no such domain\nmx-lookup: a.test: none of its mail hosts has an address\n"
    );
    assert_eq!(status_of(&dns, "a.test").1, "invalid");
}

#[test]
fn null_mx_is_exactly_0_and_the_root_alone() {
    // RFC 7505 section 3.
    let dns = Dns::serve(
        "null.test MX 0 .\nten.test MX 10 .\nboth.test MX 0 .\nboth.test MX 10 mx.test\nmx.test A 192.0.2.1\nmx.test MX 0 .",
    );
    assert_eq!(status_of(&dns, "null.test"), (69, "null".to_owned()));
    assert_eq!(status_of(&dns, "ten.test"), (69, "invalid".to_owned()));
    assert_eq!(status_of(&dns, "both.test"), (0, "ok".to_owned()));
    assert_eq!(run(&dns, "both.test").1, "0\t.\t-\n10\tmx.test\t192.0.2.1\n");
}

#[test]
fn an_alias_is_processed_as_if_its_target_had_been_asked_for() {
    // RFC 5321 section 5.1: "the resulting name is processed as if it were the initial name".
    let dns = Dns::serve(
        "www.test CNAME mid.test\nmid.test CNAME crepes.test\ncrepes.test MX 10 mx.test\nmx.test A 192.0.2.1
         short.test CNAME crepes.test\nshort.test ANY UNCHASED
         host.test CNAME real.test\nreal.test A 192.0.2.2\ndangling.test CNAME gone.test",
    );
    for asked in ["www.test", "short.test"] {
        let (status, objects) = json_of(&dns, asked);
        let row = json!({"preference": 10, "host": "mx.test", "addresses": ["192.0.2.1"], "ad": false});
        let whole = json!({"domain": asked, "status": "ok", "canonical": "crepes.test", "ad": false, "mx": [row]});
        assert_eq!((status, &objects[0]), (0, &whole));
    }
    assert!(dns.asked().contains(&"MX crepes.test udp".to_owned()), "what the server left out was asked for");
    assert_eq!(run(&dns, "host.test").1, "0\treal.test\t192.0.2.2\n", "the implicit MX is the target");
    let (status, _, stderr) = run(&dns, "dangling.test");
    assert_eq!((status, stderr.as_str()), (68, "mx-lookup: dangling.test: gone.test: no such domain\n"));
}

#[test]
fn aliases_in_a_circle_are_a_temporary_failure() {
    let dns = Dns::serve("a.test CNAME b.test\nb.test CNAME a.test\nself.test CNAME SELF.test");
    for asked in ["a.test", "self.test"] {
        let (status, stdout, stderr) = run(&dns, asked);
        assert_eq!((status, stdout.as_str()), (75, ""));
        assert_eq!(stderr, format!("mx-lookup: {asked}: aliases (CNAME) go in a circle\n"));
    }
}

#[test]
fn a_mail_host_that_is_an_alias_is_let_through_and_noted() {
    let dns = Dns::serve("a.test MX 10 alias.test\nalias.test CNAME mx.test\nmx.test A 192.0.2.1");
    let (status, stdout, stderr) = run(&dns, "a.test");
    assert_eq!((status, stdout.as_str()), (0, "10\talias.test\t192.0.2.1\n"));
    assert_eq!(stderr, "mx-lookup: a.test: alias.test is an alias of mx.test, which an MX record should not name\n");
}

#[test]
fn an_address_where_a_host_name_belongs_is_that_hosts_error() {
    let dns = Dns::serve("a.test MX 10 192.0.2.7\na.test MX 20 mx.test\nmx.test A 192.0.2.1\nb.test MX 10 192.0.2.7");
    let (status, objects) = json_of(&dns, "a.test");
    let bad = json!({"preference": 10, "host": "192.0.2.7", "addresses": [], "error": "an address where a host name belongs"});
    assert_eq!((status, &objects[0]["mx"][0], &objects[0]["mx"][1]["host"]), (0, &bad, &json!("mx.test")));
    assert_eq!(status_of(&dns, "b.test"), (69, "invalid".to_owned()));
    assert!(dns.asked().iter().all(|question| !question.contains("192.0.2.7")), "no query can help");
}

#[test]
fn one_usable_host_is_enough_and_one_hopeful_is_worth_a_retry() {
    let dns = Dns::serve(
        "some.test MX 10 down.test\nsome.test MX 20 mx.test\nhope.test MX 10 down.test\nhope.test MX 20 gone.test
         mx.test A 192.0.2.1\ndown.test ANY SERVFAIL\nhalf.test MX 10 six.test\nsix.test A SERVFAIL\nsix.test AAAA 2001:db8::6
         none.test MX 10 seven.test\nseven.test A SERVFAIL",
    );
    assert_eq!(status_of(&dns, "some.test"), (0, "ok".to_owned()));
    assert_eq!(run(&dns, "some.test").1, "10\tdown.test\t-\n20\tmx.test\t192.0.2.1\n");
    assert_eq!(status_of(&dns, "hope.test"), (75, "tempfail".to_owned()));
    assert_eq!(run(&dns, "half.test").1, "10\tsix.test\t2001:db8::6\n", "the other family has an address");
    assert_eq!(status_of(&dns, "none.test"), (75, "tempfail".to_owned()), "the family that failed may have one");
}

#[test]
fn equal_preferences_are_shuffled_unless_told_not_to() {
    let zone: String = (0..9).map(|n| format!("a.test MX 10 mx{n}.test\nmx{n}.test A 192.0.2.{n}\n")).collect();
    let dns = Dns::serve(&zone);
    let sorted = run(&dns, "--no-shuffle a.test").1;
    assert!((0..9).all(|n| sorted.lines().nth(n).unwrap().starts_with(&format!("10\tmx{n}.test\t"))), "{sorted}");
    // Nine hosts stay sorted once in 362,880 times.
    let orders: Vec<String> = (0..3).map(|_| run(&dns, "a.test").1).collect();
    assert!(orders.iter().any(|order| *order != sorted), "{orders:?}");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(lines(&orders[0]), lines(&sorted));
}

#[test]
fn a_response_that_is_cut_short_is_asked_for_again_over_tcp() {
    let mut zone: String = (0..200).map(|n| format!("big.test MX {n} a-rather-long-name-of-mail-host-{n}.test\n")).collect();
    zone += "big.test ANY TRUNCATED\na-rather-long-name-of-mail-host-7.test A 192.0.2.7\n";
    let dns = Dns::serve(&zone);
    let (status, stdout, _) = run(&dns, "-q big.test");
    assert_eq!((status, stdout.lines().count()), (0, 200));
    assert!(stdout.contains("7\ta-rather-long-name-of-mail-host-7.test\t192.0.2.7\n"));
    assert_eq!(dns.asked()[..2], ["MX big.test udp", "MX big.test tcp"]);
}

#[test]
fn forged_answers_are_passed_over() {
    let dns = Dns::serve("rigged.test MX 10 mx.test\nrigged.test ANY SPOOFED\nmx.test A 192.0.2.1\nevil.test A 192.0.2.66");
    assert_eq!(run(&dns, "rigged.test"), (0, "10\tmx.test\t192.0.2.1\n".to_owned(), String::new()));
}

#[test]
fn a_server_that_chokes_on_edns_is_asked_without() {
    let dns = Dns::serve("old.test MX 10 mx.test\nold.test ANY NOEDNS\nmx.test A 192.0.2.1");
    assert_eq!(run(&dns, "old.test").0, 0);
}

#[test]
fn what_the_resolver_validated_is_told() {
    let dns = Dns::serve("a.test MX 10 mx.test\na.test ANY SECURE\nmx.test A 192.0.2.1\nmx.test A SECURE");
    let (_, objects) = json_of(&dns, "-4 a.test");
    assert_eq!((&objects[0]["ad"], &objects[0]["mx"][0]["ad"]), (&json!(true), &json!(true)));
    let (_, objects) = json_of(&dns, "a.test");
    assert_eq!(objects[0]["mx"][0]["ad"], json!(true), "a family without addresses has nothing to validate");
}

#[test]
fn address_literals_are_their_own_hosts() {
    let dns = Dns::serve("");
    assert_eq!(run(&dns, "bob@[192.0.2.1]"), (0, "0\t[192.0.2.1]\t192.0.2.1\n".to_owned(), String::new()));
    let (status, objects) = json_of(&dns, "[IPv6:2001:db8::1]");
    let row = json!({"preference": 0, "host": "[IPv6:2001:db8::1]", "addresses": ["2001:db8::1"]});
    assert_eq!((status, &objects[0]), (0, &json!({"domain": "[IPv6:2001:db8::1]", "status": "implicit", "mx": [row]})));
    assert_eq!(status_of(&dns, "-6 [192.0.2.1]"), (69, "nodata".to_owned()));
    assert_eq!(dns.asked(), [""; 0]);
}

#[test]
fn a_unicode_domain_is_looked_up_in_ascii_and_both_are_told() {
    let dns = Dns::serve("xn--bcher-kva.test MX 10 mx.test\nmx.test A 192.0.2.1");
    for asked in ["B\u{fc}cher.test", "j\u{f6}rg@b\u{fc}cher.test", "xn--bcher-kva.test"] {
        let (status, stdout, stderr) = run(&dns, asked);
        assert_eq!((status, stdout.as_str()), (0, "10\tmx.test\t192.0.2.1\n"), "{asked}");
        assert_eq!(stderr, "mx-lookup: xn--bcher-kva.test: is b\u{fc}cher.test\n");
        let (_, objects) = json_of(&dns, asked);
        assert_eq!((&objects[0]["domain"], &objects[0]["unicode"]), (&json!("xn--bcher-kva.test"), &json!("b\u{fc}cher.test")));
    }
}

#[test]
fn with_several_domains_each_line_starts_with_its_own() {
    let dns = Dns::serve(ZONE);
    let (status, stdout, stderr) = run(&dns, "implicit.test gone.test bob@crepes.test");
    assert_eq!(status, 1, "some are, one is not");
    let rows = "crepes.test\t10\tmx1.crepes.test\t2001:db8::1\t192.0.2.1\ncrepes.test\t20\tbackup.crepes.test\t192.0.2.2\n";
    assert_eq!(stdout, format!("implicit.test\t0\timplicit.test\t192.0.2.3\n{rows}"));
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    assert_eq!(run(&dns, "implicit.test crepes.test").0, 0);
    assert_eq!(run(&dns, "gone.test gone2.test").0, 68);
    assert_eq!(run(&dns, "gone.test null.test").0, 69);
    assert_eq!(run(&dns, "gone.test broken.test null.test").0, 75);
}

#[test]
fn bulk_output_keeps_the_order_of_its_input() {
    // The first domain's host waits for its timeout while the others are long done.
    let mut zone = String::from("d0.test MX 10 slow.test\nd0.test MX 20 mx.test\nslow.test ANY SILENT\nmx.test A 192.0.2.1\n");
    (1..60).for_each(|n| zone += &format!("d{n}.test MX 10 mx.test\n"));
    let dns = Dns::serve(&zone);
    let input: String = (0..60).map(|n| format!("  someone@d{n}.test \r\n\n")).collect();
    let output = run_at(dns.address, "-q -j 5 --timeout 700ms", input.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut expected = String::from("d0.test\t10\tslow.test\t-\nd0.test\t20\tmx.test\t192.0.2.1\n");
    (1..60).for_each(|n| expected += &format!("d{n}.test\t10\tmx.test\t192.0.2.1\n"));
    assert_eq!(stdout, expected);
    let asked = dns.asked();
    let other = asked.iter().position(|question| question == "MX d1.test udp");
    let last_try = asked.iter().rposition(|question| question.contains("slow.test"));
    assert!(other < last_try, "others are looked up meanwhile: {asked:?}");
}

#[test]
fn bad_lines_cost_only_themselves() {
    let dns = Dns::serve(ZONE);
    let mut input = b"\xff\xfe.test\n".to_vec();
    input.extend(b"x".repeat(100_000));
    input.extend(b"\nnot a domain\n\x1b[31m.test\ncrepes.test\n");
    let output = run_at(dns.address, "--json", &input);
    let objects: Vec<Value> =
        output.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    let statuses: Vec<&str> = objects.iter().map(|object| object["status"].as_str().unwrap()).collect();
    assert_eq!((output.status.code(), statuses), (Some(1), vec!["invalid", "invalid", "invalid", "invalid", "ok"]));
    let output = run_at(dns.address, "", b"\x1b[31m.test\n");
    assert_eq!(output.stderr, b"mx-lookup: \\x1b[31m.test: not a domain name\n", "and no terminal is driven");
}

#[test]
fn what_has_no_domain_is_named_all_the_same() {
    let dns = Dns::serve("");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mx-lookup"));
    let output = command.args(["--server", &dns.address.to_string(), "bob@", "", "<bob@>"]).output().unwrap();
    let lines =
        "mx-lookup: bob@: no domain behind the @\nmx-lookup: '': not a domain name\nmx-lookup: bob@: no domain behind the @\n";
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(65), lines));
}

#[test]
fn no_input_is_no_failure_and_a_closed_stdout_is_quiet() {
    let dns = Dns::serve(ZONE);
    assert_eq!(run(&dns, ""), (0, String::new(), String::new()));

    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_mx-lookup"))
        .args(["--server", &dns.address.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    // Stdin stays open: the tool ends all the same.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"crepes.test\n").unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn without_a_domain_on_a_terminal_is_64() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mx-lookup"));
    let output = command.stdin(terminal.slave).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(said, "mx-lookup: no domain given: name some, or write them to stdin, one a line\n");
}

#[test]
fn a_mistake_on_the_command_line_is_64() {
    let dns = Dns::serve("");
    for words in ["--nonsense", "-j 0 a.test", "-4 -6 a.test", "--timeout 0 a.test", "--timeout 5x a.test"] {
        assert_eq!(run(&dns, words).0, 64, "{words}");
    }
    assert_eq!(dns.asked(), [""; 0]);
}

#[test]
fn the_help_tells_the_exit_statuses() {
    let (status, stdout, _) = run(&Dns::serve(""), "--help");
    assert_eq!(status, 0);
    for line in ["68   nxdomain", "75   tempfail", "DOMAIN PREFERENCE HOST ADDRESS..."] {
        assert!(stdout.contains(line), "{line}: {stdout}");
    }
}
