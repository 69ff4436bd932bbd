//! What a mailbox says of a message beside its content, as Maildirs and mboxes keep it.

use crate::mail::header::field;
use jiff::Timestamp;

/// Letters of a Maildir's names, in their order, and the flags of IMAP that they stand for.
const LETTERS: [(char, &str); 6] =
    [('D', "\\Draft"), ('F', "\\Flagged"), ('P', "$Forwarded"), ('R', "\\Answered"), ('S', "\\Seen"), ('T', "\\Deleted")];
/// Letters of X-Status.
const MARKS: [(char, &str); 4] = [('A', "\\Answered"), ('F', "\\Flagged"), ('T', "\\Draft"), ('D', "\\Deleted")];
const KEYWORDS: &str = "X-Keywords:";
const SEEN: &str = "Status: RO\n";
const UNSEEN: &str = "Status: O\n";
/// What the line begins with that parts messages in an mbox of ours (RFC 4155): who sent one is not known.
pub const FROM: &str = "From MAILER-DAEMON ";
/// Longest line of a field that keeps keywords, in octets.
const LINE: usize = 76;

/// What is to be kept with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// As IMAP writes them: `\Seen`, `Work`.
    pub flags: Vec<String>,
    /// INTERNALDATE.
    pub received: Option<Timestamp>,
}

impl Labels {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own.eq_ignore_ascii_case(flag))
    }

    /// What stands behind the colon of a name in `cur`; empty: the message is new. Keywords have no letter that all readers know.
    pub fn info(&self) -> String {
        let letters: String = LETTERS.iter().filter(|(_, flag)| self.has(flag)).map(|(letter, _)| letter).collect();
        if letters.is_empty() { letters } else { format!("2,{letters}") }
    }

    /// Fields that readers of an mbox keep flags in, each with LF. Status is always there, and the last: what follows is the message's own.
    pub fn fields(&self) -> String {
        let marks: String = MARKS.iter().filter(|(_, flag)| self.has(flag)).map(|(letter, _)| letter).collect();
        let is_keyword = |flag: &&String| !flag.starts_with('\\') && flag.bytes().all(|byte| byte.is_ascii_graphic());
        let keywords: Vec<&str> = self.flags.iter().filter(is_keyword).map(String::as_str).collect();
        let mut fields = String::new();
        if !keywords.is_empty() {
            fields.push_str(&folded(KEYWORDS, &keywords));
        }
        if !marks.is_empty() {
            fields.push_str(&format!("X-Status: {marks}\n"));
        }
        fields + if self.has("\\Seen") { SEEN } else { UNSEEN }
    }
}

fn folded(name: &str, words: &[&str]) -> String {
    let (mut text, mut line) = (name.to_owned(), name.len());
    for word in words {
        if line > name.len() && line + 1 + word.len() > LINE {
            text.push('\n');
            line = 0;
        }
        text.push(' ');
        text.push_str(word);
        line += 1 + word.len();
    }
    text + "\n"
}

/// The flags that a name in a Maildir shows.
pub fn of_name(name: &str) -> Vec<&'static str> {
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    LETTERS.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, flag)| *flag).collect()
}

/// The flags that the fields of a message in an mbox tell. Keywords are as they stand there: whoever sends them looks at them first.
pub fn of_fields(header: &[u8]) -> Vec<String> {
    let text = |name: &str| field(header, name).map(|field| field.text()).unwrap_or_default();
    let (status, marks) = (text("Status"), text("X-Status"));
    let seen = status.contains('R').then_some("\\Seen");
    let marked = MARKS.iter().filter(|(letter, _)| marks.contains(*letter)).map(|(_, flag)| *flag);
    let mut flags: Vec<String> = seen.into_iter().chain(marked).map(str::to_owned).collect();
    flags.extend(text("X-Keywords").split_whitespace().map(str::to_owned));
    flags
}

/// The length of the fields that [`Labels::fields`] put in front of a message; 0 where what stands there is none of its making.
pub fn leading(from_line: &[u8], header: &[u8]) -> usize {
    if !from_line.starts_with(FROM.as_bytes()) {
        return 0;
    }
    let mut end = 0;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if [SEEN, UNSEEN].iter().any(|last| line == last.as_bytes()) {
            let ours = Labels { flags: of_fields(&header[..end]), received: None };
            return if ours.fields().as_bytes() == &header[..end] { end } else { 0 };
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(flags: &[&str]) -> Labels {
        Labels { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), received: None }
    }

    #[test]
    fn flags_stand_in_a_maildir_s_names() {
        assert_eq!(labels(&["\\seen", "\\Flagged", "$Forwarded", "Work"]).info(), "2,FPS");
        assert_eq!(labels(&["\\Recent", "Work"]).info(), "");
        assert_eq!(of_name("cur/1.M2.host:2,FS"), ["\\Flagged", "\\Seen"]);
        assert_eq!(of_name("new/1.M2.host"), [""; 0]);
    }

    #[test]
    fn fields_of_labels_are_told_from_those_of_the_message() {
        let own = labels(&["\\Seen", "\\Draft", "\\Recent", "Status:", "O", "Work"]);
        let long = labels(&["a"; 60]);
        let messages =
            ["Subject: x\nStatus: y\n\nz", "Status: y\n\n", "Status: RO\n", "X-Status: F\n", "X-Keywords: a\n b\n", ""];
        for fields in [own.fields(), long.fields(), labels(&[]).fields()] {
            for message in messages {
                assert_eq!(
                    leading(b"From MAILER-DAEMON x", format!("{fields}{message}").as_bytes()),
                    fields.len(),
                    "{message:?}"
                );
                assert_eq!(leading(b"From bob x", format!("{fields}{message}").as_bytes()), 0);
            }
        }
        // Not of our making: two programs' fields, or a message's own.
        for header in [
            "Status: y\n",
            "X-Status: F\nA: b\nStatus: RO\n",
            " Status: O\n",
            "Status:  O\n",
            "A: b\nStatus: O\n",
            "\nStatus: O\n",
        ] {
            assert_eq!(leading(b"From MAILER-DAEMON x", header.as_bytes()), 0, "{header:?}");
        }
    }

    #[test]
    fn flags_stand_in_fields_of_an_mbox() {
        assert_eq!(labels(&["\\Seen", "\\Answered", "\\Draft"]).fields(), "X-Status: AT\nStatus: RO\n");
        assert_eq!(labels(&["Work", "$Forwarded"]).fields(), "X-Keywords: Work $Forwarded\nStatus: O\n");
        assert_eq!(labels(&["\\Recent"]).fields(), "Status: O\n");
        let long = labels(&["a"; 60]).fields();
        let own = long.strip_suffix("Status: O\n").unwrap();
        assert!(long.lines().all(|line| line.len() <= LINE) && own.lines().skip(1).all(|line| line.starts_with(' ')), "{long}");
    }
}
