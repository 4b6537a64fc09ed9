//! What the chain covers of one step, one after the other: its input, the values that the bot
//! read, its notes, its command.
//!
//! Input and command are written where they are to stand, from registers: what is written in
//! small portions and read in larger ones right after keeps a processor waiting.

use xxhash_rust::xxh3::xxh3_64;

/// A step's transcript; the worker's, reused for each step of its bots.
pub(crate) struct Transcript {
    /// The beginning, as long as it fits.
    room: [u8; ROOM_BYTES],
    size: usize,
    /// All of it, if it is longer.
    long: Vec<u8>,
}

/// More than a step without long values takes.
const ROOM_BYTES: usize = 512;

/// What a step of long values leaves of its memory to the next.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Of a command, before its text.
const COMMAND_BYTES: usize = 10;

impl Default for Transcript {
    fn default() -> Self {
        Self { room: [0; ROOM_BYTES], size: 0, long: Vec::new() }
    }
}

impl Transcript {
    /// Begins with the first input of a session: whose it is, its clock, versions and flags, and
    /// the hashes of what it was given.
    #[inline]
    pub(crate) fn open_start(&mut self, words: [u64; 7]) {
        let (chunks, _) = self.room.as_chunks_mut();
        for (chunk, word) in chunks.iter_mut().zip(words) {
            *chunk = word.to_le_bytes();
        }
        self.opened(7 * 8);
    }

    /// Begins with any other input: the chain so far, its kind and whether the run is stopping,
    /// the clock, and its status, failure or answer.
    #[inline]
    pub(crate) fn open_input(&mut self, chain: u64, kind: [u8; 2], at_us: u64, number: u64) {
        self.room[..8].copy_from_slice(&chain.to_le_bytes());
        self.room[8..10].copy_from_slice(&kind);
        self.room[10..18].copy_from_slice(&at_us.to_le_bytes());
        self.room[18..26].copy_from_slice(&number.to_le_bytes());
        self.opened(26);
    }

    fn opened(&mut self, size: usize) {
        self.size = size;
        if !self.long.is_empty() {
            self.long.clear();
            self.long.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Appends what is neither input nor command.
    pub(crate) fn push(&mut self, entry: &[u8]) {
        match self.room[self.size..].get_mut(..entry.len()) {
            Some(room) if self.long.is_empty() => {
                room.copy_from_slice(entry);
                self.size += entry.len();
            }
            _ => self.push_long(entry),
        }
    }

    /// Ends with a command: its kind and argument, its number, its text; gives the chain from
    /// here on.
    pub(crate) fn close(&mut self, kind: [u8; 2], number: u64, text: &[u8]) -> u64 {
        let size = self.size;
        let room = self.room[size..].split_first_chunk_mut::<COMMAND_BYTES>();
        if self.long.is_empty()
            && let Some((command, room)) = room
            && let Some(room) = room.get_mut(..text.len())
        {
            command[..2].copy_from_slice(&kind);
            command[2..].copy_from_slice(&number.to_le_bytes());
            room.copy_from_slice(text);
            return xxh3_64(&self.room[..size + COMMAND_BYTES + text.len()]);
        }
        self.push_long(&kind);
        self.push_long(&number.to_le_bytes());
        self.push_long(text);
        xxh3_64(&self.long)
    }

    #[cold]
    fn push_long(&mut self, entry: &[u8]) {
        if self.long.is_empty() {
            self.long.extend_from_slice(&self.room[..self.size]);
        }
        self.long.extend_from_slice(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transcripts around the size of the room, put together at once.
    #[test]
    fn the_chain_is_the_hash_of_all_entries_one_after_the_other() {
        let mut transcript = Transcript::default();
        for size in (0..3 * ROOM_BYTES).chain([3 * KEPT_BYTES_MAX, 5]) {
            let (entry, half): (Vec<u8>, _) = ((0..=255).cycle().take(size).collect(), size / 2);
            transcript.open_input(1, [2, 1], 3, 4);
            transcript.push(&entry[..half]);
            transcript.push(&entry[half..]);
            let chain = transcript.close([0x80, 7], 8, b"a text");
            let mut whole = Vec::new();
            whole.extend_from_slice(&1_u64.to_le_bytes());
            whole.extend_from_slice(&[2, 1]);
            whole.extend_from_slice(&3_u64.to_le_bytes());
            whole.extend_from_slice(&4_u64.to_le_bytes());
            whole.extend_from_slice(&entry);
            whole.extend_from_slice(&[0x80, 7]);
            whole.extend_from_slice(&8_u64.to_le_bytes());
            whole.extend_from_slice(b"a text");
            assert_eq!(chain, xxh3_64(&whole), "{size}");
            assert!(transcript.long.capacity() <= 4 * KEPT_BYTES_MAX, "{size}");
        }
        assert!(transcript.long.capacity() <= KEPT_BYTES_MAX);
    }

    #[test]
    fn a_start_is_seven_words() {
        let mut transcript = Transcript::default();
        let words = [1, 2, 3, 4, 5, 6, u64::MAX].map(u64::to_le_bytes);
        transcript.open_start(words.map(u64::from_le_bytes));
        let whole = [words.as_flattened(), &[0x80, 0], &[9, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(transcript.close([0x80, 0], 9, &[]), xxh3_64(&whole));
    }
}
