//! The interactive screen: a thread looks, a thread reads keys, and this one draws what they bring.
//! It never leaves the terminal other than it found it, however it ends.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use ratatui::{DefaultTerminal, crossterm::event};
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{
    app::{App, Wish},
    model::Report,
    sample::Looker,
    screen::draw,
    window::Window,
};
use crate::{
    client::{Target, running},
    control::Request,
    failure::Failure,
    supervisor::code,
};

/// How many news wait to be drawn; whoever brings more waits.
const NEWS_MAX: usize = 16;

/// How many wishes wait while a graph is being asked; more are turned down, and said to be.
const WISHES_MAX: usize = 4;

/// How soon after the first look comes the second, so that there are rates.
const SOON: Duration = Duration::from_millis(500);

/// What the threads bring.
enum News {
    Key(event::Event),
    Seen {
        at: Duration,
        report: Report,
        happened: Vec<String>,
    },
    /// How a wish went.
    Note(String),
    /// There is nothing more to see, and why.
    Over(Failure),
}

/// The terminal, given back when this is dropped.
struct Screen(DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows what runs until somebody ends it. Its first look must have found something.
///
/// # Errors
/// When the terminal cannot be used; with the exit code of a signal when one ended it.
pub(crate) fn live(looker: Looker, window: Window, target: Option<Target>, every: Duration) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let color = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let mut app = App::new(every);
    app.see(Duration::ZERO, window.report(target.as_ref()), Vec::new());
    let (to, mut news) = mpsc::channel(NEWS_MAX);
    let (wishes, wished) = sync_channel(WISHES_MAX);
    let keys = to.clone();
    // Sets a panic hook that gives the terminal back before anything is printed.
    let mut screen = Screen(ratatui::try_init()?);
    thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&keys))?;
    thread::Builder::new()
        .name("looks".to_owned())
        .spawn(move || look(looker, window, target.as_ref(), every, &wished, &to))?;
    runtime.block_on(async { show(&mut screen, app, color, &mut news, &wishes).await })
}

async fn show(
    screen: &mut Screen,
    mut app: App,
    color: bool,
    news: &mut mpsc::Receiver<News>,
    wishes: &SyncSender<Wish>,
) -> Result<(), Failure> {
    let mut ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(interrupt), Ok(terminate), Ok(hangup)] = &mut ends else {
        return Err(Failure::new(code::OTHER, "signals cannot be watched"));
    };
    loop {
        screen.0.draw(|frame| draw(frame, &app, color))?;
        let came = tokio::select! {
            signal = ended(interrupt, terminate, hangup) => return Err(Failure::drawn(code::SIGNAL + signal, String::new())),
            came = news.recv() => came,
        };
        let wish = match came {
            Some(News::Key(event::Event::Key(key))) => app.key(key),
            Some(News::Key(_)) => None,
            Some(News::Seen { at, report, happened }) => {
                app.see(at, report, happened);
                None
            }
            Some(News::Note(note)) => {
                app.note = Some(note);
                None
            }
            Some(News::Over(failure)) => return Err(failure),
            None => return Err(Failure::new(code::OTHER, "the terminal is gone")),
        };
        if let Some(Wish::Quit(with)) = wish {
            return if with == code::OK { Ok(()) } else { Err(Failure::drawn(with, String::new())) };
        }
        if wish.is_some_and(|wish| wishes.try_send(wish).is_err()) {
            app.note = Some("still busy with what was asked before; try again".to_owned());
        }
    }
}

/// The number of the signal that asks for the end.
async fn ended(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
        _ = hangup.recv() => 1,
    }
}

/// Ends with the screen, or with the terminal.
fn read_keys(to: &mpsc::Sender<News>) {
    loop {
        let news = match event::read() {
            Ok(event) => News::Key(event),
            Err(error) => News::Over(error.into()),
        };
        let over = matches!(news, News::Over(_));
        if to.blocking_send(news).is_err() || over {
            return;
        }
    }
}

/// Looks and does what is wished in turn: a graph that does not answer holds up neither keys nor drawing.
fn look(
    mut looker: Looker,
    mut window: Window,
    target: Option<&Target>,
    every: Duration,
    wished: &Receiver<Wish>,
    to: &mpsc::Sender<News>,
) {
    let mut rest = every.min(SOON);
    loop {
        let news = match looker.look() {
            Ok(sample) => {
                let at = sample.at;
                let happened = window.add(sample);
                News::Seen { at, report: window.report(target), happened }
            }
            Err(failure) => News::Over(failure),
        };
        let over = matches!(news, News::Over(_));
        if to.blocking_send(news).is_err() || over {
            return;
        }
        match wished.recv_timeout(rest) {
            Ok(Wish::Ask { graph, request }) => {
                let note = ask(&graph, &request)
                    .map_or_else(|failure| failure.text.trim().to_owned(), |()| told(&graph, &request));
                if to.blocking_send(News::Note(note)).is_err() {
                    return;
                }
            }
            Ok(Wish::Quit(_)) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        rest = every;
    }
}

fn ask(graph: &str, request: &Request) -> Result<(), Failure> {
    let gone = || Failure::new(code::NOT_RUNNING, format!("{graph} is not running any more"));
    let mut client = running()?.into_iter().find(|client| client.graph == graph).ok_or_else(gone)?;
    client.ask(request).map(drop)
}

fn told(graph: &str, request: &Request) -> String {
    match request {
        Request::Restart { node } => format!("{graph}:{node} gets a new process"),
        Request::Start { node } => format!("{graph}:{node} is started"),
        Request::Stop { node: Some(node) } => format!("{graph}:{node} is stopped"),
        _ => format!("{graph} is told"),
    }
}
