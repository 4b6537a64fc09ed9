//! A second reader of responses, to hold the real one against.
//!
//! It sees the whole connection at once, copies freely and is as slow and plain as can be. It
//! shares no code with `src/http`, and follows the RFC's text rather than the reader's structure.

use tallyho::http::{Limits, ParseError};

/// A response as the reference read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub status: u16,
    pub version_minor: u8,
    pub header_lines: Vec<u8>,
    pub head_bytes: usize,
    pub body: Vec<u8>,
    pub wire_bytes: usize,
    pub keep_alive: bool,
}

/// Reads the first response of all that a server sent before it closed the connection.
pub fn read(wire: &[u8], method: &str, limits: &Limits) -> Result<Message, ParseError> {
    let mut at = 0;
    loop {
        let head = read_head(&wire[at..], limits.head_bytes_max - at, limits)?;
        if head.status == 101 {
            return Err(ParseError::UnaskedUpgrade);
        }
        let start = at + head.head_bytes;
        if head.status >= 200 {
            return read_body(head, wire, start, method, limits);
        }
        at = start;
    }
}

struct Head {
    status: u16,
    version_minor: u8,
    header_lines: Vec<u8>,
    head_bytes: usize,
    headers: Vec<(String, String)>,
}

fn read_head(wire: &[u8], bytes_max: usize, limits: &Limits) -> Result<Head, ParseError> {
    check_beginning(&wire[..wire.len().min(bytes_max)])?;
    let end = (0..=wire.len())
        .find(|&end| wire[..end].ends_with(b"\n\n") || wire[..end].ends_with(b"\n\r\n"));
    let end = match end {
        Some(end) if end <= bytes_max => end,
        None if wire.len() < bytes_max => return Err(ParseError::ClosedEarly),
        _ => return Err(ParseError::HeadTooLarge),
    };
    // One char per byte, so that places in the text are places in the bytes.
    let text: String = wire[..end].iter().map(|&byte| char::from(byte)).collect();
    let (status_line, lines) = text.split_once('\n').expect("a head has a line end");
    let (version_minor, status) = read_status_line(status_line)?;
    let lines = lines.strip_suffix("\r\n").or(lines.strip_suffix('\n')).expect("a blank line");
    if lines.starts_with([' ', '\t']) {
        return Err(ParseError::Header);
    }
    let mut lines = lines.to_owned();
    for fold in ["\n ", "\n\t"] {
        lines = lines.replace(&format!("\r{fold}"), &format!("  {}", &fold[1..]));
        lines = lines.replace(fold, &format!(" {}", &fold[1..]));
    }
    let headers = read_headers(&lines, limits)?;
    Ok(Head {
        status,
        version_minor,
        header_lines: lines.chars().map(|char| char as u8).collect(),
        head_bytes: end,
        headers,
    })
}

fn check_beginning(wire: &[u8]) -> Result<(), ParseError> {
    let same = wire.iter().zip(b"HTTP/1.").take_while(|(a, b)| a == b).count();
    match wire.len() {
        length if same < length.min(5) => Err(ParseError::NotHttp),
        length if same < length.min(7) => Err(ParseError::Version),
        length if length > 7 && !b"01".contains(&wire[7]) => Err(ParseError::Version),
        _ => Ok(()),
    }
}

fn read_status_line(line: &str) -> Result<(u8, u16), ParseError> {
    let version_minor = u8::from(line.starts_with("HTTP/1.1"));
    let rest = &line["HTTP/1.x".len()..];
    if !rest.starts_with(' ') || line.contains('\0') {
        return Err(ParseError::Status);
    }
    // A line of the status alone ends with the CR or, here already taken off, the LF.
    let rest = rest.trim_start_matches(|char: char| char.is_ascii_whitespace());
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse() {
        Ok(status) if digits.len() == 3 && status >= 100 => Ok((version_minor, status)),
        _ => Err(ParseError::Status),
    }
}

fn read_headers(lines: &str, limits: &Limits) -> Result<Vec<(String, String)>, ParseError> {
    let mut headers = Vec::new();
    let mut length: Option<u128> = None;
    let mut is_chunked = false;
    for line in lines.split_terminator('\n') {
        if headers.len() == limits.headers_max {
            return Err(ParseError::HeadersTooMany);
        }
        let (name, value) = line.split_once(':').ok_or(ParseError::Header)?;
        if line.contains('\0') || line.starts_with('\r') {
            return Err(ParseError::Header);
        }
        let is_space = |char: char| char.is_ascii_whitespace();
        let name = name.trim_matches(is_space).to_ascii_lowercase();
        let value = value.trim_matches(is_space).to_ascii_lowercase();
        if name == "content-length" {
            for item in value.split(',') {
                let new = read_length(item.trim_matches(is_space))?;
                if length.is_some_and(|old| old != new) {
                    return Err(ParseError::ContentLengthConflict);
                }
                length = Some(new);
            }
        }
        if name == "transfer-encoding" {
            for coding in list(&value).filter(|&coding| coding != "identity") {
                if is_chunked && coding != "chunked" {
                    return Err(ParseError::TransferEncoding);
                }
                is_chunked |= coding == "chunked";
            }
        }
        headers.push((name, value));
    }
    Ok(headers)
}

