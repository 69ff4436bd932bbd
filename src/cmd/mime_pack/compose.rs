//! A message composed from a body and files. Everything is opened and looked at before a byte is written.

use super::answer::{self, Answer};
use super::attachment::Named;
use super::content::{Content, Keeper, is_stdin};
use super::fields::{Fields, source_date_epoch};
use super::options::Compose;
use super::related;
use super::seal;
use super::source::{Sealed, Source, body, converted, file, wrapped};
use super::unique::{hex, random_hex};
use super::writing::write;
use crate::bytes::html::Renderer;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::stdio::{Stdout, StdoutError};
use crate::mail::mime::build::{Entity, Leaf, Together, part_segments, segments};
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::io::Write;

pub fn compose(compose: &Compose) -> Result<Status, Failure> {
    let stdin_is_file = names_stdin(compose)?;
    let answer = Answer::read(compose)?;
    let fields = Fields::new(compose, answer.as_ref())?;
    let attachments =
        compose.attach.iter().map(|file| attachment(file, compose.media.as_deref())).collect::<Result<Vec<_>, _>>()?;
    let mut inline = compose.inline.iter().map(|file| Named::parse_inline(file)).collect::<Result<Vec<_>, _>>()?;
    let reproducible = source_date_epoch()?.is_some();
    let sealed = Sealed(compose.sign_with.is_some() || compose.encrypt_with.is_some());

    let html = compose.html.as_deref().map(Content::open).transpose()?;
    let html = html.map(|html| converted(html, compose.charset.as_deref())).transpose()?;
    let html = match (html, &compose.html, &compose.related) {
        (Some(html), Some(path), Some(_)) => Some(related::rewritten(&html, path, &mut inline)?),
        (html, ..) => html,
    };
    reject_repeated_ids(attachments.iter().chain(&inline))?;
    let mut attached = attachments.iter().map(|named| file(named, "attachment", sealed)).collect::<Result<Vec<_>, _>>()?;
    if let Some(original) = answer.as_ref().and_then(Answer::forwarded) {
        attached.insert(0, answer::message(original)?);
    }
    let inline = inline.iter().map(|named| file(named, "inline", sealed)).collect::<Result<Vec<_>, _>>()?;
    let stdin = if stdin_is_file { Content::memory("stdin", Vec::new()) } else { Content::stdin()? };
    let text = text(compose, stdin, answer.as_ref(), html.as_ref(), sealed)?;
    let html = html.map(|html| body(html, "text/html", sealed)).transpose()?;

    let mut entity = tree(text, html, inline, attached, compose.digest)?;
    let stem = stem(&entity, &fields, reproducible)?;
    let header = fields.finish(&unique(&stem));
    if !sealed.0 {
        return printed(header, entity, &stem, compose.crlf);
    }
    // The boundaries of each layer are its own.
    let mut outer = stem;
    if let Some(command) = &compose.sign_with {
        refuse_8bit(&entity)?;
        entity = seal::signed(&enclosed(entity, &outer)?, command)?;
        outer = next(&outer);
    }
    if let Some(command) = &compose.encrypt_with {
        entity = seal::encrypted(&enclosed(entity, &outer)?, command)?;
        outer = next(&outer);
    }
    printed(header, entity, &outer, compose.crlf)
}

/// Whether stdin is one of the files, and so not the text. It can be read once.
fn names_stdin(compose: &Compose) -> Result<bool, Failure> {
    let paths = [&compose.html, &compose.reply, &compose.forward].into_iter().flatten().cloned();
    let attached = compose.attach.iter().map(|file| Named::parse(file)).collect::<Result<Vec<_>, _>>()?;
    let inline = compose.inline.iter().map(|file| Named::parse_inline(file)).collect::<Result<Vec<_>, _>>()?;
    let files = attached.into_iter().chain(inline).map(|named| named.path);
    match paths.chain(files).filter(|path| is_stdin(path)).count() {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Failure::text(Status::Usage, "stdin is named for several files, and can be read for one only")),
    }
}

