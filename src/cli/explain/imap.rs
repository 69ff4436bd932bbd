//! An exchange of IMAP in plain words: the state of the session, what the command asks, what the response means; and each capability.

/// Verb, the states in which it may be sent (RFC 9051 section 3), what it asks. Sorted.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("", "greeting", "the server speaks first: OK to log in, PREAUTH where that is done, BYE to go"),
    ("APPEND", "authenticated", "a message is put into a mailbox; no mail is sent by it"),
    ("AUTHENTICATE", "not authenticated", "the client shows who it is, by a SASL mechanism"),
    ("CAPABILITY", "any", "the client asks what the server offers"),
    ("CHECK", "selected", "the server is to write down what it has of this mailbox"),
    ("CLOSE", "selected", "the mailbox is left, and what is marked \\Deleted in it is removed"),
    ("COMPRESS", "authenticated", "both sides compress from here on"),
    ("COPY", "selected", "messages are copied into another mailbox, by their sequence numbers"),
    ("CREATE", "authenticated", "a mailbox is made"),
    ("DELETE", "authenticated", "a mailbox is removed, with all that is in it"),
    ("DELETEACL", "authenticated", "somebody loses his rights to a mailbox"),
    ("DONE", "selected", "the client has waited long enough"),
    ("ENABLE", "authenticated", "the client understands these extensions, and the server may use them"),
    ("EXAMINE", "authenticated", "a mailbox is opened to be read only"),
    ("EXPUNGE", "selected", "what is marked \\Deleted is removed for good"),
    ("FETCH", "selected", "the client asks for parts of messages, by their sequence numbers"),
    ("GETACL", "authenticated", "who may do what with this mailbox"),
    ("GETMETADATA", "authenticated", "notes that are kept with a mailbox or the server"),
    ("GETQUOTA", "authenticated", "how much is used, and how much may be"),
    ("GETQUOTAROOT", "authenticated", "whose quota a mailbox counts against, and how much of it is used"),
    ("ID", "any", "both sides say which programs they are"),
    ("IDLE", "selected", "the client waits, and the server tells what changes at once"),
    ("LIST", "authenticated", "which mailboxes there are"),
    ("LISTRIGHTS", "authenticated", "which rights somebody may be given"),
    ("LOGIN", "not authenticated", "the client shows its password as it is"),
    ("LOGOUT", "any", "the client is done"),
    ("LSUB", "authenticated", "which mailboxes are subscribed to"),
    ("MOVE", "selected", "messages go to another mailbox and leave this one, by their sequence numbers"),
    ("MYRIGHTS", "authenticated", "what we may do with this mailbox"),
    ("NAMESPACE", "authenticated", "where own, others' and shared mailboxes stand in the tree"),
    ("NOOP", "any", "nothing is asked but what has changed"),
    ("NOTIFY", "authenticated", "the server is to tell of changes in these mailboxes, selected or not"),
    ("RENAME", "authenticated", "a mailbox gets another name"),
    ("SEARCH", "selected", "which messages fit, by their sequence numbers"),
    ("SELECT", "authenticated", "a mailbox is opened"),
    ("SETACL", "authenticated", "somebody gets rights to a mailbox"),
    ("SETMETADATA", "authenticated", "notes are written down with a mailbox or the server"),
    ("SETQUOTA", "authenticated", "how much may be used is set"),
    ("SORT", "selected", "which messages fit, in an order"),
    ("STARTTLS", "not authenticated", "the client wants to go on encrypted"),
    ("STATUS", "authenticated", "how many messages there are in a mailbox that is not opened for it"),
    ("STORE", "selected", "flags of messages are changed, by their sequence numbers"),
    ("SUBSCRIBE", "authenticated", "a mailbox is put on the list of those that are shown"),
    ("THREAD", "selected", "which messages fit, as the conversations that they are"),
    ("UID COPY", "selected", "messages are copied into another mailbox"),
    ("UID EXPUNGE", "selected", "of these messages, those that are marked \\Deleted are removed for good"),
    ("UID FETCH", "selected", "the client asks for parts of messages"),
    ("UID MOVE", "selected", "messages go to another mailbox and leave this one"),
    ("UID SEARCH", "selected", "which messages fit"),
    ("UID SORT", "selected", "which messages fit, in an order"),
    ("UID STORE", "selected", "flags of messages are changed"),
    ("UID THREAD", "selected", "which messages fit, as the conversations that they are"),
    ("UNAUTHENTICATE", "authenticated", "the client is nobody again"),
    ("UNSELECT", "selected", "the mailbox is left, and nothing is removed from it"),
    ("UNSUBSCRIBE", "authenticated", "a mailbox is taken from the list of those that are shown"),
];

