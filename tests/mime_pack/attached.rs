//! Attached files: the name and the type that each goes out under.

use super::*;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

/// The header of the last part and its bytes, of a message with this file attached.
fn attached(name: &[u8], keys: &str, content: &[u8], environment: &[(&str, &str)]) -> (String, Vec<u8>) {
    let here = files(&[]);
    std::fs::write(here.path().join(OsStr::from_bytes(name)), content).unwrap();
    let argument = OsString::from_iter([OsStr::from_bytes(name), OsStr::new(keys)]);
    let mut command = tool(here.path());
    command.env_remove("LC_ALL").env_remove("LC_CTYPE").env_remove("LANG").envs(environment.iter().copied());
    let message = ran(command.arg("-a").arg(argument).write_stdin("text\n")).done();
    let raw = String::from_utf8(run(here.path(), &["-O", "2", "--raw"], message.clone()).done()).unwrap();
    let header = raw.split("\n\n").next().unwrap().replace("\n ", " ");
    (header, part(&message, "2"))
}

#[test]
fn a_name_that_is_no_utf_8_goes_out_as_what_it_is() {
    let name = |environment: &[(&str, &str)]| attached(b"K\xe4se.zip", "", b"x", environment).0;
    let unknown = "Content-Disposition: attachment; filename=K_se.zip; filename*=unknown-8bit''K%E4se.zip";
    let known = "Content-Disposition: attachment; filename*=utf-8''K%C3%A4se.zip";
    assert!(name(&[]).ends_with(unknown), "{}", name(&[]));
    assert!(name(&[("LANG", "de_DE.UTF-8")]).ends_with(unknown));
    assert!(name(&[("LANG", "de_DE.ISO-8859-1@euro")]).ends_with(known));
    assert!(name(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "de_DE.ISO-8859-15")]).ends_with(known));
    assert!(attached("Käse.zip".as_bytes(), "", b"x", &[("LANG", "de_DE.ISO-8859-1")]).0.ends_with(known));
    assert!(attached(b"K\xe4se.zip", ";name=Brot.zip", b"x", &[]).0.ends_with("filename=Brot.zip"));
}

/// What a reader finds in the header is a name, whatever octets it has, and none are lost: windows-1252 has a character for each.
#[test]
fn a_stated_name_that_is_no_utf_8_is_read() {
    for (stated, name) in [
        (b"filename=\"K\xe4se.txt\"" as &[u8], "Käse.txt"),
        (b"filename*=unknown-8bit''K%E4se.txt", "Käse.txt"),
        (b"filename*=x-unheard''%C4%C5.txt", "ÄÅ.txt"),
        (b"filename*=utf-8''K%E4se.txt", "Käse.txt"),
        (b"filename*0*=utf-8''K%; filename*1*=E4se.txt", "K%E4se.txt"),
        (b"filename=\"=?utf-8?q?K=E4se?=.txt\"", "K\u{fffd}se.txt"),
    ] {
        let message = [b"Content-Disposition: attachment; " as &[u8], stated, b"\n\nx"].concat();
        assert_eq!(listed(&message)[0]["name"], name, "{}", String::from_utf8_lossy(stated));
    }
}

#[test]
fn the_type_is_the_one_asked_for_else_the_name_s_else_the_content_s() {
    const LATIN: &[u8] = b"K\xe4se\n";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01";
    for (name, keys, content, wanted) in [
        ("a.txt", "", b"text\n" as &[u8], "text/plain; charset=utf-8"),
        ("a.pdf", ";type=text/x-own", b"text\n", "text/x-own; charset=utf-8"),
        ("a.patch", "", b"+x\n", "text/x-diff; charset=utf-8"),
        ("a.jpg", "", b"no picture", "image/jpeg"),
        ("photo", "", JPEG, "image/jpeg"),
        ("README", "", b"read me\n", "text/plain; charset=utf-8"),
        ("core", "", b"\x01\xff", "application/octet-stream"),
        // A name is not believed that says text of what is none.
        ("a.txt", "", JPEG, "image/jpeg"),
        ("a.txt", "", LATIN, "application/octet-stream"),
        ("a.csv", "", b"a\0b", "application/octet-stream"),
        ("a.txt", "", b"\xff\xfea\0", "application/octet-stream"),
        ("a.html", "", b"<p>K\xe4se", "application/octet-stream"),
        ("a.eml", "", b"Subject: \0", "application/octet-stream"),
        // Who asks for it gets it, with a label that does not lie.
        ("a.txt", ";charset=iso-8859-1", LATIN, "text/plain; charset=iso-8859-1"),
        ("a.txt", ";charset=x-unheard", LATIN, "text/plain; charset=x-unheard"),
        ("a.bin", ";type=text/plain", LATIN, "text/plain; charset=unknown-8bit"),
        ("a.bin", ";type=text/plain;charset=koi8-r", LATIN, "text/plain; charset=koi8-r"),
    ] {
        let (header, bytes) = attached(name.as_bytes(), keys, content, &[]);
        let stated = header.lines().next().unwrap().strip_prefix("Content-Type: ").unwrap();
        assert_eq!((stated, bytes.as_slice()), (wanted, content), "{name}{keys}");
    }
}

