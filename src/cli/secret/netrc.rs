//! The `.netrc` of ftp(1), which curl, git and others share: logins and passwords by host. Read here, never written.

use crate::bytes::secret::Secret;
use std::iter::Peekable;
use std::str::Chars;

/// What one `machine` or `default` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// None: `default`, any host that was not named before.
    pub machine: Option<String>,
    pub login: Option<String>,
    pub password: Option<Secret<String>>,
}

/// The first entry for `host`, and for `user` where that is known; `default` fits every host that comes to it.
pub fn find<'a>(entries: &'a [Entry], host: &str, user: Option<&str>) -> Option<&'a Entry> {
    let fits = |entry: &&Entry| {
        entry.machine.as_deref().is_none_or(|machine| machine.eq_ignore_ascii_case(host))
            && (user.is_none() || entry.login.is_none() || entry.login.as_deref() == user)
    };
    entries.iter().find(fits)
}

/// Reads a file's text. Words that nobody knows are passed over, as others do; an open quote is an error that names its line.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut words = Words { rest: text.chars().peekable(), line: 1 };
    let mut entries: Vec<Entry> = Vec::new();
    while let Some(word) = words.keyword()? {
        let entry = entries.last_mut();
        match word.as_str() {
            "machine" => entries.push(Entry { machine: Some(words.value()?), ..Entry::default() }),
            "default" => entries.push(Entry::default()),
            "login" | "user" => {
                let login = words.value()?;
                entry.map(|entry| entry.login.get_or_insert(login));
            }
            "password" | "passwd" => {
                let password = Secret::new(words.value()?);
                entry.map(|entry| entry.password.get_or_insert(password));
            }
            "account" | "port" | "protocol" => drop(words.value()?),
            "macdef" => words.skip_macro(),
            _ => {}
        }
    }
    Ok(entries)
}

struct Words<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn skip_blanks(&mut self) {
        while self.rest.peek().is_some_and(|c| c.is_whitespace()) {
            self.next();
        }
    }

    /// The next word, comments passed over: they begin where a keyword could.
    fn keyword(&mut self) -> Result<Option<String>, String> {
        loop {
            self.skip_blanks();
            match self.rest.peek() {
                None => return Ok(None),
                Some('#') => while self.next().is_some_and(|c| c != '\n') {},
                Some(_) => return self.word().map(Some),
            }
        }
    }

    /// The word behind a keyword, whatever it begins with.
    fn value(&mut self) -> Result<String, String> {
        self.skip_blanks();
        self.word()
    }

    /// Up to a blank, or in double quotes with `\"`, `\\`, `\n`, `\r` and `\t`.
    fn word(&mut self) -> Result<String, String> {
        let mut word = String::new();
        if self.rest.next_if_eq(&'"').is_none() {
            while let Some(c) = self.rest.next_if(|c| !c.is_whitespace()) {
                word.push(c);
            }
            return Ok(word);
        }
        let line = self.line;
        let open = || format!("line {line}: a quote that nothing closes");
        loop {
            match self.next().ok_or_else(open)? {
                '"' => return Ok(word),
                '\\' => word.push(match self.next().ok_or_else(open)? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                }),
                c => word.push(c),
            }
        }
    }

    /// A macro ends at an empty line.
    fn skip_macro(&mut self) {
        let mut last = ' ';
        while let Some(c) = self.next() {
            if (last, c) == ('\n', '\n') {
                return;
            }
            last = c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
# mail
machine mx.test login alice password s3cret # a comment
machine mx.test login bob
    password "with \"quotes\" and blanks"
machine ftp.test login eve password #hash
  account ignored port 21
macdef init
machine mx.test login mallory password macro

machine nologin.test password any
default login anonymous password guest
machine late.test login late password never
"#;

    fn password(host: &str, user: Option<&str>) -> Option<String> {
        let entries = parse(FILE).unwrap();
        find(&entries, host, user).and_then(|entry| entry.password.as_ref().map(|p| p.reveal().clone()))
    }

    #[test]
    fn the_first_that_fits_counts() {
        let of = |host, user| password(host, user);
        assert_eq!(of("mx.test", Some("alice")).as_deref(), Some("s3cret"));
        assert_eq!(of("MX.TEST", Some("bob")).as_deref(), Some("with \"quotes\" and blanks"));
        assert_eq!((of("mx.test", None).as_deref(), of("mx.test", Some("mallory"))), (Some("s3cret"), None));
        assert_eq!(of("ftp.test", None).as_deref(), Some("#hash"), "a value may begin so");
        assert_eq!(of("nologin.test", Some("anybody")).as_deref(), Some("any"));
        assert_eq!((of("late.test", None).as_deref(), of("late.test", Some("late")).as_deref()), (Some("guest"), Some("never")));
        assert_eq!(of("else.test", Some("alice")), None);
        let entries = parse(FILE).unwrap();
        assert_eq!(find(&entries, "else.test", None).unwrap().login.as_deref(), Some("anonymous"));
    }

    #[test]
    fn what_is_broken_is_named() {
        assert_eq!(parse("\nmachine x\npassword \"abc\n"), Err("line 3: a quote that nothing closes".to_owned()));
        assert_eq!(parse("machine"), Ok(vec![Entry { machine: Some(String::new()), ..Entry::default() }]));
        assert_eq!(parse("login x password y"), Ok(Vec::new()), "for no machine");
        assert!(parse("macdef x\nno end").unwrap().is_empty());
    }
}
