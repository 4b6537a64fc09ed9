//! Values read from responses, and notes for the engine.
//!
//! What a bot reads is what is recorded: a value goes into the record as JSON, and *live too* the
//! bot is handed the value decoded from that JSON. So a view that does not survive the record
//! fails at once and not in a replay, and a document of 10 kB read as three fields costs three
//! fields. In a replay the value comes from the record and the response is not there at all.

mod encoding;
mod note;
mod pointer;
mod read;
mod response;

pub use encoding::{DECODED_BYTES_MAX, decode_body};
pub use note::{Level, Note};
pub(crate) use read::Found;
pub use read::{READ_BYTES_MAX, ReadError};
pub(crate) use response::{Decoded, keep_cookies, read_location};
pub use response::{Response, ResponseParts};