/// Response codes (RFC 9051 section 7.1, RFC 5530 and the IANA registry). Sorted.
const CODES: &[(&str, &str)] = &[
    ("ALERT", "the server wants this shown to the user"),
    ("ALREADYEXISTS", "there is such a mailbox already"),
    ("APPENDUID", "the UIDVALIDITY of the mailbox, and the UID that the message got"),
    ("AUTHENTICATIONFAILED", "the name or the password is wrong, or the mechanism"),
    ("AUTHORIZATIONFAILED", "the login is right, but not for acting as this user"),
    ("BADCHARSET", "the search is in a character set that the server does not know"),
    ("CANNOT", "this can never be done, as with a name that is not allowed"),
    ("CAPABILITY", "what the server offers"),
    ("CLIENTBUG", "the server takes this for a bug of the client"),
    ("CLOSED", "the mailbox before was left; what follows is of the new one"),
    ("CONTACTADMIN", "whoever runs the server should be told"),
    ("COPYUID", "the UIDs of the originals, and those that the copies got"),
    ("CORRUPTION", "something at the server is damaged"),
    ("EXPIRED", "the password is too old, or access ended"),
    ("EXPUNGEISSUED", "somebody removed messages meanwhile"),
    ("HASCHILDREN", "there are mailboxes below it"),
    ("HIGHESTMODSEQ", "the number of the last change (RFC 7162)"),
    ("INUSE", "somebody else has it open; try later"),
    ("LIMIT", "there are too many of these"),
    ("MAILBOXID", "the mailbox's OBJECTID"),
    ("METADATA", "about notes: how long they may be, or that there are no more"),
    ("MODIFIED", "these messages were changed meanwhile, and were left alone (RFC 7162)"),
    ("NOMODSEQ", "no change numbers in this mailbox"),
    ("NONEXISTENT", "there is no such thing"),
    ("NOPERM", "not allowed"),
    ("NOTSAVED", "the search result could not be kept"),
    ("OVERQUOTA", "there would be more than the quota allows"),
    ("PARSE", "the server cannot read the header of a message"),
    ("PERMANENTFLAGS", "flags that can be changed for good; \\* means new keywords, too"),
    ("PRIVACYREQUIRED", "only under encryption"),
    ("READ-ONLY", "the mailbox can only be read"),
    ("READ-WRITE", "the mailbox can be read and changed"),
    ("SERVERBUG", "the server found a bug in itself"),
    ("TRYCREATE", "there is no such mailbox; it could be made"),
    ("UIDNEXT", "the UID that the next message gets"),
    ("UIDNOTSTICKY", "UIDs are good for this session only"),
    ("UIDVALIDITY", "UIDs that were noted under another number are void"),
    ("UNAVAILABLE", "something behind the server does not answer; try later"),
    ("UNKNOWN-CTE", "the part's encoding is not known to the server"),
    ("UNSEEN", "the first message that was not seen"),
    ("USEATTR", "the server cannot make a mailbox for that special use"),
];

