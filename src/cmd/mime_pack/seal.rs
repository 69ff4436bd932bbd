//! Signing and encrypting by a program of the user's: it gets the part in wire form, and what it prints tells what it is (RFC 1847, OpenPGP as
//! in RFC 3156, S/MIME as in RFC 8551).

use super::content::{Content, Keeper};
use super::source::Source;
use crate::bytes::transfer::{Decoder, Encoding};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::mime::build::{Entity, Leaf, Together};
use crate::relay::route::argv;
use anyhow::Context;
use std::io::Read;
use std::process::{Command, Stdio};

/// Longest signature.
const MOST: usize = 1024 * 1024;
const PGP_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const PGP_MESSAGE: &[u8] = b"-----BEGIN PGP MESSAGE-----";

/// `part` and a detached signature over it, as a multipart/signed.
pub fn signed(part: &Content, command: &str) -> Result<Entity<Source>, Failure> {
    let printed = run("--sign-with", command, part, Some(MOST))?.whole(MOST)?;
    let (protocol, micalg, name, signature, encoding) = if printed.trim_ascii_start().starts_with(PGP_SIGNATURE) {
        let micalg = pgp_hash(&unarmored(&printed))
            .ok_or_else(|| unfit("--sign-with", command, "an OpenPGP signature that is readable"))?;
        ("application/pgp-signature", micalg, "signature.asc", with_lf(&printed), Encoding::SevenBit)
    } else if pgp_hash(&printed).is_some() {
        return Err(unfit("--sign-with", command, "in armor: gpg does that with --armor"));
    } else {
        let der = if printed.starts_with(b"-----BEGIN ") { unarmored(&printed) } else { printed };
        let micalg = smime_hash(&der).ok_or_else(|| unfit("--sign-with", command, "a detached signature"))?;
        if holds_content(&der) {
            return Err(unfit(
                "--sign-with",
                command,
                "a detached signature: the content is in it (openssl cms without -nodetach leaves it out)",
            ));
        }
        ("application/pkcs7-signature", micalg, "smime.p7s", der, Encoding::Base64)
    };
    let signature = leaf(protocol, name, encoding, Content::memory("the signature", signature))?;
    let whole = Entity::Whole(Source::finished(part.changed(copy)?)?);
    Ok(Entity::Multipart(Together::Signed { protocol, micalg }, vec![whole, signature]))
}

/// What `part` is encrypted to.
pub fn encrypted(part: &Content, command: &str) -> Result<Entity<Source>, Failure> {
    let printed = run("--encrypt-with", command, part, None)?;
    let start = printed.start(64)?;
    if start.trim_ascii_start().starts_with(PGP_MESSAGE) {
        let protocol = "application/pgp-encrypted";
        let version = leaf(protocol, "", Encoding::SevenBit, Content::memory("the version", b"Version: 1\n".to_vec()))?;
        let message = leaf("application/octet-stream", "encrypted.asc", Encoding::SevenBit, printed)?;
        return Ok(Entity::Multipart(Together::Encrypted { protocol }, vec![version, message]));
    }
    let der = if start.starts_with(b"-----BEGIN ") {
        Content::memory("the message", unarmored(&printed.whole(64 * MOST)?))
    } else {
        printed
    };
    // A SEQUENCE, as every CMS message is.
    let is_pgp = matches!(start.first(), Some(0x84 | 0x85 | 0x86 | 0x8c | 0x8d | 0xc1 | 0xc3));
    if is_pgp {
        return Err(unfit("--encrypt-with", command, "in armor: gpg does that with --armor"));
    }
    if !start.starts_with(b"0") && !start.starts_with(b"-----BEGIN ") {
        return Err(unfit("--encrypt-with", command, "an encrypted message"));
    }
    let mut entity = leaf("application/pkcs7-mime", "smime.p7m", Encoding::Base64, der)?;
    if let Entity::Leaf(leaf) = &mut entity {
        leaf.parameters.push(("smime-type", "enveloped-data".to_owned()));
    }
    Ok(entity)
}

