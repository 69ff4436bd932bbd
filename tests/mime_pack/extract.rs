//! Parts written as files: names, collisions, links, selectors, what is said of them.

use super::*;
use std::os::unix::fs::symlink;

/// A multipart of parts with these headers and contents.
fn mixed(parts: &[(&str, &str)]) -> String {
    let part = |(header, content): &(&str, &str)| format!("--b\n{header}\n\n{content}\n");
    let parts: String = parts.iter().map(part).collect();
    format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n")
}

fn named(name: &str) -> String {
    format!("Content-Type: text/plain\nContent-Disposition: attachment; filename=\"{name}\"")
}

/// Names and contents of all files below a directory.
fn found(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap_or("?".into())))
        .collect();
    files.sort();
    files
}

fn extracted(words: &[&str], message: &str) -> (Ran, Vec<(String, String)>) {
    let here = files(&[]);
    let directory = here.path().join("out");
    std::fs::create_dir(&directory).unwrap();
    let ran = run(here.path(), &[words, &["-C", "out"]].concat(), message);
    let others = std::fs::read_dir(here.path()).unwrap().count();
    assert_eq!(others, 1, "something was written elsewhere");
    (ran, found(&directory))
}

#[test]
fn nothing_is_written_outside_of_the_directory_or_over_a_file() {
    let names = ["../up.txt", "/etc/passwd", ".bashrc", "-rf", "a/b", "..", "x\u{1b}[2J", "a.txt", "a.txt", "A.txt"];
    let headers: Vec<String> = names.iter().map(|name| named(name)).collect();
    let parts: Vec<(&str, &str)> = headers.iter().map(|header| (header.as_str(), "x")).collect();
    let (ran, files) = extracted(&["-x"], &mixed(&parts));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["A.txt", "_bashrc", "_rf", "a-1.txt", "a.txt", "b", "part-6.txt", "passwd", "up.txt", "x_[2J"]);
    assert!(files.iter().all(|(_, content)| content == "x"));
    let rows = String::from_utf8(ran.out).unwrap();
    assert_eq!(rows.lines().count(), 10);
    assert!(rows.contains("9\ta-1.txt\t1\t-\n"), "{rows}");
}

#[test]
fn links_are_not_followed_and_files_are_kept() {
    let here = files(&[("victim", b"safe"), ("b.txt", b"mine")]);
    symlink("victim", here.path().join("a.txt")).unwrap();
    symlink("nowhere", here.path().join("c.txt")).unwrap();
    let headers = ["a.txt", "b.txt", "c.txt"].map(named);
    let message = mixed(&headers.iter().map(|header| (header.as_str(), "new")).collect::<Vec<_>>());
    run(here.path(), &["-x"], message).done();
    let content = |name: &str| std::fs::read_to_string(here.path().join(name)).unwrap();
    assert_eq!((content("victim"), content("b.txt")), ("safe".to_owned(), "mine".to_owned()));
    assert_eq!(["a-1.txt", "b-1.txt", "c-1.txt"].map(content), ["new"; 3]);
    assert!(!here.path().join("nowhere").exists());
}

const LETTER: &str = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n\
    --i\n\nplain\n--i\nContent-Type: text/html\n\n<p>html\n--i--\n--o\nContent-Type: application/pdf; name=R.PDF\n\
    Content-Transfer-Encoding: base64\n\ncGRm\n--o\nContent-Type: message/rfc822\n\nSubject: in\nContent-Type: image/png; name=in.png\n\n\
    png\n--o--\n";

