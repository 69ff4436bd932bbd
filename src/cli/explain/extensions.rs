//! What a server offers in its EHLO reply, in plain words. Keywords are those of the IANA registry of SMTP service extensions, and some
//! that servers offer without being registered.

/// `keyword`, what it means, and where it is written.
const KEYWORDS: &[(&str, &str, &str)] = &[
    ("8BITMIME", "takes messages with 8-bit text as they are", "RFC 6152"),
    ("ATRN", "hands over a host's queued mail on a connection that the host opened", "RFC 2645"),
    ("BINARYMIME", "takes messages with binary parts, by BDAT", "RFC 3030"),
    ("BURL", "takes a message, or parts of it, from an IMAP server by its URL", "RFC 4468"),
    ("CHECKPOINT", "goes on with a transaction that a lost connection cut short", "RFC 1845"),
    ("CHUNKING", "takes messages in counted chunks by BDAT, without dots added", "RFC 3030"),
    ("CONNEG", "tells what kinds of content a recipient can use", "RFC 4141"),
    ("CONPERM", "lets a sender permit the conversion of content", "RFC 4141"),
    ("DELIVERBY", "delivers by a given time, or says that it could not", "RFC 2852"),
    ("DSN", "reports deliveries and delays where the sender asks for it", "RFC 3461"),
    ("ENHANCEDSTATUSCODES", "replies carry a second code such as 5.1.1 that says more", "RFC 2034"),
    ("ETRN", "starts sending a host its queued mail when asked to", "RFC 1985"),
    ("EXPN", "shows who is behind a mailing list or alias; most servers keep that to themselves", "RFC 5321"),
    ("FUTURERELEASE", "holds a message until a given time", "RFC 4865"),
    ("HELP", "answers HELP with a text", "RFC 5321"),
    ("LIMITS", "says how much it takes in one session or transaction", "RFC 9422"),
    ("MT-PRIORITY", "treats messages by a priority from -9 to 9", "RFC 6710"),
    ("MTRK", "remembers messages so that their way can be tracked", "RFC 3885"),
    ("NO-SOLICITING", "refuses messages marked as advertising", "RFC 3865"),
    ("ONEX", "one transaction a session; obsolete", "RFC 1869"),
    ("PIPECONNECT", "clients that know it may send EHLO before the greeting", "Exim"),
    ("PIPELINING", "commands may be sent without waiting for each reply", "RFC 2920"),
    ("PRDR", "answers for each recipient after the message, not for all at once", "Exim"),
    ("REQUIRETLS", "passes a message on only over verified TLS where the sender asks for it", "RFC 8689"),
    ("RRVS", "refuses a message where the mailbox changed hands since a given date", "RFC 7293"),
    ("SAML", "SEND, SOML and SAML: a message to a terminal; obsolete", "RFC 821"),
    ("SEND", "SEND, SOML and SAML: a message to a terminal; obsolete", "RFC 821"),
    ("SMTPUTF8", "takes addresses and header fields in UTF-8", "RFC 6531"),
    ("SOML", "SEND, SOML and SAML: a message to a terminal; obsolete", "RFC 821"),
    ("STARTTLS", "encrypts the session when asked to", "RFC 3207"),
    ("SUBMITTER", "is told who sends, to check it against Sender ID; historic", "RFC 4405"),
    ("TURN", "swaps the roles of client and server; obsolete and unsafe", "RFC 821"),
    ("UTF8SMTP", "an experiment that SMTPUTF8 replaced", "RFC 5336"),
    ("VERB", "shows what it does; obsolete", "RFC 1700"),
    ("VRFY", "says whether an address is known; most servers answer 252 to all", "RFC 5321"),
    ("X-ANONYMOUSTLS", "TLS between Exchange servers, without certificates", "Exchange"),
    ("X-EXPS", "AUTH as older Exchange servers speak it", "Exchange"),
    ("XCLIENT", "a trusted client may say on whose behalf it speaks, so that access rules can be tried", "Postfix"),
    ("XFORWARD", "a trusted filter may pass on who the first client was, for the log", "Postfix"),
];

/// Mechanisms of AUTH, and how safe they are.
const MECHANISMS: &[(&str, &str)] = &[
    ("ANONYMOUS", "lets anybody in"),
    ("CRAM-MD5", "the password is not sent, but what is sent can be used to guess it: only inside TLS"),
    ("DIGEST-MD5", "obsolete and broken in parts: only inside TLS, if at all"),
    ("EXTERNAL", "by the client certificate shown in the TLS handshake"),
    ("GSSAPI", "by Kerberos; safe"),
    ("GSS-SPNEGO", "by Kerberos or NTLM"),
    ("LOGIN", "sends the password: only inside TLS"),
    ("NTLM", "by a Windows password, with a broken hash: only inside TLS"),
    ("OAUTHBEARER", "by a token that whoever reads it can use: only inside TLS"),
    ("PLAIN", "sends the password: only inside TLS"),
    ("SCRAM-SHA-1", "the password is never sent, and the server proves that it knows it"),
    ("SCRAM-SHA-1-PLUS", "as SCRAM-SHA-1, and bound to this TLS session: nobody can stand in between"),
    ("SCRAM-SHA-256", "the password is never sent, and the server proves that it knows it"),
    ("SCRAM-SHA-256-PLUS", "as SCRAM-SHA-256, and bound to this TLS session: nobody can stand in between"),
    ("SCRAM-SHA-512", "the password is never sent, and the server proves that it knows it"),
    ("XOAUTH2", "by a token that whoever reads it can use: only inside TLS"),
];

