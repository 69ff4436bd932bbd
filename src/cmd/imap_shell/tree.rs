//! Mailboxes drawn as a tree.

use super::output::{Facts, Out};
use super::rows;
use crate::browse::line::Encoding;
use crate::cli::stdio::StdoutError;
use crate::protocol::imap::mailbox::Listed;

/// One line a mailbox, in the order of names, below what it is in; `--json` has the depth.
pub fn show(out: &mut Out, mailboxes: &[Listed], encoding: Encoding) -> Result<(), StdoutError> {
    let mut all: Vec<(String, &Listed)> =
        mailboxes.iter().map(|listed| (rows::name(&listed.mailbox, encoding), listed)).collect();
    all.sort_by(|(a, listed), (b, other)| levels(a, listed).cmp(levels(b, other)));
    for (name, listed) in &all {
        let depth = levels(name, listed).count() - 1;
        let last = levels(name, listed).last().unwrap_or_default();
        let shown = format!("{}{last}", "  ".repeat(depth.min(100)));
        let row = Facts::default().only_json("mailbox", name.clone()).only_json("depth", depth).column(Some(shown));
        out.row(&row.only_json("attributes", listed.attributes.clone()).column(Some(listed.attributes.join(" "))))?;
    }
    Ok(())
}

fn levels<'a>(name: &'a str, listed: &Listed) -> impl Iterator<Item = &'a str> {
    let delimiter = listed.delimiter.map(char::from);
    name.split(move |c| Some(c) == delimiter)
}
