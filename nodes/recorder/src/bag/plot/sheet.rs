//! A drawing: boxes, lines and words, before anything is known of pixels or files. Pure.

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

/// A drawing of a size, in points; what comes later lies on top.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

/// Where a word's position is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Left,
    Middle,
    Right,
}

/// What can be drawn.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// A filled box.
    Box { x: f64, y: f64, width: f64, height: f64, colour: Colour, opacity: f64 },
    /// A line through points.
    Line { points: Vec<(f64, f64)>, colour: Colour, width: f64 },
    /// A word, with its baseline.
    Text { x: f64, y: f64, text: String, anchor: Anchor, colour: Colour, large: bool },
}

impl Sheet {
    /// An empty one.
    pub(crate) fn new(width: f64, height: f64) -> Sheet {
        Sheet { width, height, shapes: Vec::new() }
    }

    pub(crate) fn fill(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: Colour, opacity: f64) {
        self.shapes.push(Shape::Box { x, y, width, height, colour, opacity });
    }

    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, colour: Colour, width: f64) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, colour, width });
        }
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), text: impl Into<String>, anchor: Anchor, colour: Colour) {
        self.shapes.push(Shape::Text { x, y, text: text.into(), anchor, colour, large: false });
    }

    pub(crate) fn title(&mut self, (x, y): (f64, f64), text: impl Into<String>, colour: Colour) {
        self.shapes.push(Shape::Text { x, y, text: text.into(), anchor: Anchor::Left, colour, large: true });
    }
}