fn read_length(item: &str) -> Result<u128, ParseError> {
    if item.is_empty() || item.contains(|char: char| !char.is_ascii_digit()) {
        return Err(ParseError::ContentLength);
    }
    let number = item.trim_start_matches('0');
    if number.len() > 20 {
        return Err(ParseError::BodyTooLarge);
    }
    let number = format!("0{number}").parse().expect("at most 21 digits");
    if number > u128::from(u64::MAX) { Err(ParseError::BodyTooLarge) } else { Ok(number) }
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(|item| item.trim_matches(|c: char| c.is_ascii_whitespace()))
        .filter(|item| !item.is_empty())
}

fn read_body(
    head: Head,
    wire: &[u8],
    start: usize,
    method: &str,
    limits: &Limits,
) -> Result<Message, ParseError> {
    let all = |wanted: &str| -> Vec<&str> {
        let values = head.headers.iter().filter(|(name, _)| name == wanted);
        values.flat_map(|(_, value)| list(value)).collect()
    };
    let (codings, lengths, connection) =
        (all("transfer-encoding"), all("content-length"), all("connection"));
    let codings: Vec<&str> = codings.into_iter().filter(|&coding| coding != "identity").collect();
    let rest = &wire[start..];
    let size_max = usize::try_from(limits.body_bytes_max).expect("64 bits");
    let mut keep_alive = !connection.contains(&"close")
        && (head.version_minor == 1 || connection.contains(&"keep-alive") && codings.is_empty());
    let (body, used) = if method == "HEAD" || head.status == 204 || head.status == 304 {
        (Vec::new(), 0)
    } else if codings.last() == Some(&"chunked") {
        read_chunks(rest, size_max)?
    } else if codings.is_empty() && !lengths.is_empty() {
        let length = lengths[0].parse::<usize>().expect("checked before");
        if length > size_max {
            return Err(ParseError::BodyTooLarge);
        }
        (rest.get(..length).ok_or(ParseError::ClosedEarly)?.to_vec(), length)
    } else {
        keep_alive = false;
        if rest.len() > size_max {
            return Err(ParseError::BodyTooLarge);
        }
        (rest.to_vec(), rest.len())
    };
    Ok(Message {
        status: head.status,
        version_minor: head.version_minor,
        header_lines: head.header_lines,
        head_bytes: head.head_bytes,
        body,
        wire_bytes: start + used,
        keep_alive,
    })
}

/// The body, and how many bytes it took.
fn read_chunks(wire: &[u8], size_max: usize) -> Result<(Vec<u8>, usize), ParseError> {
    const LINE_BYTES_MAX: usize = 4096;
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = &wire[at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > 16 || digits == 0 && !rest.is_empty() {
            return Err(ParseError::ChunkSize);
        }
        let line_end = rest.iter().position(|&byte| byte == b'\n');
        if line_end.unwrap_or(rest.len()) - digits > LINE_BYTES_MAX {
            return Err(ParseError::ChunkLineTooLong);
        }
        let line_end = line_end.ok_or(ParseError::ClosedEarly)?;
        let digits = std::str::from_utf8(&rest[..digits]).expect("hexadecimal digits");
        let size = u64::from_str_radix(digits, 16).expect("at most 16 digits");
        let size = usize::try_from(size).expect("64 bits");
        if size > size_max - body.len() {
            return Err(ParseError::BodyTooLarge);
        }
        at += line_end + 1;
        if size == 0 {
            return Ok((body, at + read_trailers(&wire[at..])?));
        }
        let data = wire[at..].get(..size).ok_or(ParseError::ClosedEarly)?;
        body.extend_from_slice(data);
        at += size;
        at += match &wire[at..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [] | [b'\r'] => return Err(ParseError::ClosedEarly),
            _ => return Err(ParseError::ChunkEnd),
        };
    }
}

/// How many bytes the trailers and the blank line behind them take.
fn read_trailers(wire: &[u8]) -> Result<usize, ParseError> {
    const BYTES_MAX: usize = 16 * 1024;
    let mut at = 0;
    loop {
        let rest = &wire[at..];
        match rest {
            [b'\n', ..] => return Ok(at + 1),
            [b'\r', b'\n', ..] if at < BYTES_MAX => return Ok(at + 2),
            [b'\r', _, ..] if at < BYTES_MAX => return Err(ParseError::Header),
            _ => {}
        }
        let line_bytes = rest.iter().position(|&byte| byte == b'\n').map(|lf| lf + 1);
        let has_colon = rest[..line_bytes.unwrap_or(rest.len())].contains(&b':');
        // A line without a colon is found out at its end, and its end is not counted.
        let counted = line_bytes.map_or(rest.len(), |bytes| bytes - usize::from(!has_colon));
        if at + counted > BYTES_MAX {
            return Err(ParseError::TrailersTooLarge);
        }
        match line_bytes {
            None => return Err(ParseError::ClosedEarly),
            Some(_) if !has_colon => return Err(ParseError::Header),
            Some(bytes) => at += bytes,
        }
    }
}