/// Capabilities and what they are; those with `=` by what stands before. Sorted.
const CAPABILITIES: &[(&str, &str)] = &[
    ("ACL", "RFC 4314: who may do what with a mailbox"),
    ("ACL2", "of Courier: how rights that somebody has in several ways add up"),
    ("ANNOTATE-EXPERIMENT-1", "RFC 5257: notes with messages"),
    ("APPENDLIMIT", "RFC 7889: the largest message that may be appended"),
    ("AUTH", "RFC 9051 6.2.2: AUTHENTICATE with this mechanism"),
    ("BINARY", "RFC 3516: parts without their transfer encoding"),
    ("CATENATE", "RFC 4469: a message appended from pieces that the server has"),
    ("CHILDREN", "RFC 3348: LIST says which mailboxes have others below them"),
    ("COMPRESS", "RFC 4978: both directions compressed"),
    ("CONDSTORE", "RFC 7162: numbers of changes, and changing only what nobody else changed"),
    ("CONTEXT", "RFC 5267: searches that the server keeps up to date"),
    ("CONVERT", "RFC 5259: parts in another format"),
    ("CREATE-SPECIAL-USE", "RFC 6154: a mailbox made for drafts, sent mail, trash"),
    ("DIGEST", "of Cyrus: checksums of messages, by FETCH DIGEST.SHA1"),
    ("ENABLE", "RFC 5161: extensions that change responses are switched on"),
    ("ESEARCH", "RFC 4731: search results as sets, their count, lowest and highest"),
    ("ESORT", "RFC 5267: sorted results in parts"),
    ("FILTERS", "RFC 5466: searches that are kept at the server"),
    ("I18NLEVEL", "RFC 5255: search and order beyond ASCII"),
    ("ID", "RFC 2971: which programs these are"),
    ("IDLE", "RFC 2177: the server tells what changes while the client waits"),
    ("IMAP4REV1", "RFC 3501: the protocol"),
    ("IMAP4REV2", "RFC 9051: the protocol, second revision"),
    ("IMAPSIEVE", "RFC 6785: scripts that run when mail changes"),
    ("INPROGRESS", "RFC 9585: how far a long command has come"),
    ("JMAPACCESS", "RFC 9698: the same mail by JMAP"),
    ("LANGUAGE", "RFC 5255: texts in other languages"),
    ("LIST-EXTENDED", "RFC 5258: LIST with choices of what to list and what to say of it"),
    ("LIST-METADATA", "RFC 9590: notes of mailboxes along with their names"),
    ("LIST-MYRIGHTS", "RFC 8440: own rights along with the names of mailboxes"),
    ("LIST-STATUS", "RFC 5819: counts along with the names of mailboxes"),
    ("LITERAL+", "RFC 7888: literals without waiting for the server's go-ahead"),
    ("LITERAL-", "RFC 7888: the same, of up to 4096 octets"),
    ("LOGIN-REFERRALS", "RFC 2221: the server may send a user elsewhere"),
    ("LOGINDISABLED", "RFC 9051 6.2.3: no LOGIN here; under TLS perhaps"),
    ("MAILBOX-REFERRALS", "RFC 2193: mailboxes at other servers"),
    ("MESSAGELIMIT", "RFC 9738: at most so many messages in one command"),
    ("METADATA", "RFC 5464: notes with mailboxes and with the server"),
    ("METADATA-SERVER", "RFC 5464: notes with the server only"),
    ("MOVE", "RFC 6851: messages moved in one step"),
    ("MULTIAPPEND", "RFC 3502: several messages in one APPEND"),
    ("MULTISEARCH", "RFC 7377: searches over several mailboxes"),
    ("NAMESPACE", "RFC 2342: where own, others' and shared mailboxes stand"),
    ("NOTIFY", "RFC 5465: changes in many mailboxes are told at once"),
    ("NO_ATOMIC_RENAME", "of Cyrus: a mailbox renamed with those below it may be seen in between"),
    ("OBJECTID", "RFC 8474: ids of mailboxes, messages and threads that stay"),
    ("PARTIAL", "RFC 9394: search results in pages"),
    ("PREVIEW", "RFC 8970: the first words of a message"),
    ("QRESYNC", "RFC 7162: what changed since the last visit, in one round trip"),
    ("QUOTA", "RFC 9208: how much is used, and how much may be"),
    ("QUOTASET", "RFC 9208: quotas can be set"),
    ("REPLACE", "RFC 8508: a message replaced by another in one step"),
    ("RIGHTS", "RFC 4314: these rights can be given, too"),
    ("SASL-IR", "RFC 4959: AUTHENTICATE saves a round trip"),
    ("SAVEDATE", "RFC 8514: when a message came into its mailbox"),
    ("SCAN", "of UW and Cyrus: mailboxes that hold a text, by SCAN"),
    ("SEARCH", "RFC 6203 and others: further ways to search"),
    ("SEARCHRES", "RFC 5182: $ stands for what the last search found"),
    ("SNIPPET", "of Dovecot, before RFC 8970: the first words of a message"),
    ("SORT", "RFC 5256: the server sorts"),
    ("SORT=DISPLAY", "RFC 5957: the server sorts by names as they are shown"),
    ("SORT=MODSEQ", "of Cyrus: sorted by the number of the last change"),
    ("SORT=UID", "of Cyrus: sorted by UID"),
    ("SPECIAL-USE", "RFC 6154: LIST says which mailbox is for drafts, sent mail, trash"),
    ("STARTTLS", "RFC 9051 6.2.1: TLS on this connection"),
    ("STATUS", "RFC 8438: STATUS says how large a mailbox is"),
    ("THREAD", "RFC 5256: the server finds conversations, by this algorithm"),
    ("THREAD=ORDEREDSUBJECT", "RFC 5256: the server finds conversations, by equal subjects"),
    ("THREAD=REFERENCES", "RFC 5256: the server finds conversations, by what answers what, and equal subjects"),
    ("THREAD=REFS", "of Dovecot and Cyrus: the server finds conversations, by what answers what alone"),
    ("UIDONLY", "RFC 9586: no sequence numbers at all"),
    ("UIDPLUS", "RFC 4315: UIDs of what was appended or copied, and EXPUNGE of single messages"),
    ("UNAUTHENTICATE", "RFC 8437: a connection that changes its user"),
    ("UNSELECT", "RFC 3691: a mailbox left without removing anything"),
    ("URL-PARTIAL", "RFC 5550: parts of parts in URLs"),
    ("URLAUTH", "RFC 4467: URLs that let others fetch a part"),
    ("UTF8", "RFC 6855: UTF-8 in headers and mailbox names"),
    ("WITHIN", "RFC 5032: searches for messages older or younger than so many seconds"),
    ("X-CREATEDMODSEQ", "of Cyrus: the number of the change that made a message"),
    ("X-QUOTA", "of Cyrus, before RFC 9208: what a quota may count"),
    ("X-REPLICATION", "of Cyrus: the server copies itself to others"),
    ("X-SIEVE-MAILBOX", "of Cyrus: mailboxes for Sieve scripts"),
    ("XLIST", "before RFC 6154: which mailbox is for drafts, sent mail, trash"),
    ("XMAGICTRASH", "of Courier: what is expunged goes to the trash"),
    ("XMOVE", "before RFC 6851: messages moved in one step"),
];

