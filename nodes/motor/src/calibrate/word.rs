//! What a person says during a calibration: keys of a terminal, or lines from a file or a pipe. It never reads further than the word
//! that was asked for: what comes behind the last one is for `launch`.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use rustix::{
    stdio::stdin,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr},
};
use tokio::sync::mpsc;

/// The longest line, in bytes.
const LINE_MAX: usize = 64;

/// How many small steps a large one has: the arrows up and down.
const LARGE: i32 = 5;

/// The largest number that can be meant, in µs or percent.
const NUMBER_MAX: i32 = 10_000;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// So many steps, up or down.
    Step(i32),
    /// So much, up or down.
    By(i32),
    /// To a value.
    To(i32),
    Ok,
    Yes,
    No,
    Quit,
    /// Something that is no word.
    Odd(String),
}

impl Word {
    /// What a line means.
    pub(super) fn of_line(line: &str) -> Word {
        let line = line.trim();
        let number =
            line.strip_prefix('+').unwrap_or(line).parse::<i32>().ok().filter(|number| number.abs() <= NUMBER_MAX);
        match (line, number) {
            ("+", _) => Word::Step(1),
            ("-", _) => Word::Step(-1),
            ("ok" | "", _) => Word::Ok,
            ("y" | "yes", _) => Word::Yes,
            ("n" | "no", _) => Word::No,
            ("q" | "quit", _) => Word::Quit,
            (signed, Some(number)) if signed.starts_with(['+', '-']) => Word::By(number),
            (_, Some(number)) => Word::To(number),
            _ => Word::Odd(line.chars().take(LINE_MAX).collect()),
        }
    }
}

/// How a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// By single keys of a terminal.
    Keys,
    /// By lines.
    Lines,
}

impl Manner {
    /// How this process is answered.
    pub(super) fn here() -> Manner {
        if isatty(stdin()) { Manner::Keys } else { Manner::Lines }
    }

    /// What says [`Word::Ok`].
    pub(super) fn ok(self) -> &'static str {
        match self {
            Manner::Keys => "Enter",
            Manner::Lines => "ok",
        }
    }

    /// What says [`Word::Quit`].
    pub(super) fn quit(self) -> &'static str {
        match self {
            Manner::Keys => "q",
            Manner::Lines => "quit",
        }
    }

    /// How a value is said outright: a `+` is a word by itself where keys are.
    pub(super) fn number(self) -> &'static str {
        match self {
            Manner::Keys => "1480 and Enter",
            Manner::Lines => "+50 or 1480",
        }
    }
}

/// Keys that have come so far: one alone is a word, digits are one with the Enter right behind them, arrows are three bytes.
#[derive(Debug, Default)]
struct Keys {
    digits: String,
    escape: Vec<u8>,
}

impl Keys {
    fn press(&mut self, key: u8) -> Option<Word> {
        let digits = std::mem::take(&mut self.digits); // nobody sees them: any other key forgets them
        if !self.escape.is_empty() || key == 0x1b {
            return self.arrow(key);
        }
        match key {
            b'0'..=b'9' | 0x08 | 0x7f => {
                self.digits = digits;
                if !key.is_ascii_digit() {
                    self.digits.pop();
                } else if self.digits.len() < LINE_MAX {
                    self.digits.push(key.into());
                }
                None
            }
            b'\r' | b'\n' => Some(Word::of_line(&digits)),
            b'+' | b'=' => Some(Word::Step(1)),
            b'-' => Some(Word::Step(-1)),
            b' ' => None,
            key => Some(Word::of_line(&char::from(key).to_lowercase().to_string())),
        }
    }

    fn arrow(&mut self, key: u8) -> Option<Word> {
        self.escape.push(key);
        let word = match self.escape[..] {
            [0x1b] | [0x1b, b'[' | b'O'] => return None,
            [0x1b, _, b'C'] => Some(Word::Step(1)),
            [0x1b, _, b'D'] => Some(Word::Step(-1)),
            [0x1b, _, b'A'] => Some(Word::Step(LARGE)),
            [0x1b, _, b'B'] => Some(Word::Step(-LARGE)),
            _ => None,
        };
        self.escape.clear();
        word
    }
}

/// Who says the words.
pub(super) struct Person {
    /// Asks for the next word.
    more: SyncSender<()>,
    words: mpsc::Receiver<Word>,
    terminal: Option<Termios>,
}

