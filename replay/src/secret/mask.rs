//! Takes secrets out of what is kept for people to read: in every form that a server may echo them.
//!
//! Values in the vault are looked for as they are and as they are commonly written: in JSON,
//! percent-encoded, in base64 at any offset, in hexadecimal. What is not in the vault is known by
//! its name only: header lines, members of JSON and pairs of a query whose names look like
//! secrets'. Knows nothing of exchanges: it is given bytes.

use memchr::memmem;

use super::{PLACEHOLDER_PREFIX, Vault, escape_json, is_secret_name};

/// Shorter values are not searched for in what is kept: "on" or "1234" would mask half a body.
const MASKED_BYTES_MIN: usize = 8;

/// As in a JSON string, and as in a JSON string within one: a JSON body read as text.
const JSON_DEPTH: usize = 2;

/// What stands for a value that is known by its name only.
const HIDDEN: &str = "<secret>";

impl Vault {
    /// Replaces every secret of this bot in `bytes` by its placeholder, in whatever common form it
    /// is written there.
    pub fn mask(&self, bytes: &mut Vec<u8>) {
        for (secret, value) in self.all() {
            // No form is shorter than the value, but base64 without the digits at its ends.
            let is_cookie = self.cookies.iter().any(|(known, _)| *known == secret);
            let is_too_common = is_cookie && !looks_like_a_key(value);
            if value.len() < MASKED_BYTES_MIN || is_too_common || bytes.len() < value.len() {
                continue;
            }
            if is_ruled_out(value.as_bytes(), bytes) {
                continue;
            }
            let placeholder = secret.to_string();
            for form in forms(value) {
                replace_all(bytes, &form, placeholder.as_bytes());
            }
        }
    }
}

/// Whether a cookie's value is searched for in what is read: a session id is, but not a language, a
/// theme or a number, which bodies hold for other reasons.
fn looks_like_a_key(value: &str) -> bool {
    value.len() >= 2 * MASKED_BYTES_MIN && !value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a value cannot be in `bytes` in any form. A value of the characters of tokens is in each
/// of its forms a run of such characters, and no shorter than itself; most of what is read has no
/// run so long. Bots read with every response, so forms are made only where one may be found.
fn is_ruled_out(value: &[u8], bytes: &[u8]) -> bool {
    !has_run(bytes, value.len()) && value.iter().all(|byte| IS_OF_TOKENS[usize::from(*byte)])
}

/// Whether there are so many characters of tokens in a row. A window is looked at from its end:
/// where it is broken, no run begins before the break.
fn has_run(bytes: &[u8], length: usize) -> bool {
    let mut start = 0;
    while let Some(window) = bytes.get(start..start + length) {
        match window.iter().rposition(|byte| !IS_OF_TOKENS[usize::from(*byte)]) {
            Some(broken) => start += broken + 1,
            None => return true,
        }
    }
    false
}

/// The characters of base64, hexadecimal, JWTs and percent-encoding.
const IS_OF_TOKENS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'.' | b'~' | b'%');
        byte += 1;
    }
    table
};

/// A value as it may be written somewhere.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![value.as_bytes().to_vec()];
    let mut json = value.to_owned();
    for _ in 0..JSON_DEPTH {
        let mut escaped = Vec::new();
        escape_json(&json, &mut escaped);
        json = String::from_utf8(escaped).expect("JSON is UTF-8");
        forms.push(json.as_bytes().to_vec());
    }
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    for keeps in [unreserved as fn(u8) -> bool, |_| false] {
        let upper = percent_encoded(value.as_bytes(), keeps);
        forms.push(lower_escapes(&upper));
        forms.push(upper.replace("%20", "+").into_bytes());
        forms.push(upper.into_bytes());
    }
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        let hex = value
            .bytes()
            .flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        forms.push(hex.collect());
    }
    for (offset, ends) in [(0, b"+/"), (1, b"+/"), (2, b"+/"), (0, b"-_"), (1, b"-_"), (2, b"-_")] {
        forms.push(base64_within(value.as_bytes(), offset, ends));
    }
    forms.retain(|form| form.len() >= MASKED_BYTES_MIN);
    forms.sort();
    forms.dedup();
    // Longer ones first: a shorter one may be a part of them.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

fn percent_encoded(bytes: &[u8], keeps: fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(3 * bytes.len());
    for byte in bytes {
        crate::request::push_percent_encoded(&mut text, *byte, keeps);
    }
    text
}