/// Untagged data (RFC 9051 section 7) by its name, which may follow a number. Sorted.
const UNTAGGED: &[(&str, &str)] = &[
    ("ACL", "rights to a mailbox"),
    ("BAD", "an error that the server cannot tie to a command"),
    ("BYE", "the server is about to close the connection"),
    ("CAPABILITY", "what the server offers"),
    ("ENABLED", "extensions that are switched on now"),
    ("ESEARCH", "what a search found"),
    ("EXISTS", "so many messages are in the mailbox now"),
    ("EXPUNGE", "this message is gone, and all behind it moved up by one"),
    ("FETCH", "something of a message: what was asked for, or a change that was not"),
    ("FLAGS", "flags that are used in this mailbox"),
    ("ID", "which program the server is"),
    ("LIST", "a mailbox"),
    ("LSUB", "a mailbox that is subscribed to"),
    ("METADATA", "notes with a mailbox or the server"),
    ("MYRIGHTS", "own rights to a mailbox"),
    ("NAMESPACE", "where mailboxes stand"),
    ("NO", "a warning"),
    ("OK", "information"),
    ("PREAUTH", "the connection is logged in already"),
    ("QUOTA", "how much is used, and how much may be"),
    ("QUOTAROOT", "whose quota a mailbox counts against"),
    ("RECENT", "so many messages are new to every session"),
    ("SEARCH", "what a search found"),
    ("SORT", "what a search found, in order"),
    ("STATUS", "counts of a mailbox"),
    ("THREAD", "conversations"),
    ("VANISHED", "these UIDs are gone"),
];

