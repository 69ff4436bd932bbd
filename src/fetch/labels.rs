//! What a mailbox says of a message beside its content, as Maildirs and mboxes keep it.

use crate::mail::header::field;
use jiff::Timestamp;

/// Letters of a Maildir's names, in their order, and the flags of IMAP that they stand for.
const LETTERS: [(char, &str); 6] =
    [('D', "\\Draft"), ('F', "\\Flagged"), ('P', "$Forwarded"), ('R', "\\Answered"), ('S', "\\Seen"), ('T', "\\Deleted")];
/// Letters of X-Status.
const MARKS: [(char, &str); 4] = [('A', "\\Answered"), ('F', "\\Flagged"), ('T', "\\Draft"), ('D', "\\Deleted")];
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

    /// Fields that readers of an mbox keep flags in, each with LF; none for a message without flags.
    pub fn fields(&self) -> String {
        let pick = |all: &[(char, &str)]| -> String {
            all.iter().filter(|(_, flag)| self.has(flag)).map(|(letter, _)| letter).collect()
        };
        let marks = pick(&MARKS);
        let is_keyword = |flag: &&String| !flag.starts_with('\\') && flag.bytes().all(|byte| byte.is_ascii_graphic());
        let keywords: Vec<&str> = self.flags.iter().filter(is_keyword).map(String::as_str).collect();
        let mut fields = String::new();
        if self.has("\\Seen") {
            fields.push_str("Status: RO\n");
        } else if !marks.is_empty() || !keywords.is_empty() {
            fields.push_str("Status: O\n");
        }
        if !marks.is_empty() {
            fields.push_str(&format!("X-Status: {marks}\n"));
        }
        if !keywords.is_empty() {
            fields.push_str(&folded("X-Keywords:", &keywords));
        }
        fields
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

/// The length of the fields that keep labels at the start of a header, where [`Labels::fields`] put them.
pub fn leading(header: &[u8]) -> usize {
    let mut length = 0;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let is_more = length > 0 && line.starts_with(b" ");
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if !is_more && !["Status", "X-Status", "X-Keywords"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
            break;
        }
        length += line.len();
    }
    length
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
        let own = labels(&["\\Seen", "\\Draft", "Work"]);
        let long = labels(&["a"; 60]);
        for fields in [own.fields(), long.fields(), String::new()] {
            assert_eq!(leading(format!("{fields}Subject: x\nStatus: y\n\nz").as_bytes()), fields.len());
        }
        assert_eq!((leading(b" Status: x\n"), leading(b"Statusx: y\n"), leading(b"")), (0, 0, 0));
    }

    #[test]
    fn flags_stand_in_fields_of_an_mbox() {
        assert_eq!(labels(&["\\Seen", "\\Answered", "\\Draft"]).fields(), "Status: RO\nX-Status: AT\n");
        assert_eq!(labels(&["Work", "$Forwarded"]).fields(), "Status: O\nX-Keywords: Work $Forwarded\n");
        assert_eq!(labels(&["\\Recent"]).fields(), "");
        let long = labels(&["a"; 60]).fields();
        assert!(long.lines().all(|line| line.len() <= LINE) && long.lines().skip(2).all(|line| line.starts_with(' ')), "{long}");
    }
}
