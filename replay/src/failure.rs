//! Why an exchange gave no response.
//!
//! A result of the run, not an error of ours: a small `Copy` kind that is counted, recorded as
//! one byte and handed to the bot. The numbers are part of the record's format.

use std::fmt;

/// Why an exchange gave no response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Ord, PartialOrd)]
#[repr(u8)]
pub enum Failure {
    /// The host name did not resolve.
    Dns = 0,
    /// The target refused the connection.
    Refused = 1,
    /// There is no route to the target.
    Unreachable = 2,
    /// Connecting took longer than its limit.
    ConnectTimeout = 3,
    /// The target reset the connection.
    Reset = 4,
    /// The target closed the connection before the response was whole.
    ClosedEarly = 5,
    /// A kept connection turned out to be closed when it was used again.
    StaleConnection = 6,
    /// No first byte of a response came within the limit.
    FirstByteTimeout = 7,
    /// The response was not whole within the limit.
    TotalTimeout = 8,
    /// What came is not HTTP.
    Malformed = 9,
    /// A head or body beyond the limits.
    TooLarge = 10,
    /// The TLS handshake failed.
    Tls = 11,
    /// The generator's machine has no free local port.
    PortsExhausted = 12,
    /// The generator's process has no free file descriptor.
    FilesExhausted = 13,
    /// The run ended while the exchange was under way.
    Interrupted = 14,
    /// The bot's request cannot be sent: a bad URL or header. Never put on the wire.
    InvalidRequest = 15,
}

impl Failure {
    /// All kinds, in the order of their numbers.
    pub const ALL: &[Self] = &[
        Self::Dns,
        Self::Refused,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::Reset,
        Self::ClosedEarly,
        Self::StaleConnection,
        Self::FirstByteTimeout,
        Self::TotalTimeout,
        Self::Malformed,
        Self::TooLarge,
        Self::Tls,
        Self::PortsExhausted,
        Self::FilesExhausted,
        Self::Interrupted,
        Self::InvalidRequest,
    ];

    /// The words users see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "name not resolved",
            Self::Refused => "connection refused",
            Self::Unreachable => "target unreachable",
            Self::ConnectTimeout => "connect timeout",
            Self::Reset => "connection reset",
            Self::ClosedEarly => "connection closed early",
            Self::StaleConnection => "stale connection",
            Self::FirstByteTimeout => "first byte timeout",
            Self::TotalTimeout => "request timeout",
            Self::Malformed => "malformed response",
            Self::TooLarge => "response too large",
            Self::Tls => "tls handshake failed",
            Self::PortsExhausted => "no free local port",
            Self::FilesExhausted => "no free file descriptor",
            Self::Interrupted => "interrupted",
            Self::InvalidRequest => "invalid request",
        }
    }

    /// The `error_code` that k6 gives for the same.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Malformed | Self::TooLarge | Self::Interrupted => 1000,
            Self::InvalidRequest => 1020,
            Self::FirstByteTimeout | Self::TotalTimeout => 1050,
            Self::Dns => 1101,
            Self::Unreachable | Self::PortsExhausted | Self::FilesExhausted => 1210,
            Self::ConnectTimeout => 1211,
            Self::Refused => 1212,
            Self::ClosedEarly | Self::StaleConnection | Self::Reset => 1220,
            Self::Tls => 1300,
        }
    }

    /// Whether the generator's machine is at fault, not the target.
    #[must_use]
    pub const fn generator_fault(self) -> bool {
        matches!(self, Self::PortsExhausted | Self::FilesExhausted)
    }

    /// The kind of a recorded byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
