//! HTTP methods. A closed set, `Copy`, because a method is part of a metric's and a check's key.

use std::fmt;
use std::str::FromStr;

/// An HTTP method. The numbers enter the chain of checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Method {
    /// `GET`
    #[default]
    Get = 0,
    /// `HEAD`: its response never has a body.
    Head = 1,
    /// `POST`
    Post = 2,
    /// `PUT`
    Put = 3,
    /// `PATCH`
    Patch = 4,
    /// `DELETE`
    Delete = 5,
    /// `OPTIONS`
    Options = 6,
    /// `TRACE`
    Trace = 7,
}

impl Method {
    /// All methods.
    pub const ALL: &[Self] = &[
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Trace,
    ];

    /// As on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A method that Tallyho does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMethod;

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an unknown method, expected GET, HEAD, POST, PUT, PATCH, DELETE, ")?;
        f.write_str("OPTIONS or TRACE")
    }
}

impl std::error::Error for UnknownMethod {}

impl FromStr for Method {
    type Err = UnknownMethod;

    /// Any mix of upper and lower case.
    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let known = Self::ALL.iter().find(|method| method.as_str().eq_ignore_ascii_case(text));
        known.copied().ok_or(UnknownMethod)
    }
}