/// What `-a` names, of the type that `--type` gives where it has none of its own.
fn attachment(file: &OsStr, media: Option<&str>) -> Result<Named, Failure> {
    let mut named = Named::parse(file)?;
    if let (None, Some(media)) = (&named.media, media) {
        named.set_media(media).map_err(|why| Failure::text(Status::Usage, format!("--type: {why}")))?;
    }
    Ok(named)
}

/// The text beside the HTML, or alone: stdin, with what it answers quoted below; else what the HTML says.
fn text(
    compose: &Compose,
    stdin: Content,
    answer: Option<&Answer>,
    html: Option<&Content>,
    sealed: Sealed,
) -> Result<Entity<Source>, Failure> {
    let stdin = converted(stdin, compose.charset.as_deref())?;
    let quoted = answer.map(Answer::quoted).transpose()?.flatten();
    let mut content = match (quoted, html) {
        (Some(quoted), _) => stdin.changed(|bytes, out| {
            out.extend_from_slice(bytes.unwrap_or(quoted.as_bytes()));
            Ok(())
        })?,
        (None, Some(html)) if stdin.is_empty()? => rendered(html)?,
        (None, _) => stdin,
    };
    if compose.flowed {
        content = wrapped(&content)?;
    }
    let mut entity = body(content, "text/plain", sealed)?;
    if let (true, Entity::Leaf(leaf)) = (compose.flowed, &mut entity) {
        leaf.parameters.push(("format", "flowed".to_owned()));
    }
    Ok(entity)
}

/// The text of a page.
fn rendered(html: &Content) -> Result<Content, Failure> {
    html.measure()?.utf8.with_context(|| html.label.clone()).or_status(Status::Data)?;
    let mut renderer = Renderer::default();
    html.changed(|bytes, out| {
        match bytes {
            Some(bytes) => renderer.push(bytes, out),
            None => renderer.finish(out),
        }
        Ok(())
    })
}

/// mixed( alternative( text, related( html, inline.. ) ), attachment.. ), each only where there is more than one. Attached messages may
/// stand in a digest.
fn tree(
    text: Entity<Source>,
    html: Option<Entity<Source>>,
    inline: Vec<Entity<Source>>,
    attachments: Vec<Entity<Source>>,
    digest: bool,
) -> Result<Entity<Source>, Failure> {
    let with_inline = |first| Entity::together(Together::Related, std::iter::once(first).chain(inline).collect());
    let is_empty = is_empty(&text);
    let body = match html {
        None => with_inline(text),
        Some(html) if is_empty => with_inline(html),
        Some(html) => Entity::together(Together::Alternative, vec![text, with_inline(html)]),
    };
    if !digest {
        return Ok(Entity::together(Together::Mixed, std::iter::once(body).chain(attachments).collect()));
    }
    let is_message = |entity: &Entity<Source>| matches!(entity, Entity::Leaf(leaf) if matches!(leaf.media.as_str(), "message/rfc822" | "message/global"));
    if attachments.is_empty() || !attachments.iter().all(is_message) {
        return Err(Failure::text(Status::Usage, "--digest: every -a must be a message, and there must be one"));
    }
    let digest = Entity::Multipart(Together::Digest, attachments);
    Ok(if is_empty { digest } else { Entity::Multipart(Together::Mixed, vec![body, digest]) })
}

fn is_empty(entity: &Entity<Source>) -> bool {
    matches!(entity, Entity::Leaf(leaf) if leaf.source.profile.as_ref().is_some_and(|profile| profile.size == 0))
}

/// What is signed must come through unchanged; what is only encrypted is in ASCII afterwards (RFC 8551 section 3.1.3).
fn refuse_8bit(entity: &Entity<Source>) -> Result<(), Failure> {
    let why = "an attached message has 8-bit text, which must not be changed and cannot be signed as it is (RFC 1847 2.1)";
    if entity.is_8bit() { Err(Failure::text(Status::Data, why)) } else { Ok(()) }
}

