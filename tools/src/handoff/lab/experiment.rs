//! An experiment: which cells, how long, how often.

use crate::error::Failure;
use serde::{Deserialize, Serialize};

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Our ring over sealed shared memory, read in place.
    Ring,
    /// The crate `ringbuf`.
    Ringbuf,
    /// The crate `rtrb`.
    Rtrb,
    /// `Mutex<VecDeque>` and `Condvar`.
    Mutex,
    /// `std::sync::mpsc::sync_channel`.
    Std,
    /// `crossbeam_channel::bounded`.
    Crossbeam,
    /// A pipe.
    Pipe,
    /// A pair of Unix datagram sockets.
    UnixDatagram,
    /// UDP over loopback.
    Udp,
    /// `tokio::sync::mpsc`; the sender is a task of the same worker (`task`), or a thread (`async`).
    Tokio,
}

/// How the receiver waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// Asks again at once.
    Spin,
    /// A `pause` between two questions.
    Pause,
    /// `sched_yield` between two questions.
    Yield,
    /// Sleeps on a futex: the channel's own, the condition variable's, or `thread::park`.
    Futex,
    /// Sleeps in `epoll_wait`, on the transport's descriptor or on an `eventfd`.
    Epoll,
    /// Sleeps in a blocking read.
    Block,
    /// An async task, woken from another thread.
    Async,
    /// An async task on the worker that the sending task runs on.
    Task,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 10] = [
        Transport::Ring,
        Transport::Ringbuf,
        Transport::Rtrb,
        Transport::Mutex,
        Transport::Std,
        Transport::Crossbeam,
        Transport::Pipe,
        Transport::UnixDatagram,
        Transport::Udp,
        Transport::Tokio,
    ];

    /// Whether this transport can be waited for like that.
    #[must_use]
    pub fn allows(self, waiting: Waiting) -> bool {
        use Waiting::{Async, Block, Epoll, Futex, Pause, Spin, Task, Yield};
        match self {
            Transport::Tokio => matches!(waiting, Async | Task),
            Transport::Pipe | Transport::UnixDatagram | Transport::Udp => {
                matches!(waiting, Spin | Pause | Yield | Epoll | Block)
            }
            _ => matches!(waiting, Spin | Pause | Yield | Futex | Epoll),
        }
    }
}

/// Longest message: 64 slots, which a pipe takes in one piece.
const PAYLOAD_MAX: usize = 64 * SLOT_BYTES;

/// The experiment file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// What it is called in the report.
    pub name: String,
    /// The question that it answers, a sentence.
    #[serde(default)]
    pub question: String,
    /// Rounds, 1..=1,000; intervals need five and more.
    pub rounds: usize,
    /// Messages of a cell in a round, 100..=10,000,000.
    pub messages: usize,
    /// Of these, the first so many are not counted.
    #[serde(default)]
    pub warm_up: usize,
    /// What takes what values.
    pub factors: Factors,
    /// The cell that the others are held against: transport and waiting.
    pub baseline: Baseline,
}

/// Values of each factor; cells are their cross product, less what makes no sense.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Factors {
    /// See [`Transport`].
    pub transport: Vec<Transport>,
    /// See [`Waiting`].
    pub waiting: Vec<Waiting>,
    /// Messages a second, 1..=5,000,000.
    pub rate: Vec<f64>,
    /// Bytes of a message, 1..=3,584. What is more than a slot holds (56) goes as several slots or
    /// elements, or in one write of a descriptor.
    #[serde(default = "one_slot")]
    pub payload: Vec<usize>,
    /// Cores of sender and receiver; none: those of the command line, or of the plan.
    #[serde(default)]
    pub cores: Vec<(usize, usize)>,
    /// SCHED_FIFO priority of both threads, 1..=99; 0: ordinary scheduling.
    #[serde(default = "ordinary")]
    pub priority: Vec<u8>,
}

/// What a slot of our ring carries.
const SLOT_BYTES: usize = 56;

fn one_slot() -> Vec<usize> {
    vec![SLOT_BYTES]
}

fn ordinary() -> Vec<u8> {
    vec![0]
}

