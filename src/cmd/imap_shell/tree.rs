//! Mailboxes drawn as a tree.

use super::output::{Facts, Out};
use super::rows;
use crate::browse::line::Encoding;
use crate::cli::stdio::StdoutError;
use crate::protocol::imap::mailbox::Listed;

/// One line a mailbox, in the order of names, below what it is in; `--json` has the depth. Where what it is in is not listed, its name says that.
pub fn show(out: &mut Out, mailboxes: &[Listed], encoding: Encoding) -> Result<(), StdoutError> {
    let mut all: Vec<(String, &Listed)> =
        mailboxes.iter().map(|listed| (rows::name(&listed.mailbox, encoding), listed)).collect();
    all.sort_by(|(a, listed), (b, other)| levels(a, listed).cmp(levels(b, other)));
    // What was shown and the next may be in, outermost first.
    let mut above: Vec<&str> = Vec::new();
    for (name, listed) in &all {
        let depth = levels(name, listed).count() - 1;
        let delimiter = listed.delimiter.map(char::from);
        let below = |outer: &str| name.strip_prefix(outer).and_then(|rest| rest.strip_prefix(delimiter?));
        above.retain(|outer| below(outer).is_some());
        let last = above.last().and_then(|outer| below(outer)).unwrap_or(name);
        let shown = format!("{}{last}", "  ".repeat(above.len().min(100)));
        above.push(name);
        let row = Facts::default().only_json("mailbox", name.clone()).only_json("depth", depth).column(Some(shown));
        out.row(&row.only_json("attributes", listed.attributes.clone()).column(Some(listed.attributes.join(" "))))?;
    }
    Ok(())
}

fn levels<'a>(name: &'a str, listed: &Listed) -> impl Iterator<Item = &'a str> {
    let delimiter = listed.delimiter.map(char::from);
    name.split(move |c| Some(c) == delimiter)
}
