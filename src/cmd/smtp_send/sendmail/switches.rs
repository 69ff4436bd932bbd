//! The switches of sendmail(8) as programs pass them: letters that may be run together, arguments attached or apart. What is
//! historical is taken and passed over.

use crate::cli::exit::{Failure, Status};
use std::ffi::OsString;

/// What sendmail is asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Deliver the message on stdin.
    #[default]
    Deliver,
    /// Speak SMTP on stdin and stdout.
    Smtp,
    /// Say whether the recipients would be taken.
    Verify,
    /// List the queue.
    List,
    /// Make the aliases anew, of which there is nothing to make.
    Aliases,
    /// A pass over the queue.
    Queue,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    pub mode: Mode,
    pub take_recipients: bool,
    /// A line with a dot alone is text.
    pub ignore_dots: bool,
    pub from: Option<String>,
    pub full_name: Option<String>,
    pub notify: Option<String>,
    pub ret: Option<String>,
    pub envid: Option<String>,
    pub verbose: u8,
    pub config: Option<String>,
    pub account: Option<String>,
    pub recipients: Vec<String>,
}

/// Letters without an argument that change nothing here.
const PASSED_OVER: &str = "cEGIJmnsTUx";
/// Letters whose argument is attached, if there is one.
const ATTACHED: &str = "deQ";
/// Letters with an argument, attached or apart, that change nothing here.
const WITH_ARGUMENT: &str = "ADhLMpX";

impl Switches {
    /// Reads the words after the program's name.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Switches, Failure> {
        let mut switches = Switches::default();
        let mut words = words.into_iter().map(text);
        while let Some(word) = words.next().transpose()? {
            match word.strip_prefix('-') {
                Some("-") => {
                    for word in words.by_ref() {
                        switches.recipients.push(word?);
                    }
                }
                Some(letters) if !letters.is_empty() => switches.letters(letters, &mut words)?,
                _ => switches.recipients.push(word),
            }
        }
        Ok(switches)
    }

    fn letters(&mut self, letters: &str, words: &mut dyn Iterator<Item = Result<String, Failure>>) -> Result<(), Failure> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                't' => self.take_recipients = true,
                'i' => self.ignore_dots = true,
                'v' => self.verbose = self.verbose.saturating_add(1),
                letter if PASSED_OVER.contains(letter) => {}
                'q' => {
                    self.mode = Mode::Queue;
                    return Ok(());
                }
                letter if ATTACHED.contains(letter) => return Ok(()),
                letter => {
                    let argument = if rest.is_empty() { words.next().transpose()? } else { Some(rest.to_owned()) };
                    let missing = || wrong(&format!("-{letter} wants an argument"));
                    return self.with_argument(letter, argument.ok_or_else(missing));
                }
            }
        }
        Ok(())
    }

    fn with_argument(&mut self, letter: char, argument: Result<String, Failure>) -> Result<(), Failure> {
        match letter {
            'f' | 'r' => self.from = Some(argument?),
            'F' => self.full_name = Some(argument?),
            'N' => self.notify = Some(argument?),
            'R' => self.ret = Some(argument?),
            'V' => self.envid = Some(argument?),
            'C' => self.config = Some(argument?),
            'a' => self.account = Some(argument?),
            'B' => body_type(&argument?)?,
            'b' => self.mode = mode(&argument?)?,
            'o' => self.ignore_dots |= argument? == "i",
            'O' => self.ignore_dots |= argument?.eq_ignore_ascii_case("IgnoreDots=true"),
            letter if WITH_ARGUMENT.contains(letter) => drop(argument?),
            _ => return Err(wrong(&format!("unknown switch -{letter}"))),
        }
        Ok(())
    }
}

