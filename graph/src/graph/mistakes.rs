//! Mistakes in graph files: where, what and how to mend it, drawn under the line of the file.
//! It never stops at the first one, and never shows more than a person reads.

use std::{borrow::Cow, cmp::Reverse, fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::show::show;

/// The most mistakes that are drawn; whoever mends a hundred runs the check again anyway.
const SHOWN_MAX: usize = 100;

/// The most mistakes that one draft keeps; the rest is only counted, so that a hostile file costs no memory.
const KEPT_MAX: usize = 1000;

/// How much of a line is drawn behind a mark, and how long the mark is, in bytes; lines may be a megabyte long.
const LINE_MAX: usize = 200;

/// A text that mistakes point into.
#[derive(PartialEq, Eq)]
pub(crate) struct File {
    /// As a person would name it.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A part of a file.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) file: Arc<File>,
    /// In bytes.
    pub(crate) span: Range<usize>,
}

/// A value and where it was written.
#[derive(Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: Place,
}

/// One mistake.
#[derive(Clone)]
pub(crate) struct Mistake {
    title: String,
    at: Place,
    label: String,
    others: Vec<(Place, String)>,
    helps: Vec<String>,
    absent: Option<String>,
}

impl Mistake {
    pub(crate) fn new(at: &Place, title: impl Into<String>) -> Mistake {
        Mistake {
            title: title.into(),
            at: at.clone(),
            label: String::new(),
            others: Vec::new(),
            helps: Vec::new(),
            absent: None,
        }
    }

    /// What stands beside the mark.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Mistake {
        self.label = label.into();
        self
    }

    /// Another place that has to do with it.
    pub(crate) fn other(mut self, at: &Place, label: impl Into<String>) -> Mistake {
        self.others.push((at.clone(), label.into()));
        self
    }

    /// How to mend it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Mistake {
        self.helps.push(help.into());
        self
    }

    /// It consists in this word not being there; it may be in a part of the file that does not read.
    pub(crate) fn absent(mut self, word: &str) -> Mistake {
        self.absent = Some(word.to_owned());
        self
    }

    pub(crate) fn absent_word(&self) -> Option<&str> {
        self.absent.as_deref()
    }

    pub(crate) fn at(&self) -> &Place {
        &self.at
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(harmless(&self.title)));
        let mut files: Vec<&Arc<File>> = vec![&self.at.file];
        for (place, _) in &self.others {
            if !files.iter().any(|file| ***file == *place.file) {
                files.push(&place.file);
            }
        }
        for file in files {
            group = if file.text.trim().is_empty() {
                group.element(Origin::path(file.path.as_str()))
            } else {
                group.element(self.snippet(file))
            };
        }
        let helps = self.helps.iter().map(|help| Level::HELP.message(harmless(help)));
        renderer.render(&[group.elements(helps)])
    }

    /// The lines of one file that this mistake marks, cut out of it.
    fn snippet<'a>(&'a self, file: &'a File) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let marks = std::iter::once((&self.at, &self.label, AnnotationKind::Primary))
            .chain(self.others.iter().map(|(at, label)| (at, label, AnnotationKind::Context)))
            .filter(|(at, ..)| *at.file == *file)
            .map(|(at, label, kind)| (visible(&file.text, &at.span), label, kind));
        let marks: Vec<_> = marks.collect();
        let first = marks.iter().map(|(span, ..)| span.start).min().unwrap_or(0);
        let last = marks.iter().map(|(span, ..)| span.end).max().unwrap_or(0);
        let start = line_start(&file.text, first);
        let end = file.text.floor_char_boundary(line_end(&file.text, last).min(last.saturating_add(LINE_MAX)));
        let line = file.text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
        let annotations = marks.into_iter().map(|(span, label, kind)| {
            let annotation = kind.span(span.start - start..span.end - start);
            if label.is_empty() { annotation } else { annotation.label(harmless(label)) }
        });
        Snippet::source(harmless(&file.text[start..end]))
            .line_start(line)
            .path(file.path.as_str())
            .annotations(annotations)
    }
}

