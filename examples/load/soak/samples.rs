//! What the nodes need over time, and how it is drawn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::chart::{Chart, FLOOR, Line, OWN, PEER};
use crate::usage::{files_of, usage_of};

use super::world::World;

const PACE: Duration = Duration::from_secs(5);

/// How often the tool looks whether it paused.
const LOOK: Duration = Duration::from_millis(20);

/// Points of a line in a picture, at most.
const POINTS: usize = 120;

/// What a node needs.
#[derive(Clone, Copy)]
pub struct Need {
    /// Resident memory in MB.
    pub memory: f64,
    /// Open file descriptors.
    pub files: f64,
}

pub struct Sample {
    /// Minutes since the start.
    pub at: f64,
    /// None of a node that restarts.
    pub nodes: Vec<Option<Need>>,
    /// Sockets that the tool has open, and sessions that the first node knows.
    pub open: usize,
    pub known: Option<usize>,
}

pub struct Samples {
    begun: Instant,
    taken: RefCell<Vec<Sample>>,
    /// Minutes from the start to the end of the churn.
    stop: Cell<f64>,
    /// The longest time for which this tool did nothing although it had something to do.
    pause: Cell<Duration>,
}

impl Samples {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            taken: RefCell::default(),
            stop: Cell::new(f64::INFINITY),
            pause: Cell::default(),
        }
    }

    pub async fn take(&self, world: &World) {
        let known = world.known_at(0).await;
        let need = |pid| {
            let usage = usage_of(pid)?;
            Some(Need { memory: usage.rss / 1024.0, files: files_of(pid)? as f64 })
        };
        let nodes = world.nodes.iter().map(|node| need(node.pid()?)).collect();
        let sample = Sample { at: self.minutes(), nodes, open: world.open(), known };
        self.taken.borrow_mut().push(sample);
    }

    pub async fn keep_taking(self: Rc<Self>, world: Rc<World>) {
        loop {
            sleep(PACE).await;
            self.take(&world).await;
        }
    }

    /// Notes for how long this tool pauses. It has one thread: while that waits for a CPU, no client does anything.
    pub async fn watch_pauses(self: Rc<Self>) {
        loop {
            let before = Instant::now();
            sleep(LOOK).await;
            self.pause.set(self.pause.get().max(before.elapsed().saturating_sub(LOOK)));
        }
    }

    pub fn longest_pause(&self) -> Duration {
        self.pause.get()
    }

    /// Sockets and users come and go no longer.
    pub fn note_stop(&self) {
        self.stop.set(self.minutes());
    }

    fn minutes(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() / 60.0
    }

    /// What the first node needed before the first socket, and at the end.
    pub fn first_and_last(&self) -> Option<(Need, Need)> {
        let taken = self.taken.borrow();
        Some((taken.first()?.nodes[0]?, taken.last()?.nodes[0]?))
    }

    /// Minutes and what the first node needed, from this share of the churn to that.
    pub fn of_churn(&self, from: f64, to: f64) -> Vec<(f64, Need)> {
        let stop = self.stop.get();
        let taken = self.taken.borrow();
        let part = taken.iter().filter(|sample| sample.at >= from * stop && sample.at <= to * stop);
        part.filter_map(|sample| Some((sample.at, sample.nodes[0]?))).collect()
    }

    pub fn charts(&self) -> Vec<Chart> {
        let taken = self.taken.borrow();
        let step = taken.len().div_ceil(POINTS).max(1);
        // The last one shows what is left.
        let last = taken.len().saturating_sub(1);
        let thin: Vec<_> = taken
            .iter()
            .enumerate()
            .filter(|(index, _)| index % step == 0 || *index == last)
            .map(|(_, sample)| sample)
            .collect();
        let line = |name: String, class, value: &dyn Fn(&Sample) -> Option<f64>| Line {
            name,
            class,
            points: thin.iter().map(|sample| (sample.at, value(sample))).collect(),
        };
        let nodes = taken.first().map_or(0, |sample| sample.nodes.len());
        let of_nodes = |need: &dyn Fn(&Need) -> f64| -> Vec<Line> {
            let class = |node| [OWN, PEER, FLOOR][usize::min(node, 2)];
            (0..nodes)
                .map(|node| {
                    let value = |sample: &Sample| sample.nodes[node].as_ref().map(need);
                    line(format!("node {}", node + 1), class(node), &value)
                })
                .collect()
        };
        let sessions = vec![
            line("sockets of the tool".to_owned(), PEER, &|sample| Some(sample.open as f64)),
            line("sessions that node 1 knows".to_owned(), OWN, &|sample| Some(sample.known? as f64)),
        ];
        let chart = |title: &str, lines| Chart::Lines { title: format!("{title}, by minutes"), lines };
        vec![
            chart("memory, MB RSS", of_nodes(&|need| need.memory)),
            chart("sockets and sessions", sessions),
            chart("open files", of_nodes(&|need| need.files)),
        ]
    }
}
