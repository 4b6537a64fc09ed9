//! The floor on epoll: three system calls, of which the wait is shared by all that are ready.

use std::io::{self, Read, Write};
use std::time::Instant;

use rustix::event::epoll;

use super::Load;

pub(super) fn run(load: &Load) -> io::Result<u64> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, stream) in load.streams.iter().enumerate() {
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&poll, stream, data, epoll::EventFlags::IN)?;
        (&*stream).write_all(&load.request)?;
    }
    let mut missing = vec![load.answer_bytes; load.streams.len()];
    let (mut answers, mut buffer) = (0, vec![0; 16 * 1024]);
    let mut events = Vec::with_capacity(1024);
    let patience = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
    while Instant::now() < load.until {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&patience))?;
        for event in &events {
            let index = usize::try_from(event.data.u64()).expect("an index of ours");
            let mut stream = &load.streams[index];
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            missing[index] = missing[index].saturating_sub(count);
            if missing[index] == 0 {
                answers += 1;
                missing[index] = load.answer_bytes;
                stream.write_all(&load.request)?;
            }
        }
    }
    Ok(answers)
}
