//! Sockets with somebody at their other end, one turn at a time.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::{Duration, Instant};

use super::super::readiness::Readiness;
use super::super::timer::Timer;
use super::*;

/// A worker's sockets, and the slots of its bots.
struct Bench {
    sockets: Rc<Sockets>,
    slots: Slots,
    timer: Timer,
}

fn bench() -> Bench {
    let clock = RunClock::starting_at(Instant::now());
    let timer = Timer::new(clock).expect("a timer");
    let sockets = Sockets::new(clock, timer.descriptor()).expect("a set");
    // As if both tasks had run once: writes wait for the end of the turn.
    *sockets.enders.borrow_mut() = [Some(Waker::noop().clone()), Some(Waker::noop().clone())];
    Bench { sockets, slots: Slots::new(), timer }
}

impl Bench {
    /// A bot's socket, and its other end.
    fn pair(&self) -> (Polled, UnixStream) {
        let slot = self.slots.add();
        let (near, far) = UnixStream::pair().expect("two sockets");
        near.set_nonblocking(true).expect("a socket");
        far.set_nonblocking(true).expect("a socket");
        (self.sockets.add(slot, near.into()).expect("room in the set"), far)
    }

    /// Ends a turn without waiting; returns how many bots that woke.
    fn end_turn(&self) -> u64 {
        let before = self.slots.wakes();
        self.sockets.write_all(&self.slots);
        self.sockets.gather(&self.slots, true);
        self.slots.wakes() - before
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn received(far: &mut UnixStream) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    let count = far.read(&mut bytes).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

#[test]
fn a_request_goes_out_at_the_end_of_the_turn_and_its_bot_runs_when_the_answer_is_there() {
    let bench = bench();
    let (polled, mut far) = bench.pair();
    bench.end_turn();
    let mut bytes = b"request".to_vec();
    let mut write = Box::pin(polled.write(&mut bytes, Then::Answer, || false));
    assert!(poll(write.as_mut()).is_pending());
    assert!(received(&mut far).is_empty(), "nothing goes out before the end of the turn");
    assert_eq!(bench.end_turn(), 0, "there is nothing to do for the bot");
    assert_eq!(received(&mut far), b"request");
    assert!(poll(write.as_mut()).is_pending());
    far.write_all(b"answer").expect("room");
    assert_eq!(bench.end_turn(), 1);
    let Poll::Ready(written) = poll(write.as_mut()) else { panic!("the answer is there") };
    assert_eq!(written.result, Ok(7));
    drop(write);
    assert_eq!(bytes, b"request", "the bytes come back");
    let mut buffer = Vec::with_capacity(100);
    let read = poll(pin!(polled.read(&mut buffer, || false)));
    assert!(matches!(read, Poll::Ready(Ok(6))), "{read:?}");
    assert_eq!(buffer, b"answer");
}

#[test]
fn a_bot_with_more_to_write_runs_when_the_first_part_is_out() {
    let bench = bench();
    let (polled, _far) = bench.pair();
    bench.end_turn();
    let mut bytes = b"head".to_vec();
    let mut write = pin!(polled.write(&mut bytes, Then::More, || false));
    assert!(poll(write.as_mut()).is_pending());
    assert_eq!(bench.end_turn(), 1);
    assert!(poll(write.as_mut()).is_ready());
}

#[test]
fn what_the_socket_does_not_take_wakes_the_bot_and_goes_out_when_there_is_room() {
    let bench = bench();
    let (polled, mut far) = bench.pair();
    bench.end_turn();
    let mut bytes = vec![7; 1 << 20];
    let mut write = Box::pin(polled.write(&mut bytes, Then::Answer, || false));
    assert!(poll(write.as_mut()).is_pending());
    assert_eq!(bench.end_turn(), 1, "a part is out");
    let Poll::Ready(written) = poll(write.as_mut()) else { panic!("a part is out") };
    drop(write);
    let count = written.result.expect("some bytes") as usize;
    assert!((1..1 << 20).contains(&count), "{count}");
    assert_eq!(polled.send(&bytes[count..]), Err(Errno::AGAIN));
    let mut writable = pin!(polled.writable(|| false));
    assert!(poll(writable.as_mut()).is_pending());
    assert_eq!(bench.end_turn(), 0);
    while !received(&mut far).is_empty() {}
    assert_eq!(bench.end_turn(), 1);
    assert!(matches!(poll(writable.as_mut()), Poll::Ready(Ok(()))));
}

#[test]
fn nothing_is_written_for_a_bot_that_is_gone_and_the_next_one_in_its_place_writes_once() {
    let bench = bench();
    let (gone, mut far) = bench.pair();
    let mut bytes = b"late".to_vec();
    {
        let mut write = pin!(gone.write(&mut bytes, Then::Answer, || false));
        assert!(poll(write.as_mut()).is_pending());
    }
    let index = gone.index;
    drop(gone);
    let (next, mut far_of_next) = bench.pair();
    assert_eq!(next.index, index, "places are used again");
    let mut bytes = b"once".to_vec();
    let mut write = pin!(next.write(&mut bytes, Then::Answer, || false));
    assert!(poll(write.as_mut()).is_pending());
    bench.end_turn();
    assert!(received(&mut far).is_empty());
    assert_eq!(received(&mut far_of_next), b"once");
}

#[test]
fn the_end_of_a_stream_is_read_behind_its_last_bytes() {
    let bench = bench();
    let (polled, mut far) = bench.pair();
    let mut buffer = Vec::with_capacity(100);
    {
        let mut read = pin!(polled.read(&mut buffer, || false));
        assert!(poll(read.as_mut()).is_pending());
        far.write_all(b"bye").expect("room");
        drop(far);
        assert_eq!(bench.end_turn(), 1);
        assert!(matches!(poll(read.as_mut()), Poll::Ready(Ok(3))));
    }
    // The event told both, and there is none to come.
    assert!(matches!(poll(pin!(polled.read(&mut buffer, || false))), Poll::Ready(Ok(0))));
}

#[test]
fn a_buffer_that_is_filled_leaves_the_rest_to_the_next_read() {
    let bench = bench();
    let (polled, mut far) = bench.pair();
    far.write_all(b"12345678").expect("room");
    bench.end_turn();
    for part in [&b"1234"[..], b"5678"] {
        let mut buffer = Vec::with_capacity(4);
        assert!(matches!(poll(pin!(polled.read(&mut buffer, || false))), Poll::Ready(Ok(4))));
        assert_eq!(buffer, part);
    }
    let mut buffer = Vec::with_capacity(4);
    assert!(poll(pin!(polled.read(&mut buffer, || false))).is_pending());
    let over = poll(pin!(polled.read(&mut buffer, || true)));
    assert!(matches!(over, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut));
}

#[test]
fn an_answer_that_is_there_counts_though_the_time_is_over() {
    let bench = bench();
    let (polled, mut far) = bench.pair();
    far.write_all(b"just").expect("room");
    bench.end_turn();
    let mut buffer = Vec::with_capacity(100);
    assert!(matches!(poll(pin!(polled.read(&mut buffer, || true))), Poll::Ready(Ok(4))));
}

#[test]
fn a_worker_waits_until_its_timer_goes_off_and_not_while_somebody_can_run() {
    let bench = bench();
    let (polled, mut far) = bench.pair();
    bench.sockets.end_turn(&bench.slots);
    let began = Instant::now();
    bench.timer.arm(bench.sockets.clock.now() + 20_000);
    // A bot was woken meanwhile: it comes first.
    bench.slots.wake(0);
    bench.sockets.end_turn(&bench.slots);
    let mut due = pin!(bench.sockets.timer_due());
    assert!(poll(due.as_mut()).is_pending());
    bench.sockets.end_turn(&bench.slots);
    assert!(began.elapsed() >= Duration::from_millis(20), "it waited for the timer");
    // Whoever waits for the timer comes first, too.
    bench.sockets.end_turn(&bench.slots);
    assert!(poll(due.as_mut()).is_ready());
    // An answer ends the wait as well.
    let mut buffer = Vec::with_capacity(100);
    let mut read = pin!(polled.read(&mut buffer, || false));
    assert!(poll(read.as_mut()).is_pending());
    far.write_all(b"answer").expect("room");
    bench.sockets.end_turn(&bench.slots);
    assert!(poll(read.as_mut()).is_ready());
}

#[test]
fn the_two_tasks_end_when_they_are_told_to() {
    let clock = RunClock::starting_at(Instant::now());
    let timer = Timer::new(clock).expect("a timer");
    let sockets = Sockets::new(clock, timer.descriptor()).expect("a set");
    let mut runtime =
        monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().build().expect("epoll is everywhere");
    let slots = Rc::new(Slots::new());
    runtime.block_on(async {
        let tasks = [0, 1].map(|ender| {
            let (sockets, slots) = (Rc::clone(&sockets), Rc::clone(&slots));
            monoio::spawn(async move { sockets.run(ender, &slots).await })
        });
        let readiness = Readiness::Set(Rc::clone(&sockets));
        for _ in 0..3 {
            timer.wait(&readiness, clock.now() + 1_000).await;
        }
        sockets.stop();
        for task in tasks {
            task.await;
        }
    });
    assert!(sockets.enders.borrow().iter().all(Option::is_none));
}
