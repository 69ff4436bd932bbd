//! Responses that are long and made of small things, each of which takes more where it is read than on the wire.

use std::io::{self, Write};
use std::ops::RangeInclusive;

/// Octets of a response that is as long as one may be.
const LARGE: usize = 4 * 1024 * 1024 - 10_000;

pub struct Answer {
    /// What is typed.
    pub typed: &'static str,
    /// What the line on the wire has in it.
    pub line: &'static str,
    pub response: fn(Out<'_>) -> io::Result<()>,
    pub status: i32,
    /// Lines on stdout.
    pub rows: RangeInclusive<usize>,
    /// What one of them ends with.
    pub last: &'static str,
}

type Out<'a> = &'a mut dyn Write;

/// Written piece by piece: whoever starts a program with much in its own memory makes that the program's.
fn joined(out: Out<'_>, numbers: impl Iterator<Item = u32>, by: &str) -> io::Result<()> {
    let mut between = "";
    numbers.into_iter().try_for_each(|number| write!(out, "{}{number}", std::mem::replace(&mut between, by)))
}

fn full(out: Out<'_>, before: &str, thing: &str, behind: &str) -> io::Result<()> {
    out.write_all(before.as_bytes())?;
    (0..LARGE / thing.len()).try_for_each(|_| out.write_all(thing.as_bytes()))?;
    out.write_all(behind.as_bytes())
}

const ENVELOPE: &str = "* 1 FETCH (UID 5 ENVELOPE (NIL NIL (";
const STRUCTURE: &str = "* 1 FETCH (UID 5 BODYSTRUCTURE (";

fn part(out: Out<'_>, n: u32) -> io::Result<()> {
    let name = format!("\"scan-{n}.pdf\"");
    write!(
        out,
        "(\"application\" \"pdf\" (\"name\" {name}) NIL NIL \"base64\" 4711 NIL (\"attachment\" (\"filename\" {name})) NIL NIL)"
    )
}

/// What nobody needs who is no enemy: it comes raw and with status 76, or in parts.
pub const HOSTILE: &[Answer] = &[
    Answer {
        typed: "thread subject threads",
        line: "threads",
        response: |out| full(out, "* THREAD ", "(1)", ""),
        status: 0,
        rows: LARGE / 3..=LARGE / 3,
        last: "\t0\t1",
    },
    Answer {
        typed: "thread subject answers",
        line: "answers",
        response: |out| full(out, "* THREAD (", "(1)", ")"),
        status: 76,
        rows: 1..=1,
        last: "(1))",
    },
    Answer {
        typed: "fetch 5 BODYSTRUCTURE",
        line: "BODYSTRUCTURE",
        response: |out| full(out, STRUCTURE, "(\"a\" \"b\" NIL NIL NIL \"x\" 1)", " \"mixed\"))"),
        status: 76,
        rows: 1..=1,
        last: "\"mixed\"))",
    },
    Answer {
        typed: "fetch 5 ENVELOPE",
        line: "ENVELOPE",
        response: |out| full(out, ENVELOPE, "(NIL NIL \"a\" \"b\")", ") NIL NIL NIL NIL NIL NIL NIL))"),
        status: 76,
        rows: 1..=1,
        last: " NIL))",
    },
    Answer {
        typed: "fetch 5 FLAGS",
        line: "FLAGS",
        response: |out| full(out, "* 1 FETCH (UID 5 FLAGS (", "a ", "))"),
        status: 76,
        rows: 1..=1,
        last: "a ))",
    },
    Answer {
        typed: "ls lists",
        line: "lists",
        response: |out| full(out, "* LIST (", "\\a ", ") \"/\" x"),
        status: 76,
        rows: 1..=1,
        last: " x",
    },
    Answer {
        typed: "raw CAPABILITY",
        line: "CAPABILITY",
        response: |out| full(out, "* CAPABILITY ", "a ", ""),
        status: 76,
        rows: 1..=1,
        last: "a ",
    },
    Answer {
        typed: "copy 5 uids",
        line: "uids",
        response: |out| {
            out.write_all(b"* OK [COPYUID 1 ")?;
            joined(out, (1..1_000_000).step_by(2), ",")?;
            out.write_all(b" 1:2] x")
        },
        status: 76,
        rows: 0..=0,
        last: "",
    },
    Answer {
        typed: "tree",
        line: "LIST \"\"",
        response: |out| {
            (0..200_000).try_for_each(|n| write!(out, "* LIST () \"/\" m{n}\r\n"))?;
            out.write_all(b"* OK so many")
        },
        status: 76,
        rows: 10_000..=100_000,
        last: "",
    },
    Answer {
        typed: "search subject billions",
        line: "billions",
        response: |out| out.write_all(b"* ESEARCH UID ALL 1:4294967295"),
        status: 76,
        rows: 1_000_000..=1_000_000,
        last: "1000000",
    },
    Answer {
        typed: "search subject millions",
        line: "millions",
        response: |out| {
            out.write_all(b"* SEARCH ")?;
            joined(out, (1..3_000_000).step_by(2), " ")
        },
        status: 76,
        rows: 1_500_000..=1_500_000,
        last: "2999999",
    },
    Answer {
        typed: "fetch 5 RFC822.SIZE",
        line: "RFC822.SIZE",
        response: |out| {
            (0..7).try_for_each(|_| full(out, "* 1 FETCH (X ", "a", ")\r\n"))?;
            full(out, "* 1 FETCH (X ", "a", ")")
        },
        status: 76,
        rows: 8..=8,
        last: "a)",
    },
];

/// What somebody may have.
pub const ORDINARY: &[Answer] = &[
    Answer {
        typed: "copy 5 everything",
        line: "everything",
        response: |out| out.write_all(b"* OK [COPYUID 7 1:4294967295 1:4294967295] x"),
        status: 0,
        rows: 1..=1,
        last: "1:4294967295\t1:4294967295",
    },
    Answer {
        typed: "search subject many",
        line: "many",
        response: |out| {
            out.write_all(b"* SEARCH ")?;
            joined(out, (1..=2_000_000).step_by(2), " ")
        },
        status: 0,
        rows: 1_000_000..=1_000_000,
        last: "1999999",
    },
    Answer {
        typed: "search subject ranges",
        line: "ranges",
        response: |out| {
            out.write_all(b"* ESEARCH UID ALL ")?;
            joined(out, (1..=2_000_000).step_by(2), ",")
        },
        status: 0,
        rows: 1_000_000..=1_000_000,
        last: "1999999",
    },
    Answer {
        typed: "thread subject conversations",
        line: "conversations",
        response: |out| {
            out.write_all(b"* THREAD ")?;
            (1..=50_000).try_for_each(|n| write!(out, "({n} {})", n + 50_000))
        },
        status: 0,
        rows: 100_000..=100_000,
        last: "50000\t1\t100000",
    },
    Answer {
        typed: "fetch 5 ENVELOPE FLAGS",
        line: "ENVELOPE FLAGS",
        response: |out| {
            out.write_all(ENVELOPE.as_bytes())?;
            let mut person = |n| write!(out, "(\"Somebody Else {n}\" NIL \"somebody{n}\" \"hamburger.test\")");
            (1..=900).try_for_each(&mut person)?;
            out.write_all(b") NIL NIL NIL NIL NIL NIL NIL))")
        },
        status: 0,
        rows: 1..=1,
        last: "",
    },
    Answer {
        typed: "fetch 5 FLAGS MODSEQ",
        line: "FLAGS MODSEQ",
        response: |out| {
            out.write_all(b"* 1 FETCH (UID 5 FLAGS (")?;
            joined(out, 1..=900, " ")?;
            out.write_all(b"))")
        },
        status: 0,
        rows: 1..=1,
        last: "",
    },
    Answer {
        typed: "fetch 5 BODYSTRUCTURE FLAGS",
        line: "BODYSTRUCTURE FLAGS",
        response: |out| {
            out.write_all(STRUCTURE.as_bytes())?;
            (1..=3000).try_for_each(|n| part(out, n))?;
            out.write_all(b" \"mixed\"))")
        },
        status: 0,
        rows: 1..=1,
        last: "",
    },
];