/// A transport and a waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// See [`Transport`].
    pub transport: Transport,
    /// See [`Waiting`].
    pub waiting: Waiting,
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// What carries the messages.
    pub transport: Transport,
    /// How the receiver waits.
    pub waiting: Waiting,
    /// Messages a second.
    pub rate: f64,
    /// Bytes of a message.
    pub payload: usize,
    /// Cores of sender and receiver.
    pub cores: (usize, usize),
    /// SCHED_FIFO priority of both threads; 0: ordinary scheduling.
    pub priority: u8,
}

impl Cell {
    /// `ring.spin`, for tables and tags; with the value of each factor that has several.
    #[must_use]
    pub fn label(&self, factors: &Factors) -> String {
        let mut label = format!("{}.{}", word(self.transport), word(self.waiting));
        if factors.rate.len() > 1 {
            label.push_str(&format!(".{}", self.rate));
        }
        if factors.payload.len() > 1 {
            label.push_str(&format!(".{}B", self.payload));
        }
        if factors.cores.len() > 1 {
            label.push_str(&format!(".c{}-{}", self.cores.0, self.cores.1));
        }
        if factors.priority.len() > 1 {
            label.push_str(&format!(".p{}", self.priority));
        }
        label
    }

    /// Slots of our ring that a message takes.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.payload.div_ceil(SLOT_BYTES)
    }

    /// Differs from `other` in transport and waiting at most.
    #[must_use]
    pub fn is_beside(&self, other: &Cell) -> bool {
        (self.rate, self.payload, self.cores, self.priority)
            == (other.rate, other.payload, other.cores, other.priority)
    }
}

/// The word by which a file names a value.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

impl Experiment {
    /// Reads and checks the text of a file; `name` is for messages.
    ///
    /// # Errors
    /// Exit code 2.
    pub fn parse(text: &str, name: &str) -> Result<Experiment, Failure> {
        let wrong = |what: String| Failure::usage(format_args!("{name}: {what}"));
        let experiment: Experiment = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            wrong(format!("line {place}: {}", error.message().replace('\n', " ")))
        })?;
        let within = |key: &str, value: f64, low: f64, high: f64| {
            let is_in = (low..=high).contains(&value);
            is_in
                .then_some(())
                .ok_or_else(|| wrong(format!("{key} is {value}: {low} to {high} would do")))
        };
        within("rounds", experiment.rounds as f64, 1.0, 1_000.0)?;
        within("messages", experiment.messages as f64, 100.0, 1e7)?;
        within("warm_up", experiment.warm_up as f64, 0.0, experiment.messages as f64 - 100.0)?;
        for &rate in &experiment.factors.rate {
            within("rate", rate, 1.0, 5e6)?;
        }
        for &payload in &experiment.factors.payload {
            within("payload", payload as f64, 1.0, PAYLOAD_MAX as f64)?;
        }
        for &priority in &experiment.factors.priority {
            within("priority", f64::from(priority), 0.0, 99.0)?;
        }
        if let Some((core, _)) = experiment.factors.cores.iter().find(|(one, two)| one == two) {
            return Err(wrong(format!("cores [{core}, {core}]: a hand-over needs two cores")));
        }
        let cells = experiment.cells((0, 1));
        let Baseline { transport, waiting } = experiment.baseline;
        if !cells.iter().any(|cell| (cell.transport, cell.waiting) == (transport, waiting)) {
            return Err(wrong("the baseline is none of its cells".to_owned()));
        }
        Ok(experiment)
    }

    /// The cross product, less what makes no sense; `chosen`: the cores where the file names none.
    #[must_use]
    pub fn cells(&self, chosen: (usize, usize)) -> Vec<Cell> {
        let Factors { transport, waiting, rate, payload, priority, .. } = &self.factors;
        let mut cells = Vec::new();
        for cores in self.pairs(chosen) {
            for &priority in priority {
                for &rate in rate {
                    for &payload in payload {
                        for &transport in transport {
                            let allowed = waiting.iter().filter(|&&way| transport.allows(way));
                            cells.extend(allowed.map(|&waiting| Cell {
                                transport,
                                waiting,
                                rate,
                                payload,
                                cores,
                                priority,
                            }));
                        }
                    }
                }
            }
        }
        cells
    }

    /// The pairs of cores that are measured; `chosen` where the file names none.
    #[must_use]
    pub fn pairs(&self, chosen: (usize, usize)) -> Vec<(usize, usize)> {
        if self.factors.cores.is_empty() { vec![chosen] } else { self.factors.cores.clone() }
    }
}
