//! The messages that are sent, and what arrived of them.

use super::peers::wait_for;
use std::path::Path;
use std::time::Duration;

/// How long a message may take through a queue of somebody else's.
pub const DELIVERY: Duration = Duration::from_secs(60);

/// Messages as they are on the wire, without dot-stuffing. Each is told from the others by its text.
pub fn letters() -> Vec<Vec<u8>> {
    let head = "From: Alice <alice@crepes.test>\r\nTo: Bob <bob@hamburger.test>\r\nMessage-ID: <1@crepes.test>\r\n";
    let mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    let folded = "Subject: a line that\r\n\tis folded\r\n  twice\r\nX-Empty:\r\n";
    let text = |fields: &str, body: &str| format!("{head}{fields}\r\n{body}").into_bytes();
    vec![
        text(folded, "Do you like ketchup?\r\nHow about pickles?\r\n"),
        text("Subject: dots\r\n", ".\r\n..\r\n.a\r\n\r\n...\r\n .\r\n.\r\n"),
        text("Subject: blanks\r\n", "\r\n\r\ntrailing blanks  \r\n\ttabs\t\r\n\r\n\r\n"),
        text("Subject: no body\r\n", ""),
        text(mime, "gr\u{fc}\u{df}e, \u{4f60}\u{597d}\r\n"),
        // RFC 5321 section 4.5.3.1.6: the longest line.
        text("Subject: long\r\n", &format!("{}\r\n", "0123456789".repeat(100)[..998].to_owned())),
        text(
            "Subject: large\r\n",
            &(0..20_000)
                .map(|n| format!("{n:08} ..........................................................\r\n"))
                .collect::<String>(),
        ),
    ]
}

/// With LF line ends.
pub fn lf(message: &[u8]) -> Vec<u8> {
    String::from_utf8(message.to_vec()).unwrap().replace("\r\n", "\n").into_bytes()
}

/// Waits until a directory holds so many files.
pub fn wait_for_files(dir: &Path, count: usize) {
    let files = || std::fs::read_dir(dir).map_or(0, Iterator::count);
    wait_for(&format!("{count} files in {}", dir.display()), DELIVERY, || files() >= count);
}

/// The same messages, in any order, and each as often.
pub fn assert_same(arrived: Vec<Vec<u8>>, sent: Vec<Vec<u8>>) {
    let (mut arrived, mut sent) = (arrived, sent);
    arrived.sort();
    sent.sort();
    assert_eq!(arrived.len(), sent.len(), "another number of messages");
    for (arrived, sent) in arrived.iter().zip(&sent) {
        if arrived != sent {
            let place = arrived.iter().zip(sent).take_while(|(a, b)| a == b).count();
            let around = |bytes: &[u8]| {
                bytes[place.saturating_sub(40).min(bytes.len())..(place + 40).min(bytes.len())].escape_ascii().to_string()
            };
            panic!("differ at octet {place}:\narrived {}\nsent    {}", around(arrived), around(sent));
        }
    }
}
