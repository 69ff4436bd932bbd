//! Passes over a spool in a world where the clock is turned by hand: who gets what, and what becomes of the rest.

mod support;

use jiff::SignedDuration;
use mail_parser::{MessageParser, MimeHeaders};
use postroad::disk::spool::control::Order;
use postroad::disk::spool::layout::Spool;
use postroad::mail::mx::{DnsError, MailHosts};
use postroad::relay::pass::Done;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use support::faulty::{Fault, Faulty};
use support::world::{World, files};

const HELLO: &[u8] = b"From: <alice@crepes.test>\r\nSubject: Hi\r\n\r\nHello.\r\n.dot\r\n";

/// What a bounce says of its recipients: `Final-Recipient`, `Status` and `Diagnostic-Code` of each.
fn status_of(report: &[u8]) -> Vec<[String; 3]> {
    let message = MessageParser::default().parse(report).unwrap();
    let part =
        message.parts.iter().find(|part| part.content_type().is_some_and(|t| t.subtype() == Some("delivery-status"))).unwrap();
    let text = String::from_utf8(part.contents().to_vec()).unwrap().replace("\r\n", "\n").replace("\n ", " ");
    let blocks: Vec<&str> = text.trim().split("\n\n").skip(1).collect();
    let field = |block: &str, name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let facts =
        |block: &&str| [field(block, "Final-Recipient: rfc822; "), field(block, "Status: "), field(block, "Diagnostic-Code: ")];
    blocks.iter().map(facts).collect()
}

#[test]
fn a_message_goes_to_the_mx_byte_for_byte_and_leaves_the_spool() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    world.accept("alice@crepes.test", &["bob@hamburger.test", "eve@hamburger.test"], HELLO);
    assert_eq!(world.pass(), Done::Messages(1));
    let taken = mx.taken();
    assert_eq!((taken.len(), taken[0].from.as_str()), (1, "alice@crepes.test"));
    assert_eq!(taken[0].to, ["bob@hamburger.test", "eve@hamburger.test"], "one transaction for both");
    assert_eq!(taken[0].data, HELLO);
    assert!(world.list().is_empty());
    assert_eq!(world.outcomes().len(), 2);
}

#[test]
fn every_address_of_every_mx_is_tried_in_order() {
    let mut world = World::new();
    let (first, second) = (world.server("mx1.hamburger.test"), world.server("mx2.hamburger.test"));
    let dead = world.address("mx0.hamburger.test");
    world.dns.mx(
        "hamburger.test",
        &[(0, "mx0.hamburger.test"), (5, "gone.hamburger.test"), (10, "mx1.hamburger.test"), (20, "mx2.hamburger.test")],
    );
    first.say("greeting", "554 5.3.2 not today");
    world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    world.pass();
    assert_eq!((first.sessions(), second.taken().len()), (1, 1));
    assert_eq!(world.hosts.dialled.lock().unwrap()[0], dead);
    assert!(world.list().is_empty());
}

#[test]
fn one_refused_of_two_leaves_the_other_delivered_and_tells_the_sender() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.say("RCPT TO:<eve@", "550 5.1.1 no such user");
    let id = world.accept("alice@crepes.test", &["bob@hamburger.test", "eve@hamburger.test"], HELLO);
    world.pass();
    assert_eq!(mx.taken()[0].to, ["bob@hamburger.test"]);
    assert!(world.list().is_empty(), "{:?}", world.states());
    let [report] = &world.mailbox("alice")[..] else { panic!("one report") };
    assert!(report.starts_with(b"Return-Path: <>\nDelivered-To: alice@crepes.test\nFrom: Mail Delivery System"));
    assert_eq!(status_of(report), [["eve@hamburger.test", "5.1.1", "smtp; 550 5.1.1 no such user"].map(String::from)]);
    let text = String::from_utf8(report.clone()).unwrap();
    assert!(text.contains(&id.to_string()) && text.contains("Remote-MTA: dns; mx.hamburger.test") && text.contains("\nHello.\n"));
}

#[test]
fn a_hostile_reply_stays_inert_in_its_report() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.say("RCPT", "550-\u{1b}]0;x\x07\r\n550 --report-\tSubject: owned \u{fc}");
    world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    world.pass();
    let [report] = &world.mailbox("alice")[..] else { panic!("one report") };
    assert!(report.is_ascii() && !report.contains(&0x1b));
    let message = MessageParser::default().parse(&report[..]).unwrap();
    assert_eq!((message.parts.len(), message.subject()), (4, Some("Your message could not be delivered")));
    assert_eq!(status_of(report).len(), 1);
}

