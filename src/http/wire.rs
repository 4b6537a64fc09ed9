//! Requests as the bytes that go over the wire.
//!
//! Appends to the connection's write buffer and uses no formatting machinery: a small GET takes
//! 10-20 ns. A [`Template`] has all of a request but target and body ready, and takes less.
//! Trusts its input: targets and header lines were checked when they were made. Knows nothing of
//! secrets; whoever replaces placeholders does so in what this wrote.

/// A request's parts.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// For example `GET`.
    pub method: &'a str,
    /// What `Host` says unless the header lines do: `example.org` or `127.0.0.1:8080`.
    pub authority: &'a str,
    /// Path and query, for example `/items?x=1`.
    pub target: &'a str,
    /// `Name: value`, each with CR LF behind it.
    pub header_lines: &'a [u8],
    /// May be empty.
    pub body: &'a [u8],
}

/// A request whose target and body are put in later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    before_target: Vec<u8>,
    after_target: Vec<u8>,
    length: LengthLine,
}

/// When a `Content-Length` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LengthLine {
    /// The header lines tell the length.
    Never,
    IfBody,
    /// Methods that mean to send a body say so when it is empty too (RFC 9110 section 8.6).
    Always,
}

/// What `User-Agent` says unless the header lines do.
const USER_AGENT_LINE: &str = concat!("User-Agent: tallyho/", env!("CARGO_PKG_VERSION"), "\r\n");

/// Appends a request to `wire`.
pub fn encode_request(request: &RequestParts<'_>, wire: &mut Vec<u8>) {
    let given = Given::in_lines(request.header_lines);
    wire.extend_from_slice(request.method.as_bytes());
    wire.push(b' ');
    wire.extend_from_slice(request.target.as_bytes());
    put_after_target(request, given, wire);
    put_end(length_line(request.method, given), request.body, wire);
}

impl Template {
    /// Prepares everything of `request` but its target and its body.
    pub fn new(request: &RequestParts<'_>) -> Self {
        let given = Given::in_lines(request.header_lines);
        let mut before_target = request.method.as_bytes().to_vec();
        before_target.push(b' ');
        let mut after_target = Vec::new();
        put_after_target(request, given, &mut after_target);
        Self { before_target, after_target, length: length_line(request.method, given) }
    }

    /// Appends the request with this target and body to `wire`.
    pub fn encode(&self, target: &str, body: &[u8], wire: &mut Vec<u8>) {
        wire.extend_from_slice(&self.before_target);
        wire.extend_from_slice(target.as_bytes());
        wire.extend_from_slice(&self.after_target);
        put_end(self.length, body, wire);
    }
}

/// What the header lines have that would be written otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Given {
    host: bool,
    user_agent: bool,
    length: bool,
}

impl Given {
    fn in_lines(lines: &[u8]) -> Self {
        let mut given = Self::default();
        for line in lines.split(|&byte| byte == b'\n') {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            match name.len() {
                4 => given.host |= name.eq_ignore_ascii_case(b"host"),
                10 => given.user_agent |= name.eq_ignore_ascii_case(b"user-agent"),
                14 => given.length |= name.eq_ignore_ascii_case(b"content-length"),
                17 => given.length |= name.eq_ignore_ascii_case(b"transfer-encoding"),
                _ => {}
            }
        }
        given
    }
}

fn length_line(method: &str, given: Given) -> LengthLine {
    match method {
        _ if given.length => LengthLine::Never,
        "POST" | "PUT" | "PATCH" => LengthLine::Always,
        _ => LengthLine::IfBody,
    }
}

fn put_after_target(request: &RequestParts<'_>, given: Given, wire: &mut Vec<u8>) {
    wire.extend_from_slice(b" HTTP/1.1\r\n");
    if !given.host {
        wire.extend_from_slice(b"Host: ");
        wire.extend_from_slice(request.authority.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    if !given.user_agent {
        wire.extend_from_slice(USER_AGENT_LINE.as_bytes());
    }
    wire.extend_from_slice(request.header_lines);
}

fn put_end(length: LengthLine, body: &[u8], wire: &mut Vec<u8>) {
    let is_told = match length {
        LengthLine::Never => false,
        LengthLine::IfBody => !body.is_empty(),
        LengthLine::Always => true,
    };
    if is_told {
        wire.extend_from_slice(b"Content-Length: ");
        put_decimal(body.len() as u64, wire);
        wire.extend_from_slice(b"\r\n\r\n");
    } else {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(body);
}

fn put_decimal(mut number: u64, wire: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    wire.extend_from_slice(&digits[at..]);
}