/// What the body is made of is seen when it is read.
fn body_type(text: &str) -> Result<(), Failure> {
    if ["7BIT", "8BITMIME"].iter().any(|known| known.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    Err(wrong(&format!("-B {text}: 7BIT or 8BITMIME")))
}

fn mode(text: &str) -> Result<Mode, Failure> {
    match text {
        "m" => Ok(Mode::Deliver),
        "s" => Ok(Mode::Smtp),
        "v" => Ok(Mode::Verify),
        "p" => Ok(Mode::List),
        "i" | "I" => Ok(Mode::Aliases),
        "d" | "D" => Err(wrong("-bd: the server is smtp-listen(1)")),
        other => Err(wrong(&format!("unknown mode -b{other}"))),
    }
}

fn text(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| wrong(&format!("{}: not UTF-8", word.display())))
}

fn wrong(why: &str) -> Failure {
    Failure::text(Status::Usage, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Switches, String> {
        let words = line.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
        Switches::parse(words).map_err(|failure| {
            assert_eq!(failure.status, Status::Usage);
            failure.error.to_string()
        })
    }

    #[test]
    fn lines_of_real_programs_are_understood() {
        let cron = parse("-FCronDaemon -i -odi -oem -oi -t -f root").unwrap();
        assert_eq!((cron.full_name.as_deref(), cron.from.as_deref()), (Some("CronDaemon"), Some("root")));
        assert!(cron.ignore_dots && cron.take_recipients && cron.recipients.is_empty());
        let vixie = parse("-FCronDaemon -i -B8BITMIME -oem root").unwrap();
        assert_eq!((vixie.recipients, vixie.ignore_dots), (vec!["root".to_owned()], true));
        let mutt = parse("-oem -oi -f a@x.test -N failure,delay -R hdrs -- b@y.test -c@y.test").unwrap();
        assert_eq!(mutt.recipients, ["b@y.test", "-c@y.test"]);
        assert_eq!((mutt.notify.as_deref(), mutt.ret.as_deref()), (Some("failure,delay"), Some("hdrs")));
        let pine = parse("-bs -odb -oem").unwrap();
        assert_eq!(pine.mode, Mode::Smtp);
        assert_eq!(parse("-tifa@x.test b@y.test -v -v").unwrap().from.as_deref(), Some("a@x.test"));
        assert!(!parse("-oem b@y.test").unwrap().ignore_dots);
        assert!(parse("-O IgnoreDots=True b@y.test").unwrap().ignore_dots);
    }

    #[test]
    fn the_historical_set_is_passed_over() {
        let line = "-Am -G -h 5 -Lmail -m -n -o7 -o e -Oa=b -U -d -d8.1 -p ESMTP:x -X /tmp/x -em -e -c -s -T -x -Qwhy -D f -M id -I -E -J b@y.test";
        let switches = parse(line).unwrap();
        assert_eq!(switches, Switches { recipients: vec!["b@y.test".to_owned()], ..Switches::default() });
    }

    #[test]
    fn modes_are_told_apart() {
        let mode = |line: &str| parse(line).map(|switches| switches.mode);
        assert_eq!(mode("-bm x"), Ok(Mode::Deliver));
        assert_eq!(mode("-b v x"), Ok(Mode::Verify));
        assert_eq!(
            (mode("-bp"), mode("-bi"), mode("-q30m"), mode("-q")),
            (Ok(Mode::List), Ok(Mode::Aliases), Ok(Mode::Queue), Ok(Mode::Queue))
        );
        assert_eq!(mode("-bd").unwrap_err(), "-bd: the server is smtp-listen(1)");
    }

    #[test]
    fn what_is_unknown_is_named() {
        for (line, why) in [
            ("-Z", "unknown switch -Z"),
            ("-iZ x", "unknown switch -Z"),
            ("--bob", "unknown switch --"),
            ("-bx", "unknown mode -bx"),
            ("-f", "-f wants an argument"),
            ("-B9BIT", "-B 9BIT: 7BIT or 8BITMIME"),
        ] {
            assert_eq!(parse(line), Err(why.to_owned()), "{line}");
        }
    }
}
