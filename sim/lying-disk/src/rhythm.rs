//! Checkpoints more often than SQLite makes them by itself, so that a short course sees many.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::ffi;

/// Pages in the write-ahead log after which a commit makes a checkpoint.
static PAGES: AtomicI32 = AtomicI32::new(1_000);

/// From now on connections of this process make a checkpoint after so many pages.
///
/// SQLite sets its own rhythm when everything else about a new connection is ready, and whoever
/// opened it another one after that, so ours is set with each statement.
pub fn checkpoint_every(pages: u16) {
    static REGISTERED: Once = Once::new();
    PAGES.store(i32::from(pages), Ordering::Relaxed);
    REGISTERED.call_once(|| {
        // SAFETY: `connected` has the signature of an extension's entry point and stays valid.
        let code = unsafe { ffi::sqlite3_auto_extension(Some(connected)) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes an extension");
    });
}

unsafe extern "C" fn connected(
    connection: *mut ffi::sqlite3,
    _: *mut *mut c_char,
    _: *const ffi::sqlite3_api_routines,
) -> c_int {
    let statements = ffi::SQLITE_TRACE_STMT as c_uint;
    // SAFETY: the connection is open, and is handed back to the callback only while it is.
    unsafe { ffi::sqlite3_trace_v2(connection, statements, Some(begins), connection.cast()) }
}

unsafe extern "C" fn begins(
    _: c_uint,
    connection: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
) -> c_int {
    let connection: *mut ffi::sqlite3 = connection.cast();
    // SAFETY: SQLite calls this while it uses the connection.
    unsafe {
        ffi::sqlite3_wal_autocheckpoint(connection, PAGES.load(Ordering::Relaxed));
    }
    ffi::SQLITE_OK
}
