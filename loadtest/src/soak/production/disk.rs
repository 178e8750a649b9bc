//! A disk that can run out of room: a small file system in memory, which only root may mount. Where
//! that is not possible, a bound on the size of Redis' files stands for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use morgenruh_servers::Redis;

/// Room for Redis' files, in bytes: what a few hundred cycles write, and what rewriting them takes.
const ROOM_BYTES: u64 = 512 << 20;

/// Room that is left when the disk is about to be full, in bytes.
const LEFT_BYTES: u64 = 32 << 10;

/// How often it is tried to leave so little, while somebody goes on writing.
const TRIES_MAX: u32 = 20;

#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    is_mounted: bool,
}

impl Disk {
    /// Makes the folder, and mounts a file system there if it can.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={ROOM_BYTES},mode=0755")]);
        let is_mounted = done(mount.arg("morgenruh-soak").arg(path));
        Ok(Self {
            path: path.to_owned(),
            is_mounted,
        })
    }

    /// How it fills up.
    pub(super) fn how(&self) -> &'static str {
        if self.is_mounted {
            "a small file system"
        } else {
            "a bound on the size of files"
        }
    }

    /// Leaves next to no room.
    pub(super) fn fill(&self, redis: &Redis) -> io::Result<()> {
        if !self.is_mounted {
            return self.limit(redis);
        }
        // What is written meanwhile makes it fail: it cannot be smaller than what it holds.
        for _ in 0..TRIES_MAX {
            if self.resize(self.used()? + LEFT_BYTES) {
                return Ok(());
            }
        }
        Err(io::Error::other("the disk of Redis cannot be filled"))
    }

    /// Gives all room back.
    pub(super) fn make_room(&self) -> io::Result<()> {
        if !self.is_mounted || self.resize(ROOM_BYTES) {
            return Ok(());
        }
        Err(io::Error::other("the disk of Redis stays full"))
    }

    fn used(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok((stat.f_blocks - stat.f_bfree) * stat.f_frsize)
    }

    fn resize(&self, bytes: u64) -> bool {
        let mut mount = Command::new("mount");
        done(
            mount
                .args(["-o", &format!("remount,size={bytes}")])
                .arg(&self.path),
        )
    }

    /// It ends with the process.
    fn limit(&self, redis: &Redis) -> io::Result<()> {
        let mut largest = 0;
        for entry in fs::read_dir(self.path.join("appendonlydir"))? {
            largest = largest.max(entry?.metadata()?.len());
        }
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &redis.pid().to_string()]);
        if done(prlimit.arg(format!("--fsize={}", largest + LEFT_BYTES))) {
            return Ok(());
        }
        Err(io::Error::other("the files of Redis cannot be bounded"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // Whatever still holds it lets go of it later.
            done(Command::new("umount").arg("--lazy").arg(&self.path));
        }
    }
}

fn done(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
