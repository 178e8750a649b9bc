//! What can be done to an open file.
//!
//! A file is two handles in one piece of memory that SQLite provides: ours, then the real one.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::{mem, ptr, slice};

use rusqlite::ffi;
use rusqlite::ffi::{sqlite3_file, sqlite3_int64};

use crate::disk::Watched;
use crate::fault::Failure;
use crate::operation::{FileNumber, Operation};

#[repr(C)]
pub(super) struct Handle {
    base: sqlite3_file,
    watched: Option<(Arc<Watched>, FileNumber)>,
    // The real file's handle follows.
}

// SQLite aligns the memory of handles to eight bytes, and no better; the real one is aligned too.
const _: () = assert!(mem::align_of::<Handle>() == 8);

impl Handle {
    pub(super) fn new(watched: Option<(Arc<Watched>, FileNumber)>) -> Handle {
        let base = sqlite3_file { pMethods: &METHODS };
        Handle { base, watched }
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

/// # Safety
/// `file` points to `szOsFile` bytes, as SQLite provides them.
pub(super) unsafe fn real_file(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: the memory is that of our handle and the real one behind it.
    unsafe { file.byte_add(mem::size_of::<Handle>()) }
}

/// # Safety
/// `file` was opened by `open` and is not closed yet.
unsafe fn handle<'a>(file: *mut sqlite3_file) -> &'a Handle {
    // SAFETY: as above; between opening and closing nobody writes to it.
    unsafe { &*file.cast::<Handle>() }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes what `open` has opened, once.
    unsafe {
        let code = real_close(file);
        file.cast::<Handle>().drop_in_place();
        (*file).pMethods = ptr::null();
        code
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite writes to open files.
    let Some((watched, number)) = (unsafe { &handle(file).watched }) else {
        // SAFETY: the arguments are passed on.
        return unsafe { real_write(file, from, bytes, offset) };
    };
    let failure = watched.call();
    let (length, answer) = match failure {
        None => (bytes, ffi::SQLITE_OK),
        Some(failure) => {
            let length = if failure.is_short() { bytes / 2 } else { 0 };
            let answer = if failure.is_full() {
                ffi::SQLITE_FULL
            } else {
                ffi::SQLITE_IOERR_WRITE
            };
            (length, answer)
        }
    };
    if length == 0 {
        return answer;
    }
    // SAFETY: `from` has at least `length` bytes.
    let (code, written) = unsafe {
        let written = slice::from_raw_parts(from.cast::<u8>(), length as usize);
        (real_write(file, from, length, offset), written)
    };
    if code != ffi::SQLITE_OK {
        return code;
    }
    watched.happened(Operation::Written {
        file: *number,
        offset: offset as usize,
        bytes: written.to_vec(),
    });
    answer
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    // SAFETY: SQLite truncates open files.
    let watched = unsafe { &handle(file).watched };
    let failure = watched.as_ref().and_then(|(watched, _)| watched.call());
    if failure.is_some_and(|failure| !failure.is_full()) {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    // SAFETY: the arguments are passed on.
    let code = unsafe { real_truncate(file, length) };
    if code == ffi::SQLITE_OK
        && let Some((watched, number)) = watched
    {
        let (file, length) = (*number, length as usize);
        watched.happened(Operation::Truncated { file, length });
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite syncs open files.
    let watched = unsafe { &handle(file).watched };
    if let Some((watched, number)) = watched
        && let Some(failure) = watched.call()
        && !failure.is_full()
    {
        if failure == Failure::Forgetful {
            watched.happened(Operation::Forgotten { file: *number });
        }
        return ffi::SQLITE_IOERR_FSYNC;
    }
    // SAFETY: the arguments are passed on.
    let code = unsafe { real_sync(file, flags) };
    if code == ffi::SQLITE_OK
        && let Some((watched, number)) = watched
    {
        watched.happened(Operation::Synced { file: *number });
    }
    code
}

/// A write leaves the bytes around it alone. No other promise of the device is passed on.
unsafe extern "C" fn device_characteristics(_: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

/// Functions that hand a call to the real file.
macro_rules! pass_on {
    ($(
        $name:ident = $method:ident($($argument:ident: $type:ty),*) -> $answer:ty,
        else $none:expr;
    )*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file, $($argument: $type),*) -> $answer {
            // SAFETY: SQLite calls methods of files that `open` has opened, with the arguments
            // that the real file's method of the same name takes.
            unsafe {
                let real = real_file(file);
                (*(*real).pMethods).$method.map_or($none, |method| method(real, $($argument),*))
            }
        }
    )*};
}

pass_on! {
    real_close = xClose() -> c_int, else ffi::SQLITE_IOERR;
    read = xRead(to: *mut c_void, bytes: c_int, offset: sqlite3_int64) -> c_int,
        else ffi::SQLITE_IOERR;
    real_write = xWrite(from: *const c_void, bytes: c_int, offset: sqlite3_int64) -> c_int,
        else ffi::SQLITE_IOERR;
    real_truncate = xTruncate(length: sqlite3_int64) -> c_int, else ffi::SQLITE_IOERR;
    real_sync = xSync(flags: c_int) -> c_int, else ffi::SQLITE_IOERR;
    file_size = xFileSize(bytes: *mut sqlite3_int64) -> c_int, else ffi::SQLITE_IOERR;
    lock = xLock(level: c_int) -> c_int, else ffi::SQLITE_IOERR;
    unlock = xUnlock(level: c_int) -> c_int, else ffi::SQLITE_IOERR;
    check_reserved_lock = xCheckReservedLock(answer: *mut c_int) -> c_int, else ffi::SQLITE_IOERR;
    file_control = xFileControl(code: c_int, argument: *mut c_void) -> c_int,
        else ffi::SQLITE_NOTFOUND;
    sector_size = xSectorSize() -> c_int, else 0;
    shm_map = xShmMap(region: c_int, bytes: c_int, extend: c_int, at: *mut *mut c_void) -> c_int,
        else ffi::SQLITE_IOERR;
    shm_lock = xShmLock(offset: c_int, locks: c_int, flags: c_int) -> c_int,
        else ffi::SQLITE_IOERR;
    shm_barrier = xShmBarrier() -> (), else ();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int, else ffi::SQLITE_IOERR;
    fetch = xFetch(offset: sqlite3_int64, bytes: c_int, at: *mut *mut c_void) -> c_int,
        else ffi::SQLITE_IOERR;
    unfetch = xUnfetch(offset: sqlite3_int64, at: *mut c_void) -> c_int, else ffi::SQLITE_IOERR;
}
