//! To an LMTP server, which is none: what the outbox holds gets the outcomes that the test says.

use crate::mailbox::{End, Home, outcomes};
use postroad::fetch::keeper::{Keeper, Options};
use postroad::fetch::policy::Policy;
use postroad::fetch::target::lmtp;
use postroad::fetch::words::Outcome::{Delivered, Failed};
use postroad::fetch::words::Row;
use postroad::mail::envelope::Envelope;
use postroad::mail::outcome::Outcome;
use postroad::mail::reply::Reply;
use postroad::protocol::smtp::extensions::Extensions;
use postroad::relay::session::{Outbox, Sent, Via, Word};
use std::sync::Mutex;

/// One run; gives the rows, and for whom each message was sent. `b` is refused unless `all`.
fn run(home: &mut Home, all: bool) -> (Vec<Row>, Vec<String>) {
    let asked = Mutex::new(Vec::new());
    let serve = |outbox: &dyn Outbox<()>| {
        while outbox.is_waiting() {
            outbox.opened(&Extensions::default());
            while let Some(parcel) = outbox.next() {
                let recipients: Vec<String> = parcel.transaction.envelope.recipients().iter().map(ToString::to_string).collect();
                let reply = |who: &String| Reply::new(if all || who.starts_with('a') { 250 } else { 550 }, None, "x");
                let outcomes = recipients.iter().map(|who| Outcome::from_reply(&reply(who))).collect();
                asked.lock().unwrap().push(recipients.join(" "));
                let sent = Sent { tag: (), outcomes, fault: None, word: Word::default(), unreadable: None };
                outbox.settle(sent, &Via::default());
            }
        }
        None
    };
    let recipients = ["a@x.test", "b@x.test"].map(|address| address.parse().unwrap());
    let envelope = Envelope::new("".parse().unwrap(), recipients).unwrap();
    let journal = home.journal();
    let options = Options { policy: Policy::default(), filter: None, clock: &home.clock };
    let mailbox = &mut home.mailbox;
    let rows = lmtp::run(envelope, &|| false, serve, |target| {
        mailbox.session(Keeper::new(options, Box::new(target), Some(journal)), End::Quit)
    });
    (rows, asked.into_inner().unwrap())
}

#[test]
fn who_has_a_message_is_remembered_until_all_have_it() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    for (all, asked, outcome) in
        [(false, "a@x.test b@x.test", Failed), (false, "b@x.test", Failed), (true, "b@x.test", Delivered)]
    {
        let (rows, sent) = run(&mut home, all);
        assert_eq!((outcomes(&rows), sent), (vec![outcome], vec![asked.to_owned()]), "{rows:?}");
    }
    assert_eq!(home.journal().len(), 1);
    assert!(run(&mut home, true).1.is_empty(), "it is delivered");
}

#[test]
fn a_message_without_a_name_goes_to_all_again_and_leaves_nothing_behind() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    home.mailbox.has_uidl = false;
    for _ in 0..3 {
        let (rows, sent) = run(&mut home, false);
        assert_eq!((outcomes(&rows), sent), (vec![Failed], vec!["a@x.test b@x.test".to_owned()]));
        assert_eq!(home.journal().len(), 0);
    }
    assert_eq!(outcomes(&run(&mut home, true).0), [Delivered]);
}
