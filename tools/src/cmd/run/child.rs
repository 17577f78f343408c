//! One of the two programs while it runs: started, listened to, told to stop, waited for.

use crate::error::{Failure, exit};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child as Process, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickspin_host::netns::Namespace;
use tickspin_host::{child, cpu};

/// Lines kept of what a program says; more are dropped, so that nothing grows without bound.
const LINES_MAX: usize = 200;
/// Longest time for a program that nobody waits for any more to clean up behind itself.
const LEAVE_MAX: Duration = Duration::from_secs(3);
pub(super) const SIGTERM: i32 = 15;
pub(super) const SIGKILL: i32 = 9;

/// A running program.
///
/// Its standard output is not used: what it measured is in its files.
/// Dropped while it runs, it is told to stop, and killed if it does not within some seconds; the
/// kernel stops it when `tickspin` itself is killed.
#[derive(Debug)]
pub(super) struct Child {
    /// The program's name.
    pub(super) name: &'static str,
    process: Process,
    status: Option<ExitStatus>,
    said: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts it. Call from the first thread, before that is confined: the child inherits the
    /// cores of the thread that starts it. `namespace`: where it begins, else here; `cold`: where the thread goes that reads its lines.
    ///
    /// # Errors
    /// Exit code 4: the program does not start.
    pub(super) fn start(
        name: &'static str,
        path: &Path,
        arguments: &[OsString],
        namespace: Option<&Namespace>,
        cold: &[usize],
    ) -> Result<Child, Failure> {
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(namespace) = namespace {
            child::start_within(&mut command, namespace);
        }
        let mut process = child::stop_with_parent(&mut command).spawn().map_err(|error| {
            Failure::environment(format_args!("{} does not start: {error}", path.display()))
        })?;
        let said = Arc::default();
        let listener = process.stderr.take().map(|lines| listen(lines, &said, cold));
        Ok(Child { name, process, status: None, said, listener })
    }

    /// Whether it has ended; never waits.
    pub(super) fn has_ended(&mut self) -> bool {
        if self.status.is_none()
            && let Ok(Some(status)) = self.process.try_wait()
        {
            self.status = Some(status);
            if let Some(listener) = self.listener.take() {
                let _ = listener.join();
            }
        }
        self.status.is_some()
    }

    /// Sends a signal, if it still runs.
    pub(super) fn send(&mut self, signal: i32) {
        if !self.has_ended() {
            let _ = child::send_signal(&mut self.process, signal);
        }
    }

    /// The code it left with, `None` while it runs and where a signal ended it.
    pub(super) fn code(&self) -> Option<u8> {
        self.status?.code().map(|code| u8::try_from(code).unwrap_or(exit::FAILURE))
    }

    /// The signal that ended it.
    pub(super) fn signal(&self) -> Option<i32> {
        self.status?.signal()
    }

    /// The code to report for it: its own; 1 where a signal ended it.
    pub(super) fn outcome(&self) -> u8 {
        self.code().unwrap_or(exit::FAILURE)
    }

    /// What it said on standard error, line by line.
    pub(super) fn lines(&self) -> Vec<String> {
        self.said.lock().map(|said| said.clone()).unwrap_or_default()
    }

    /// What to say when it failed: its own lines, or how it ended.
    pub(super) fn complaint(&self) -> Vec<String> {
        let mut lines = self.lines();
        let name = self.name;
        match (self.signal(), self.outcome()) {
            (Some(signal), _) => lines.push(format!("{name} was ended by signal {signal}")),
            (None, code) if lines.is_empty() => {
                lines.push(format!("{name} left with exit code {code} and without a word"));
            }
            _ => {}
        }
        lines
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let since = Instant::now();
        self.send(SIGTERM);
        while !self.has_ended() && since.elapsed() < LEAVE_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.send(SIGKILL);
        if self.status.is_none() {
            let _ = self.process.wait();
        }
    }
}

fn listen(lines: ChildStderr, said: &Arc<Mutex<Vec<String>>>, cold: &[usize]) -> JoinHandle<()> {
    let (said, cold) = (Arc::clone(said), cold.to_vec());
    std::thread::spawn(move || {
        let _ = cpu::confine(&cold);
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            if let Ok(mut said) = said.lock()
                && said.len() < LINES_MAX
                && !line.trim().is_empty()
            {
                said.push(line);
            }
        }
    })
}
