//! Names and passwords in the form that mechanisms compare: SASLprep (RFC 4013), saslname, gs2-header.

use super::words::SaslError;
use std::borrow::Cow;
use stringprep::saslprep;
use stringprep::tables::unassigned_code_point;

/// SASLprep. Characters younger than its tables (Unicode 3.2: every emoji) leave a text as it is, since servers that have such a
/// password stored it so.
pub fn prepare<'a>(text: &'a str, unfit: &'static str) -> Result<Cow<'a, str>, SaslError> {
    match saslprep(text) {
        Ok(prepared) => Ok(prepared),
        Err(_) if text.chars().any(unassigned_code_point) && !text.chars().any(char::is_control) => Ok(Cow::Borrowed(text)),
        Err(_) => Err(SaslError::Unfit(unfit)),
    }
}

/// `saslname = 1*(value-safe-char / "=2C" / "=3D")` (RFC 5802 section 7)
pub fn saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// `gs2-header = gs2-cbind-flag "," [ authzid ] ","` with `authzid = "a=" saslname` (RFC 5802 section 7)
pub fn gs2_header(flag: &str, authzid: Option<&str>) -> String {
    let authzid = authzid.map(|name| format!("a={}", saslname(name))).unwrap_or_default();
    format!("{flag},{authzid},")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4013 section 3.
    #[test]
    fn the_examples_of_the_rfc() {
        let of = |text| prepare(text, "unfit").map(Cow::into_owned);
        assert_eq!(of("I\u{ad}X").as_deref(), Ok("IX"));
        assert_eq!((of("user").as_deref(), of("USER").as_deref()), (Ok("user"), Ok("USER")));
        assert_eq!((of("\u{aa}").as_deref(), of("\u{2168}").as_deref()), (Ok("a"), Ok("IX")));
        assert_eq!(of("\u{7}"), Err(SaslError::Unfit("unfit")));
        assert_eq!(of("\u{627}\u{31}"), Err(SaslError::Unfit("unfit")));
        assert_eq!(of("pass\u{1f354}").as_deref(), Ok("pass\u{1f354}"));
        assert!(of("\u{1f354}\n").is_err());
    }

    #[test]
    fn commas_and_equals_signs_are_written_as_codes() {
        assert_eq!(saslname("a=b,c"), "a=3Db=2Cc");
        assert_eq!(gs2_header("n", None), "n,,");
        assert_eq!(gs2_header("y", Some("a,b")), "y,a=a=2Cb,");
    }
}