#[test]
fn the_null_reverse_path_is_never_bounced() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.say("RCPT TO:<eve@", "550 5.1.1 no such user");
    world.accept("", &["bob@hamburger.test", "eve@hamburger.test"], HELLO);
    world.pass();
    assert_eq!(mx.taken().len(), 1);
    assert_eq!(
        world.states(),
        ["failed bob@hamburger.test accepted 1 250 2.0.0 taken", "failed eve@hamburger.test failed 1 550 5.1.1 no such user"]
    );
    assert_eq!((world.events("double-bounce"), world.events("bounce")), (1, 0));
    assert_eq!(world.pass(), Done::Messages(0), "it is kept, not tried again");
}

#[test]
fn retries_grow_until_five_days_and_ten_attempts() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.say("RCPT", "451 4.7.1 greylisted");
    world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    let mut waits = Vec::new();
    while world.events("bounce") == 0 {
        let before = postroad::relay::clock::Clock::now(&world.clock);
        world.pass();
        if world.events("bounce") > 0 {
            break;
        }
        assert_eq!(world.states().iter().filter(|row| row.starts_with("deferred bob@")).count(), 1, "{:?}", world.states());
        assert_eq!(world.pass(), Done::Messages(0), "nothing is due yet");
        world.turn_to_next();
        waits.push(postroad::relay::clock::Clock::now(&world.clock).duration_since(before).as_mins());
    }
    assert!((26..=34).contains(&waits[0]) && waits.windows(2).take(5).all(|pair| pair[0] < pair[1]), "{waits:?}");
    assert!(waits.iter().all(|minutes| *minutes <= 270) && waits.len() > 30, "{waits:?}");
    let total: i64 = waits.iter().sum();
    assert!((5 * 24 * 60..5 * 24 * 60 + 270).contains(&total), "{total} minutes");
    assert!(world.list().is_empty());
    let reports = world.mailbox("alice");
    assert_eq!((reports.len(), world.events("delay")), (2, 1), "one word of the delay, one of the end");
    let failed = reports.iter().find(|report| report.windows(14).any(|text| text == b"Action: failed")).unwrap();
    let [[_, status, why]] = &status_of(failed)[..] else { panic!("one recipient") };
    assert!(status == "5.4.7" && why.contains("451 4.7.1 greylisted"), "{status} {why}");
}

#[test]
fn a_clock_that_jumps_gives_nothing_up_and_forgets_nothing() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.say("RCPT", "451 4.7.1 later");
    world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    world.turn(SignedDuration::from_hours(24 * 365 * 10));
    for _ in 0..9 {
        world.pass();
        world.turn_to_next();
    }
    assert_eq!(world.events("bounce"), 0, "ten years, nine attempts");
    world.turn(SignedDuration::from_hours(-24 * 365 * 10));
    mx.behave();
    world.pass();
    assert_eq!(mx.taken().len(), 1, "a due time in ten years counts as due");
}

#[test]
fn an_alias_becomes_a_child_that_is_delivered_in_the_same_pass() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    world.router.aliases = "team: alice, carol, bob@hamburger.test\nalice: alice, team\n".parse().unwrap();
    world.accept("x@else.test", &["team@crepes.test", "carol@crepes.test"], HELLO);
    world.pass();
    assert_eq!(mx.taken()[0].to, ["bob@hamburger.test"]);
    assert_eq!((world.mailbox("alice").len(), world.mailbox("carol").len()), (1, 1), "carol has one copy, not two");
    assert!(world.list().is_empty(), "{:?}", world.states());
}

#[test]
fn a_message_that_goes_in_a_circle_is_refused() {
    let world = World::new();
    let hops = |n: usize| [b"Received: by x\r\n".repeat(n), HELLO.to_vec()].concat();
    world.accept("carol@crepes.test", &["alice@crepes.test"], &hops(50));
    world.pass();
    assert_eq!(world.mailbox("alice").len(), 1);
    world.accept("carol@crepes.test", &["alice@crepes.test"], &hops(51));
    let before = [b"Delivered-To: Alice@Crepes.test\r\n", HELLO].concat();
    world.accept("carol@crepes.test", &["alice@crepes.test"], &before);
    world.pass();
    assert_eq!((world.mailbox("alice").len(), world.mailbox("carol").len()), (1, 2));
    let refused: Vec<_> = world.outcomes().into_iter().filter(|row| row.starts_with("refused alice@crepes.test 5.4.6")).collect();
    assert_eq!(refused.len(), 2, "{:?}", world.outcomes());
}