#[test]
fn a_character_set_that_a_file_is_not_in_is_told_with_the_line() {
    let here = files(&[("a.txt", b"one\nK\xe4se\n")]);
    let ran = run(here.path(), &["-a", "a.txt;charset=utf-8"], TEXT);
    assert_eq!((ran.status, ran.err.as_str(), ran.out.len()), (65, "mime-pack: a.txt: line 2: not utf-8\n", 0));
}

#[test]
fn one_type_for_all_that_have_none_of_their_own() {
    let here = files(&[("a.txt", b"x\n"), ("b.txt", b"x\n")]);
    let message = run(here.path(), &["-a", "a.txt", "-a", "b.txt;type=text/csv", "--type", "Text/X-Log"], TEXT).done();
    assert_eq!(shape(&message)[2..], ["2 text/x-log 7bit", "3 text/csv 7bit"]);
    for bad in ["", "text", "multipart/mixed", "text/plain\nBcc: x@x.test"] {
        let ran = run(here.path(), &["-a", "a.txt", "--type", bad], TEXT);
        assert_eq!((ran.status, ran.out.len()), (64, 0), "{bad:?}: {}", ran.err);
    }
    assert_eq!(run(here.path(), &["--type", "text/plain"], TEXT).status, 64);
}

#[test]
fn text_that_goes_out_as_ascii_is_ascii() {
    let here = files(&[("a.txt", b"a\ncaf\xc3\xa9\n")]);
    let ran = run(here.path(), &["--charset", "us-ascii"], b"a\ncaf\xe9\n".as_slice());
    assert_eq!((ran.status, ran.out.len(), ran.err.as_str()), (65, 0, "mime-pack: stdin: line 2: not us-ascii\n"));
    let ran = run(here.path(), &["-a", "a.txt;charset=us-ascii"], "");
    assert_eq!((ran.status, ran.out.len(), ran.err.as_str()), (65, 0, "mime-pack: a.txt: line 2: not us-ascii\n"));
    run(here.path(), &["--charset", "us-ascii"], "plain\n").done();
}

#[test]
fn names_that_look_encoded_come_back_as_they_are() {
    let here = files(&[("a.txt", b"x\n")]);
    for name in ["=?utf-8?q?a?=.txt", "it's%20.c", "a*0*=b", "100%", "utf-8''a.txt"] {
        let message = run(here.path(), &["-f", "a@b.test", "-t", "c@b.test", "-a", &format!("a.txt;name={name}")], "hi\n").done();
        assert_eq!(listed(&message)[2]["name"].as_str(), Some(name));
        run(here.path(), &["--check"], message).done();
    }
}

#[test]
fn more_files_are_attached_than_may_be_open() {
    let here = files(&[("a.bin", b"x\0"), ("a.txt", b"text\n")]);
    let script = "ulimit -n 16; n=0; while [ $((n += 1)) -le 150 ]; do set -- \"$@\" -a a.bin -a a.txt; done; exec \"$0\" \"$@\"";
    let mut shell = assert_cmd::Command::new("sh");
    let message =
        ran(shell.current_dir(here.path()).args(["-c", script, env!("CARGO_BIN_EXE_mime-pack")]).write_stdin("hi\n")).done();
    assert_eq!(listed(&message).len(), 302);
    assert_eq!((part(&message, "300").as_slice(), part(&message, "301").as_slice()), (b"x\0" as &[u8], b"text\n" as &[u8]));
}