/// A tagged response, the greeting or a continuation in one line. `answers` is the verb: nothing for the greeting; None: no command of ours
/// has that tag.
pub fn exchange(answers: Option<&str>, text: &str) -> String {
    let (state, asked) = match answers {
        None => ("unasked", "no command of ours has that tag"),
        Some(verb) => find3(verb).unwrap_or(("any", "a command that is not known here")),
    };
    if text.starts_with('+') {
        return format!("{state}: {asked}. +: the server waits for what comes next");
    }
    let status = match first(text).as_str() {
        "OK" => "OK: done",
        "NO" => "NO: not done",
        "BAD" => "BAD: not understood, or not allowed here",
        "PREAUTH" => "PREAUTH: logged in already",
        "BYE" => "BYE: the server closes",
        _ => "no status of a response",
    };
    format!("{state}: {asked}. {status}{}", code(text))
}

/// Untagged data in one line.
pub fn untagged(text: &str) -> String {
    let mut name = first(text);
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        name = first(text.split_once(' ').map_or("", |(_, rest)| rest));
    }
    let told = find(UNTAGGED, &name).unwrap_or("data that is not known here");
    format!("untagged: {told}{}", code(text))
}

/// A capability in plain words.
pub fn capability(name: &str) -> &'static str {
    let upper = name.to_ascii_uppercase();
    let known = find(CAPABILITIES, &upper).or_else(|| find(CAPABILITIES, upper.split('=').next().unwrap_or_default()));
    known.unwrap_or(if upper.starts_with('X') { "not registered: the server's own" } else { "not known here" })
}

fn code(text: &str) -> String {
    let inside = text.split_once(" [").and_then(|(_, rest)| rest.split_once(']')).map(|(inside, _)| first(inside));
    let known = inside.and_then(|name| CODES.iter().find(|(known, _)| *known == name));
    known.map(|(name, meaning)| format!("; {name}: {meaning}")).unwrap_or_default()
}

fn first(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_ascii_uppercase()
}

fn find(table: &'static [(&str, &str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, told)| *told)
}

fn find3(verb: &str) -> Option<(&'static str, &'static str)> {
    COMMANDS.iter().find(|(known, ..)| *known == verb).map(|(_, state, asked)| (*state, *asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_told_with_its_state() {
        assert!(exchange(Some(""), "OK ready").starts_with("greeting: the server speaks first"));
        let told = exchange(Some("SELECT"), "NO [nonexistent] no such");
        assert!(told.ends_with("NO: not done; NONEXISTENT: there is no such thing"), "{told}");
        assert!(exchange(Some("APPEND"), "+ go").ends_with("waits for what comes next"));
        assert!(exchange(None, "OK late").starts_with("unasked: "));
        assert!(exchange(Some("XYZZY"), "BAD what").contains("not known here. BAD: not understood"));
    }

    #[test]
    fn untagged_data_is_told_by_its_name() {
        assert_eq!(untagged("23 exists"), "untagged: so many messages are in the mailbox now");
        assert!(untagged("OK [UIDNEXT 4392] next").ends_with("; UIDNEXT: the UID that the next message gets"));
        assert!(untagged("FROB x").ends_with("not known here") && untagged("5").ends_with("not known here"));
    }

    #[test]
    fn capabilities_are_told_and_the_tables_are_sorted() {
        assert!(capability("auth=PLAIN").contains("AUTHENTICATE"));
        assert!(capability("LITERAL+").contains("RFC 7888"));
        assert!(capability("STATUS=SIZE").contains("RFC 8438"));
        assert!(capability("XFROB").starts_with("not registered"));
        assert_eq!(capability("FROB"), "not known here");
        for known in ["SNIPPET=FUZZY", "SORT=UID", "NO_ATOMIC_RENAME", "X-QUOTA=STORAGE", "XLIST", "THREAD=REFS"] {
            assert!(!capability(known).starts_with("not ") && capability(known) != capability("SORT"), "{known}");
        }
        assert!(COMMANDS.is_sorted_by_key(|(verb, ..)| *verb));
        for table in [CODES, CAPABILITIES, UNTAGGED] {
            assert!(table.is_sorted_by_key(|(name, _)| *name));
        }
    }
}
