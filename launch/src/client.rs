//! The other end of the control socket: which graphs run, and what they answer.
//! It never waits long for an answer.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use offboard::wiring::RunDir;

use crate::{
    control::{Answer, EventView, NodeView, ReloadView, Request, TopicView},
    failure::Failure,
    supervisor::code,
    words::did_you_mean,
};

/// How long an answer may take; launch answers between two events.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long a changed graph file may take to be read: its programs are asked what they are, and perhaps another reload is under way.
const RELOAD_WITHIN: Duration = Duration::from_secs(30);

/// How long a graph may take to stop: its longest `stop` and then some.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(60);

/// The longest answer, in bytes.
const ANSWER_MAX: u64 = 16 << 20;

/// A connection to a running graph.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its name.
    pub(crate) graph: String,
    stream: BufReader<UnixStream>,
}

/// All graphs of this user that run on this machine, by name.
///
/// # Errors
/// When the runtime folder cannot be read.
pub(crate) fn running() -> Result<Vec<Client>, Failure> {
    running_in(&RunDir::base()?)
}

/// All graphs that run in a runtime folder, by name.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn running_in(base: &Path) -> Result<Vec<Client>, Failure> {
    let mut names: Vec<String> =
        fs::read_dir(base)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names.into_iter().filter_map(|name| Client::connect(base, name).ok()).collect())
}

/// As [`running`], but there must be one.
///
/// # Errors
/// When none runs.
pub(crate) fn some_running() -> Result<Vec<Client>, Failure> {
    let running = running()?;
    if running.is_empty() {
        return Err(Failure::new(code::NOT_RUNNING, "no graph is running; start one with `launch FILE.toml`"));
    }
    Ok(running)
}

impl Client {
    fn connect(base: &Path, graph: String) -> io::Result<Client> {
        let stream = UnixStream::connect(RunDir::at(base.join(&graph)).control())?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Client { graph, stream: BufReader::new(stream) })
    }

    /// Waits no longer than this for each further answer.
    ///
    /// # Errors
    /// When `within` is zero.
    pub(crate) fn be_impatient(&mut self, within: Duration) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.set_read_timeout(Some(within))?;
        stream.set_write_timeout(Some(within))
    }

    /// Asks and gets the answer.
    ///
    /// # Errors
    /// When launch says no, or nothing.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.exchange(request);
        match answer.and_then(|answer| answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())) {
            Ok(Answer::Error(why)) => Err(Failure::new(code::NOT_RUNNING, why)),
            Ok(Answer::Refused { code, text }) => Err(Failure::drawn(code, text)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.silent(&error)),
        }
    }

    /// Asks; none when launch hung up instead of answering.
    fn exchange(&mut self, request: &Request) -> io::Result<Option<Answer>> {
        let mut line = serde_json::to_vec(request).unwrap_or_default();
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        self.answer()
    }

    /// The next answer; none when launch hung up.
    fn answer(&mut self) -> io::Result<Option<Answer>> {
        let mut answer = String::new();
        (&mut self.stream).take(ANSWER_MAX).read_line(&mut answer)?;
        if answer.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&answer)?)) }
    }

    fn silent(&self, error: &io::Error) -> Failure {
        let limit = self.stream.get_ref().read_timeout().ok().flatten().unwrap_or(ANSWER_WITHIN);
        let why = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("it has not within {limit:?}; was its launch stopped (Ctrl-Z)? `fg` lets it go on")
            }
            io::ErrorKind::UnexpectedEof => "it is ending".to_owned(),
            _ => error.to_string(),
        };
        Failure::new(code::OTHER, format!("{} does not answer: {why}", self.graph))
    }

    /// What happened to its nodes, as far as it is remembered; with `follow` also what will, until the graph ends.
    ///
    /// # Errors
    /// As [`Client::ask`], and what `each` says.
    pub(crate) fn events(
        &mut self,
        follow: bool,
        mut each: impl FnMut(EventView) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut next = Some(self.ask(&Request::Events { follow })?);
        if follow {
            // Nothing happens for days, when all is well.
            self.stream.get_mut().set_read_timeout(None)?;
        }
        while let Some(answer) = next {
            match answer {
                Answer::Event(event) => each(*event)?,
                Answer::Missed(count) => eprintln!("launch: {count} events came faster than they were read"),
                Answer::Done => return Ok(()),
                _ => return Err(self.nonsense()),
            }
            next = self.answer().map_err(|error| self.silent(&error))?;
        }
        Ok(())
    }

    /// How its nodes are.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) fn nodes(&mut self) -> Result<Vec<NodeView>, Failure> {
        match self.ask(&Request::Ps {})? {
            Answer::Nodes(nodes) => Ok(nodes),
            _ => Err(self.nonsense()),
        }
    }

    /// Its topics, and what its nodes add to CLOCK_MONOTONIC, in nanoseconds.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) fn topics(&mut self) -> Result<(Vec<TopicView>, i64), Failure> {
        match self.ask(&Request::Topics {})? {
            Answer::Topics { clock_offset_ns, topics } => Ok((topics, clock_offset_ns)),
            _ => Err(self.nonsense()),
        }
    }

    /// Has the changed graph file taken in.
    ///
    /// # Errors
    /// As [`Client::ask`], and all mistakes of the file.
    pub(crate) fn reload(&mut self) -> Result<ReloadView, Failure> {
        self.stream.get_mut().set_read_timeout(Some(RELOAD_WITHIN))?;
        match self.ask(&Request::Reload {})? {
            Answer::Reloaded(view) => Ok(view),
            _ => Err(self.nonsense()),
        }
    }

    /// Asks the graph to end. One that hangs up instead of answering has ended.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) fn ask_to_end(&mut self) -> Result<(), Failure> {
        match self.exchange(&Request::Stop { node: None }) {
            Ok(Some(Answer::Error(why))) => Err(Failure::new(code::NOT_RUNNING, why)),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(self.silent(&error)),
        }
    }

    /// Waits until launch has hung up: the graph is over.
    ///
    /// # Errors
    /// When that takes too long.
    pub(crate) fn wait_for_end(&mut self) -> Result<(), Failure> {
        self.stream.get_mut().set_read_timeout(Some(STOP_WITHIN))?;
        match self.stream.read(&mut [0]) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Failure::new(code::OTHER, format!("{} has not stopped within {STOP_WITHIN:?}", self.graph)))
            }
            _ => Ok(()),
        }
    }

    fn nonsense(&self) -> Failure {
        Failure::new(
            code::OTHER,
            format!("{} gave another answer than asked for: is it of another version?", self.graph),
        )
    }
}

