//! What a server offers.

/// Capabilities in the order of the server's, compared in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub names: Vec<String>,
    /// Names that do not count.
    gone: Vec<String>,
}

/// Most names that are kept.
const MOST: usize = 1000;

impl Capabilities {
    /// Without those of `discard`, which are names in any case.
    pub fn new(names: &[String], discard: &[String]) -> Capabilities {
        let kept = names.iter().filter(|name| !discard.iter().any(|gone| gone.eq_ignore_ascii_case(name)));
        Capabilities { names: kept.take(MOST).cloned().collect(), gone: discard.to_vec() }
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|has| has.eq_ignore_ascii_case(name))
    }

    /// Values of those that have one: `AUTH`, `THREAD`, `SORT`, `QUOTA`, `RIGHTS`, `COMPRESS`, `STATUS`, `UTF8`…
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.names.iter().filter_map(move |has| {
            let (head, value) = has.split_once('=')?;
            head.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// IMAP4rev2 (RFC 9051), which holds many of the extensions of rev1.
    pub fn is_rev2(&self) -> bool {
        self.has("IMAP4rev2")
    }

    /// It is offered by its name, or is a part of IMAP4rev2 (RFC 9051 appendix E).
    pub fn offers(&self, name: &str) -> bool {
        const IN_REV2: [&str; 15] = [
            "NAMESPACE",
            "UNSELECT",
            "UIDPLUS",
            "ESEARCH",
            "SEARCHRES",
            "ENABLE",
            "IDLE",
            "SASL-IR",
            "LIST-EXTENDED",
            "LIST-STATUS",
            "MOVE",
            "LITERAL-",
            "BINARY",
            "SPECIAL-USE",
            "STATUS=SIZE",
        ];
        let is_gone = self.gone.iter().any(|gone| gone.eq_ignore_ascii_case(name));
        // RFC 7162 section 3.2.3.
        let implied = name.eq_ignore_ascii_case("CONDSTORE") && self.has("QRESYNC") && !is_gone;
        implied || self.has(name) || (self.is_rev2() && !is_gone && IN_REV2.iter().any(|part| part.eq_ignore_ascii_case(name)))
    }

    /// Octets of a literal that goes without being asked for (RFC 7888).
    pub fn longest_unasked(&self) -> Option<u64> {
        if self.has("LITERAL+") { Some(u64::MAX) } else { self.offers("LITERAL-").then_some(4096) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, discard: &[&str]) -> Capabilities {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        Capabilities::new(&words(text), &words(&discard.join(" ")))
    }

    #[test]
    fn names_count_in_any_case() {
        let found = of("IMAP4REV1 auth=PLAIN AUTH=SCRAM-SHA-256 literal- Thread=REFS", &[]);
        assert!(found.has("imap4rev1") && !found.is_rev2() && !found.offers("MOVE"));
        assert_eq!(found.values("AUTH").collect::<Vec<_>>(), ["PLAIN", "SCRAM-SHA-256"]);
        assert_eq!(found.longest_unasked(), Some(4096));
        assert_eq!((of("LITERAL+", &[]).longest_unasked(), of("", &[]).longest_unasked()), (Some(u64::MAX), None));
    }

    #[test]
    fn what_is_discarded_is_not_offered() {
        assert!(!of("IMAP4rev1 IDLE COMPRESS=DEFLATE", &["idle", "compress=deflate"]).has("IDLE"));
        assert!(!of("IMAP4rev2", &["MOVE"]).offers("MOVE"));
    }

    #[test]
    fn rev2_holds_extensions() {
        assert!(of("IMAP4rev2", &[]).offers("move") && !of("IMAP4rev2", &[]).offers("SORT"));
        assert!(of("QRESYNC", &[]).offers("CONDSTORE") && !of("QRESYNC", &["CONDSTORE"]).offers("CONDSTORE"));
    }
}
