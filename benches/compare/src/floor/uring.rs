//! The floor on io_uring: one system call for all that is ready, with the engine's flags.
#![allow(unsafe_code, reason = "the io-uring crate leaves it to its user that buffers live on")]

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use io_uring::{IoUring, opcode, squeue, types};

use super::Load;

/// Bytes that one receive may bring.
const BUFFER_BYTES: usize = 16 * 1024;
/// Entries of the ring; two operations of each connection may wait for submission.
const ENTRIES: u32 = 4096;
/// Marks a send, whose completion is of interest only when it failed.
const SEND: u64 = u64::MAX;

pub(super) fn run(load: &Load) -> io::Result<u64> {
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(65_536)
        .build(ENTRIES)?;
    let mut buffers = vec![[0; BUFFER_BYTES]; load.streams.len()];
    let mut missing = vec![load.answer_bytes; load.streams.len()];
    for index in 0..load.streams.len() {
        send(&mut ring, load, index)?;
        receive(&mut ring, load, index, &mut buffers)?;
    }
    let (mut answers, mut done) = (0, Vec::with_capacity(1024));
    while Instant::now() < load.until {
        ring.submit_and_wait(1)?;
        done.extend(ring.completion().map(|entry| (entry.user_data(), entry.result())));
        for (token, result) in done.drain(..) {
            let count = match usize::try_from(result) {
                Ok(count) if token != SEND && count > 0 => count,
                _ => return Err(io::Error::from_raw_os_error(-result)),
            };
            let index = usize::try_from(token).expect("an index of ours");
            missing[index] = missing[index].saturating_sub(count);
            if missing[index] == 0 {
                answers += 1;
                missing[index] = load.answer_bytes;
                send(&mut ring, load, index)?;
            }
            receive(&mut ring, load, index, &mut buffers)?;
        }
    }
    // What is in flight still writes into the buffers: they must outlive the ring, and do.
    drop(ring);
    Ok(answers)
}

fn send(ring: &mut IoUring, load: &Load, index: usize) -> io::Result<()> {
    let socket = types::Fd(load.streams[index].as_raw_fd());
    let bytes = u32::try_from(load.request.len()).expect("a short request");
    let entry = opcode::Send::new(socket, load.request.as_ptr(), bytes).build();
    push(ring, &entry.user_data(SEND).flags(squeue::Flags::SKIP_SUCCESS))
}

fn receive(
    ring: &mut IoUring,
    load: &Load,
    index: usize,
    buffers: &mut [[u8; BUFFER_BYTES]],
) -> io::Result<()> {
    let socket = types::Fd(load.streams[index].as_raw_fd());
    let buffer = buffers[index].as_mut_ptr();
    let entry = opcode::Recv::new(socket, buffer, 16 * 1024).build();
    push(ring, &entry.user_data(index as u64))
}

fn push(ring: &mut IoUring, entry: &squeue::Entry) -> io::Result<()> {
    // SAFETY: the request belongs to `Load` and the buffers to `run`; both outlive the ring, whose
    // drop ends all operations, and neither moves.
    if unsafe { ring.submission().push(entry) }.is_err() {
        ring.submit()?;
        // SAFETY: as above.
        unsafe { ring.submission().push(entry) }.map_err(io::Error::other)?;
    }
    Ok(())
}
