//! Answers: JSON documents, and the refusals that become error documents.
//!
//! A handler returns `Answer`; only `handle.rs` turns it into a response, so every error has the
//! same shape, `{"error":{"code":5,"msg":"…"}}`, and a status of its own.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

/// What a handler returns: the body of a 200, or why not.
pub(super) type Answer = Result<Bytes, Refusal>;

/// A request that is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    pub(super) message: Cow<'static, str>,
}

/// The kinds of refusal; their discriminants are the error codes that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    BadRequest = 1,
    Unauthorized = 2,
    NotFound = 3,
    NotAllowed = 4,
    /// The account has not registered. Clients take this code for "call users/register".
    UserNotFound = 5,
    NotEnoughMoney = 6,
    /// What is asked does not fit the state that things are in.
    Conflict = 7,
    TooLarge = 8,
    Full = 9,
    Unavailable = 10,
}

impl Kind {
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::NotFound | Self::UserNotFound => 404,
            Self::NotAllowed => 405,
            Self::NotEnoughMoney | Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Full | Self::Unavailable => 503,
        }
    }
}

impl Refusal {
    pub(super) fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} `{id}`"))
    }

    /// The error document.
    pub(super) fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Document<'a> {
            error: Error<'a>,
        }
        #[derive(Serialize)]
        struct Error<'a> {
            code: u8,
            msg: &'a str,
        }
        let error = Error { code: self.kind as u8, msg: &self.message };
        document(&Document { error })
    }
}

/// `{"data": value}`.
pub(super) fn data<T: Serialize + ?Sized>(value: &T) -> Bytes {
    // Users, the most frequent document, take about 800 bytes.
    let mut body = Vec::with_capacity(1024);
    body.extend_from_slice(br#"{"data":"#);
    serde_json::to_writer(&mut body, value).expect("views have text keys, and memory takes all");
    body.push(b'}');
    Bytes::from(body)
}

/// The value as it is.
pub(super) fn document<T: Serialize + ?Sized>(value: &T) -> Bytes {
    let body = serde_json::to_vec(value).expect("views have text keys, and memory takes all");
    Bytes::from(body)
}

/// The answer of endpoints that have nothing to tell.
pub(super) const EMPTY: Bytes = Bytes::from_static(br#"{"data":{}}"#);
