//! In which order messages are listed: keys of SORT and algorithms of THREAD (RFC 5256, RFC 5957).

/// A key of `sort`: `-date` or `date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    name: &'static str,
    reverse: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error(
        "{0}: no key to sort by; those are arrival, cc, date, from, size, subject, to, displayfrom, displayto, each with - before it for the reverse"
    )]
    Key(String),
    #[error("{0}: no algorithm; those are references, orderedsubject and refs")]
    Algorithm(String),
}

const KEYS: [&str; 9] = ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"];
const ALGORITHMS: [&str; 3] = ["REFERENCES", "ORDEREDSUBJECT", "REFS"];

/// Keys with commas between, as `-date,subject`.
pub fn keys(text: &str) -> Result<Vec<Key>, OrderError> {
    text.split(',').map(key).collect()
}

fn key(text: &str) -> Result<Key, OrderError> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let name = KEYS.iter().find(|name| name.eq_ignore_ascii_case(bare)).ok_or_else(|| OrderError::Key(text.to_owned()))?;
    Ok(Key { name, reverse: bare.len() < text.len() })
}

/// `sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"` (RFC 5256 section 5).
pub fn on_the_wire(keys: &[Key]) -> String {
    let shown: Vec<String> =
        keys.iter().map(|key| format!("{}{}", if key.reverse { "REVERSE " } else { "" }, key.name)).collect();
    format!("({})", shown.join(" "))
}

/// `thread-alg` (RFC 5256 section 5).
pub fn algorithm(text: &str) -> Result<&'static str, OrderError> {
    let found = ALGORITHMS.iter().find(|name| name.eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| OrderError::Algorithm(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_algorithms_are_names_of_the_rfc() {
        assert_eq!(on_the_wire(&keys("-date,subject").unwrap()), "(REVERSE DATE SUBJECT)");
        for bad in ["", "date,", "--date", "date size", "x", "date)\r\na LOGOUT"] {
            assert!(keys(bad).is_err(), "{bad:?}");
        }
        assert_eq!(algorithm("References"), Ok("REFERENCES"));
        assert!(algorithm("x)").is_err());
    }
}
