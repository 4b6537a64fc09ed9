//! A server of random statuses, missing fields, huge lists, broken text, silence and resets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dice::Dice;
use crate::servers::{RawServer, read_request};

/// Answers as the seed wants, never twice alike.
pub(crate) fn chaos(seed: u64) -> RawServer {
    let count = Arc::new(AtomicU64::new(0));
    RawServer::start(move |mut stream| {
        while let Some(head) = read_request(&mut stream) {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length = length.map_or(0, |length| length.trim().parse().expect("a number"));
            let mut body = vec![0; length];
            if stream.read_exact(&mut body).is_err() {
                return;
            }
            let nth = count.fetch_add(1, Ordering::Relaxed);
            let mut dice = Dice::new(seed.wrapping_mul(1_000_003) ^ nth);
            if !answer(&mut stream, &mut dice) {
                return;
            }
        }
    })
}

/// Whether the connection goes on.
fn answer(stream: &mut TcpStream, dice: &mut Dice) -> bool {
    let statuses = ["200 OK", "200 OK", "200 OK", "201 Created", "404 No", "503 Busy", "299 Odd"];
    let status = dice.one_of(&statuses);
    let id = dice.below(5);
    let body: Vec<u8> = match dice.below(12) {
        0 => Vec::new(),
        1 => b"{}".to_vec(),
        2 => format!(r#"{{"id":{id}}}"#).into_bytes(),
        3 => format!(r#"{{"id":"{id}","items":[]}}"#).into_bytes(),
        4 => format!(r#"{{"id":{id},"items":[{}1]}}"#, "1234567,".repeat(4_000)).into_bytes(),
        5 => b"{\"id\":1,\"items\":[1,2".to_vec(),
        6 => b"{\"id\":\"\xFF\xFE\",\"items\":null}".to_vec(),
        7 => vec![b'x'; 300_000],
        8 => br#"{"id":1.2345678901234567e300,"items":[{"a":"\ud83d\ude00"},null,true]}"#.to_vec(),
        _ => format!(r#"{{"id":{id},"items":[{id},2,3],"name":"n{id}"}}"#).into_bytes(),
    };
    let size = body.len();
    let head = format!("HTTP/1.1 {status}\r\nX-Id: {id}\r\nContent-Length: {size}\r\n\r\n");
    match dice.below(20) {
        // Closed without an answer, in the head, or in the body.
        0 => return false,
        1 => {
            let _gone = stream.write_all(&head.as_bytes()[..head.len() / 2]);
            return false;
        }
        2 => {
            let _gone = stream.write_all(&[head.as_bytes(), &body[..size / 2]].concat());
            return false;
        }
        // Never answered: the bot's time runs out.
        3 => {
            let _until_it_gives_up = stream.read(&mut [0; 1]);
            return false;
        }
        4 => {
            let _gone = stream.write_all(b"not HTTP at all\r\n\r\n");
            return false;
        }
        _ => {}
    }
    stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
}