impl Person {
    /// Begins to listen: to single keys of a terminal, else to lines.
    ///
    /// # Errors
    /// When the operating system gives no thread, or the terminal cannot be set.
    pub(super) fn listen() -> io::Result<Person> {
        let terminal = match Manner::here() {
            Manner::Keys => Some(tcgetattr(stdin())?),
            Manner::Lines => None,
        };
        if let Some(mut keys) = terminal.clone() {
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            (keys.special_codes[SpecialCodeIndex::VMIN], keys.special_codes[SpecialCodeIndex::VTIME]) = (1, 0);
            tcsetattr(stdin(), OptionalActions::Now, &keys)?;
        }
        let (more, asked) = sync_channel(1);
        let (tell, words) = mpsc::channel(1);
        let keys = terminal.is_some();
        let person = Person { more, words, terminal };
        thread::Builder::new().name("words".to_owned()).spawn(move || read(keys, &asked, &tell))?;
        person.ask();
        Ok(person)
    }

    /// The next word; none when there will be no more.
    pub(super) async fn word(&mut self) -> Option<Word> {
        self.words.recv().await
    }

    /// Wants one more word. Until then nothing is read.
    pub(super) fn ask(&self) {
        // One wish is as good as two.
        let _ = self.more.try_send(());
    }

    /// Whether words are keys of a terminal.
    pub(super) fn is_at_terminal(&self) -> bool {
        self.terminal.is_some()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(was) = &self.terminal {
            // Keys that were held are not the next question's answer. A terminal that is gone needs nothing.
            let _ = tcsetattr(stdin(), OptionalActions::Flush, was);
        }
    }
}

/// The thread: it ends with the process, for nothing else ends a read.
fn read(keys: bool, asked: &Receiver<()>, tell: &mpsc::Sender<Word>) {
    let mut pressed = Keys::default();
    while asked.recv().is_ok() {
        let Some(word) = (if keys { key(&mut pressed) } else { line() }) else { return };
        if tell.blocking_send(word).is_err() {
            return;
        }
    }
}

fn key(pressed: &mut Keys) -> Option<Word> {
    loop {
        if let Some(word) = pressed.press(byte()?) {
            return Some(word);
        }
    }
}

/// A line; what is longer than any word is cut, and told as odd.
fn line() -> Option<Word> {
    let mut line = vec![byte()?];
    while line.last() != Some(&b'\n') {
        match byte() {
            Some(byte) if line.len() < LINE_MAX || byte == b'\n' => line.push(byte),
            Some(_) => {}
            None => break,
        }
    }
    Some(Word::of_line(&String::from_utf8_lossy(&line)))
}

fn byte() -> Option<u8> {
    let mut byte = [0];
    loop {
        match rustix::io::read(stdin(), &mut byte) {
            Ok(1) => return Some(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words() {
        let table = [
            ("+", Word::Step(1)),
            ("-", Word::Step(-1)),
            ("+50", Word::By(50)),
            ("-5", Word::By(-5)),
            ("1480", Word::To(1480)),
            (" ok ", Word::Ok),
            ("", Word::Ok),
            ("y", Word::Yes),
            ("no", Word::No),
            ("quit", Word::Quit),
            ("+99999999999", Word::Odd("+99999999999".into())),
            ("fast", Word::Odd("fast".into())),
        ];
        for (line, word) in table {
            assert_eq!(Word::of_line(line), word, "{line}");
        }
    }

    #[test]
    fn keys_are_words() {
        let words = |bytes: &[u8]| {
            let mut keys = Keys::default();
            bytes.iter().filter_map(|byte| keys.press(*byte)).collect::<Vec<_>>()
        };
        assert_eq!(words(b"+=-\r"), [Word::Step(1), Word::Step(1), Word::Step(-1), Word::Ok]);
        assert_eq!(words(b"\x1b[C\x1b[D\x1bOA\x1b[B"), [Word::Step(1), Word::Step(-1), Word::Step(5), Word::Step(-5)]);
        assert_eq!(words(b"149\x7f8\r"), [Word::To(148)]);
        assert_eq!(words(b"yNq"), [Word::Yes, Word::No, Word::Quit]);
        assert_eq!(words(b"\x1bxy"), [Word::Yes], "an escape that is no arrow is dropped with its key");
        assert_eq!(words(b" z"), [Word::Odd("z".into())]);
    }

    #[test]
    fn digits_that_no_enter_follows_are_forgotten() {
        for between in [&b"+"[..], b"=", b"-", b"\x1b[C", b"\x1bOD", b"y", b" "] {
            let mut keys = Keys::default();
            let bytes = [b"1", between, b"\r"].concat();
            let last = bytes.iter().filter_map(|byte| keys.press(*byte)).last();
            assert_eq!(last, Some(Word::Ok), "{between:?}");
        }
        let mut keys = Keys::default();
        assert!([b'1'; 2 * LINE_MAX].into_iter().all(|digit| keys.press(digit).is_none()));
        assert!(matches!(keys.press(b'\r'), Some(Word::Odd(_))));
    }
}
