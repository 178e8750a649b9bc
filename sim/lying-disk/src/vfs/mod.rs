//! The layer itself: SQLite's file system for this process, which passes every call on to the one
//! that was there before and tells the watched directory of it.

mod file;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Once, OnceLock};
use std::{mem, ptr};

use rusqlite::ffi;
use rusqlite::ffi::{sqlite3_file, sqlite3_int64, sqlite3_vfs};

use crate::disk::Watched;
use file::{Handle, real_file};

/// How SQLite's unix file system opens the directory of a file, to sync it.
type OpenDirectory = unsafe extern "C" fn(*const c_char, *mut c_int) -> c_int;

static OPEN_DIRECTORY: OnceLock<OpenDirectory> = OnceLock::new();

/// Puts the layer under every connection that this process opens from now on.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    // SAFETY: `find` returns the default file system, which stays valid for ever, as do the leaked
    // copy and `METHODS`; the functions in both have the signatures that SQLite's types ask for.
    REGISTERED.call_once(|| unsafe {
        let real = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!real.is_null(), "SQLite has a file system");
        overhear_directories(real);
        let layer = Box::new(sqlite3_vfs {
            iVersion: 2,
            szOsFile: mem::size_of::<Handle>() as c_int + (*real).szOsFile,
            mxPathname: (*real).mxPathname,
            pNext: ptr::null_mut(),
            zName: c"lying".as_ptr(),
            pAppData: real.cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            // Nobody loads extensions from files here, and the time in days is only asked for
            // where there is none in milliseconds.
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: None,
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_ms),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        let code = ffi::sqlite3_vfs_register(Box::into_raw(layer), 1);
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the layer");
    });
}

/// Replaces the unix file system's way to open a directory for a sync by one that tells of it.
///
/// # Safety
/// `real` is a registered file system.
unsafe fn overhear_directories(real: *mut sqlite3_vfs) {
    type SystemCall = unsafe extern "C" fn();
    let name = c"openDirectory".as_ptr();
    // SAFETY: both functions belong to `real`, and the call of that name has the signature of
    // `OpenDirectory` in every version of SQLite's unix file system.
    unsafe {
        let (get, set) = (*real)
            .xGetSystemCall
            .zip((*real).xSetSystemCall)
            .expect("it is unix");
        let original = get(real, name).expect("a unix file system opens directories");
        let original = mem::transmute::<SystemCall, OpenDirectory>(original);
        let ours = mem::transmute::<OpenDirectory, SystemCall>(open_directory);
        OPEN_DIRECTORY.get_or_init(|| original);
        assert_eq!(
            set(real, name, Some(ours)),
            ffi::SQLITE_OK,
            "system calls can be replaced"
        );
    }
}

unsafe extern "C" fn open_directory(file: *const c_char, descriptor: *mut c_int) -> c_int {
    let original = OPEN_DIRECTORY.get().expect("set before it was replaced");
    // SAFETY: the arguments are those that SQLite gives, and `file` is a path.
    let (code, path) = unsafe { (original(file, descriptor), path(file)) };
    if code == ffi::SQLITE_OK
        && let Some((watched, path)) = Watched::find(path)
        && let Some(directory) = path.parent()
    {
        watched.directory_synced(directory);
    }
    code
}

/// # Safety
/// `name` is a C string that outlives the result.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: as above.
    let name = unsafe { CStr::from_ptr(name) };
    Path::new(OsStr::from_bytes(name.to_bytes()))
}

/// # Safety
/// `layer` is the file system that `register` has made.
unsafe fn real_vfs(layer: *mut sqlite3_vfs) -> *mut sqlite3_vfs {
    // SAFETY: as above.
    unsafe { (*layer).pAppData.cast() }
}

unsafe extern "C" fn open(
    layer: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives its arguments for `xOpen`: memory for both handles, which `register`
    // asked for, and a path or none. The real handle is initialised before ours says that it is.
    unsafe {
        (*file).pMethods = ptr::null();
        let (vfs, real) = (real_vfs(layer), real_file(file));
        let Some(real_open) = (*vfs).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let code = real_open(vfs, name, real, flags, flags_out);
        if code != ffi::SQLITE_OK {
            return code;
        }
        let named = !name.is_null();
        let watched = named.then(|| Watched::find(path(name))).flatten();
        let watched = watched.map(|(watched, path)| {
            let file = watched.opened(path);
            (watched, file)
        });
        file.cast::<Handle>().write(Handle::new(watched));
        code
    }
}

/// The directory is synced here and not by the real file system, so that the record has the two in
/// the right order.
unsafe extern "C" fn delete(
    layer: *mut sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: SQLite's arguments for `xDelete` are passed on.
    let (code, path) = unsafe {
        let vfs = real_vfs(layer);
        let Some(real_delete) = (*vfs).xDelete else {
            return ffi::SQLITE_IOERR;
        };
        (real_delete(vfs, name, 0), path(name))
    };
    if code == ffi::SQLITE_OK
        && let Some((watched, path)) = Watched::find(path)
    {
        watched.deleted(path.clone());
        if sync_directory != 0
            && let Some(directory) = path.parent()
        {
            watched.directory_synced(directory);
        }
    }
    code
}

/// Functions that hand a call to the real file system.
macro_rules! pass_on_to_vfs {
    ($($name:ident = $method:ident($($argument:ident: $type:ty),*);)*) => {$(
        unsafe extern "C" fn $name(layer: *mut sqlite3_vfs, $($argument: $type),*) -> c_int {
            // SAFETY: SQLite's arguments are passed on to the real function of the same name.
            unsafe {
                let vfs = real_vfs(layer);
                (*vfs).$method.map_or(ffi::SQLITE_ERROR, |method| method(vfs, $($argument),*))
            }
        }
    )*};
}

pass_on_to_vfs! {
    access = xAccess(name: *const c_char, flags: c_int, answer: *mut c_int);
    full_pathname = xFullPathname(name: *const c_char, bytes: c_int, to: *mut c_char);
    randomness = xRandomness(bytes: c_int, to: *mut c_char);
    sleep = xSleep(microseconds: c_int);
    last_error = xGetLastError(bytes: c_int, to: *mut c_char);
    current_time_ms = xCurrentTimeInt64(at: *mut sqlite3_int64);
}
