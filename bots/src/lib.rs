//! Bots written in Rust.
