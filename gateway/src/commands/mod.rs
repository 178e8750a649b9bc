//! One file per command.

pub mod check;
pub mod city_files;
mod configuration;
pub mod import;
pub mod keys;
pub mod serve;
pub mod store;
pub mod test_mail;
pub mod verify;
pub mod verify_draw;
