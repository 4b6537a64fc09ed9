//! The exchange with which a session began to fail, kept whole for people to read.
//!
//! A replay needs none of it: requests are computed again, and of responses the record has what the
//! bot read. Whoever keeps one masks its secrets before. One block each, so that reading sessions
//! passes over them. Layout: docs/trace.md.

use super::block::{Malformed, push_varint, read_varint};
use crate::Failure;
use crate::session::Who;

/// What is kept of a request, and of a response's body; a response's head is limited by what the
/// wire allows.
pub const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Columns of the block: numbers, request, head, body.
pub(crate) const EXCHANGE_COLUMNS: usize = 4;

/// A kept exchange. Bytes are as they went over the wire, but secrets are placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptExchange {
    /// Whose.
    pub who: Who,
    /// The step that its answer began.
    pub step: u32,
    /// The request, with its body.
    pub request: Vec<u8>,
    /// How long the request was before it was cut.
    pub request_size: u64,
    /// Why there was no response, if there was none.
    pub failure: Option<Failure>,
    /// The response's status; 0 if there was none.
    pub status: u16,
    /// Its header lines.
    pub head: Vec<u8>,
    /// Its body, if the bot did not discard it.
    pub body: Vec<u8>,
    /// How long the body was before it was cut or discarded.
    pub body_size: u64,
}

impl KeptExchange {
    /// How much memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.request.len() + self.head.len() + self.body.len()
    }

    pub(crate) fn encode(&self) -> [Vec<u8>; EXCHANGE_COLUMNS] {
        let mut numbers = self.who.scenario.to_le_bytes().to_vec();
        let failure = self.failure.map_or(0, |failure| failure as u64 + 1);
        let Who { bot, session, .. } = self.who;
        let (step, status) = (u64::from(self.step), u64::from(self.status));
        for number in [bot, session, step, status, failure, self.request_size, self.body_size] {
            push_varint(&mut numbers, number);
        }
        [numbers, self.request.clone(), self.head.clone(), self.body.clone()]
    }

    pub(crate) fn decode(columns: Vec<Vec<u8>>) -> Result<Self, Malformed> {
        let [numbers, request, head, body] =
            <[Vec<u8>; EXCHANGE_COLUMNS]>::try_from(columns).map_err(|_| Malformed)?;
        let (scenario, mut rest) = numbers.split_first_chunk().ok_or(Malformed)?;
        let scenario = u64::from_le_bytes(*scenario);
        let mut number = || read_varint(&mut rest);
        let who = Who { scenario, bot: number()?, session: number()? };
        let step = u32::try_from(number()?).map_err(|_| Malformed)?;
        let status = u16::try_from(number()?).map_err(|_| Malformed)?;
        let failure = match u8::try_from(number()?).map_err(|_| Malformed)?.checked_sub(1) {
            Some(byte) => Some(Failure::from_byte(byte).ok_or(Malformed)?),
            None => None,
        };
        let (request_size, body_size) = (number()?, number()?);
        if !rest.is_empty() {
            return Err(Malformed);
        }
        Ok(Self { who, step, request, request_size, failure, status, head, body, body_size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_comes_back_as_it_was() {
        let who = Who { scenario: 1, bot: u64::MAX, session: 3 };
        let response = KeptExchange {
            who,
            step: 4,
            request: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            request_size: 18,
            status: 503,
            head: b"Age: 1\r\n".to_vec(),
            body: vec![0xFF; 300],
            body_size: 1 << 40,
            failure: None,
        };
        let failed = KeptExchange { who, failure: Some(Failure::Dns), ..KeptExchange::default() };
        for exchange in [response, failed] {
            let columns = exchange.encode().to_vec();
            assert_eq!(KeptExchange::decode(columns.clone()), Ok(exchange));
            for cut in 0..columns[0].len() {
                let mut cut_off = columns.clone();
                cut_off[0].truncate(cut);
                assert_eq!(KeptExchange::decode(cut_off), Err(Malformed), "cut at {cut}");
            }
        }
    }
}
