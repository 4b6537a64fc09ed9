//! The HTTP/1.1 codec against a plain reference reader, against curl's behaviour, and against
//! whatever bytes a server may send.

mod check;
mod corpus;
mod curl;
mod hyper;
mod responses;
