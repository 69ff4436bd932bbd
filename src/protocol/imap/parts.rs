//! Responses with a number for each message, cut into parts before they are whole: SEARCH, SORT, THREAD, VANISHED, and ALL of ESEARCH. Each
//! part is a response of its own, so that a million numbers cost no more memory than one part. Work is linear in the octets.

/// Octets from which on a response is cut.
pub const PART: usize = 32 * 1024;
/// Longest beginning that is said again with each part.
const MAX_HEAD: usize = 1024;

/// Between what a response may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Numbers with blanks between.
    Numbers,
    /// Threads, each within its parentheses.
    Threads,
    /// Ranges with commas between.
    Set,
}

/// What is known of the response that is coming.
#[derive(Debug, Default)]
pub struct Parts {
    /// None: it was not looked at yet, or stays whole from here on.
    form: Option<Form>,
    seen: bool,
    /// Octets that begin each part.
    head: usize,
    /// How far it was looked at, and where it may be cut.
    at: usize,
    cut: Option<usize>,
    /// Open parentheses.
    depth: usize,
}

impl Parts {
    /// A part, where `raw` is long enough and may be cut: `raw` is then what comes behind it, and begins as it did.
    pub fn take(&mut self, raw: &mut Vec<u8>) -> Option<Vec<u8>> {
        if raw.len() < PART {
            return None;
        }
        if !std::mem::replace(&mut self.seen, true)
            && let Some((form, head)) = form(raw)
        {
            (self.form, self.head, self.at) = (Some(form), head, head);
        }
        let form = self.form?;
        self.look(form, raw);
        let cut = self.cut.take().filter(|cut| *cut > self.head)?;
        let mut next = raw[..self.head].to_vec();
        next.extend_from_slice(&raw[cut + usize::from(form != Form::Threads)..]);
        let mut part = std::mem::replace(raw, next);
        part.truncate(cut);
        self.at = raw.len();
        Some(part)
    }

    fn look(&mut self, form: Form, raw: &[u8]) {
        for (at, byte) in raw.iter().enumerate().skip(self.at) {
            match (form, byte) {
                (Form::Numbers, b' ') | (Form::Set, b',') => self.cut = Some(at),
                (Form::Threads, b'(') => self.depth += 1,
                (Form::Threads, b')') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.cut = Some(at + 1);
                    }
                }
                (_, b'0'..=b'9') | (Form::Threads, b' ') | (Form::Set, b':' | b'*') => {}
                // What stands behind the numbers, as MODSEQ does, stays together.
                _ => {
                    self.form = None;
                    break;
                }
            }
        }
        self.at = raw.len();
    }
}

/// How the response that begins so may be cut, and what each part begins with.
fn form(raw: &[u8]) -> Option<(Form, usize)> {
    let begins = |text: &str| raw.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text.as_bytes()));
    for (text, form) in [
        ("* SEARCH ", Form::Numbers),
        ("* SORT ", Form::Numbers),
        ("* THREAD ", Form::Threads),
        ("* VANISHED (EARLIER) ", Form::Set),
        ("* VANISHED ", Form::Set),
    ] {
        if begins(text) {
            return Some((form, text.len()));
        }
    }
    // `"ALL" SP sequence-set`, where its numbers began long before here.
    let head = &raw[..raw.len().min(MAX_HEAD)];
    let at = head.windows(5).position(|window| window.eq_ignore_ascii_case(b" ALL "))?;
    begins("* ESEARCH ").then_some((Form::Set, at + 5))
}