/// What `change` does to the attached file `a.bin` comes after the tool has looked at it, and before it writes.
fn changed(change: impl FnOnce(&Path)) -> Ran {
    let here = files(&[("a.bin", b"12345678")]);
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mime-pack"));
    let tool = tool.current_dir(here.path()).args(["-a", "a.bin"]);
    let mut tool = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = tool.stdin.take().unwrap();
    // The body is read last: so much of it does not fit into a pipe.
    stdin.write_all("text\n".repeat(100_000).as_bytes()).unwrap();
    change(&here.path().join("a.bin"));
    drop(stdin);
    let output = tool.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    Ran { status: output.status.code().unwrap(), out: output.stdout, err }
}

#[test]
fn a_file_that_is_another_when_it_is_written_is_told() {
    assert_eq!(part(&changed(|_| {}).done(), "2"), b"12345678");
    let replace = |file: &Path, content: &[u8]| {
        std::fs::write(file.with_extension("new"), content).and_then(|()| std::fs::rename(file.with_extension("new"), file))
    };
    for ran in [
        changed(|file| replace(file, b"abcdefgh").unwrap()),
        changed(|file| std::fs::write(file, b"123456789").unwrap()),
        changed(|file| std::fs::write(file, b"1234").unwrap()),
        changed(|file| {
            std::fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", file).unwrap();
        }),
    ] {
        assert_eq!((ran.status, ran.err.as_str()), (74, "mime-pack: a.bin changed while it was read\n"));
    }
    let ran = changed(|file| std::fs::remove_file(file).unwrap());
    assert_eq!((ran.status, ran.err.starts_with("mime-pack: cannot open a.bin: ")), (66, true), "{}", ran.err);
}

/// Files that are made anew whenever they are read, and have no size.
#[test]
fn a_file_without_a_size_is_read_once() {
    let here = files(&[]);
    let message = run(here.path(), &["-a", "/proc/version"], "hi\n").done();
    assert_eq!(part(&message, "2"), std::fs::read("/proc/version").unwrap());
}

#[test]
fn fields_of_identifiers_are_never_encoded() {
    let here = Path::new(".");
    let ids = "<1.abcdefghijklmnop@example.test> ".repeat(40);
    let message = run(here, &["--set", &format!("References: {ids}")], "A: b\n\nbody\n").done();
    let field = String::from_utf8(run(here, &["-H", "References"], message.clone()).done()).unwrap();
    assert_eq!((field.trim_end(), memchr::memmem::find(&message, b"=?")), (ids.trim_end(), None));
    for field in ["In-Reply-To: <é@x>", "Received: from é.x by y; date", "Message-ID: <a\x1b@x>"] {
        let ran = run(here, &["--set", field], "A: b\n\nbody\n");
        assert_eq!((ran.status, ran.out.len()), (64, 0), "{field}: {}", ran.err);
        assert_eq!(run(here, &["--header", field], "body\n").status, 64, "{field}");
    }
}

#[test]
fn a_character_set_is_one_of_a_text() {
    let here = files(&[("l1", b"caf\xe9\n")]);
    let message = run(here.path(), &["-a", "l1;charset=iso-8859-1"], "hi\n").done();
    let row = &listed(&message)[2];
    assert_eq!((row["type"].as_str(), row["charset"].as_str()), (Some("text/plain"), Some("iso-8859-1")));
    assert_eq!(part(&message, "2"), b"caf\xe9\n");
}

#[test]
fn a_file_whose_name_has_keys_in_it_is_sent_and_no_other() {
    let here = files(&[("secret.txt", b"TOPSECRET\n"), ("secret.txt;name=cat.jpg", b"cat\n"), ("semi;type=x.txt", b"semi\n")]);
    for (argument, name, content) in [
        ("secret.txt;name=cat.jpg", "secret.txt;name=cat.jpg", &b"cat\n"[..]),
        ("./secret.txt;name=cat.jpg", "secret.txt;name=cat.jpg", b"cat\n"),
        ("secret.txt;name=cat.jpg;type=text/plain", "secret.txt;name=cat.jpg", b"cat\n"),
        ("semi;type=x.txt", "semi;type=x.txt", b"semi\n"),
        ("secret.txt;name=dog.jpg", "dog.jpg", b"TOPSECRET\n"),
    ] {
        let message = run(here.path(), &["-a", argument], "text\n").done();
        assert_eq!((part(&message, "2").as_slice(), &listed(&message)[2]["name"]), (content, &name.into()), "{argument}");
    }
    let message = run(here.path(), &["-a", "secret.txt;name=cat.jpg"], "text\n").done();
    run(here.path(), &["-x", "2"], message).done();
    assert_eq!(std::fs::read(here.path().join("secret.txt_name=cat.jpg")).unwrap(), b"cat\n");
}