/// A graph and the names of its nodes.
pub(crate) type Names = (String, Vec<String>);

/// What a name on the command line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A graph.
    Graph(String),
    /// A node of a graph.
    Node(String, String),
}

/// Finds `GRAPH`, `GRAPH:NODE`, or a `NODE` whose name is unique, among what runs.
///
/// # Errors
/// A sentence that says what is near, or what it might mean.
pub(crate) fn find(written: &str, running: &[Names]) -> Result<Target, String> {
    let all: Vec<(String, Target)> = running
        .iter()
        .flat_map(|(graph, nodes)| {
            let node = move |node: &String| (format!("{graph}:{node}"), Target::Node(graph.clone(), node.clone()));
            std::iter::once((graph.clone(), Target::Graph(graph.clone()))).chain(nodes.iter().map(node))
        })
        .collect();
    if let Some((_, target)) = all.iter().find(|(name, _)| name == written) {
        return Ok(target.clone());
    }
    let with_node = |(_, target): &&(String, Target)| matches!(target, Target::Node(_, node) if node == written);
    let meant: Vec<&(String, Target)> = all.iter().filter(with_node).collect();
    match meant.as_slice() {
        [(_, target)] => Ok(target.clone()),
        [] => {
            let nodes = running.iter().flat_map(|(_, nodes)| nodes).map(String::as_str);
            Err(format!(
                "nothing called {written} is running{}",
                did_you_mean(written, all.iter().map(|(name, _)| name.as_str()).chain(nodes))
            ))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!("{written} may be {}: say which", names.join(" or ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_graph_or_a_node_or_explained() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let running =
            [("robot".to_owned(), names(&["camera", "link"])), ("desktop".to_owned(), names(&["viewer", "link"]))];
        let node = |graph: &str, node: &str| Ok(Target::Node(graph.into(), node.into()));
        assert_eq!(find("robot", &running), Ok(Target::Graph("robot".into())));
        assert_eq!(find("camera", &running), node("robot", "camera"));
        assert_eq!(find("desktop:link", &running), node("desktop", "link"));
        assert_eq!(find("link", &running), Err("link may be robot:link or desktop:link: say which".into()));
        assert_eq!(find("camrea", &running), Err("nothing called camrea is running; did you mean camera?".into()));
        assert_eq!(
            find("robot:camrea", &running),
            Err("nothing called robot:camrea is running; did you mean robot:camera?".into())
        );
        assert_eq!(find("x", &running), Err("nothing called x is running".into()));
    }
}