/// The drawing library shows most of what a terminal would obey, but not the controls above ASCII. Their stand-in is as
/// long as they are, so that marks keep their places.
fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if text.contains(harmful) { Cow::Owned(text.replace(harmful, "·")) } else { Cow::Borrowed(text) }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// The part of a span that can be marked: whole characters, on one line, not too many.
fn visible(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = span.end.min(start.saturating_add(LINE_MAX)).min(line_end(text, start)).max(start);
    start..text.floor_char_boundary(end)
}

/// The mistakes found so far.
#[derive(Clone, Default)]
pub(crate) struct Log {
    kept: Vec<Mistake>,
    more: usize,
}

impl Log {
    pub(crate) fn push(&mut self, mistake: Mistake) {
        if self.full() { self.more += 1 } else { self.kept.push(mistake) }
    }

    pub(crate) fn extend(&mut self, mistakes: impl IntoIterator<Item = Mistake>) {
        mistakes.into_iter().for_each(|mistake| self.push(mistake));
    }

    /// Further mistakes are only counted: no need to look for suggestions.
    pub(crate) fn full(&self) -> bool {
        self.kept.len() >= KEPT_MAX
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    pub(crate) fn append(&mut self, other: Log) {
        self.more += other.more;
        for mistake in other.kept {
            self.push(mistake);
        }
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Mistake) -> bool) {
        self.kept.retain(keep);
    }
}

/// All the mistakes of the graph files that were checked together, in the order of files and lines. Never empty.
pub struct Mistakes {
    sorted: Vec<Mistake>,
    more: usize,
}

impl Mistakes {
    /// Orders what was found; none when nothing was.
    pub(crate) fn of(log: Log, files: &[Arc<File>]) -> Option<Mistakes> {
        if log.len() == 0 {
            return None;
        }
        let Log { mut kept, more } = log;
        let rank = |place: &Place| files.iter().position(|file| **file == *place.file).unwrap_or(files.len());
        kept.sort_by_cached_key(|mistake| (rank(&mistake.at), mistake.at.span.start, Reverse(mistake.at.span.end)));
        // A file that two graphs include tells its mistakes once.
        kept.dedup_by(|a, b| a.title == b.title && a.at.span == b.at.span && *a.at.file == *b.at.file);
        Some(Mistakes { sorted: kept, more })
    }

    /// How many there are, those that are not drawn included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.sorted.len() + self.more
    }

    /// Each of them, those left out that are too many to be kept.
    pub fn spots(&self) -> impl Iterator<Item = Spot> {
        self.sorted.iter().map(|mistake| {
            let (text, at) = (&mistake.at.file.text, mistake.at.text_start());
            let begin = line_start(text, at);
            Spot {
                file: mistake.at.file.path.clone(),
                line: text[..begin].matches('\n').count() + 1,
                column: text[begin..at].chars().count() + 1,
                mistake: mistake.title.clone(),
                help: mistake.helps.clone(),
            }
        })
    }

    /// Draws them: what, where (file, line, mark), how to mend it. At most 100, then how many more there are.
    /// Ends with a newline.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let drawn: Vec<String> = self.sorted.iter().take(SHOWN_MAX).map(|mistake| mistake.render(&renderer)).collect();
        let mut text = drawn.join("\n\n");
        text.push('\n');
        if self.len() > SHOWN_MAX {
            text.push_str(&format!("\n… and {} more mistakes\n", self.len() - SHOWN_MAX));
        }
        text
    }
}

/// One mistake for a machine: an editor, a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spot {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub mistake: String,
    /// How to mend it.
    pub help: Vec<String>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Mistakes {}

impl File {
    pub(crate) fn new(path: &str, text: String) -> Arc<File> {
        // The path is a person's, but a folder may have any name; only what a terminal would obey is changed.
        let path = if path.chars().any(char::is_control) { show(path) } else { path.to_owned() };
        Arc::new(File { path, text })
    }
}

impl Place {
    /// The beginning of a file.
    pub(crate) fn top(file: &Arc<File>) -> Place {
        Place { file: file.clone(), span: 0..0 }
    }

    /// Where it begins, between two characters of the text.
    fn text_start(&self) -> usize {
        self.file.text.floor_char_boundary(self.span.start)
    }

    /// What is written there.
    pub(crate) fn text(&self) -> &str {
        self.file.text.get(self.span.clone()).unwrap_or("")
    }
}