#[test]
fn parts_are_chosen_by_number_name_pattern_and_type() {
    for (selectors, names) in [
        (&["1"] as &[&str], &["part-1.1.txt", "part-1.2.html"] as &[&str]),
        (&["1.2"], &["part-1.2.html"]),
        (&["R.PDF"], &["R.PDF"]),
        (&["*.pdf", "text/html"], &["R.PDF", "part-1.2.html"]),
        (&["image/*"], &["in.png"]),
        (&["3"], &["part-3.eml"]),
        (&["3", "3.1"], &["in.png", "part-3.eml"]),
        (&["text"], &["R.PDF", "part-1.1.txt", "part-1.2.html", "part-3.eml"]),
        (&[], &["R.PDF", "part-1.1.txt", "part-1.2.html", "part-3.eml"]),
    ] {
        let (ran, files) = extracted(&[&["-x"], selectors].concat(), LETTER);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{selectors:?}");
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names, "{selectors:?}");
        for (name, content) in files {
            match name.as_str() {
                "R.PDF" => assert_eq!(content, "pdf"),
                "part-3.eml" => assert_eq!(content, "Subject: in\nContent-Type: image/png; name=in.png\n\npng"),
                "in.png" => assert_eq!(content, "png"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_selector_that_meets_nothing_is_told() {
    let (ran, files) = extracted(&["-x", "R.PDF", "9", "*.doc"], LETTER);
    assert_eq!((ran.status, ran.err.as_str()), (1, "mime-pack: 9: no such part\nmime-pack: *.doc: no such part\n"));
    assert_eq!(files.len(), 1);
    let (ran, files) = extracted(&["-x", "9"], LETTER);
    assert_eq!((ran.status, ran.err.as_str(), files.len()), (66, "mime-pack: 9: no such part\n", 0));
    let ran = run(Path::new("."), &["-x", "-C", "/no/such/place"], LETTER);
    assert_eq!(ran.status, 73);
    assert!(ran.err.starts_with("mime-pack: cannot open the directory /no/such/place: "), "{}", ran.err);
}

#[test]
fn rows_as_json_have_the_digest_and_the_damage() {
    let message = mixed(&[("Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=a/b.bin", "YWJ*j")]);
    let (ran, _) = extracted(&["-x", "--json"], &message);
    let row: Value = serde_json::from_slice(&ran.done()).unwrap();
    assert_eq!(
        (&row["part"], &row["file"], &row["name"], &row["size"]),
        (&"1".into(), &"b.bin".into(), &"a/b.bin".into(), &3.into())
    );
    assert_eq!(row["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(row["flags"][0], "base64-junk");
    let (ran, files) = extracted(&["-x", "--strict"], &message);
    assert_eq!((ran.status, ran.err.as_str(), files.len()), (65, "mime-pack: part 1: base64-junk\n", 1));
}

#[test]
fn uuencoded_parts_are_decoded() {
    let message = mixed(&[(
        "Content-Transfer-Encoding: x-uuencode\nContent-Type: text/plain; name=cat.txt",
        "begin 644 cat.txt\n#0V%T\n`\nend",
    )]);
    let (ran, files) = extracted(&["-x"], &message);
    ran.done();
    assert_eq!(files, [("cat.txt".to_owned(), "Cat".to_owned())]);
}

/// A text with two files in its lines, one of them cut off.
const WITH_FILES: &str = "Hello,\nbegin 644 ../cat.txt\n#0V%T\n`\nend\nand\nbegin 644 dog\n#1&]G\nno more";

#[test]
fn uuencoded_files_within_a_text_are_parts_and_the_text_stays_whole() {
    let message = mixed(&[("X-A: b", WITH_FILES), (&named("a.txt"), WITH_FILES)]);
    let (ran, files) = extracted(&["-x"], &message);
    let rows = String::from_utf8(ran.done()).unwrap();
    assert_eq!(rows, "1.UU1\tcat.txt\t3\t-\n1.UU2\tdog\t3\tbad-uuencode\n1\tpart-1.txt\t71\t-\n2\ta.txt\t71\t-\n");
    let content = |name: &str| files.iter().find(|file| file.0 == name).map(|file| file.1.as_str());
    assert_eq!([content("cat.txt"), content("dog"), content("part-1.txt")], [Some("Cat"), Some("Dog"), Some(WITH_FILES)]);

    for (selector, names) in [("1.uu1", &["cat.txt"] as &[&str]), ("d?g", &["dog"]), ("1", &["cat.txt", "dog", "part-1.txt"])] {
        let (ran, files) = extracted(&["-x", selector], &message);
        ran.done();
        assert_eq!(files.iter().map(|file| file.0.as_str()).collect::<Vec<_>>(), names, "{selector}");
    }
    assert_eq!((part(message.as_bytes(), "1.UU2"), part(message.as_bytes(), "1")), (b"Dog".to_vec(), WITH_FILES.into()));
    let listed = listed(crlf(message.as_bytes()).as_slice());
    assert_eq!(listed[2]["part"], "1.UU1");
    assert_eq!(
        (&listed[2]["size"], &listed[2]["name"], &listed[2]["encoding"]),
        (&3.into(), &"../cat.txt".into(), &"x-uuencode".into())
    );
    assert_eq!(listed[2]["sha256"], "48735c4fae42d1501164976afec76730b9e5fe467f680bdd8daff4bb77674045");
    assert_eq!((&listed[1]["size"], listed.len()), (&79.into(), 5));
    let text = run(Path::new("."), &["--text"], message).done();
    assert_eq!(String::from_utf8(text).unwrap().trim_end(), WITH_FILES);
}

/// What says that it holds parts and does not is content, decoded as it says.
#[test]
fn a_multipart_without_parts_loses_no_bytes() {
    let multipart = "Content-Type: multipart/mixed; boundary=b\n";
    let base64 = format!("{multipart}Content-Transfer-Encoding: base64\n\nLS1iCgp0ZXh0Ci0tYi0tCg==\n");
    let plain = format!("{multipart}\nnothing but\na preamble\n");
    let inner = mixed(&[(&plain, "x")]).replacen("boundary=b", "boundary=o", 1).replace("\n--b", "\n--o");
    for (message, part, file, content, flags) in [
        (&plain, "TEXT", "part-TEXT.bin", "nothing but\na preamble\n", "no-parts"),
        (&base64, "TEXT", "part-TEXT.bin", "--b\n\ntext\n--b--\n", "encoded-container"),
        (&format!("{multipart}\nonly\n--b--\nthis"), "TEXT", "part-TEXT.bin", "only\n--b--\nthis", "no-parts"),
        (&inner, "1", "part-1.bin", "nothing but\na preamble\n\n\nx", "no-parts"),
    ] {
        let (ran, files) = extracted(&["-x"], message);
        let row = String::from_utf8(ran.done()).unwrap();
        assert!(row.starts_with(&format!("{part}\t{file}\t{}\t", content.len())) && row.contains(flags), "{row}");
        assert_eq!(files, [(file.to_owned(), content.to_owned())], "{message}");
    }
    let (ran, files) = extracted(&["-x"], &format!("{multipart}\npreamble\n--b\n\npart\n--b--\n"));
    ran.done();
    assert_eq!(files, [("part-1.txt".to_owned(), "part".to_owned())]);
    let encoded = mixed(&[("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "U3ViamVjdDogeAoKeQo=")]);
    let (ran, files) = extracted(&["-x"], &encoded);
    assert_eq!(String::from_utf8(ran.done()).unwrap(), "1\tpart-1.eml\t14\tencoded-container\n");
    assert_eq!(files[0].1, "Subject: x\n\ny\n");
}

#[test]
fn every_message_of_an_mbox_is_seen() {
    let mbox = format!("From a@b Sun\n{}\nFrom a@b Sun\nSubject: two\n\n>From me\n", mixed(&[(&named("a.txt"), "one")]));
    let (ran, files) = extracted(&["-x", "--mbox"], &mbox);
    assert_eq!(String::from_utf8(ran.done()).unwrap(), "1/1\ta.txt\t3\t-\n2/1\tpart-2-1.txt\t8\t-\n");
    assert_eq!(files[1].1, "From me\n");
    let (ran, files) = extracted(&["-x", "2/1", "--mbox"], &mbox);
    ran.done();
    assert_eq!(files.len(), 1);
    let here = super::files(&[]);
    let rows = String::from_utf8(run(here.path(), &["--list", "--mbox"], mbox.clone()).done()).unwrap();
    let numbers: Vec<&str> = rows.lines().map(|row| row.split('\t').next().unwrap()).collect();
    assert_eq!(numbers, ["1/TEXT", "1/1", "2/1"]);
    let json = String::from_utf8(run(here.path(), &["--list", "--mbox", "--json"], mbox.clone()).done()).unwrap();
    assert!(json.lines().last().unwrap().starts_with("{\"message\":2,\"part\":\"1\","), "{json}");
    assert_eq!(run(here.path(), &["-H", "subject", "--mbox"], mbox.clone()).done(), b"two\n");
    let ran = run(here.path(), &["--list", "--mbox"], "Subject: no mbox\n\n");
    assert_eq!((ran.status, ran.err.as_str()), (65, "mime-pack: stdin: not an mbox: line 1 does not begin with \"From \"\n"));
}

/// Limits of the process stand for a full disk.
#[test]
fn a_file_that_cannot_be_written_whole_is_not_left_behind() {
    let here = files(&[]);
    let message = mixed(&[(&named("big.txt"), &"x".repeat(300_000))]);
    std::fs::write(here.path().join("in.eml"), message).unwrap();
    std::fs::create_dir(here.path().join("out")).unwrap();
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" -x -C out < in.eml";
    let output = std::process::Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_mime-pack")])
        .current_dir(here.path())
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "mime-pack: cannot write big.txt: File too large\n");
    assert!(found(&here.path().join("out")).is_empty());
}
