//! Commands as values: text that cannot hold a line end, and literals.

use super::mailbox::Mailbox;
use super::scan::is_astring_char;

/// Longest argument that goes as a quoted string, in octets: servers bound their lines.
const MAX_QUOTED: usize = 1000;
/// Literals in memory are for arguments; a message is a body.
const MAX_LITERAL: usize = 1 << 20;

/// A piece of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// No CR, LF or NUL in it.
    Text(Vec<u8>),
    Literal {
        octets: Vec<u8>,
        /// `~{…}` (RFC 3516, RFC 6855), which may hold NUL.
        binary: bool,
    },
    /// A literal whose octets come by [`crate::protocol::engine::Step::NeedBody`]: exactly `len` of them.
    Body { len: u64, binary: bool },
}

/// What a command does beside its answer, as far as the engine has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    None,
    Select {
        mailbox: Mailbox,
        read_only: bool,
    },
    /// CLOSE, UNSELECT.
    Deselect,
    /// LOGIN, AUTHENTICATE: said by hand.
    LogIn,
    StartTls,
    Compress,
    Idle,
    Logout,
    /// ENABLE, CAPABILITY and others that change how the rest is understood.
    Settle,
}

/// One command without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// In capitals, for people: `UID FETCH`.
    pub name: String,
    pub parts: Vec<Part>,
    pub effect: Effect,
    /// It names messages by sequence numbers.
    pub by_sequence: bool,
}

/// An argument that no command can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadArgument {
    #[error("an argument with a NUL")]
    Nul,
    #[error("an argument of more than {MAX_LITERAL} octets")]
    TooLong,
    #[error("a line end within a command")]
    LineEnd,
    #[error("no command")]
    Empty,
}

/// A command being put together: its name, and a blank before each argument.
#[derive(Debug, Clone)]
pub struct Builder {
    command: Command,
    bad: Option<BadArgument>,
}

impl Command {
    /// `name` is of our own: `FETCH`, `UID FETCH`.
    pub fn builder(name: &'static str) -> Builder {
        let parts = vec![Part::Text(name.as_bytes().to_vec())];
        let command =
            Command { name: name.to_owned(), parts, effect: effect_of(name.as_bytes()), by_sequence: by_sequence(name) };
        Builder { command, bad: None }
    }

    /// A command without arguments.
    pub fn bare(name: &'static str) -> Command {
        Command::builder(name).command
    }

    /// ENABLE (RFC 9051 section 6.3.1) of an extension that we know by name.
    pub fn enable(extension: &'static str) -> Command {
        let mut builder = Command::builder("ENABLE");
        builder.push(b" ");
        builder.push(extension.as_bytes());
        builder.command
    }

    /// As somebody typed it, without its tag. What it does, its first words tell.
    pub fn raw(parts: Vec<Part>) -> Result<Command, BadArgument> {
        for part in &parts {
            match part {
                Part::Text(text) if text.contains(&0) => return Err(BadArgument::Nul),
                Part::Text(text) if text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) => return Err(BadArgument::LineEnd),
                _ => {}
            }
        }
        let Some(Part::Text(first)) = parts.first() else { return Err(BadArgument::Empty) };
        let words: Vec<&[u8]> = first.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).take(2).collect();
        let Some(verb) = words.first() else { return Err(BadArgument::Empty) };
        let mut name = String::from_utf8_lossy(verb).to_ascii_uppercase();
        if let ("UID", Some(word)) = (name.as_str(), words.get(1)) {
            name = format!("UID {}", String::from_utf8_lossy(word).to_ascii_uppercase());
        }
        let effect = effect_of(first);
        Ok(Command { by_sequence: by_sequence(&name), name, parts, effect })
    }

    /// As it goes over the wire, with literals as `{…}` and without their octets: for people. Secrets are in it.
    pub fn shown(&self) -> String {
        let shown = self.parts.iter().map(|part| match part {
            Part::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Part::Literal { octets, binary } => format!("{}{{{}}}", if *binary { "~" } else { "" }, octets.len()),
            Part::Body { len, binary } => format!("{}{{{len}}}", if *binary { "~" } else { "" }),
        });
        shown.collect()
    }
}

/// Commands that sequence numbers may not be sent behind without waiting (RFC 9051 section 5.5), and whose own may not be ambiguous.
fn by_sequence(name: &str) -> bool {
    matches!(name, "FETCH" | "STORE" | "SEARCH" | "COPY" | "MOVE" | "SORT" | "THREAD")
}

