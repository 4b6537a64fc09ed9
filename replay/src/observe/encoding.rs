//! Bodies as they were before `Content-Encoding`.
//!
//! Decoded when a bot reads a body for the first time, and only live: what nobody reads costs
//! nothing, and a record holds what was read. A few hundred bytes can become gigabytes, so a
//! decoded body is bounded as one is that came plain, and so is the number of layers.

use std::borrow::Cow;
use std::io::{self, Read};

use super::ReadError;

/// A decoded body larger than this is an error: as much as is kept of a plain one.
pub const DECODED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many encodings may lie on top of each other. One is normal, two are an oddity, more would
/// multiply a bomb.
const LAYERS_MAX: usize = 4;

/// RFC 9659, 3: what a client has to hold for zstd, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The first piece of an inflated body; each further one doubles it.
const INFLATE_BYTES_MIN: usize = 4096;

/// What brotli is read through.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// A body as it was before the codings that its head names.
///
/// # Errors
/// If it is not what the codings say, they are not known, or it becomes too large.
pub fn decode_body<'a>(head: &[u8], body: &'a [u8]) -> Result<Cow<'a, [u8]>, ReadError> {
    let codings = Codings::of_head(head)?;
    if codings.is_plain() {
        return Ok(Cow::Borrowed(body));
    }
    let mut decoded = Vec::new();
    codings.decode(body, &mut decoded)?;
    Ok(Cow::Owned(decoded))
}

/// The values of all headers of a name in any case.
pub(super) fn header_values<'a>(head: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    head.split(|byte| *byte == b'\n').filter_map(move |line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let is_it = line[..colon].eq_ignore_ascii_case(name.as_bytes());
        is_it.then(|| line[colon + 1..].trim_ascii())
    })
}

/// One content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The codings of a body, in the order in which they were applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Codings {
    layers: [Option<Coding>; LAYERS_MAX],
}

impl Codings {
    pub(super) fn of_head(head: &[u8]) -> Result<Self, ReadError> {
        Self::parse(header_values(head, "Content-Encoding"))
    }

    /// From the values of all `Content-Encoding` headers.
    ///
    /// # Errors
    /// If one of them is unknown, or there are too many.
    fn parse<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Self, ReadError> {
        let mut codings = Self::default();
        let mut count = 0;
        for word in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            let coding = match word.trim_ascii().to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                b"br" => Coding::Brotli,
                b"zstd" => Coding::Zstd,
                _ => return Err(ReadError::UnknownEncoding),
            };
            *codings.layers.get_mut(count).ok_or(ReadError::UnknownEncoding)? = Some(coding);
            count += 1;
        }
        Ok(codings)
    }

    pub(super) fn is_plain(self) -> bool {
        self.layers[0].is_none()
    }

    /// The body before all codings, in `out`.
    ///
    /// # Errors
    /// If it is not what the codings say, or becomes too large.
    pub(super) fn decode(self, body: &[u8], out: &mut Vec<u8>) -> Result<(), ReadError> {
        out.clear();
        let mut inner = Vec::new();
        for (index, coding) in self.layers.into_iter().flatten().rev().enumerate() {
            if index == 0 {
                coding.decode(body, out)?;
            } else {
                std::mem::swap(&mut inner, out);
                out.clear();
                coding.decode(&inner, out)?;
            }
        }
        Ok(())
    }
}

impl Coding {
    fn decode(self, body: &[u8], out: &mut Vec<u8>) -> Result<(), ReadError> {
        let read = match self {
            Self::Gzip => read(flate2::bufread::MultiGzDecoder::new(body), out),
            Self::Deflate => inflate(body, out),
            Self::Brotli => {
                read(brotli_decompressor::Decompressor::new(body, BROTLI_BUFFER_BYTES), out)
            }
            Self::Zstd => zstd_reader(body).and_then(|reader| read(reader, out)),
        };
        match read {
            Ok(()) if out.len() > DECODED_BYTES_MAX => Err(ReadError::DecodedTooLarge),
            Ok(()) => Ok(()),
            Err(_) => Err(ReadError::NotDecodable),
        }
    }
}

fn read(reader: impl Read, out: &mut Vec<u8>) -> io::Result<()> {
    reader.take(DECODED_BYTES_MAX as u64 + 1).read_to_end(out).map(drop)
}

