//! Standard output, for results.
//!
//! A reader that has seen enough (`| head`) closes the pipe: that is no error, and no panic.

use std::io::Write;

/// Prints text as it is; nothing happens when nobody reads any more.
pub(crate) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _reader_is_gone = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
