//! The resolver as delivery uses it: several servers, several threads, mail hosts in order.

mod support;

use postroad::mail::mx::{DnsError, Kind, Lookup, MailHosts};
use postroad::net::dial::Family;
use postroad::net::dns::{Options, Resolver, Servers};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::dns::Dns;

const ZONE: &str = "crepes.test MX 10 us.test\ncrepes.test MX 5 best.test\ncrepes.test MX 20 worse.test\nbest.test A 192.0.2.1";

fn resolver(servers: &[SocketAddr], timeout: Option<Duration>) -> Resolver {
    Resolver::new(Options { servers: Servers::At(servers.to_vec()), timeout, family: Family::Any })
}

fn names(hosts: MailHosts) -> Vec<String> {
    match hosts {
        MailHosts::Null => Vec::new(),
        MailHosts::Hosts(list) => list.hosts.into_iter().map(|host| host.name).collect(),
    }
}

#[test]
fn mail_hosts_come_in_order_and_stop_before_this_host() {
    let dns = Dns::serve(ZONE);
    let resolver = resolver(&[dns.address], None);
    let hosts = resolver.mail_hosts(&"crepes.test".parse().unwrap()).unwrap();
    assert_eq!(names(hosts.clone()), ["best.test", "us.test", "worse.test"]);
    let MailHosts::Hosts(list) = hosts else { panic!("null") };
    assert_eq!(list.kind, Kind::Mx);
    let left = list.before_us(|host| host.name == "us.test").unwrap();
    assert_eq!(names(MailHosts::Hosts(left)), ["best.test"]);
}

#[test]
fn a_server_that_fails_is_passed_over_for_the_next() {
    let good = Dns::serve(ZONE);
    let broken = Dns::serve("crepes.test ANY SERVFAIL");
    let refusing = Dns::serve("crepes.test ANY REFUSED");
    let lame = Dns::serve("crepes.test ANY LAME");
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    for bad in [broken.address, refusing.address, lame.address, deaf.local_addr().unwrap()] {
        let resolver = resolver(&[bad, good.address], Some(Duration::from_millis(800)));
        assert_eq!(resolver.mx("crepes.test").map(|answer| answer.records.len()), Ok(3), "{bad}");
    }
    let both = resolver(&[broken.address, refusing.address], None);
    assert!(matches!(both.mx("crepes.test"), Err(DnsError::Temporary(_))));
}

#[test]
fn a_server_that_knows_of_no_such_name_is_believed() {
    let (first, second) = (Dns::serve(""), Dns::serve(ZONE));
    let resolver = resolver(&[first.address, second.address], None);
    assert_eq!(resolver.mx("crepes.test"), Err(DnsError::NoDomain("crepes.test".to_owned())));
    assert_eq!(second.asked(), [""; 0]);
}

#[test]
fn a_failing_server_is_tried_again() {
    let dns = Dns::serve("crepes.test ANY SERVFAIL");
    assert!(resolver(&[dns.address], None).mx("crepes.test").is_err());
    assert_eq!(dns.asked(), ["MX crepes.test udp"; 2]);
}

#[test]
fn one_resolver_serves_many_threads() {
    let zone: String = (0..20).map(|n| format!("d{n}.test MX 10 mx{n}.test\nmx{n}.test A 192.0.2.{n}\n")).collect();
    let dns = Dns::serve(&(zone + "slow.test ANY SILENT\n"));
    let resolver = Arc::new(resolver(&[dns.address], Some(Duration::from_secs(300))));
    let hanging = resolver.clone();
    let slow = thread::spawn(move || hanging.mx("slow.test"));
    thread::scope(|scope| {
        let all: Vec<_> = (0..20)
            .map(|n| {
                let resolver = &resolver;
                scope.spawn(move || {
                    let host = names(resolver.mail_hosts(&format!("d{n}.test").parse().unwrap()).unwrap()).remove(0);
                    (host.clone(), resolver.addresses(&host).unwrap().list[0].to_string())
                })
            })
            .collect();
        for (n, thread) in all.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), (format!("mx{n}.test"), format!("192.0.2.{n}")));
        }
    });
    assert!(!slow.is_finished(), "nobody waited for the one that hangs");
}

#[test]
fn a_wait_for_a_silent_server_ends_when_nobody_wants_the_answer() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let resolver = resolver(&[deaf.local_addr().unwrap()], Some(Duration::from_secs(600))).until(Arc::clone(&over));
    let resolver = Arc::new(resolver);
    let waiting = [
        thread::spawn({
            let resolver = Arc::clone(&resolver);
            move || resolver.mx("crepes.test").map(drop)
        }),
        thread::spawn(move || resolver.addresses("best.test").map(drop)),
    ];
    // Both were asked.
    deaf.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    for _ in 0..3 {
        deaf.recv(&mut [0; 512]).unwrap();
    }
    over.store(true, Ordering::SeqCst);
    let began = Instant::now();
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap(), Err(DnsError::Temporary("broken off by a signal".to_owned())));
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}