#[test]
fn a_maildir_holds_what_was_accepted_with_two_lines_on_top() {
    let world = World::new();
    world.accept("\"a b\"@else.test", &["Alice+tag@crepes.test"], HELLO);
    world.pass();
    let want = b"Return-Path: <\"a b\"@else.test>\nDelivered-To: Alice+tag@crepes.test\nFrom: <alice@crepes.test>\nSubject: Hi\n\nHello.\n.dot\n";
    assert_eq!(world.mailbox("alice"), [want.to_vec()]);
    assert_eq!(world.outcomes().len(), 1);
}

#[test]
fn hostile_local_parts_never_leave_the_maildirs() {
    let mut world = World::new();
    world.router.local.users = postroad::relay::route::Users::All;
    let hostile = ["\"../../escaped\"@crepes.test", "\".hidden\"@crepes.test", "\"a/b\"@crepes.test", "\"..\"@crepes.test"];
    world.accept("", &hostile, HELLO);
    world.pass();
    assert!(world.outcomes().iter().all(|row| row.contains(" 5.1.3 ")), "{:?}", world.outcomes());
    assert_eq!(std::fs::read_dir(world.dir.path().join("mail")).unwrap().count(), 0);
    world.accept("", &["\"$(touch x)`id`{user}\"@crepes.test"], HELLO);
    world.pass();
    assert_eq!(world.mailbox("$(touch x)`id`{user}").len(), 1, "a strange name is a name");
}

#[test]
fn a_connection_is_used_again_and_recipients_go_a_hundred_at_a_time() {
    let mut world = World::new();
    world.workers = 1;
    let mx = world.host("hamburger.test");
    let many: Vec<String> = (0..250).map(|n| format!("r{n}@hamburger.test")).collect();
    world.accept("alice@crepes.test", &many.iter().map(String::as_str).collect::<Vec<_>>(), HELLO);
    for _ in 0..5 {
        world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    }
    world.pass();
    let mut sizes: Vec<usize> = mx.taken().iter().map(|taken| taken.to.len()).collect();
    sizes.sort();
    assert_eq!(sizes, [1, 1, 1, 1, 1, 50, 100, 100]);
    assert!(mx.sessions() <= 2, "{} sessions", mx.sessions());
    assert!(world.list().is_empty());
}

#[test]
fn a_host_that_is_down_is_dialled_once_in_a_pass() {
    let mut world = World::new();
    let address = world.address("mx.hamburger.test");
    world.dns.mx("hamburger.test", &[(10, "mx.hamburger.test")]);
    for _ in 0..5 {
        world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    }
    world.pass();
    assert_eq!(*world.hosts.dialled.lock().unwrap(), [address]);
    let want =
        "deferred bob@hamburger.test pending 1 4.4.1 cannot connect to mx.hamburger.test: 192.0.2.1:25: Connection refused";
    assert_eq!(world.states(), [want; 5]);
}

#[test]
fn every_recipient_has_an_outcome_wherever_the_session_breaks() {
    for (at, state) in [
        ("greeting", "4.4.2 "),
        ("EHLO", "4.4.2 "),
        ("MAIL", "4.4.2 "),
        ("RCPT TO:<b@", "4.4.2 "),
        ("DATA", "4.4.2 "),
        (".", "4.4.2 "),
    ] {
        let mut world = World::new();
        let mx = world.host("hamburger.test");
        mx.say(at, "DROP");
        world.accept("alice@crepes.test", &["a@hamburger.test", "b@hamburger.test"], HELLO);
        world.pass();
        let states = world.states();
        assert!(
            states.len() == 2 && states.iter().all(|row| row.contains(" pending 1 ") && row.contains(state)),
            "{at}: {states:?}"
        );
        let doubt = world.outcomes().iter().filter(|row| row.starts_with("indoubt")).count();
        assert_eq!(doubt, if at == "." { 2 } else { 0 }, "{at}");
        mx.behave();
        world.turn_to_next();
        world.pass();
        assert_eq!(mx.taken().len(), 1, "{at}");
    }
}

#[test]
fn tls_that_fails_is_done_without_where_nothing_more_was_asked() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.extensions.lock().unwrap().push("STARTTLS".into());
    world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    world.pass();
    assert_eq!((mx.sessions(), mx.taken().len()), (2, 1), "once with TLS, once without");

    let submission = world.server("mail.crepes.test");
    submission.extensions.lock().unwrap().push("STARTTLS".into());
    let address = world.dns.addresses["mail.crepes.test"].clone().unwrap()[0];
    world.route("else.test", &format!("submission://{address}"));
    world.accept("alice@crepes.test", &["bob@else.test"], HELLO);
    world.pass();
    assert_eq!((submission.sessions(), submission.taken().len()), (1, 0), "required is required");
    assert_eq!(world.states(), ["deferred bob@else.test pending 1 4.7.5 TLS with mx.test: no common version"]);
}