fn leaf(media: &str, name: &str, encoding: Encoding, content: Content) -> Result<Entity<Source>, Failure> {
    let named = Some(name.to_owned()).filter(|name| !name.is_empty());
    Ok(Entity::Leaf(Leaf {
        media: media.to_owned(),
        charset: None,
        encoding,
        disposition: named.is_some().then_some("attachment"),
        name: named.map(String::into_bytes),
        content_id: None,
        parameters: Vec::new(),
        source: Source::finished(content)?,
    }))
}

fn copy(bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Failure> {
    out.extend_from_slice(bytes.unwrap_or_default());
    Ok(())
}

/// What the program prints when it is given `part`, `most` octets of it. Its stderr is ours.
fn run(option: &str, command: &str, part: &Content, most: Option<usize>) -> Result<Content, Failure> {
    let words = argv(command).with_context(|| format!("{option} {command}")).or_status(Status::Usage)?;
    let [program, arguments @ ..] = words.as_slice() else {
        return Err(Failure::text(Status::Usage, format!("{option}: no command")));
    };
    let mut input = Keeper::default();
    part.each(|bytes| input.push(bytes))?;
    let starting = || format!("{option}: cannot start {program}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(input.into_file()?))
        .stdout(Stdio::piped())
        .spawn()
        .with_context(starting)
        .or_status(Status::Refused)?;
    let stdout = child.stdout.take().map(|stdout| stdout.take(most.map_or(u64::MAX, |most| most as u64 + 1)));
    let printed = stdout.map(|stdout| Content::stream(stdout, program)).transpose();
    if let (Some(most), Ok(Some(printed))) = (most, &printed)
        && printed.whole(most).is_err()
    {
        // It may never end by itself.
        let _ = child.kill();
        let _ = child.wait();
        return Err(Failure::text(Status::Data, format!("{option}: {program} prints more than {most} bytes")));
    }
    let ended = child.wait().with_context(starting).or_status(Status::Os)?;
    if !ended.success() {
        return Err(Failure::text(Status::Refused, format!("{option}: {program} failed: {ended}")));
    }
    printed?.ok_or_else(|| Failure::text(Status::Os, starting()))
}

fn unfit(option: &str, command: &str, wanted: &str) -> Failure {
    Failure::text(Status::Data, format!("{option} {command}: what it printed is not {wanted}"))
}

fn with_lf(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|&b| b != b'\r').collect()
}

/// The octets within an armor: base64 behind its header, up to the checksum or the end (RFC 9580 section 6, RFC 7468).
fn unarmored(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).replace('\r', "");
    let is_pgp = text.contains("-----BEGIN PGP ");
    let body = text.trim_start().split_once('\n').map_or("", |(_, body)| body);
    // The armor's header fields end at an empty line.
    let body = if is_pgp { body.split_once("\n\n").map_or(body, |(_, body)| body) } else { body };
    let lines = body.lines().take_while(|line| !line.starts_with('=') && !line.starts_with("-----"));
    let (mut decoder, mut out) = (Decoder::new(Encoding::Base64), Vec::new());
    lines.for_each(|line| decoder.push(line.as_bytes(), &mut out));
    decoder.finish(&mut out);
    out
}

/// The hash of the first signature packet (RFC 9580 sections 4.2, 5.2.2 and 9.5), in the words of RFC 3156 section 5.
fn pgp_hash(packets: &[u8]) -> Option<&'static str> {
    let (&tag, rest) = packets.split_first()?;
    let (kind, length_octets) = if tag & 0x40 != 0 {
        let first = *rest.first()?;
        (
            tag & 0x3f,
            if first < 192 {
                1
            } else if first < 224 {
                2
            } else {
                5
            },
        )
    } else {
        ((tag >> 2) & 15, 1usize << (tag & 3))
    };
    let body = rest.get(length_octets..)?;
    let hash = match (kind, body.first()?) {
        (2, 4..=6) => body.get(3)?,
        (2, 3) => body.get(16)?,
        _ => return None,
    };
    [
        (1, "pgp-md5"),
        (2, "pgp-sha1"),
        (3, "pgp-ripemd160"),
        (8, "pgp-sha256"),
        (9, "pgp-sha384"),
        (10, "pgp-sha512"),
        (11, "pgp-sha224"),
        (12, "pgp-sha3-256"),
        (14, "pgp-sha3-512"),
    ]
    .into_iter()
    .find(|(known, _)| known == hash)
    .map(|(_, name)| name)
}

