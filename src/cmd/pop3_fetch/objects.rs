//! Messages on stdout for machines: an object a line, with the octets as they came.

use crate::cli::report::json_line;
use crate::cli::stdio::Stdout;
use crate::disk::scratch::Scratch;
use crate::fetch::target::stream::{held, unwritten};
use crate::fetch::target::{Facts, Fault, Taken, Target};
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use serde::Serialize;
use std::io::{self, Write};

/// What stands before the octets.
#[derive(Serialize)]
struct Head {
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// Each message held until it is whole.
#[derive(Default)]
pub struct Objects {
    out: Stdout,
    current: Option<(Head, Scratch)>,
}

impl Objects {
    fn write(&mut self, head: &Head, scratch: &mut Scratch) -> io::Result<()> {
        let line = json_line(head);
        write!(self.out, "{},\"base64\":\"", line.strip_suffix('}').unwrap_or(&line))?;
        let mut encoder = EncoderWriter::new(&mut self.out, &STANDARD);
        io::copy(&mut scratch.reader()?, &mut encoder)?;
        encoder.finish()?;
        drop(encoder);
        self.out.write_all(b"\"}\n")?;
        self.out.flush()
    }
}

impl Target for Objects {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        let scratch = Scratch::new().map_err(|error| held(&error))?;
        self.current = Some((Head { number: facts.number, size: facts.size }, scratch));
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some((_, scratch)) = &mut self.current else { return Ok(()) };
        scratch.write_all(bytes).map_err(|error| held(&error))
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        let Some((head, mut scratch)) = self.current.take() else { return Err(held(&io::Error::other("nothing was begun"))) };
        self.write(&head, &mut scratch).map_err(unwritten)?;
        Ok(Taken::Delivered("written".to_owned()))
    }

    fn abort(&mut self) {
        self.current = None;
    }
}
