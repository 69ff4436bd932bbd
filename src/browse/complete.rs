//! What may follow a line that is being typed: commands, mailboxes, flags, keys to search for.

use super::commands::COMMANDS;
use super::{criteria, flags};

/// Where the word begins that is to be completed, and what it may become.
pub fn complete(typed: &str, mailboxes: &[String]) -> (usize, Vec<String>) {
    let start = typed.rfind([' ', '(']).map_or(0, |at| at + 1);
    let (before, word) = typed.split_at(start);
    let mut words = before.split_whitespace();
    let Some(mut command) = words.next() else {
        return (start, alone(fitting(COMMANDS.iter().map(|command| command.name.to_owned()), word)));
    };
    let mut arguments = words.count();
    if command == "explain" || command == "help" {
        let Some(inner) = before.split_whitespace().nth(1).filter(|_| command == "explain") else {
            return (start, alone(fitting(COMMANDS.iter().map(|command| command.name.to_owned()), word)));
        };
        (command, arguments) = (inner, arguments - 1);
    }
    let names = || mailboxes.iter().map(|name| quoted(name));
    let found = match (command, arguments) {
        ("search" | "sort" | "thread", _) => {
            let keys = criteria::keys().map(|(key, _)| key.to_owned());
            fitting(keys.chain(["and", "or", "not"].map(str::to_owned)), word)
        }
        ("flag" | "unflag", 1..) => fitting(flags::names(), word),
        ("watch" | "notify", _) => fitting(names(), word),
        ("enable", _) => fitting(["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2"].map(str::to_owned).into_iter(), word),
        ("copy" | "move" | "append", 1) | ("rename", 0) => fitting(names(), word),
        ("select" | "examine" | "rmdir" | "subscribe" | "unsubscribe" | "quota" | "acl" | "meta" | "ls" | "tree", 0) => {
            fitting(names(), word)
        }
        ("setquota", 1..) if arguments % 2 == 1 => {
            fitting(["STORAGE", "MESSAGE", "MAILBOX", "ANNOTATION-STORAGE"].map(str::to_owned).into_iter(), word)
        }
        ("status", _) => fitting(names(), word),
        ("export", 1) => fitting(["maildir", "mbox"].map(str::to_owned).into_iter(), word),
        _ => Vec::new(),
    };
    (start, alone(found))
}

/// Behind the only one that fits the next word may be typed at once.
fn alone(mut found: Vec<String>) -> Vec<String> {
    if let [only] = found.as_mut_slice() {
        only.push(' ');
    }
    found
}

fn fitting(all: impl Iterator<Item = String>, word: &str) -> Vec<String> {
    let fits = |candidate: &String| {
        let bare = candidate.trim_start_matches('"');
        bare.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) || candidate.starts_with(word)
    };
    all.filter(fits).collect()
}

/// As it has to be typed.
fn quoted(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-/&+".contains(c));
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_follow_depends_on_the_command() {
        let mailboxes = ["INBOX".to_owned(), "My Mail".to_owned(), "Entwürfe".to_owned()];
        for (typed, start, wanted) in [
            ("sel", 0, &["select "][..]),
            ("se", 0, &["search", "select", "setquota"]),
            ("select in", 7, &["INBOX "]),
            ("copy 1 ", 7, &["INBOX", "\"My Mail\"", "Entwürfe"]),
            ("select my", 7, &["\"My Mail\" "]),
            ("copy IN", 5, &[]),
            ("flag 1:* an", 9, &["answered "]),
            ("search not (from x or subj", 22, &["subject "]),
            ("explain sel", 8, &["select "]),
            ("explain select e", 15, &["Entwürfe "]),
            ("help exp", 5, &["explain", "export", "expunge"]),
        ] {
            assert_eq!(complete(typed, &mailboxes), (start, wanted.iter().map(|word| (*word).to_owned()).collect()), "{typed}");
        }
    }
}