/// `%2F` as `%2f`.
fn lower_escapes(encoded: &str) -> Vec<u8> {
    let mut bytes = encoded.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let is_escape = bytes[at] == b'%';
        if is_escape && let Some(digits) = bytes.get_mut(at + 1..at + 3) {
            digits.make_ascii_lowercase();
        }
        at += if is_escape { 3 } else { 1 };
    }
    bytes
}

/// The digits of base64 that say this value and nothing else, if so many bytes (modulo 3) are
/// before it: a token within `user:token` has none of its own at its ends.
fn base64_within(value: &[u8], offset: usize, ends: &[u8; 2]) -> Vec<u8> {
    const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let bit = |at: usize| match (at / 8).checked_sub(offset).and_then(|index| value.get(index)) {
        Some(byte) => usize::from(byte >> (7 - at % 8) & 1),
        None => 0,
    };
    let (first, end) = ((8 * offset).div_ceil(6), 8 * (offset + value.len()) / 6);
    let digits = (first..end).map(|digit| {
        let number = (6 * digit..6 * digit + 6).fold(0, |number, at| 2 * number + bit(at));
        DIGITS.get(number).copied().unwrap_or_else(|| ends[number & 1])
    });
    digits.collect()
}

/// One pass, so that a body full of secrets costs no more than another.
fn replace_all(bytes: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    let mut out = Vec::new();
    let mut copied = 0;
    for found in memmem::find_iter(bytes, from) {
        out.extend_from_slice(&bytes[copied..found]);
        out.extend_from_slice(to);
        copied = found + from.len();
    }
    if copied > 0 {
        out.extend_from_slice(&bytes[copied..]);
        *bytes = out;
    }
}

/// Hides the values of header lines whose names look like secrets', if no placeholder stands there.
pub fn hide_header_values(lines: &mut Vec<u8>) {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        match line.iter().position(|byte| *byte == b':') {
            Some(colon) if hides(&line[..colon], &line[colon..]) => {
                out.extend_from_slice(&line[..colon]);
                out.extend_from_slice(format!(": {HIDDEN}\r\n").as_bytes());
            }
            _ => out.extend_from_slice(line),
        }
    }
    *lines = out;
}

/// Hides the values of a query's or a form's pairs whose names look like secrets'.
pub fn hide_pair_values(text: &mut Vec<u8>) {
    let mut out = Vec::with_capacity(text.len());
    let is_end = |byte: &u8| matches!(byte, b'&' | b'?' | b';' | b' ' | b'\r' | b'\n');
    for part in text.split_inclusive(is_end) {
        let end = part.len() - usize::from(part.last().is_some_and(is_end));
        match part.iter().position(|byte| *byte == b'=') {
            Some(equals) if hides(&part[..equals], &part[equals..]) => {
                out.extend_from_slice(&part[..=equals]);
                out.extend_from_slice(HIDDEN.as_bytes());
                out.extend_from_slice(&part[end..]);
            }
            _ => out.extend_from_slice(part),
        }
    }
    *text = out;
}

/// Hides the texts in JSON, whole or not, whose members' names look like secrets'.
pub fn hide_json_values(json: &mut Vec<u8>) {
    let mut out = Vec::with_capacity(json.len());
    let (mut copied, mut at) = (0, 0);
    let mut name = None;
    while let Some(start) = memchr::memchr(b'"', &json[at..]).map(|found| at + found + 1) {
        let between = json[at..start - 1].trim_ascii();
        let end = string_end(json, start);
        let is_value = between == b":";
        if let (true, Some(name)) = (is_value, name.take())
            && hides(&json[name], &json[start..end])
        {
            out.extend_from_slice(&json[copied..start]);
            out.extend_from_slice(HIDDEN.as_bytes());
            copied = end;
        }
        name = (!is_value).then_some(start..end);
        at = (end + 1).min(json.len());
    }
    out.extend_from_slice(&json[copied..]);
    *json = out;
}

/// Where the string that starts there ends: its quote, or the end of what there is.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &json[at..]) {
        at += found;
        if json[at] == b'"' {
            return at;
        }
        at = (at + 2).min(json.len());
    }
    json.len()
}

fn hides(name: &[u8], value: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(is_secret_name)
        && memmem::find(value, PLACEHOLDER_PREFIX.as_bytes()).is_none()
}

#[cfg(test)]
mod tests {
    use super::super::{Secret, SecretKey};
    use super::*;

