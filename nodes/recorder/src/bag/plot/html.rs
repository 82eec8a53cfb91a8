//! A drawing as a page that needs nothing else: inline SVG, no script, no network.

use std::fmt::Write as _;

use super::sheet::{Anchor, Colour, Shape, Sheet};

/// The page.
pub(crate) fn page(title: &str, sheet: &Sheet) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>body{{margin:1rem;background:#fff}}svg{{width:100%;height:auto;max-width:1400px;font:13px sans-serif}}\
         .large{{font-size:20px;font-weight:600}}</style>\n{}\n</html>\n",
        svg(sheet)
    )
}

fn svg(sheet: &Sheet) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\">",
        sheet.width, sheet.height
    );
    for shape in &sheet.shapes {
        let written = write_shape(&mut out, shape);
        debug_assert!(written.is_ok(), "a string takes everything");
    }
    out.push_str("\n</svg>");
    out
}

fn write_shape(out: &mut String, shape: &Shape) -> std::fmt::Result {
    match shape {
        Shape::Box { x, y, width, height, colour, opacity } => {
            let colour = hex(*colour);
            write!(
                out,
                "\n<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\""
            )?;
            if *opacity < 1.0 { write!(out, " opacity=\"{opacity}\"/>") } else { write!(out, "/>") }
        }
        Shape::Line { points, colour, width } => {
            write!(out, "\n<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" points=\"", hex(*colour))?;
            for (x, y) in points {
                write!(out, "{x:.1},{y:.1} ")?;
            }
            write!(out, "\"/>")
        }
        Shape::Text { x, y, text, anchor, colour, large } => {
            let anchor = match anchor {
                Anchor::Left => "start",
                Anchor::Middle => "middle",
                Anchor::Right => "end",
            };
            let class = if *large { " class=\"large\"" } else { "" };
            let colour = hex(*colour);
            let text = escaped(text);
            write!(
                out,
                "\n<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{class}>{text}</text>"
            )
        }
    }
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_recording_says_cannot_become_markup() {
        let mut sheet = Sheet::new(10.0, 10.0);
        sheet.text((0.0, 0.0), "<script>\"&", Anchor::Left, [0, 0, 0]);
        let page = page("</title>", &sheet);
        assert!(page.contains("&lt;script&gt;&quot;&amp;") && page.contains("<title>&lt;/title&gt;</title>"), "{page}");
        assert!(!page.contains("http://") || page.matches("http").count() == 1, "the namespace alone");
    }
}
