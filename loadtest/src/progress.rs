//! What an operator sees while a run goes on: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::api::Api;
use crate::measure::Call;
use crate::report::grouped;

/// How often the bar is drawn, in milliseconds.
const BAR_MS: u64 = 200;

/// How often a line is written where there is no terminal, in milliseconds.
const LINE_MS: u64 = 5_000;

/// A display that runs beside the work until it is dropped.
#[derive(Debug)]
pub struct Progress {
    arrived: Arc<AtomicU64>,
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Progress {
    /// Shows how `people` arrive and what they get.
    pub fn start(api: Arc<Api>, people: u64) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let bar = if on_terminal {
            ProgressBar::new(people)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} arrived · {msg}");
        bar.set_style(style.expect("the template is a constant that is tried in the tests"));
        let arrived = Arc::new(AtomicU64::new(0));
        let view = View {
            api,
            arrived: Arc::clone(&arrived),
            people,
            seen: (Instant::now(), 0),
        };
        let task = tokio::spawn(view.show(on_terminal.then(|| bar.clone())));
        Self { arrived, bar, task }
    }

    /// One more person has arrived.
    pub fn arrived(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

struct View {
    api: Arc<Api>,
    arrived: Arc<AtomicU64>,
    people: u64,
    /// When bookings were counted last, and how many there were.
    seen: (Instant, u64),
}

impl View {
    async fn show(mut self, bar: Option<ProgressBar>) {
        let period = Duration::from_millis(if bar.is_some() { BAR_MS } else { LINE_MS });
        let mut ticks = interval(period);
        loop {
            ticks.tick().await;
            let arrived = self.arrived.load(Ordering::Relaxed);
            let message = self.message();
            match &bar {
                Some(bar) => {
                    bar.set_position(arrived);
                    bar.set_message(message);
                }
                None => eprintln!(
                    "{}/{} arrived · {message}",
                    grouped(arrived),
                    grouped(self.people)
                ),
            }
        }
    }

    fn message(&mut self) -> String {
        let measure = self.api.measure();
        let (holds, booked) = (
            measure.count(Call::Hold, "2xx"),
            measure.count(Call::Confirm, "2xx"),
        );
        let errors = measure.unexpected_total() + measure.unanswered_total();
        drop(measure);
        let (when, before) = std::mem::replace(&mut self.seen, (Instant::now(), booked));
        let seconds = when.elapsed().as_secs_f64().max(0.001);
        let rate = booked.saturating_sub(before) as f64 / seconds;
        format!(
            "{} holds · {} booked · {rate:.0} bookings/s · {} errors",
            grouped(holds),
            grouped(booked),
            grouped(errors)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[tokio::test]
    async fn a_display_starts_and_ends() {
        let base = "http://127.0.0.1:1".parse().unwrap();
        let api = Arc::new(Api::new(Client::new(base, 1, Duration::from_secs(1))));
        let progress = Progress::start(api, 10);
        progress.arrived();
        tokio::task::yield_now().await;
    }
}
