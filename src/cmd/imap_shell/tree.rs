//! Mailboxes drawn as a tree.

use super::output::{Facts, Out};
use super::rows;
use crate::browse::line::Encoding;
use crate::cli::stdio::StdoutError;
use crate::protocol::imap::mailbox::Listed;

/// One line a mailbox, in the order of names, below what it is in; `--json` has the depth.
pub fn show(out: &mut Out, mailboxes: &[Listed], encoding: Encoding) -> Result<(), StdoutError> {
    let mut all: Vec<(Vec<String>, String, &Listed)> = mailboxes
        .iter()
        .map(|listed| {
            let name = rows::name(&listed.mailbox, encoding);
            let levels = match listed.delimiter {
                Some(byte) => name.split(char::from(byte)).map(str::to_owned).collect(),
                None => vec![name.clone()],
            };
            (levels, name, listed)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    for (levels, name, listed) in &all {
        let depth = levels.len() - 1;
        let last = levels.last().cloned().unwrap_or_default();
        let shown = format!("{}{last}", "  ".repeat(depth.min(100)));
        let row = Facts::default().only_json("mailbox", name.clone()).only_json("depth", depth).column(Some(shown));
        out.row(&row.only_json("attributes", listed.attributes.clone()).column(Some(listed.attributes.join(" "))))?;
    }
    Ok(())
}