/// RFC 9110, 8.4.1.2 means zlib, but some servers send the bare stream. Not flate2's own reader,
/// which takes a stream that was cut off for its end.
fn inflate(body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = flate2::Decompress::new(is_zlib(body));
    while out.len() <= DECODED_BYTES_MAX {
        out.reserve(out.len().clamp(INFLATE_BYTES_MIN, DECODED_BYTES_MAX));
        let read = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let rest = body.get(read..).unwrap_or_default();
        let written = out.len();
        let flush = flate2::FlushDecompress::None;
        let status = stream.decompress_vec(rest, out, flush).map_err(io::Error::other)?;
        match status {
            flate2::Status::StreamEnd => return Ok(()),
            _ if out.len() == written => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
    Ok(())
}

fn zstd_reader(body: &[u8]) -> io::Result<impl Read> {
    let mut reader = zstd::Decoder::with_buffer(body)?;
    reader.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(reader)
}

/// RFC 1950, 2.2: method 8, and a check over the first two bytes.
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0F == 8 && (u32::from(*method) << 8 | u32::from(*flags)) % 31 == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What Node's zlib makes of "tally " twenty times.
    const BROTLI: &[u8] = &[
        0x1B, 0x77, 0x00, 0xF8, 0x8D, 0x94, 0x6E, 0xDE, 0x44, 0x15, 0x46, 0x97, 0x6C, 0x20, 0x79,
        0x11, 0x5B, 0x1C, 0x80, 0xC5, 0x01,
    ];
    const DEFLATE: &[u8] = &[
        0x78, 0x9C, 0x2B, 0x49, 0xCC, 0xC9, 0xA9, 0x54, 0x28, 0xA1, 0x3B, 0x09, 0x00, 0xCD, 0x82,
        0x2D, 0x79,
    ];
    const DEFLATE_RAW: &[u8] = &[0x2B, 0x49, 0xCC, 0xC9, 0xA9, 0x54, 0x28, 0xA1, 0x3B, 0x09, 0x00];
    const GZIP: &[u8] = &[
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x2B, 0x49, 0xCC, 0xC9, 0xA9,
        0x54, 0x28, 0xA1, 0x3B, 0x09, 0x00, 0x27, 0xCF, 0x6A, 0x39, 0x78, 0x00, 0x00, 0x00,
    ];
    /// 17 MiB of zeros.
    const BROTLI_BOMB: &[u8] = &[
        0xCB, 0xFF, 0xFF, 0x3F, 0xF8, 0x27, 0x00, 0xE2, 0xB1, 0x40, 0x20, 0xF7, 0xFE, 0x8F, 0xFF,
        0xFF, 0x7F, 0xF0, 0x4F, 0x00, 0xC4, 0x61, 0x11, 0x80, 0xEE, 0xFD, 0x5F, 0xFD, 0xFF, 0x3F,
        0xFE, 0x09, 0x80, 0x38, 0x2C, 0x00, 0xD0, 0xBD, 0x7F, 0x00,
    ];

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn decoded(encoding: &str, body: &[u8]) -> Result<Vec<u8>, ReadError> {
        let mut out = b"left over".to_vec();
        Codings::parse([encoding.as_bytes()].into_iter())?.decode(body, &mut out)?;
        Ok(out)
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).expect("memory")
    }

    fn encodings() -> [(&'static str, Vec<u8>); 8] {
        let tally = "tally ".repeat(20).into_bytes();
        [
            ("br", BROTLI.to_vec()),
            ("deflate", DEFLATE.to_vec()),
            ("Deflate", DEFLATE_RAW.to_vec()),
            ("gzip", GZIP.to_vec()),
            ("X-GZIP", [gzip(&tally[..50]), gzip(&tally[50..])].concat()),
            ("zstd", [zstd(&tally[..50]), zstd(&tally[50..])].concat()),
            ("identity,, gzip , br", {
                // Applied in this order: gzip first. Brotli that stores is easy to write.
                let inner = gzip(&tally);
                stored_brotli(&inner)
            }),
            ("gzip, zstd, deflate, gzip", gzip(&zlib(&zstd(&gzip(&tally))))),
        ]
    }

    /// RFC 7932, 9.2: a window of 16 bits, one meta-block that is stored, an empty last one.
    fn stored_brotli(bytes: &[u8]) -> Vec<u8> {
        let size = u32::try_from(bytes.len() - 1).expect("small");
        // WBITS 0, ISLAST 0, MNIBBLES 4, MLEN - 1, ISUNCOMPRESSED 1.
        let head = (size << 4) | (1 << 20);
        let mut out = head.to_le_bytes()[..3].to_vec();
        out.extend_from_slice(bytes);
        out.push(3);
        out
    }

    #[test]
    fn every_encoding_gives_the_text_back() {
        for (encoding, body) in encodings() {
            assert_eq!(
                decoded(encoding, &body),
                Ok("tally ".repeat(20).into_bytes()),
                "{encoding}"
            );
        }
        assert!(Codings::parse([&b"identity"[..], b" "].into_iter()).expect("known").is_plain());
    }

    #[test]
    fn a_body_that_is_cut_or_broken_is_an_error_and_never_a_panic() {
        for (encoding, body) in encodings() {
            for cut in 0..body.len() {
                let read = decoded(encoding, &body[..cut]);
                // Two members or frames of a stream are also a stream each.
                let is_one_of_two = read.as_ref().is_ok_and(|text| text.len() == 50);
                assert!(is_one_of_two || read == Err(ReadError::NotDecodable), "{encoding} {cut}");
                let mut flipped = body.clone();
                flipped[cut] ^= 0x55;
                let _ = decoded(encoding, &flipped);
            }
        }
        assert_eq!(decoded("gzip", b"plain text"), Err(ReadError::NotDecodable));
    }

    #[test]
    fn what_is_not_known_is_said_to_be_unknown() {
        for encoding in ["compress", "gzip, lzma", "gzip;q=1", "br br", "gzip,gzip,gzip,gzip,gzip"]
        {
            assert_eq!(decoded(encoding, b""), Err(ReadError::UnknownEncoding), "{encoding}");
        }
    }

    #[test]
    fn bombs_go_off_at_the_limit() {
        let zeros = vec![0; DECODED_BYTES_MAX];
        assert_eq!(decoded("zstd", &zstd(&zeros)).map(|body| body.len()), Ok(DECODED_BYTES_MAX));
        let zeros = vec![0; DECODED_BYTES_MAX + 1];
        let bombs = [
            ("zstd", zstd(&zeros)),
            ("gzip", gzip(&zeros)),
            ("deflate", zlib(&zeros)),
            ("br", BROTLI_BOMB.to_vec()),
            ("gzip, zstd", zstd(&gzip(&zeros))),
        ];
        for (encoding, bomb) in bombs {
            assert_eq!(decoded(encoding, &bomb), Err(ReadError::DecodedTooLarge), "{encoding}");
        }
    }
}