    const CANARY: &str = "canary/7+é\"\\ 0123?&=";

    fn masked(text: &str) -> String {
        let mut vault = Vault::new(SecretKey::default());
        vault.insert(CANARY).unwrap();
        let mut bytes = text.as_bytes().to_vec();
        vault.mask(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_secret_is_found_in_every_common_form() {
        let placeholder = Secret::of(SecretKey::default(), CANARY).to_string();
        let json = serde_json::to_string(CANARY).unwrap();
        let twice = serde_json::to_string(&json).unwrap();
        let percent = percent_encoded(CANARY.as_bytes(), |byte| byte.is_ascii_alphanumeric());
        let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [CANARY, &json, &twice, &percent, &percent.to_lowercase(), &hex] {
            let shown = masked(&format!("before {form} after"));
            assert!(shown.contains(&placeholder), "{form}: {shown}");
            assert!(!shown.contains("canary"), "{form}: {shown}");
        }
    }

    #[test]
    fn base64_of_a_text_around_a_secret_does_not_show_it() {
        // Known answers, so that the digits are right and not only consistent.
        assert_eq!(base64_within(b"light work", 0, b"+/"), b"bGlnaHQgd29ya");
        assert_eq!(base64_within(b"light work", 1, b"+/"), b"xpZ2h0IHdvcm");
        let whole = |bytes: &[u8]| text(base64_within(bytes, 0, b"+/"));
        for before in ["", "u", "us", "user:"] {
            let encoded = whole(format!("{before}{CANARY}, and after it").as_bytes());
            let shown = masked(&encoded);
            assert!(shown.contains(PLACEHOLDER_PREFIX), "{before}: {encoded} {shown}");
        }
    }

    #[test]
    fn no_form_of_a_token_is_ruled_out_wherever_it_stands() {
        for value in ["abcdefgh", "12345678", "eyJhbGci.J9-_x~%2F", "ab+/cd==ef+/gh==", "-._~-._~"]
        {
            for form in forms(value) {
                for around in ["", "x", "\"", "a b\n", "12345 1234567 "] {
                    let bytes = [around.as_bytes(), &form, around.as_bytes()].concat();
                    assert!(!is_ruled_out(value.as_bytes(), &bytes), "{}", text(bytes));
                }
            }
            let short = br#"{"id": "e12", "n": 1234567, "tab": ["abc", "abcdefg"]}"#;
            assert!(is_ruled_out(value.as_bytes(), short), "{value}");
        }
        assert!(!is_ruled_out(b"pass word", b"[]"), "its forms are no runs");
    }

    #[test]
    fn a_run_is_found_where_there_is_one() {
        let mut bits = 1_u32;
        for length in 1..8 {
            for size in 0..200 {
                bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let is_word = |at: u32| bits.rotate_left(at.wrapping_mul(7)) & 3 > 0;
                let bytes: Vec<u8> =
                    (0..size % 23).map(|at| if is_word(at) { b'a' } else { b' ' }).collect();
                let mut windows = bytes.windows(length);
                let expected = windows.any(|window| !window.contains(&b' '));
                assert_eq!(has_run(&bytes, length), expected, "{length} in {bytes:?}");
            }
        }
    }

    #[test]
    fn values_are_hidden_by_their_names() {
        let mut lines = b"X-Api-Key: 1\r\nAge: 2\r\nset-cookie: a=b; c\r\n".to_vec();
        hide_header_values(&mut lines);
        assert_eq!(text(lines), "X-Api-Key: <secret>\r\nAge: 2\r\nset-cookie: <secret>\r\n");
        let mut query = b"GET /a?token=xyz&page=2&password=p HTTP/1.1".to_vec();
        hide_pair_values(&mut query);
        assert_eq!(text(query), "GET /a?token=<secret>&page=2&password=<secret> HTTP/1.1");
        let mut json =
            br#"{"accessToken" : "a\"b", "n": 1, "x": ["token", "y"], "password": "p"#.to_vec();
        hide_json_values(&mut json);
        let hidden =
            r#"{"accessToken" : "<secret>", "n": 1, "x": ["token", "y"], "password": "<secret>"#;
        assert_eq!(text(json), hidden);
        let placeholder = format!("Cookie: id={PLACEHOLDER_PREFIX}0000000000000000\r\n");
        let mut lines = placeholder.clone().into_bytes();
        hide_header_values(&mut lines);
        assert_eq!(text(lines), placeholder);
    }
}
