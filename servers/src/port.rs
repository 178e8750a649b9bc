//! Ports that nobody listens on.
//!
//! They are drawn from below the range in which Linux places outgoing connections (32768 and up).
//! So while a server is dead, no connection of somebody else's can sit on its port, and a client
//! that tries again and again cannot end up connected to itself.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::entropy;

const PORTS: Range<u16> = 16_384..32_768;

/// Ports that are looked at before the machine counts as full.
const DRAWS_MAX: usize = 1_000;

/// A port of 127.0.0.1 that was free a moment ago; somebody else may be quicker.
pub(crate) fn free() -> u16 {
    listen().1
}

/// A listener on a port of 127.0.0.1 that was free.
pub(crate) fn listen() -> (TcpListener, u16) {
    (0..DRAWS_MAX)
        .map(|_| PORTS.start + u16::from_ne_bytes(entropy::bytes()) % (PORTS.end - PORTS.start))
        .find_map(|port| Some((TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?, port)))
        .expect("some port is free")
}