#[test]
fn what_the_dns_says_decides() {
    let mut world = World::new();
    world.dns.answers.insert("null.test".into(), Ok(MailHosts::Null));
    world.dns.answers.insert("broken.test".into(), Err(DnsError::Temporary("broken.test: SERVFAIL".into())));
    world.dns.mx("loop.test", &[(10, "MX.crepes.test"), (20, "mx.loop.test")]);
    world.accept("", &["x@null.test", "x@broken.test", "x@gone.test", "x@loop.test", "x@[192.0.2.99]"], HELLO);
    world.pass();
    let rows: Vec<String> = world.outcomes().iter().map(|row| row.splitn(4, ' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    let want = [
        "deferred x@[192.0.2.99] 4.4.1",
        "deferred x@broken.test 4.4.3",
        "refused x@gone.test 5.1.2",
        "refused x@loop.test 5.4.6",
        "refused x@null.test 5.1.10",
    ];
    assert_eq!(rows, want);
}

#[test]
fn a_damaged_message_is_broken_off_before_the_final_dot() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    let id = world.accept("alice@crepes.test", &["bob@hamburger.test"], &[HELLO, &b"x\r\n".repeat(30_000)].concat());
    let file = world.dir.path().join("spool/new").join(id.as_str());
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2 + bytes[bytes.len() / 2..].iter().position(|&byte| byte == b'x').unwrap();
    bytes[middle] = b'y';
    std::fs::write(&file, bytes).unwrap();
    let (_, trouble) = world.troubled_pass();
    assert!(
        trouble.as_ref().is_some_and(|text| text.contains("damaged, put aside as") && text.contains(id.as_str())),
        "{trouble:?}"
    );
    assert!(mx.taken().is_empty() && world.list().is_empty());
    assert_eq!(files(&world.dir.path().join("spool/corrupt")).len(), 1);
}

#[test]
fn orders_by_hand_count_before_a_transaction() {
    use postroad::disk::spool::control::Order;
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    let send = || world.accept("carol@crepes.test", &["bob@hamburger.test"], HELLO);
    let (held, deleted, bounced) = (send(), send(), send());
    for (id, order) in [(&held, Order::Hold), (&deleted, Order::Delete), (&bounced, Order::Bounce)] {
        world.spool.order(id, order).unwrap();
    }
    world.pass();
    assert!(mx.taken().is_empty());
    assert_eq!(world.states(), ["held bob@hamburger.test pending 0"]);
    assert_eq!((world.mailbox("carol").len(), world.spool.ordered().unwrap().len()), (1, 0));
}