/// One line of the reply, `KEYWORD [PARAMETERS]`, in words. What nobody registered is told as such.
pub fn explain(line: &str) -> String {
    let mut words = line.split_ascii_whitespace();
    let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
    let parameters: Vec<&str> = words.collect();
    match keyword.as_str() {
        "SIZE" => size(parameters.first().copied()),
        "AUTH" => auth(&parameters),
        // As servers of before RFC 2554 wrote it, for clients of their time.
        _ if keyword.starts_with("AUTH=") => "AUTH as clients before 1999 expect it".to_owned(),
        "LIMITS" if !parameters.is_empty() => format!("takes at most {} (RFC 9422)", limits(&parameters)),
        "DELIVERBY" if parameters.len() == 1 => {
            format!(
                "delivers by a given time, {} seconds from now at the earliest, or says that it could not (RFC 2852)",
                parameters[0]
            )
        }
        "FUTURERELEASE" if parameters.len() == 2 => {
            format!("holds a message for up to {} seconds, until {} at the latest (RFC 4865)", parameters[0], parameters[1])
        }
        _ => match KEYWORDS.iter().find(|(known, ..)| *known == keyword) {
            Some((_, meaning, place)) => format!("{meaning} ({place})"),
            None if keyword.starts_with('X') => "not registered: known to this server and its friends".to_owned(),
            None => "not known here".to_owned(),
        },
    }
}

/// `size-param = 1*20DIGIT` (RFC 1870 section 4); 0 and none at all: no fixed limit.
fn size(parameter: Option<&str>) -> String {
    match parameter.map(str::parse::<u64>) {
        None | Some(Ok(0)) => "takes the size of a message beforehand; no limit is named (RFC 1870)".to_owned(),
        Some(Ok(octets)) => format!("takes messages of up to {} ({octets} octets) (RFC 1870)", rounded(octets)),
        Some(Err(_)) => "takes the size of a message beforehand; its limit is no number (RFC 1870)".to_owned(),
    }
}

/// In the unit that leaves one to three digits before the point.
fn rounded(octets: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    let mut tenths = octets.saturating_mul(10) / 1000;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if octets < 1000 { format!("{octets} B") } else { format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]) }
}

fn auth(mechanisms: &[&str]) -> String {
    if mechanisms.is_empty() {
        return "logs clients in, but names no mechanism (RFC 4954)".to_owned();
    }
    let one = |name: &&str| {
        let known = MECHANISMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        format!("{name}: {}", known.map_or("not known here", |(_, meaning)| meaning))
    };
    format!("logs clients in (RFC 4954) by {}", mechanisms.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// `limits-param = limit-name "=" limit-value` (RFC 9422 section 3)
fn limits(parameters: &[&str]) -> String {
    let one = |parameter: &&str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, "?"));
        match name.to_ascii_uppercase().as_str() {
            "MAILMAX" => format!("{value} transactions a session"),
            "RCPTMAX" => format!("{value} recipients a transaction"),
            "RCPTDOMAINMAX" => format!("{value} recipient domains a transaction"),
            _ => (*parameter).to_owned(),
        }
    };
    parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_words() {
        assert_eq!(explain("SIZE 10240000"), "takes messages of up to 10.2 MB (10240000 octets) (RFC 1870)");
        assert_eq!(explain("size 0"), explain("SIZE"));
        assert!(explain("SIZE 99999999999999999999").contains("no number"));
        assert!(explain("SIZE 999").contains("999 B") && explain("SIZE 18446744073709551615").contains("PB"));
        assert!(explain("LIMITS RCPTMAX=50 MAILMAX=3").contains("50 recipients a transaction, 3 transactions a session"));
        assert!(explain("DELIVERBY 240").contains("240 seconds"));
    }

    #[test]
    fn each_mechanism_is_judged() {
        let told = explain("AUTH plain SCRAM-SHA-256 X-NEW");
        assert!(told.contains("plain: sends the password: only inside TLS; SCRAM-SHA-256: the password is never sent"), "{told}");
        assert!(told.ends_with("X-NEW: not known here"), "{told}");
        assert!(explain("AUTH=LOGIN PLAIN").contains("before 1999"));
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert!(explain("XSECRET 1").starts_with("not registered"));
        assert_eq!(explain("FROBNICATE"), "not known here");
        assert_eq!(explain(""), "not known here");
        let sorted = |names: Vec<&str>| names.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(sorted(KEYWORDS.iter().map(|(keyword, ..)| *keyword).collect()), "the table is read by people");
    }
}
