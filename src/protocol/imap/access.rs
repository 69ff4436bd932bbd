//! What servers say of quotas (RFC 9208), rights (RFC 4314), annotations (RFC 5464) and themselves (RFC 2971).

use super::mailbox::{Mailbox, mailbox};
use super::scan::{Data, Parsed, Scanner};

/// `quota-resource = resource-name SP resource-usage SP resource-limit` (RFC 9208 section 7)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// In capitals; STORAGE counts in units of 1024 octets.
    pub name: String,
    pub usage: u64,
    pub limit: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    pub root: Vec<u8>,
    pub resources: Vec<Resource>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRoots {
    pub mailbox: Mailbox,
    pub roots: Vec<Vec<u8>>,
}

/// Identifier and rights, as they came; `-` before an identifier takes rights away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    pub mailbox: Mailbox,
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRights {
    pub mailbox: Mailbox,
    pub identifier: Vec<u8>,
    /// Always granted.
    pub required: Vec<u8>,
    /// Each of these goes together.
    pub optional: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MyRights {
    pub mailbox: Mailbox,
    pub rights: Vec<u8>,
}

/// Annotations of a mailbox, or of the server where that is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub mailbox: Mailbox,
    pub entries: Entries,
}

/// Fields of ID and their values, as they came.
pub type Identity = Vec<(Vec<u8>, Option<Vec<u8>>)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    Values(Vec<(Vec<u8>, Data)>),
    /// Unsolicited: these changed.
    Changed(Vec<Vec<u8>>),
}

/// `quota-response = "QUOTA" SP quota-root-name SP quota-list`, behind its first blank; `quota-list = "(" [quota-resource *(SP
/// quota-resource)] ")"`
pub fn quota_response(s: &mut Scanner<'_>) -> Parsed<Quota> {
    let root = s.astring()?;
    // Courier leaves the list out where there is no limit.
    if s.peek().is_none() {
        return Ok(Quota { root, resources: Vec::new() });
    }
    s.sp()?;
    let resources = s.list(|s| {
        let name = s.name()?;
        s.sp()?;
        let usage = s.number64()?;
        s.sp()?;
        Ok(Resource { name, usage, limit: s.number64()? })
    })?;
    Ok(Quota { root, resources })
}

/// `quotaroot-response = "QUOTAROOT" SP mailbox *(SP quota-root-name)`, behind its first blank.
pub fn quotaroot_response(s: &mut Scanner<'_>) -> Parsed<QuotaRoots> {
    Ok(QuotaRoots { mailbox: mailbox(s)?, roots: s.items_to_end(Scanner::astring)? })
}

/// `acl-data = "ACL" SP mailbox *(SP identifier SP rights)` (RFC 4314 section 7), behind its first blank.
pub fn acl_data(s: &mut Scanner<'_>) -> Parsed<Acl> {
    let mailbox = mailbox(s)?;
    let entries = s.items_to_end(|s| {
        let identifier = s.astring()?;
        s.sp()?;
        Ok((identifier, s.astring()?))
    })?;
    Ok(Acl { mailbox, entries })
}

/// `listrights-data = "LISTRIGHTS" SP mailbox SP identifier SP rights *(SP rights)`, behind its first blank.
pub fn listrights_data(s: &mut Scanner<'_>) -> Parsed<ListRights> {
    let mailbox = mailbox(s)?;
    s.sp()?;
    let identifier = s.astring()?;
    s.sp()?;
    let required = s.astring()?;
    Ok(ListRights { mailbox, identifier, required, optional: s.items_to_end(Scanner::astring)? })
}

/// `myrights-data = "MYRIGHTS" SP mailbox SP rights`, behind its first blank.
pub fn myrights_data(s: &mut Scanner<'_>) -> Parsed<MyRights> {
    let mailbox = mailbox(s)?;
    s.sp()?;
    Ok(MyRights { mailbox, rights: s.astring()? })
}

/// `metadata-resp = "METADATA" SP mailbox SP (entry-values / entry-list)` (RFC 5464 section 5), behind its first blank.
pub fn metadata_resp(s: &mut Scanner<'_>) -> Parsed<Metadata> {
    let mailbox = mailbox(s)?;
    s.sp()?;
    let entries = if s.peek() == Some(b'(') {
        // `entry-values = "(" entry-value *(SP entry-value) ")"`, `entry-value = entry SP value`
        Entries::Values(s.list(|s| {
            let entry = s.astring()?;
            s.sp()?;
            Ok((entry, s.data()?))
        })?)
    } else {
        Entries::Changed(s.items_to_end(Scanner::astring)?)
    };
    Ok(Metadata { mailbox, entries })
}

/// `id-response = "ID" SP id-params-list`, behind its first blank; `id-params-list = "(" *(string SP nstring) ")" / nil` (RFC 2971 section 4)
pub fn id_response(s: &mut Scanner<'_>) -> Parsed<Identity> {
    if s.nil() {
        return Ok(Vec::new());
    }
    s.list(|s| {
        let field = s.astring()?;
        s.sp()?;
        Ok((field, s.nastring()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scanner<'_> {
        Scanner::new(text.as_bytes(), &[])
    }

    #[test]
    fn quotas_and_rights() {
        let quota = quota_response(&mut scan("\"\" (storage 10 512 MESSAGE 1 99999999999)")).unwrap();
        assert_eq!((quota.resources[0].name.as_str(), quota.resources[1].limit), ("STORAGE", 99_999_999_999));
        assert_eq!(quota_response(&mut scan("a ()")).unwrap().resources, []);
        assert_eq!(quota_response(&mut scan("\"ROOT\"")).unwrap().resources, []);
        assert_eq!(quotaroot_response(&mut scan("INBOX \"\" b")).unwrap().roots.len(), 2);
        assert_eq!(quotaroot_response(&mut scan("comp.mail.mime")).unwrap().roots.len(), 0);
        let acl = acl_data(&mut scan("INBOX Fred rwipslxetad -Chris \"\"")).unwrap();
        assert_eq!(acl.entries[1], (b"-Chris".to_vec(), Vec::new()));
        assert!(acl_data(&mut scan("INBOX Fred")).is_err());
        assert_eq!(listrights_data(&mut scan("~/Mail/saved smith la r swicdkxte")).unwrap().optional.len(), 2);
        assert_eq!(myrights_data(&mut scan("INBOX rwiptsldaex")).unwrap().rights, b"rwiptsldaex");
    }

    #[test]
    fn annotations_and_identity() {
        let found = metadata_resp(&mut scan("\"\" (/shared/comment {3}\r\na)b /private/x NIL)")).unwrap();
        let Entries::Values(values) = found.entries else { panic!() };
        assert_eq!((&values[0].1, &values[1].1), (&Data::Held(b"a)b".to_vec()), &Data::Nil));
        let found = metadata_resp(&mut scan("INBOX /shared/comment /private/comment")).unwrap();
        assert_eq!(found.entries, Entries::Changed(vec![b"/shared/comment".to_vec(), b"/private/comment".to_vec()]));
        assert_eq!(id_response(&mut scan("NIL")), Ok(Vec::new()));
        assert_eq!(id_response(&mut scan("(\"name\" \"Dovecot\" \"os\" NIL)")).unwrap()[1], (b"os".to_vec(), None));
    }
}