/// The first digest algorithm that a CMS signature names, in the words of RFC 8551 section 3.5.3.2.
fn smime_hash(der: &[u8]) -> Option<&'static str> {
    const HASHES: &[(&[u8], &str)] = &[
        (&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], "sha-256"),
        (&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], "sha-384"),
        (&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], "sha-512"),
        (&[6, 5, 0x2b, 0x0e, 3, 2, 0x1a], "sha-1"),
    ];
    if der.first() != Some(&0x30) {
        return None;
    }
    let place = |oid: &[u8]| memchr::memmem::find(der, oid);
    HASHES.iter().filter_map(|(oid, name)| place(oid).map(|at| (at, *name))).min().map(|(_, name)| name)
}

/// Whether a CMS signature has the content that it signs within it (RFC 5652 sections 5.1 and 5.2, `eContent`): a detached one has not (RFC
/// 8551 section 3.5.3.1).
fn holds_content(der: &[u8]) -> bool {
    let holds = || {
        let signed = tlv(tlv(tlv(der, 0x30)?.0, 0x06)?.1, 0xa0)?.0;
        let version = tlv(tlv(signed, 0x30)?.0, 0x02)?.1;
        let content = tlv(tlv(version, 0x31)?.1, 0x30)?.0;
        Some(tlv(content, 0x06)?.1.first() == Some(&0xa0))
    };
    holds().unwrap_or(false)
}

/// What a BER value of this tag holds, and what follows it; where its length is not told, all that follows is in it.
fn tlv(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    match first {
        0x80 => Some((rest, &[])),
        0..0x80 => rest.split_at_checked(usize::from(first)),
        _ => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = length.iter().try_fold(0usize, |all, byte| all.checked_mul(256)?.checked_add(usize::from(*byte)))?;
            rest.split_at_checked(length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_with_its_content_is_known() {
        let detached = [0x30u8, 0x0f, 6, 1, 42, 0xa0, 10, 0x30, 8, 2, 1, 1, 0x31, 0, 0x30, 3, 6, 1, 42];
        assert!(!holds_content(&detached));
        let opaque = [0x30u8, 0x80, 6, 1, 42, 0xa0, 0x80, 0x30, 0x80, 2, 1, 1, 0x31, 0, 0x30, 0x80, 6, 1, 42, 0xa0, 0x80];
        assert!(holds_content(&opaque) && !holds_content(b"junk") && !holds_content(&opaque[..9]));
    }

    #[test]
    fn the_hash_is_read_from_the_signature() {
        assert_eq!(pgp_hash(&[0x88, 20, 4, 0, 1, 8]), Some("pgp-sha256"));
        assert_eq!(pgp_hash(&[0x89, 1, 20, 4, 0, 1, 10]), Some("pgp-sha512"));
        assert_eq!(pgp_hash(&[0xc2, 20, 6, 0, 27, 8]), Some("pgp-sha256"));
        assert_eq!((pgp_hash(&[0x88, 20, 4]), pgp_hash(&[0xcb, 20, 4, 0, 1, 8]), pgp_hash(b"")), (None, None, None));
        assert_eq!(smime_hash(&[0x30, 1, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3]), Some("sha-512"));
        assert_eq!(smime_hash(b"junk"), None);
    }

    #[test]
    fn armor_is_taken_off() {
        assert_eq!(
            unarmored(
                b"-----BEGIN PGP SIGNATURE-----\r\nVersion: x\r\n\r\nYWJj\r\nZA==\r\n=abcd\r\n-----END PGP SIGNATURE-----\r\n"
            ),
            b"abcd"
        );
        assert_eq!(unarmored(b"-----BEGIN PKCS7-----\nYWJj\n-----END PKCS7-----\n"), b"abc");
    }
}
