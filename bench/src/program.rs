//! A running program under measurement.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::Failure;

/// How long a program may take until it listens, also where a build without
/// optimisation reads a large configuration.
const PATIENCE: Duration = Duration::from_secs(60);

/// What /proc counts processor time in: on Linux a hundred a second.
const TICK: Duration = Duration::from_millis(10);

/// Ended when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<(String, SocketAddr)>,
}

impl Program {
    /// Starts it. All that it says is read, since a log that nobody reads costs
    /// nothing.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failure> {
        let name = Path::new(command.get_program()).display().to_string();
        let failed = |error: io::Error| format!("cannot start {name}: {error}");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let (found, lines) = channel();
        let mut output = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        thread::spawn(move || {
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                if line.contains("listening")
                    && let Ok(line) = serde_json::from_str::<Value>(&line)
                    && let (Some(message), Some(address)) = (text(&line, "message"), text(&line, "address"))
                    && let Ok(address) = address.parse()
                {
                    let _ = found.send((message.to_owned(), address));
                }
                line.clear();
            }
        });
        Ok(Self { child, lines })
    }

    /// Waits until it says that it listens, in these words.
    pub(crate) fn address(&self, message: &str) -> Result<SocketAddr, Failure> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok((said, address)) if said == message => return Ok(address),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Err("the program ended at once".to_owned()),
                Err(RecvTimeoutError::Timeout) => return Err("the program does not listen".to_owned()),
            }
        }
    }

    /// The processor time that it took so far, in itself and in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        cpu(self.child.id())
    }

    /// The same with the processes that it started and that are there.
    pub(crate) fn cpu_with_children(&self) -> Result<Duration, Failure> {
        self.children()?.into_iter().try_fold(self.cpu()?, |sum, child| Ok(sum + cpu(child)?))
    }

    /// The processes that it started and that are there.
    pub(crate) fn children(&self) -> Result<Vec<u32>, Failure> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let failed = |error: io::Error| format!("cannot read {tasks}: {error}");
        let mut children = Vec::new();
        for task in fs::read_dir(&tasks).map_err(failed)? {
            // A thread may have ended since.
            let task = task.map_err(failed)?.path().join("children");
            let line = fs::read_to_string(task).unwrap_or_default();
            children.extend(line.split_ascii_whitespace().filter_map(|number| number.parse::<u32>().ok()));
        }
        Ok(children)
    }
    /// How much memory it has now, in MiB.
    pub(crate) fn resident(&self) -> Result<f64, Failure> {
        let status = self.read("status")?;
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kibibytes.map(|it| it / 1024.0).ok_or_else(|| format!("cannot read {status}"))
    }

    fn read(&self, file: &str) -> Result<String, Failure> {
        read(self.child.id(), file)
    }
}

/// The processor time that a process took so far.
fn cpu(process: u32) -> Result<Duration, Failure> {
    let stat = read(process, "stat")?;
    // The program's name is in parentheses, and the first field after it is the third.
    let ticks = stat.rsplit_once(") ").and_then(|(_, fields)| {
        let mut fields = fields.split(' ').skip(11).map_while(|field| field.parse::<u32>().ok());
        Some(fields.next()? + fields.next()?)
    });
    ticks.map(|ticks| TICK * ticks).ok_or_else(|| format!("cannot read {stat}"))
}

/// What the kernel says of a process.
pub(crate) fn read(process: u32, file: &str) -> Result<String, Failure> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text<'a>(line: &'a Value, key: &str) -> Option<&'a str> {
    line.get(key)?.as_str()
}
