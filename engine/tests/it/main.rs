//! Integration tests of the engine, in one binary.

mod catalogue;
