//! The rows of LIST and UIDL.

use super::words::Answer;

/// The most of a row that is passed on, in octets.
const MOST: usize = 512;

/// `scan-listing = msg-number SP size` (RFC 1939 section 5, LIST); what follows the size is passed over.
pub fn size(row: &[u8]) -> Answer {
    let mut words = row.split(|b| *b == b' ').filter(|word| !word.is_empty());
    let mut next = || words.next().and_then(digits);
    match (next().and_then(message), next()) {
        (Some(number), Some(octets)) => Answer::Size { number, octets },
        _ => bad(row),
    }
}

/// `unique-id-listing = msg-number SP unique-id` (RFC 1939 section 7, UIDL). Whether the id is one, others judge.
pub fn uid(row: &[u8]) -> Answer {
    let (number, uid) = row.split_at(row.iter().position(|b| *b == b' ').unwrap_or(row.len()));
    match digits(number).and_then(message) {
        Some(number) => Answer::Uid { number, uid: uid.get(1..).unwrap_or_default().iter().copied().take(MOST).collect() },
        None => bad(row),
    }
}

pub fn bad(row: &[u8]) -> Answer {
    Answer::BadRow(row.iter().copied().take(MOST).collect())
}

/// The number of messages in `nn mm` (RFC 1939 section 5, STAT), and their octets.
pub fn counts(text: &str) -> Option<(u32, u64)> {
    let mut words = text.split_ascii_whitespace();
    let count = digits(words.next()?.as_bytes())?;
    let octets = digits(words.next()?.as_bytes())?;
    Some((u32::try_from(count).ok()?, octets))
}

fn message(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number > 0)
}

fn digits(word: &[u8]) -> Option<u64> {
    if word.iter().all(u8::is_ascii_digit) { std::str::from_utf8(word).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_as_servers_send_them_and_as_they_lie() {
        let size_of = |number, octets| Answer::Size { number, octets };
        for (row, want) in [
            ("1 120", size_of(1, 120)),
            ("2  200 more", size_of(2, 200)),
            ("3 18446744073709551615", size_of(3, u64::MAX)),
            ("4 18446744073709551616", bad(b"4 18446744073709551616")),
            ("0 5", bad(b"0 5")),
            ("4294967296 5", bad(b"4294967296 5")),
            ("-1 5", bad(b"-1 5")),
            ("+1 5", bad(b"+1 5")),
            ("1 -5", bad(b"1 -5")),
            ("1", bad(b"1")),
            ("", bad(b"")),
        ] {
            assert_eq!(size(row.as_bytes()), want, "{row:?}");
        }
        assert_eq!(uid(b"1 a\x01 b"), Answer::Uid { number: 1, uid: b"a\x01 b".to_vec() });
        assert_eq!(uid(b"1"), Answer::Uid { number: 1, uid: Vec::new() });
        assert_eq!(uid(b"x y"), Answer::BadRow(b"x y".to_vec()));
        let Answer::Uid { uid, .. } = uid(&[b"1 ".as_slice(), &[b'x'; 9000]].concat()) else { panic!("it is one") };
        assert_eq!(uid.len(), MOST);
    }

    #[test]
    fn counts_are_two_numbers() {
        assert_eq!(counts("2 320"), Some((2, 320)));
        assert_eq!(counts("2 320 more"), Some((2, 320)));
        for text in ["", "2", "x 1", "2 y", "99999999999 1"] {
            assert_eq!(counts(text), None, "{text}");
        }
    }
}
