//! One file per command.

pub mod check;
pub mod city_files;
pub mod import;
pub mod serve;
pub mod verify;