#[test]
fn routes_hold_refuse_and_discard() {
    let mut world = World::new();
    world.route("hold.test", "hold");
    world.route("refuse.test", "refuse:not from here");
    world.route("discard.test", "discard");
    world.accept("carol@crepes.test", &["a@hold.test", "a@refuse.test", "a@discard.test", "alice@crepes.test"], HELLO);
    world.pass();
    let states = world.states();
    assert_eq!(
        states.iter().map(|row| row.splitn(4, ' ').take(3).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>(),
        [
            "held a@discard.test discarded",
            "held a@hold.test pending",
            "held a@refuse.test bounced",
            "held alice@crepes.test accepted",
        ]
    );
    assert_eq!((world.mailbox("alice").len(), world.mailbox("carol").len()), (1, 1));
}

#[test]
fn a_program_gets_the_message_and_its_status_decides() {
    let mut world = World::new();
    let out = world.dir.path().join("out");
    let script = |name: &str, text: &str| {
        let path = world.dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let look =
        "for fd in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$fd ] && echo \"open: $fd\" >> \"$1\"; done; ls -l /proc/$$/fd >> \"$1\"";
    let show = script("show", &format!("cat > \"$1\"; env | sort >> \"$1\"; {look}; true"));
    let fails = script("fails", "echo \"cannot: $1\" >&2; exit $1");
    let sleeps = script("sleeps", "sleep 60 & sleep 60");
    world.route("show.test", &format!("pipe:{show} '{}'", out.display()));
    world.route("soft.test", &format!("pipe:{fails} 75"));
    world.route("hard.test", &format!("pipe:{fails} 67"));
    world.route("slow.test", &format!("pipe:{sleeps}"));
    world.route("none.test", "pipe:/nonexistent/x");
    let to = ["\"() { :; }; x\"@show.test", "a@soft.test", "a@hard.test", "a@slow.test", "a@none.test"];
    let id = world.accept("", &to, HELLO);
    // Whoever started us may have left anything open, as a shell its lock.
    let left_open = std::fs::File::create(world.dir.path().join("left-open")).unwrap();
    nix::fcntl::fcntl(&left_open, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    world.pass();
    let shown = String::from_utf8(std::fs::read(&out).unwrap()).unwrap();
    let (message, rest) = shown.split_once("QUEUE_ID=").unwrap();
    assert!(message.starts_with("Return-Path: <>\nDelivered-To: \"() { :; }; x\"@show.test\nFrom:"), "{message}");
    assert!(message.contains("\nHello.\n.dot\n") && !message.contains('\r'), "{message:?}");
    assert!(
        rest.starts_with(id.as_str())
            && rest.contains("\nRECIPIENT=\"() { :; }; x\"@show.test\n")
            && rest.contains("\nSENDER=\n")
    );
    assert!(!rest.contains("HOME=") && !rest.contains("CARGO"), "a clean environment: {rest}");
    assert!(!rest.contains("open: ") && !rest.contains("left-open"), "a descriptor was inherited: {rest}");
    let rows: Vec<String> = world.outcomes().into_iter().filter(|row| row.contains(" a@")).collect();
    assert_eq!(
        rows,
        [
            "deferred a@none.test 4.3.0 cannot run /nonexistent/x: No such file or directory (os error 2)".to_owned(),
            format!("deferred a@slow.test 4.3.0 {sleeps} took longer than 2s"),
            format!("deferred a@soft.test 4.3.0 {fails}: cannot: 75"),
            format!("refused a@hard.test 5.3.0 {fails}: cannot: 67"),
        ]
    );
}

#[test]
fn told_to_stop_a_pass_begins_nothing_new() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    world.halt.stop();
    world.pass();
    assert_eq!(world.states(), ["due bob@hamburger.test pending 0"]);
    world.halt = Default::default();
    world.pass();
    assert_eq!(mx.taken().len(), 1);
}

#[test]
fn several_passes_at_once_deliver_each_message_once() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    for _ in 0..60 {
        world.accept("alice@crepes.test", &["bob@hamburger.test", "carol@crepes.test"], HELLO);
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| world.pass());
        }
    });
    assert_eq!((mx.taken().len(), world.mailbox("carol").len()), (60, 60));
    assert!(world.list().is_empty());
}

#[test]
fn a_message_put_aside_is_not_sent_by_an_order_that_says_nothing() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    let id = world.accept("alice@crepes.test", &["bob@hamburger.test"], HELLO);
    world.spool.order(&id, Order::Hold).unwrap();
    world.pass();
    assert_eq!(world.states(), ["held bob@hamburger.test pending 0"]);
    std::fs::write(world.spool.root().join("state/ctl").join(id.as_str()), "nonsense\n").unwrap();
    assert_eq!(world.pass(), Done::Messages(0));
    assert_eq!((world.states().len(), mx.taken().len()), (1, 0));
}

#[test]
fn removals_are_durable_while_a_slow_delivery_goes_on() {
    let mut world = World::new();
    let faulty = Faulty::new(Fault::None, true);
    world.spool = Spool::open_on(Arc::new(faulty.clone()), world.spool.root()).unwrap();
    world.within = Duration::from_secs(60);
    let mx = world.host("hamburger.test");
    // The program ends when the test lets it.
    let (program, go) = (world.dir.path().join("waits"), world.dir.path().join("go"));
    std::fs::write(&program, format!("#!/bin/sh\nwhile [ ! -e {} ]; do sleep 0.05; done\n", go.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.route("slow.test", &format!("pipe:{}", program.display()));
    world.accept("", &["x@slow.test"], HELLO);
    let quick = world.accept("", &["bob@hamburger.test"], HELLO);
    let position = |step: &str| faulty.log.lock().unwrap().iter().rposition(|done| done == step);
    let is_durable = || {
        let removed = position(&format!("unlink new/{quick}"));
        removed.is_some() && position("sync-dir spool/new") > removed
    };
    let durable = std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let durable = (0..600).any(|_| {
                std::thread::sleep(Duration::from_millis(50));
                is_durable()
            });
            std::fs::write(&go, "").unwrap();
            durable
        });
        world.pass();
        waits.join().unwrap()
    });
    assert!(durable, "{:?}", faulty.log.lock().unwrap());
    assert_eq!((mx.taken().len(), world.list().len()), (1, 0));
}
