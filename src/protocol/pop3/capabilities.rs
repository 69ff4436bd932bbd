//! What a server offers by CAPA (RFC 2449).

/// Most lines of it, and most octets together: an endless list is an attack.
const MAX_LINES: usize = 256;
const MAX_TEXT: usize = 64 * 1024;

/// The capabilities that this client can use, and every line as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// CAPA was answered: what is not listed is not offered. False: nobody knows what there is.
    pub known: bool,
    /// RFC 2595 section 4.
    pub stls: bool,
    pub user: bool,
    pub top: bool,
    pub uidl: bool,
    pub pipelining: bool,
    /// RFC 6856.
    pub utf8: bool,
    /// RFC 6856 section 3.
    pub lang: bool,
    /// SASL mechanisms in upper case, each once, in the server's order (RFC 5034).
    pub sasl: Vec<String>,
    pub lines: Vec<String>,
    /// Octets of them all.
    pub text: usize,
}

impl Capabilities {
    /// CAPA was answered; its list follows.
    pub fn known() -> Capabilities {
        Capabilities { known: true, ..Capabilities::default() }
    }

    /// One line of the list. False: the list is too long to be one.
    pub fn line(&mut self, line: &[u8]) -> bool {
        self.text += line.len();
        if self.lines.len() == MAX_LINES || self.text > MAX_TEXT {
            return false;
        }
        let text = String::from_utf8_lossy(line).trim().to_owned();
        let mut words = text.split_ascii_whitespace();
        // RFC 2449 section 3: capability names are case-insensitive.
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "STLS" => self.stls = true,
            "USER" => self.user = true,
            "TOP" => self.top = true,
            "UIDL" => self.uidl = true,
            "PIPELINING" => self.pipelining = true,
            "UTF8" => self.utf8 = true,
            "LANG" => self.lang = true,
            "SASL" => {
                for name in words.map(str::to_ascii_uppercase) {
                    if !self.sasl.contains(&name) {
                        self.sasl.push(name);
                    }
                }
            }
            _ => {}
        }
        self.lines.push(text);
        true
    }
}

/// A language that responses can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// As `de` or `pt-BR`.
    pub tag: String,
    /// In that language.
    pub name: String,
}

/// What LANG lists (RFC 6856 section 3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Languages {
    pub all: Vec<Language>,
    text: usize,
}

impl Languages {
    /// One line of the list, `lang-tag SP description`. False: the list is too long to be one.
    pub fn line(&mut self, line: &[u8]) -> bool {
        self.text += line.len();
        if self.all.len() == MAX_LINES || self.text > MAX_TEXT {
            return false;
        }
        let text = String::from_utf8_lossy(line);
        let (tag, name) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        self.all.push(Language { tag: tag.to_owned(), name: name.trim().to_owned() });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_in_any_case() {
        let mut offered = Capabilities::default();
        for line in ["sasl plain SCRAM-SHA-256", "SASL PLAIN", "Stls", "top", "UIDL", "PIPELINING", "utf8 USER", "X-NEW 1", ""] {
            assert!(offered.line(line.as_bytes()));
        }
        assert_eq!(offered.sasl, ["PLAIN", "SCRAM-SHA-256"]);
        assert!(offered.stls && offered.top && offered.uidl && offered.pipelining && offered.utf8 && !offered.user);
        assert_eq!(offered.lines.len(), 9);
    }

    #[test]
    fn an_endless_list_is_none() {
        let mut offered = Capabilities::default();
        let taken = (0..1_000_000).take_while(|_| offered.line(b"X-ENDLESS")).count();
        assert_eq!(taken, MAX_LINES);
        let mut languages = Languages::default();
        let taken = (0..1_000_000).take_while(|_| languages.line(b"en English")).count();
        assert_eq!(taken, MAX_LINES);
        assert_eq!(languages.all[0], Language { tag: "en".to_owned(), name: "English".to_owned() });
    }
}
