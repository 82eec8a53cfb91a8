//! The link joins two machines over one TCP port: each proves its key to the other, all is encrypted, the newest wins.
//!
//! | module | what it is | I/O |
//! |---|---|---|
//! | [`config`] | what the link is told, checked | no |
//! | [`key`] | this machine's key and its file | files |
//! | [`tls`] | TLS 1.3 with pinned raw public keys | no |
//! | [`frame`] | what two links say to each other, as bytes | no |
//! | [`interest`] | whether what one wants is what the other has | no |
//! | [`outbox`] | what waits for the wire: the newest of each topic | no |
//! | [`budget`] | how much may be on its way | no |
//! | [`offset`] | the difference between two timelines | no |
//! | [`pipe`], [`conn`] | one encrypted connection, in bytes and in frames | TCP |
//! | [`session`] | two connections to a peer, until it is gone | TCP |
//! | [`listener`], [`dialer`] | how sessions begin | TCP |
//! | [`link`] | who is linked at the moment | |
//! | [`local`] | this machine's side, as the link sees it | |
//! | [`report`] | what was measured | log |
//!
//! Two connections make a session: `control` carries commands and the links' own words, `bulk` carries pictures, so a command
//! never waits behind a picture. A message is chosen when the kernel can take it, and the kernel is given little
//! ([`budget`]); what is newer by then has won. The link never looks into a payload, and lets a peer write nothing but the
//! topics that this graph wants from it.

pub mod budget;
pub mod config;
pub mod conn;
pub mod dialer;
pub mod frame;
pub mod interest;
pub mod key;
pub mod link;
pub mod listener;
pub mod local;
pub mod offset;
pub mod outbox;
pub mod pipe;
pub mod report;
pub mod session;
pub mod tls;
