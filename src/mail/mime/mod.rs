//! MIME (RFC 2045 to 2049, 2183, 2231): parameters, part headers, the streaming scanner, the builder. No I/O.
//!
//! Bytes are pushed into a [`scan::Scanner`] as they come, and a [`scan::Visitor`] is told of the parts; nothing is held but what is open:
//!
//! ```
//! use postroad::bytes::transfer::Decoder;
//! use postroad::mail::mime::head::Flag;
//! use postroad::mail::mime::scan::{Kind, Part, Run, Scanner, Visitor};
//! use std::convert::Infallible;
//!
//! /// The files in a message. (A tool would write their content, rather than keep it.)
//! #[derive(Default)]
//! struct Files {
//!     found: Vec<(String, Vec<u8>)>,
//!     open: Vec<Option<(String, Decoder, Vec<u8>)>>,
//! }
//!
//! impl Visitor for Files {
//!     type Error = Infallible;
//!
//!     fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
//!         let name = part.head.name.clone().filter(|_| part.kind == Kind::Leaf);
//!         self.open.push(name.map(|name| (name, part.head.decoder(), Vec::new())));
//!         Ok(())
//!     }
//!
//!     fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
//!         if let (Run::Content, Some(Some((_, decoder, content)))) = (run, self.open.last_mut()) {
//!             decoder.push(bytes, content);
//!         }
//!         Ok(())
//!     }
//!
//!     fn end(&mut self, _: &[Flag]) -> Result<(), Infallible> {
//!         if let Some(Some((name, mut decoder, mut content))) = self.open.pop() {
//!             decoder.finish(&mut content);
//!             self.found.push((name, content));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b\r\n\
//!     Content-Type: text/csv; name=a.csv\r\nContent-Transfer-Encoding: base64\r\n\r\nYSxiCg==\r\n--b--\r\n";
//! let (mut scanner, mut files) = (Scanner::default(), Files::default());
//! for piece in message.chunks(16) {
//!     let Ok(()) = scanner.push(piece, &mut files);
//! }
//! let Ok(()) = scanner.finish(&mut files);
//! assert_eq!(files.found, [("a.csv".to_owned(), b"a,b\n".to_vec())]);
//! ```
//!
//! A message is composed of [`build::Entity`]s, whose content the caller streams in where [`build::segments`] says:
//!
//! ```
//! use postroad::bytes::transfer::{Encoder, Encoding};
//! use postroad::mail::mime::build::{Entity, Leaf, Segment, Together, segments};
//!
//! let leaf = |media: &str, encoding, name: Option<&str>, source: &'static [u8]| {
//!     Entity::Leaf(Leaf {
//!         media: media.to_owned(),
//!         charset: media.starts_with("text/").then(|| "utf-8".to_owned()),
//!         encoding,
//!         disposition: name.map(|_| "attachment"),
//!         name: name.map(|name| name.as_bytes().to_vec()),
//!         content_id: None,
//!         parameters: Vec::new(),
//!         source,
//!     })
//! };
//! let text = leaf("text/plain", Encoding::SevenBit, None, b"Hi\n");
//! let file = leaf("application/zip", Encoding::Base64, Some("Käse.zip"), b"PK\x03\x04");
//! let entity = Entity::together(Together::Mixed, vec![text, file]);
//!
//! let mut message = Vec::new();
//! // The boundaries are made of the last argument, which stands in no content.
//! for segment in segments("Subject: a file\n".to_owned(), entity, "4f2a91") {
//!     match segment {
//!         Segment::Text(text) => message.extend_from_slice(text.as_bytes()),
//!         Segment::Content(source, encoding) => {
//!             let mut encoder = Encoder::new(encoding);
//!             encoder.push(source, &mut message);
//!             encoder.finish(&mut message);
//!         }
//!     }
//! }
//! let message = String::from_utf8(message).unwrap();
//! assert!(message.starts_with("Subject: a file\nMIME-Version: 1.0\nContent-Type: multipart/mixed;"));
//! assert!(message.contains("filename*=utf-8''K%C3%A4se.zip") && message.contains("\nUEsDBA=="));
//! ```

pub mod beyond_ascii;
pub mod build;
pub mod embedded;
pub mod head;
pub mod lint;
pub mod param;
pub mod report;
pub mod rewrite;
pub mod safe_name;
pub mod scan;
pub mod select;
pub mod survey;
