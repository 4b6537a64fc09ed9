//! What goes into the stand-in API and what comes out of it.
//!
//! A request borrows everything, so the server copies nothing to make one. A response says what
//! the connection has to do as data (wait, reset), so that a driver in virtual time can do the
//! same without a socket.
//!
//! Knows nothing of hyper.

use bytes::Bytes;

/// The request methods that the API tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// Any other: no endpoint takes it.
    Other,
}

impl Method {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Other => "(other)",
        }
    }
}

/// One request, whole.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// Path and query as sent, for example `/api/v1/users?projection=all`.
    pub target: &'a str,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `X-Amz-Target` header: the operation of a Cognito call.
    pub amz_target: Option<&'a str>,
    /// The body, whole.
    pub body: &'a [u8],
}

/// One response, and how it is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// How long the response is held back, in µs.
    pub delay_us: u64,
    /// What the connection does with it.
    pub delivery: Delivery,
}

/// What a connection does with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Sends it.
    Whole,
    /// Sends nothing and resets (TCP RST): the request was carried out, the client cannot know.
    Reset,
}
