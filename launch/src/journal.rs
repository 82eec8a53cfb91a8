//! `logs`: what nodes wrote, from their files, whether they still run or not; several nodes merged by time.
//! It never writes, and never asks a running launch.

use std::{collections::VecDeque, io::stdout, thread, time::Duration};

use self::{
    filter::Filter,
    sources::{Source, Wanted},
    stream::{Entry, Stream},
};
use crate::{
    cli::LogsArgs,
    failure::Failure,
    logs::{
        Format, Level, Look, Voice,
        look::{json, text},
    },
    print::print,
};

mod filter;
mod sources;
mod stream;

/// How often followed files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// After so many looks it is looked for new nodes, too.
const LOOKS_A_LIST: u32 = 10;

/// So many lines come before what is followed, unless it is said how many: as `journalctl -f` and `tail -f` do.
const LINES_BEFORE: usize = 10;

/// How much is printed at once, in bytes.
const BLOCK: usize = 64 << 10;

/// `logs`.
pub(crate) fn logs(args: &LogsArgs) -> Result<(), Failure> {
    let filter = Filter::new(args)?;
    let all = sources::all()?;
    let wanted = sources::find(&args.targets, &all)?;
    let chosen: Vec<Source> = all.into_iter().filter(|source| wanted.has(source)).collect();
    let mut journal = Journal {
        filter,
        wanted,
        streams: Vec::new(),
        out: String::new(),
        look: look(args, &chosen),
        times: args.timestamps,
    };
    chosen.into_iter().for_each(|source| journal.add(source));
    let lines = args.lines.or((args.follow && args.since.is_none()).then_some(LINES_BEFORE));
    journal.history(lines, args.follow)?;
    if args.follow { journal.follow() } else { Ok(()) }
}

fn look(args: &LogsArgs, chosen: &[Source]) -> Look {
    let several = chosen.iter().any(|source| source.graph != chosen[0].graph);
    let width = chosen.iter().map(|source| source.voice(0).width(several)).max().unwrap_or_default();
    let format = if args.json { Format::Json } else { Format::Text };
    Look { format, color: args.color.is_on(&stdout()), several, width }
}

/// The lines of all chosen nodes, and how they are shown.
struct Journal {
    filter: Filter,
    wanted: Wanted,
    streams: Vec<(Source, Voice, Stream)>,
    out: String,
    look: Look,
    times: bool,
}

impl Journal {
    fn add(&mut self, source: Source) {
        let Some(path) = source.path.clone() else { return };
        let voice = source.voice(self.streams.len());
        self.streams.push((source, voice, Stream::open(path, self.filter.since_time())));
    }

    /// Shows what the files hold: all, or the last so many lines.
    fn history(&mut self, lines: Option<usize>, follow: bool) -> Result<(), Failure> {
        let mut last: VecDeque<(usize, Entry)> = VecDeque::new();
        while let Some((stream, entry)) = self.next(follow) {
            if !self.filter.lets(&entry) {
                continue;
            }
            let Some(most) = lines else {
                self.draw(stream, &entry);
                self.print_if(BLOCK)?;
                continue;
            };
            last.push_back((stream, entry));
            if last.len() > most {
                last.pop_front();
            }
        }
        last.iter().for_each(|(stream, entry)| self.draw(*stream, entry));
        self.print_if(0)
    }

    /// The oldest line that none has seen.
    fn next(&mut self, follow: bool) -> Option<(usize, Entry)> {
        for (.., stream) in &mut self.streams {
            stream.look_ahead(follow);
        }
        let heads = self.streams.iter().enumerate().filter_map(|(index, (.., stream))| Some((stream.head()?, index)));
        let (_, index) = heads.min_by(|(a, _), (b, _)| a.time.cmp(&b.time))?;
        Some((index, self.streams.get_mut(index)?.2.take()?))
    }

    /// Shows what comes, until somebody interrupts.
    fn follow(&mut self) -> Result<(), Failure> {
        for look in 1_u32.. {
            thread::sleep(LOOK_EVERY);
            if look % LOOKS_A_LIST == 0 {
                self.look_for_new();
            }
            for (source, _, stream) in &mut self.streams {
                if stream.refresh() {
                    eprintln!("launch: lines of {source} were gone before they were read");
                }
            }
            while let Some((stream, entry)) = self.next(true) {
                if self.filter.lets(&entry) {
                    self.draw(stream, &entry);
                }
                self.print_if(BLOCK)?;
            }
            self.print_if(0)?;
        }
        Ok(())
    }

    fn look_for_new(&mut self) {
        // A folder that cannot be read now may be in a second.
        for source in sources::all().unwrap_or_default() {
            if self.wanted.has(&source) && !self.streams.iter().any(|(known, ..)| *known == source) {
                self.add(source);
            }
        }
    }

    fn draw(&mut self, stream: usize, entry: &Entry) {
        let Some((_, voice, _)) = self.streams.get(stream) else { return };
        let Entry { time, level, message } = entry;
        self.out += &match self.look.format {
            Format::Json => json(voice, time, *level, message),
            Format::Text => {
                let time = if self.times { format!("{time} ") } else { String::new() };
                let word = if *level == Level::Info { String::new() } else { format!("{} ", level.word()) };
                text(self.look, voice, *level, &format!("{time}{word}{message}"))
            }
        };
    }

    fn print_if(&mut self, most: usize) -> Result<(), Failure> {
        if self.out.len() <= most {
            return Ok(());
        }
        let done = print(&self.out);
        self.out.clear();
        done
    }
}
