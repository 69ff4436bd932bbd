//! Floor 0: bytes and codecs. Nothing here knows a protocol or what a mail is.

pub mod charset;
pub mod dot;
pub mod encoded_word;
pub mod escape;
pub mod flowed;
pub mod from_quote;
pub mod html;
pub mod line;
pub mod lone_dot;
pub mod mutf7;
pub mod newline;
pub mod overlong;
pub mod secret;
pub mod transfer;
pub mod xtext;
