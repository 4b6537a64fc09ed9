//! The one way from a response, a secret or set-up into bot code: through the record.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use crate::secret::Caught;
use crate::state::State;
use crate::trace::record::Asked;

/// The largest value that can be read, as JSON: it goes into the record whole.
pub const READ_BYTES_MAX: usize = 256 * 1024;

/// Why a value could not be read. The numbers are part of the record's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ReadError {
    /// There is no body, or it was discarded.
    NoBody = 0,
    /// The body is not JSON.
    NotJson = 1,
    /// The JSON is not of the shape that was asked for.
    WrongShape = 2,
    /// The pointer leads to nothing.
    Missing = 3,
    /// The bytes are not UTF-8.
    NotText = 4,
    /// The value is larger than [`READ_BYTES_MAX`], or not all of the body was kept.
    TooLarge = 5,
    /// The value does not survive being written down as JSON and read back.
    NotRecordable = 6,
    /// Set-up handed over nothing.
    NoSetup = 7,
    /// There is no secret of that name, or the bot does not hold it.
    NoSecret = 8,
    /// The body is not what its `Content-Encoding` says.
    NotDecodable = 9,
    /// A `Content-Encoding` other than gzip, deflate, br and zstd, or more of them than four.
    UnknownEncoding = 10,
    /// The decoded body is larger than [`DECODED_BYTES_MAX`](super::DECODED_BYTES_MAX).
    DecodedTooLarge = 11,
}

impl ReadError {
    const ALL: &[Self] = &[
        Self::NoBody,
        Self::NotJson,
        Self::WrongShape,
        Self::Missing,
        Self::NotText,
        Self::TooLarge,
        Self::NotRecordable,
        Self::NoSetup,
        Self::NoSecret,
        Self::NotDecodable,
        Self::UnknownEncoding,
        Self::DecodedTooLarge,
    ];

    /// The words users see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoBody => "no body",
            Self::NotJson => "not json",
            Self::WrongShape => "json of another shape",
            Self::Missing => "not in the body",
            Self::NotText => "not utf-8",
            Self::TooLarge => "too large to read",
            Self::NotRecordable => "cannot be recorded",
            Self::NoSetup => "set-up handed over nothing",
            Self::NoSecret => "no such secret",
            Self::NotDecodable => "not encoded as its content-encoding says",
            Self::UnknownEncoding => "a content-encoding other than gzip, deflate, br and zstd",
            Self::DecodedTooLarge => "too large when decoded",
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    fn of_json(error: &serde_json::Error) -> Self {
        if error.is_data() { Self::WrongShape } else { Self::NotJson }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::error::Error for ReadError {}

/// What a replay finds where a value was recorded.
#[derive(Clone, Copy)]
pub(crate) enum Found {
    /// The value's JSON, appended to the buffer given.
    Json,
    /// What it failed with.
    Error(ReadError),
    /// The bot's code panicked over it.
    Panicked,
}

impl State {
    /// Reads a value: live from where `live` finds it, in a replay from the record.
    pub(crate) fn read<T: Serialize + DeserializeOwned>(
        &self,
        asked: Asked,
        live: impl FnOnce() -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if self.own.borrow().replay.is_some() {
            return self.read_again(asked);
        }
        let mut json = self.scratch.value.take();
        let caught = self.read_live(live, &mut json);
        let result = self.record_value(asked, &json, caught);
        json.clear();
        // A rare large value does not stay for the worker's life.
        json.shrink_to(READ_BYTES_MAX / 16);
        self.scratch.value.set(json);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// The value as JSON, and decoded from that; or the bot's own panic over it.
    fn read_live<T: Serialize + DeserializeOwned>(
        &self,
        live: impl FnOnce() -> Result<T, ReadError>,
        json: &mut Vec<u8>,
    ) -> Caught<Result<T, ReadError>> {
        json.clear();
        let mut vault = std::mem::take(&mut self.own.borrow_mut().vault);
        let written = vault.while_open(|| {
            let value = live()?;
            serde_json::to_writer(&mut *json, &value).map_err(|_| ReadError::NotRecordable)
        });
        vault.mask(json);
        self.own.borrow_mut().vault = vault;
        if let Err(error) = written? {
            return Ok(Err(error));
        }
        if json.len() > READ_BYTES_MAX {
            return Ok(Err(ReadError::TooLarge));
        }
        catch_unwind(AssertUnwindSafe(|| decode(json)))
    }

    fn record_value<T>(
        &self,
        asked: Asked,
        json: &[u8],
        caught: Caught<Result<T, ReadError>>,
    ) -> Caught<Result<T, ReadError>> {
        if self.recording.get() {
            let mut own = self.own.borrow_mut();
            match &caught {
                Ok(Ok(_)) => own.recorder.value_json(asked, json),
                Ok(Err(error)) => own.recorder.value_error(asked, *error as u8),
                Err(_) => own.recorder.value_panicked(asked),
            }
            let (kind, number) = match &caught {
                Ok(Ok(_)) => (0x40, xxh3_64(json)),
                Ok(Err(error)) => (0x50, *error as u64),
                Err(_) => (0x60, 0),
            };
            let mut entry = [kind | asked as u8; 9];
            entry[1..].copy_from_slice(&number.to_le_bytes());
            self.transcribe(&entry);
        }
        caught
    }

    fn read_again<T: DeserializeOwned>(&self, asked: Asked) -> Result<T, ReadError> {
        let mut json = self.scratch.value.take();
        json.clear();
        let found = match &mut self.own.borrow_mut().replay {
            Some(replay) => replay.next_value(asked, &mut json),
            None => unreachable!("only called in a replay"),
        };
        let caught = match found {
            Some(Found::Json) => catch_unwind(AssertUnwindSafe(|| decode(&json))),
            Some(Found::Error(error)) => Ok(Err(error)),
            Some(Found::Panicked) => Err(Box::new("this read panicked when recorded") as Box<_>),
            None => self.stop_replay(),
        };
        if matches!((found, &caught), (Some(Found::Json), Ok(Err(_)) | Err(_))) {
            // It was decoded when it was recorded: the bot's view has changed since.
            if let Some(replay) = &mut self.own.borrow_mut().replay {
                replay.view_changed(asked);
            }
            self.stop_replay();
        }
        let result = self.record_value(asked, &json, caught);
        self.scratch.value.set(json);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

/// A value from its JSON in the record.
fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(json).map_err(|_| ReadError::NotRecordable)
}

/// A value from JSON that a server sent.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(json).map_err(|error| ReadError::of_json(&error))
}

pub(super) fn parse_error(error: &serde_json::Error) -> ReadError {
    ReadError::of_json(error)
}
