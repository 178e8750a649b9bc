//! Real servers, as tests and benches use them.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod mail;
mod orphans;
mod postgres;
mod proxy;
mod redis;
mod run;

/// For things that another process does, some of them on a busy machine.
const SOON: std::time::Duration = std::time::Duration::from_secs(30);

/// Sits on a port for a while, as another program might.
fn occupy(address: std::net::SocketAddr) {
    let listener = std::net::TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(listener);
    });
}

/// Waits until it is so.
fn soon(what: &str, mut so: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !so() {
        assert!(since.elapsed() < SOON, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Whether there is such a process, one that is only not reaped excepted.
fn lives(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
