//! Messages that can be told from each other and from their own fragments, and reports about them, read back from where they arrived.

/// Every so many messages one is long enough to be cut off in its midst.
const LONG: u32 = 64;
/// Fields that our tools put on top.
const TRACE: [&str; 3] = ["Return-Path: ", "Delivered-To: ", "Received: "];

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    Message(u32),
    /// A DSN, by the name that it gives itself, about a message and those who did not get it.
    Report {
        name: String,
        about: u32,
        of: Vec<String>,
    },
}

/// The message with that number, in wire form.
pub fn letter(number: u32) -> String {
    let lines = if number.is_multiple_of(LONG) { 3000 } else { 2 };
    let line = format!("line of {number}, and no more than that\r\n");
    format!("Subject: {number}\r\n\r\n{}.a dot of {number}\r\nend of {number}\r\n", line.repeat(lines))
}

/// What stands in `bytes`, to the last of them. The error is a message that is not whole, or nobody's.
pub fn read(bytes: &[u8]) -> Result<Letter, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?.replace("\r\n", "\n");
    let sent = without_trace(&text);
    let torn = || format!("{} octets, torn or of unknown origin: {:?}", bytes.len(), sent.chars().take(200).collect::<String>());
    if sent.starts_with("From: Mail Delivery System ") {
        return report(sent).ok_or_else(torn);
    }
    let number = field(sent, "Subject").and_then(|number| number.parse().ok()).ok_or_else(torn)?;
    if sent == letter(number).replace("\r\n", "\n") { Ok(Letter::Message(number)) } else { Err(torn()) }
}

/// A report that ends where it says, with the message that it is about.
fn report(text: &str) -> Option<Letter> {
    let boundary = text.split_once("boundary=\"")?.1.split_once('"')?.0;
    let whole = text.strip_suffix(&format!("\n--{boundary}--\n"))?;
    let (status, returned) = whole.split_once("message/delivery-status\n")?.1.split_once(&format!("\n--{boundary}\n"))?;
    let (kind, returned) = returned.split_once("\n\n")?;
    let returned = without_trace(returned);
    let about = field(returned, "Subject")?.parse().ok()?;
    let whole = letter(about).replace("\r\n", "\n");
    let header = whole.split_once("\n\n")?.0;
    let is_sound = if kind.contains("message/rfc822") { returned == whole } else { returned.trim_end() == header };
    let of = status.lines().filter_map(|line| line.strip_prefix("Final-Recipient: rfc822; ")).map(String::from).collect();
    is_sound.then_some(Letter::Report { name: field(text, "Message-ID")?.to_owned(), about, of })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn without_trace(mut text: &str) -> &str {
    while TRACE.iter().any(|field| text.starts_with(field)) {
        text = text.split_once('\n').map_or("", |(_, rest)| rest);
        while text.starts_with([' ', '\t']) {
            text = text.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }
    text
}
