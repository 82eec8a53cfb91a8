//! The window, on a thread of its own: shows the newest picture, lets itself be resized and closed. It never decodes.

use std::{
    env, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use minifb::{InputCallback, Key, Scale, ScaleMode, Window, WindowOptions};
use offboard::clock;
use tokio::sync::watch;

use crate::{
    Shared, Shown,
    canvas::{Canvas, Place, fit},
    overlay::{self, BACKGROUND},
    slot::Slot,
};

/// How often keys and the close button are looked at; a new picture is shown at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often the numbers change when no picture comes.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
/// A window no larger than this fits on any screen of today.
const ANY_SCREEN: (usize, usize) = (1024, 600);
/// The longest side of a window, in pixels.
const SIDE_MAX: f64 = 4096.0;
/// The window before the first picture.
const WAITING: (usize, usize) = (640, 480);

/// How the window is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Life {
    Opening,
    Open,
    /// A person closed it.
    Closed,
    /// It could not be opened, and why.
    Failed(String),
}

/// How the window should be.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) title: String,
    pub(crate) topic: String,
    pub(crate) scale: f64,
    pub(crate) overlay: bool,
}

/// Whether there is a display to open a window on.
pub(crate) fn has_display() -> bool {
    env::var_os("DISPLAY").is_some_and(|display| !display.is_empty())
}

/// Opens the window on its own thread; the receiver tells how it is.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(wish: Wish, pictures: Slot<Shown>, shared: Shared) -> io::Result<watch::Receiver<Life>> {
    let (tell, life) = watch::channel(Life::Opening);
    thread::Builder::new().name("window".to_owned()).spawn(move || {
        let ended = Screen::open(wish, shared).and_then(|mut screen| {
            tell.send_replace(Life::Open);
            screen.run(&pictures)
        });
        tell.send_replace(ended.map_or_else(|error| Life::Failed(error.to_string()), |()| Life::Closed));
    })?;
    Ok(life)
}

struct Screen {
    wish: Wish,
    shared: Shared,
    window: Window,
    canvas: Canvas,
    newest: Option<Shown>,
    drawn: Instant,
    escape: Escape,
}

/// Whether Esc was ever pressed: a short press may begin and end between two looks at the keyboard's state.
#[derive(Debug, Clone, Default)]
struct Escape(Arc<AtomicBool>);

impl InputCallback for Escape {
    fn add_char(&mut self, _: u32) {}

    fn set_key_state(&mut self, key: Key, pressed: bool) {
        if key == Key::Escape && pressed {
            self.0.store(true, Relaxed);
        }
    }
}

impl Screen {
    fn open(wish: Wish, shared: Shared) -> minifb::Result<Screen> {
        let escape = Escape::default();
        let mut window = open(&wish.title, WAITING)?;
        window.set_input_callback(Box::new(escape.clone()));
        Ok(Screen { wish, shared, window, canvas: Canvas::default(), newest: None, drawn: Instant::now(), escape })
    }

    /// Until it is closed.
    fn run(&mut self, pictures: &Slot<Shown>) -> minifb::Result<()> {
        self.draw()?;
        while self.window.is_open() && !self.escape.0.load(Relaxed) {
            let size = self.window.get_size();
            if let Some(shown) = pictures.take(LOOK_EVERY) {
                self.shared.lock().shown(clock::now_ns(), shown.stamp_ns);
                self.take(shown)?;
            } else if self.drawn.elapsed() >= REDRAW_EVERY || size != (self.canvas.width, self.canvas.height) {
                self.draw()?;
            } else {
                self.window.update();
            }
        }
        Ok(())
    }

    fn take(&mut self, shown: Shown) -> minifb::Result<()> {
        let size = |shown: &Shown| (shown.picture.width, shown.picture.height);
        if self.newest.as_ref().map(size) != Some(size(&shown)) {
            self.window = open(&self.wish.title, window_size(size(&shown), self.wish.scale))?;
            self.window.set_input_callback(Box::new(self.escape.clone()));
        }
        self.newest = Some(shown);
        self.draw()
    }

    fn draw(&mut self) -> minifb::Result<()> {
        let (width, height) = self.window.get_size();
        let readings = self.shared.lock().read(clock::now_ns());
        let complaint = overlay::complaint(&self.wish.topic, &readings);
        self.canvas.clear(width, height, BACKGROUND);
        if let Some(Shown { picture, .. }) = &self.newest {
            let place: Place = fit((picture.width, picture.height), (width, height));
            self.canvas.draw_picture(picture, place);
            if complaint.is_some() {
                self.canvas.dim(place, 2);
            }
            if self.wish.overlay {
                overlay::draw_corner(&mut self.canvas, &overlay::numbers(&readings, (picture.width, picture.height)));
            }
        }
        if let Some(lines) = complaint {
            overlay::draw_middle(&mut self.canvas, &lines);
        }
        self.drawn = Instant::now();
        self.window.update_with_buffer(&self.canvas.pixels, width, height)
    }
}

/// How large a window for a picture is at first.
fn window_size(picture: (usize, usize), scale: f64) -> (usize, usize) {
    let (width, height) = (picture.0 as f64, picture.1 as f64);
    let scale = scale.min(SIDE_MAX / width.max(height));
    let side = |length: f64| (length * scale).round().max(1.0) as usize;
    (side(width), side(height))
}

/// Opens a window of this size, or as large as the screen allows.
fn open(title: &str, size: (usize, usize)) -> minifb::Result<Window> {
    let (width, height) = size;
    if width <= ANY_SCREEN.0 && height <= ANY_SCREEN.1 {
        return open_as(title, size, Scale::X1);
    }
    // The library does not tell how large the screen is, but it can open a window of given proportions as large as the screen.
    let window = open_as(title, proportions(size), Scale::FitScreen)?;
    if window.get_size().0 <= width {
        return Ok(window);
    }
    drop(window);
    open_as(title, size, Scale::X1)
}

fn open_as(title: &str, (width, height): (usize, usize), scale: Scale) -> minifb::Result<Window> {
    let options = WindowOptions { resize: true, scale, scale_mode: ScaleMode::UpperLeft, ..WindowOptions::default() };
    let mut window = Window::new(title, width, height, options)?;
    window.set_target_fps(0); // we wait for pictures ourselves
    let [_, red, green, blue] = BACKGROUND.to_be_bytes();
    window.set_background_color(red, green, blue);
    Ok(window)
}

/// The smallest size of the same proportions, exactly or nearly.
fn proportions((width, height): (usize, usize)) -> (usize, usize) {
    let divisor = common_divisor(width, height);
    let (wide, high) = (width / divisor, height / divisor);
    // Steps as fine as this lose little of the screen.
    if wide.max(high) <= 64 { (wide, high) } else { (64, (64 * height / width).max(1)) }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_as_much_larger_as_asked_within_limits() {
        assert_eq!(window_size((320, 240), 4.0), (1280, 960));
        assert_eq!(window_size((640, 480), 0.1), (64, 48));
        assert_eq!(window_size((1920, 1080), 4.0), (4096, 2304));
        assert_eq!(window_size((3, 60_000), 16.0), (1, 4096));
    }

    #[test]
    fn proportions_are_kept() {
        assert_eq!(proportions((2560, 1920)), (4, 3));
        assert_eq!(proportions((1920, 1080)), (16, 9));
        assert_eq!(proportions((641, 479)), (64, 47));
        assert_eq!(proportions((4096, 1)), (64, 1));
    }
}
