//! A fingerprint of the machine, so that nobody compares figures that cannot be compared.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::sides::median;
use crate::table::folder;
use crate::threads::together;

/// How long two threads play ping-pong.
const PING_PONG: Duration = Duration::from_millis(1);
/// Blocks written to see what the disk takes.
const SYNCS: usize = 64;
const PAGE_BYTES: f64 = 4_096.0;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    /// A cache line from one core to the other, in nanoseconds: the quartiles
    /// of the run.
    pub ping_pong_ns: [f64; 3],
    /// Median of writing and syncing 4 KiB, in microseconds.
    pub fdatasync_us: f64,
    /// What the disk that was written to is formatted as.
    #[serde(default)]
    pub file_system: String,
    /// Share of CPU time that went to other machines during the run, in percent.
    pub foreign_cpu_percent: f64,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine {
            processor,
            cores,
            ping_pong_ns,
            fdatasync_us,
            file_system,
            foreign_cpu_percent,
        } = self;
        let [lower, middle, upper] = ping_pong_ns;
        write!(
            f,
            "{processor}, {cores} cores; ping-pong {middle:.0} ns (half of them {lower:.0} to {upper:.0}), \
             fdatasync {fdatasync_us:.0} µs on {file_system}, {foreign_cpu_percent:.1} % foreign CPU",
        )
    }
}

/// Watches the machine during a run.
pub struct Watch {
    began: CpuTimes,
    ping_pongs: Vec<f64>,
}

impl Watch {
    pub fn begin() -> Watch {
        Watch {
            began: CpuTimes::read(),
            ping_pongs: Vec::new(),
        }
    }

    /// Looks at how far apart the cores are now. Call it often: it changes.
    pub fn look(&mut self) {
        self.ping_pongs.push(ping_pong());
    }

    /// # Errors
    /// When the disk cannot be tried.
    pub fn end(mut self) -> std::io::Result<Machine> {
        self.ping_pongs.sort_by(f64::total_cmp);
        let quartile = |quarters: usize| {
            let place = self.ping_pongs.len() * quarters / 4;
            self.ping_pongs.get(place).copied().unwrap_or_default()
        };
        let ping_pong_ns = [1, 2, 3].map(quartile);
        let times = CpuTimes::read();
        let all = (times.all - self.began.all).max(1);
        Ok(Machine {
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            ping_pong_ns,
            fdatasync_us: fdatasync_us()?,
            file_system: file_system(&folder()?.canonicalize()?),
            foreign_cpu_percent: (times.stolen - self.began.stolen) as f64 * 100.0 / all as f64,
        })
    }
}

/// One way of a cache line between two threads, in nanoseconds.
fn ping_pong() -> f64 {
    let (ball, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let serve = || {
        let begin = Instant::now();
        let mut ways = 0;
        while begin.elapsed() < PING_PONG {
            ball.store(ways + 1, Ordering::Release);
            while ball.load(Ordering::Acquire) != ways + 2 {
                std::hint::spin_loop();
            }
            ways += 2;
        }
        over.store(true, Ordering::Release);
        begin.elapsed().as_nanos() as f64 / ways as f64
    };
    let give_back = || {
        while !over.load(Ordering::Acquire) {
            let ways = ball.load(Ordering::Acquire);
            if ways % 2 == 1 {
                ball.store(ways + 1, Ordering::Release);
            }
        }
        0.0
    };
    together(2, |thread| if thread == 0 { serve() } else { give_back() })
        .iter()
        .sum()
}

fn fdatasync_us() -> std::io::Result<f64> {
    let mut file = tempfile::tempfile_in(folder()?)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        times.push(begin.elapsed().as_nanos() as f64 / 1_000.0);
    }
    Ok(median(&times))
}

/// What a process has in memory now, in bytes. It is named as in `/proc`: by its id, or `self`.
///
/// # Errors
/// When the system does not say.
pub fn resident_bytes(process: &str) -> std::io::Result<f64> {
    let pages = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let resident = pages.split_whitespace().nth(1);
    let resident: Option<f64> = resident.and_then(|pages| pages.parse().ok());
    let resident = resident.ok_or_else(|| std::io::Error::other("statm is not as it was"))?;
    Ok(resident * PAGE_BYTES)
}

/// Of the innermost mount that holds the path.
fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?, words.next()?))
    });
    let around = mounts.filter(|(place, _)| path.starts_with(place));
    let innermost = around.max_by_key(|(place, _)| place.len());
    innermost.map_or_else(
        || "an unknown file system".to_owned(),
        |(_, kind)| kind.to_owned(),
    )
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

/// All CPU time of the machine, and what of it was taken by others, in ticks.
struct CpuTimes {
    all: u64,
    stolen: u64,
}

impl CpuTimes {
    fn read() -> CpuTimes {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        let times: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .map(|time| time.parse().unwrap_or_default())
            .collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user.
        let times = times.get(..8).unwrap_or_default();
        CpuTimes {
            all: times.iter().sum(),
            stolen: times.last().copied().unwrap_or_default(),
        }
    }
}