fn effect_of(text: &[u8]) -> Effect {
    let text = String::from_utf8_lossy(text).into_owned();
    let (verb, rest) = text.trim_start().split_once(' ').unwrap_or((text.trim(), ""));
    let mailbox = || {
        let mut scanner = super::scan::Scanner::new(rest.as_bytes(), &[]);
        super::mailbox::mailbox(&mut scanner).unwrap_or_else(|_| Mailbox::encoded(b""))
    };
    match verb.to_ascii_uppercase().as_str() {
        "SELECT" => Effect::Select { mailbox: mailbox(), read_only: false },
        "EXAMINE" => Effect::Select { mailbox: mailbox(), read_only: true },
        "CLOSE" | "UNSELECT" => Effect::Deselect,
        "LOGIN" | "AUTHENTICATE" => Effect::LogIn,
        "STARTTLS" => Effect::StartTls,
        "COMPRESS" => Effect::Compress,
        "IDLE" => Effect::Idle,
        "LOGOUT" => Effect::Logout,
        "ENABLE" | "CAPABILITY" | "UNAUTHENTICATE" | "LANGUAGE" => Effect::Settle,
        _ => Effect::None,
    }
}

impl Builder {
    fn push(&mut self, text: &[u8]) {
        if let Some(Part::Text(last)) = self.command.parts.last_mut() {
            last.extend_from_slice(text);
        } else {
            self.command.parts.push(Part::Text(text.to_vec()));
        }
    }

    /// `astring`: an atom, a quoted string or a literal, by what is in it.
    pub fn astring(mut self, text: &[u8]) -> Builder {
        self.push(b" ");
        // NIL as an atom is no string where a nstring may stand.
        let is_atom = !text.is_empty() && text.iter().all(|byte| is_astring_char(*byte) && byte.is_ascii());
        if is_atom && text.len() <= MAX_QUOTED && !text.eq_ignore_ascii_case(b"NIL") && text.first() != Some(&b'~') {
            self.push(text);
            return self;
        }
        let quotable = text.iter().all(|byte| byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0));
        if quotable && text.len() <= MAX_QUOTED {
            self.push(&quoted(text));
            return self;
        }
        if text.contains(&0) {
            self.bad.get_or_insert(BadArgument::Nul);
        }
        if text.len() > MAX_LITERAL {
            self.bad.get_or_insert(BadArgument::TooLong);
        }
        self.command.parts.push(Part::Literal { octets: text.to_vec(), binary: false });
        self
    }

    pub fn build(self) -> Result<Command, BadArgument> {
        match self.bad {
            None => Ok(self.command),
            Some(bad) => Err(bad),
        }
    }
}

/// `quoted`
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(builder: Builder) -> String {
        builder.build().unwrap().shown()
    }

    #[test]
    fn arguments_take_the_form_that_carries_them() {
        for (text, want) in [
            (&b"INBOX"[..], "X INBOX"),
            (b"a]b", "X a]b"),
            (b"", "X \"\""),
            (b"nil", "X \"nil\""),
            (b"a b", "X \"a b\""),
            (b"a\"\\", "X \"a\\\"\\\\\""),
            (b"50%", "X \"50%\""),
            (b"{3}", "X \"{3}\""),
            (b"~{3}", "X \"~{3}\""),
            (b"x\r\na LOGOUT", "X {11}"),
            (b"\xc3\xa9", "X {2}"),
        ] {
            assert_eq!(shown(Command::builder("X").astring(text)), want, "{}", text.escape_ascii());
        }
        assert_eq!(Command::builder("X").astring(b"a\0b").build(), Err(BadArgument::Nul));
    }

    /// CVE-2026-42257.
    #[test]
    fn nothing_in_an_argument_ends_the_line() {
        assert_eq!(Command::raw(vec![Part::Text(b"NOOP\r\nA LOGOUT".to_vec())]), Err(BadArgument::LineEnd));
        assert_eq!(Command::raw(vec![Part::Text(b"  ".to_vec())]), Err(BadArgument::Empty));
    }

    #[test]
    fn what_is_typed_has_its_effect() {
        let raw = |text: &str| Command::raw(vec![Part::Text(text.as_bytes().to_vec())]).unwrap();
        let select = |name: &str, read_only| Effect::Select { mailbox: Mailbox::encoded(name.as_bytes()), read_only };
        assert_eq!(raw("select \"a b\"").effect, select("a b", false));
        assert_eq!(raw("EXAMINE inbox (CONDSTORE)").effect, select("INBOX", true));
        assert_eq!((raw("idle").effect, raw("uid fetch 1 FLAGS").name), (Effect::Idle, "UID FETCH".into()));
        assert!(raw("store 1 +FLAGS x").by_sequence && !raw("uid store 1 +FLAGS x").by_sequence);
    }

    proptest! {
        /// What goes out as an argument is read as that argument, whatever is in it, and no text has a line end.
        #[test]
        fn arguments_are_read_back(text in proptest::collection::vec(1..=255_u8, 0..50)) {
            let command = Command::builder("X").astring(&text).build().unwrap();
            let mut wire = Vec::new();
            for part in &command.parts {
                match part {
                    Part::Text(text) => {
                        prop_assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
                        wire.extend_from_slice(text);
                    }
                    Part::Literal { octets, .. } => {
                        wire.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
                        wire.extend_from_slice(octets);
                    }
                    Part::Body { .. } => prop_assert!(false),
                }
            }
            prop_assert_eq!(super::super::scan::Scanner::new(&wire[2..], &[]).astring(), Ok(text));
        }
    }
}