/// The entity in wire form, as it is signed or encrypted.
fn enclosed(entity: Entity<Source>, stem: &str) -> Result<Content, Failure> {
    let mut keeper = Keeper::default();
    write(&part_segments(String::new(), entity, stem), true, false, &mut |bytes| keeper.push(bytes))?;
    Ok(keeper.finish("the message".to_owned()))
}

fn printed(header: String, entity: Entity<Source>, stem: &str, crlf: bool) -> Result<Status, Failure> {
    let mut stdout = Stdout::new();
    write(&segments(header, entity, stem), crlf, true, &mut |bytes| Ok(stdout.write_all(bytes).map_err(StdoutError::from)?))?;
    stdout.flush().map_err(StdoutError::from)?;
    Ok(Status::Done)
}

fn reject_repeated_ids<'a>(files: impl Iterator<Item = &'a Named>) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    for id in files.filter_map(|named| named.content_id.as_deref()) {
        if !seen.insert(id) {
            return Err(Failure::text(Status::Usage, format!("the content ID {id} is given twice")));
        }
    }
    Ok(())
}

/// What makes the boundaries and the Message-ID: random, or drawn from all that goes into the message where the output is to be the
/// same for the same input. It stands in no content that goes out as it is.
fn stem(entity: &Entity<Source>, fields: &Fields, reproducible: bool) -> Result<String, Failure> {
    let seed = if reproducible {
        let mut digest = Sha256::new();
        digest.update(fields.finish(""));
        leaves(entity, &mut |leaf| {
            digest.update(format!("{}\n{:?}\n{:?}\n", leaf.media, leaf.name, leaf.content_id));
            digest.update(leaf.source.content.sha256()?);
            Ok(())
        })?;
        Some(digest)
    } else {
        None
    };
    unused(entity, |attempt| match &seed {
        Some(digest) => Ok(hex(&digest.clone().chain_update(attempt.to_be_bytes()).finalize()[..16])),
        None => random_hex(),
    })
}

/// The first candidate that stands in no content that goes out as it is.
fn unused(entity: &Entity<Source>, mut candidate: impl FnMut(u64) -> Result<String, Failure>) -> Result<String, Failure> {
    for attempt in 0.. {
        let stem = candidate(attempt)?;
        let mut is_used = false;
        leaves(entity, &mut |leaf| {
            is_used |= leaf.encoding.is_identity() && leaf.source.content.contains(stem.as_bytes())?;
            Ok(())
        })?;
        if !is_used {
            return Ok(stem);
        }
    }
    Err(Failure::text(Status::Software, "no boundary was found"))
}

/// The Message-ID's own part: nothing of it tells the boundaries, which a reply would quote.
fn unique(stem: &str) -> String {
    hex(&Sha256::digest(stem)[..16])
}

/// The stem of the layer around.
fn next(stem: &str) -> String {
    unique(&format!("around {stem}"))
}

fn leaves(entity: &Entity<Source>, look: &mut impl FnMut(&Leaf<Source>) -> Result<(), Failure>) -> Result<(), Failure> {
    match entity {
        Entity::Leaf(leaf) => look(leaf),
        Entity::Multipart(_, parts) => parts.iter().try_for_each(|part| leaves(part, look)),
        Entity::Whole(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_that_stands_in_the_content_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let leaf = |text: &str| {
            let path = directory.path().join(text);
            std::fs::write(&path, format!("text\n--=_1_{text}\n")).unwrap();
            body(Content::open(&path).unwrap(), "text/plain", Sealed(false)).unwrap()
        };
        let entity = Entity::together(Together::Mixed, vec![leaf("zero"), leaf("one")]);
        let candidates = ["zero", "one", "two", "three"];
        assert_eq!(unused(&entity, |attempt| Ok(candidates[attempt as usize].to_owned())).unwrap(), "two");
    }
}
