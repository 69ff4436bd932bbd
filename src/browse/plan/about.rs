//! What stands beside a mailbox: how much may be in it, who may do what, notes.

use super::Planner;
use super::kinds::{Plan, PlanError, View};
use crate::browse::day;
use crate::browse::flags::is_atom;
use crate::browse::words::Word;

/// Dovecot 2.3 lists nothing below the roots of the server's own notes, and all below these names: those of RFC 5464 section 6 for the server, and
/// where people and programs put theirs.
const OF_SERVER: &str = "(/private /private/comment /private/vendor /shared /shared/admin /shared/comment /shared/vendor)";

impl Planner<'_> {
    pub(super) fn status(&self, words: &[Word]) -> Result<Plan, PlanError> {
        let capabilities = self.context.capabilities;
        let mut items = "MESSAGES UNSEEN UIDNEXT UIDVALIDITY".to_owned();
        for (offered, item) in [("STATUS=SIZE", " SIZE"), ("CONDSTORE", " HIGHESTMODSEQ"), ("OBJECTID", " MAILBOXID")] {
            if capabilities.offers(offered) {
                items.push_str(item);
            }
        }
        let counts = |name: &str| Ok(self.line("STATUS").mailbox(name)?.word(&format!("({items})")));
        if words.is_empty() {
            return Ok(Self::send([counts(self.selected()?)?], View::Counts));
        }
        let is_pattern = |word: &&Word| word.text.contains(['*', '%']);
        let listed = |word: &Word| self.line("LIST \"\"").pattern(&word.text);
        if !capabilities.offers("LIST-STATUS") && words.iter().any(|word| is_pattern(&word)) {
            let (patterns, names): (Vec<&Word>, Vec<&Word>) = words.iter().partition(is_pattern);
            let patterns = patterns.into_iter().map(listed).collect::<Result<_, _>>()?;
            let lines = names.into_iter().map(|word| counts(&word.text)).collect::<Result<_, PlanError>>()?;
            return Ok(Plan::EachListed { lines, patterns, items });
        }
        // RFC 5819.
        let lines = words.iter().map(|word| match is_pattern(&word) {
            true => Ok(listed(word)?.word(&format!("RETURN (STATUS ({items}))"))),
            false => counts(&word.text),
        });
        Ok(Self::send(lines.collect::<Result<Vec<_>, PlanError>>()?, View::Counts))
    }

    pub(super) fn about(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let mailbox = words.first().map_or(self.context.selected.unwrap_or("INBOX"), |word| word.text.as_str());
        let of = |command: &str| self.line(command).mailbox(mailbox);
        Ok(match (name, words) {
            ("quota", [] | [_]) => {
                self.offered("QUOTA")?;
                Self::send([of("GETQUOTAROOT")?], View::Quotas)
            }
            ("quota", [option, root]) if option.is("-r") => {
                self.offered("QUOTA")?;
                Self::send([self.line("GETQUOTA").astring(&root.text)?], View::Quotas)
            }
            ("setquota", [root, limits @ ..]) => {
                self.offered("QUOTA")?;
                let Some(limits) = quota_limits(limits)? else { return self.usage() };
                Self::send([self.line("SETQUOTA").astring(&root.text)?.word(&limits)], View::Quotas)
            }
            ("acl", words) => {
                self.offered("ACL")?;
                match words {
                    [] | [_] => Self::send([of("MYRIGHTS")?, of("GETACL")?], View::Rights),
                    [_, who] => Self::send([of("LISTRIGHTS")?.astring(&who.text)?], View::Rights),
                    [_, who, rights] if rights.text.is_empty() => {
                        Self::send([of("DELETEACL")?.astring(&who.text)?], View::Nothing)
                    }
                    [_, who, rights] => Self::send([of("SETACL")?.astring(&who.text)?.astring(&rights.text)?], View::Nothing),
                    _ => return self.usage(),
                }
            }
            ("meta", words) => {
                let server_only = mailbox.is_empty() && self.context.capabilities.offers("METADATA-SERVER");
                if !server_only {
                    self.offered("METADATA")?;
                }
                match words {
                    [] | [_] => {
                        let trees = if mailbox.is_empty() { OF_SERVER } else { "(/private /shared)" };
                        Self::send([self.line("GETMETADATA (DEPTH infinity)").mailbox(mailbox)?.word(trees)], View::Notes)
                    }
                    [_, entry] => Self::send([of("GETMETADATA")?.word(entry_name(&entry.text)?)], View::Notes),
                    [_, entry, value] => {
                        let line = of("SETMETADATA")?.word(&format!("({}", entry_name(&entry.text)?));
                        let line = if value.text.is_empty() { line.word("NIL") } else { line.value(&value.text)? };
                        Self::send([line.closed()], View::Nothing)
                    }
                    _ => return self.usage(),
                }
            }
            _ => return self.usage(),
        })
    }
}

/// `setquota-list = "(" [setquota-resource *(SP setquota-resource)] ")"` (RFC 9208 section 7). STORAGE and ANNOTATION-STORAGE count in units of 1024 octets
/// (section 5), which people write as `1G`. None: these are no pairs.
fn quota_limits(words: &[Word]) -> Result<Option<String>, PlanError> {
    if let [word] = words
        && word.is("none")
    {
        return Ok(Some("()".to_owned()));
    }
    let mut limits = Vec::new();
    for pair in words.chunks(2) {
        let [name, limit] = pair else { return Ok(None) };
        let name = name.text.to_ascii_uppercase();
        if !is_atom(&name) {
            return Err(PlanError::Word(name, "no resource; those are STORAGE, MESSAGE, MAILBOX, ANNOTATION-STORAGE"));
        }
        let size = day::size(&limit.text)?;
        let units = if name.ends_with("STORAGE") { size.div_ceil(1024) } else { size };
        limits.push(format!("{name} {units}"));
    }
    Ok((!limits.is_empty()).then(|| format!("({})", limits.join(" "))))
}

/// `entry` of RFC 5464 section 5, which is an astring that needs no quotes here.
fn entry_name(text: &str) -> Result<&str, PlanError> {
    let fits = text.starts_with('/') && is_atom(text) && !text.ends_with('/') && !text.contains("//");
    if fits { Ok(text) } else { Err(PlanError::Word(text.to_owned(), "no entry; those are like /private/comment")) }
}
