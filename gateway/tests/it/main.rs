//! The gateway from the outside: the real program, over real sockets, on real disks.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod agent;
mod availability;
mod browser;
mod calendar;
mod citizen;
mod command_line;
mod course;
mod crash;
mod disk;
mod draw;
mod forward_auth;
mod http;
mod keys;
mod limits;
mod listener;
mod metrics;
mod nginx;
mod offices;
mod packaging;
mod pages;
mod post;
mod production;
mod races;
mod refusals;
mod releases;
mod restart;
mod rooms;
mod support;
mod test_mail;
mod tidy;
mod town;
mod visitor;
mod waiting_page;
mod wish_letters;
mod wish_pages;
mod wish_tickets;
mod wishes;
mod wishes_go_on;
