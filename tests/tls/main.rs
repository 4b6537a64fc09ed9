//! TLS against servers that nobody here wrote, on both IO drivers, with the real binary.

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../tallyho/mod.rs"]
mod tallyho;

mod certificates;
mod hold;
mod hostile;
mod nginx;
mod openssl;
mod others;
mod records;
