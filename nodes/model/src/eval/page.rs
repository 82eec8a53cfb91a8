//! One HTML file with everything in it: the film, the errors, the histograms. It loads nothing from anywhere.

use std::{fmt::Write as _, fs, io, path::Path};

use super::{
    film::{HUMAN, MODEL},
    score::{Score, histogram},
};
use crate::pictures::decode::Picture;

/// Quality of the film's pictures, of 100.
const QUALITY: u8 = 80;

/// The page under construction.
#[derive(Debug)]
pub(super) struct Page {
    head: String,
    frames: String,
    first_ns: Option<i64>,
}

impl Page {
    /// A page about a model and a recording; `pairs`: the human's and the model's values of all pictures.
    pub(super) fn new(
        model: &Path,
        recording: &Path,
        scores: &[(&str, Score)],
        pairs: impl Iterator<Item = ([f32; 2], [f32; 2])> + Clone,
    ) -> Page {
        let name = |path: &Path| escape(&path.file_name().unwrap_or_default().to_string_lossy());
        let mut head = format!("<h1>{} on {}</h1>\n<table>\n", name(model), name(recording));
        head.push_str("<tr><th>output<th>MAE<th>RMSE<th>R²<th>bias<th>MAE of the mean<th>MAE of zero\n");
        for (output, score) in scores {
            let Score { mae, rmse, r2, bias, mean_mae, zero_mae } = score;
            let _ = writeln!(
                head,
                "<tr><td>{output}<td>{mae:.4}<td>{rmse:.4}<td>{r2:.3}<td>{bias:+.4}<td>{mean_mae:.4}<td>{zero_mae:.4}"
            );
        }
        head.push_str("</table>\n<div class=row>");
        let error = pairs.clone().map(|(human, model)| model[0] - human[0]);
        chart(&mut head, "turn: model minus human", &histogram(error), [120, 160, 255]);
        chart(&mut head, "turn: human", &histogram(pairs.clone().map(|(human, _)| human[0])), HUMAN);
        chart(&mut head, "turn: model", &histogram(pairs.map(|(_, model)| model[0])), MODEL);
        head.push_str("</div>\n");
        Page { head, frames: String::new(), first_ns: None }
    }

    /// One more picture of the film.
    pub(super) fn add(
        &mut self,
        picture: &Picture,
        stamp_ns: i64,
        human: [f32; 2],
        model: [f32; 2],
    ) -> Result<(), String> {
        let size = (u16::try_from(picture.width), u16::try_from(picture.height));
        let (Ok(width), Ok(height)) = size else { return Err("a picture is too large for a film".to_owned()) };
        let mut jpeg = Vec::new();
        jpeg_encoder::Encoder::new(&mut jpeg, QUALITY)
            .encode(&picture.rgb, width, height, jpeg_encoder::ColorType::Rgb)
            .map_err(|error| format!("a picture cannot be compressed: {error}"))?;
        let first_ns = *self.first_ns.get_or_insert(stamp_ns);
        let seconds = stamp_ns.saturating_sub(first_ns) as f64 / 1e9;
        let _ = writeln!(
            self.frames,
            "[{seconds:.3},{:.4},{:.4},{:.4},{:.4},\"{}\"],",
            human[0],
            human[1],
            model[0],
            model[1],
            base64(&jpeg)
        );
        Ok(())
    }

    /// Writes it.
    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let colour = |[red, green, blue]: [u8; 3]| format!("rgb({red},{green},{blue})");
        let page = include_str!("film.html")
            .replace("{{HUMAN}}", &colour(HUMAN))
            .replace("{{MODEL}}", &colour(MODEL))
            .replace("{{HEAD}}", &self.head)
            .replace("{{FRAMES}}", &self.frames);
        fs::write(path, page)
    }
}

fn chart(text: &mut String, title: &str, bins: &[usize], [red, green, blue]: [u8; 3]) {
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    let width = bins.len() * 12;
    let _ = write!(text, "<figure><svg viewBox=\"0 0 {width} 100\" width={width} height=100>");
    for (at, count) in bins.iter().enumerate() {
        let height = (count * 100).div_ceil(most);
        let _ = write!(
            text,
            "<rect x={} y={} width=10 height={height} fill=\"rgb({red},{green},{blue})\"><title>{count}</title></rect>",
            at * 12 + 1,
            100 - height
        );
    }
    let _ = write!(text, "</svg><figcaption>−1 &emsp; {title} &emsp; +1</figcaption></figure>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let letter = DIGITS[(number >> (18 - 6 * digit) & 63) as usize];
            text.push(if digit <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_the_standard() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_page_holds_all_that_it_shows() {
        let dir = tempfile::tempdir().unwrap();
        let pairs = [([0.5, 0.2], [0.4, 0.2])];
        let scores = [("turn", Score::of(&[(0.5, 0.4)]))];
        let mut page = Page::new("<m>.safetensors".as_ref(), "a.mcap".as_ref(), &scores, pairs.into_iter());
        page.add(&Picture { width: 2, height: 2, rgb: vec![9; 12] }, 1_000_000_000, pairs[0].0, pairs[0].1).unwrap();
        page.write(&dir.path().join("film.html")).unwrap();
        let text = fs::read_to_string(dir.path().join("film.html")).unwrap();
        assert!(
            text.contains("&lt;m&gt;.safetensors on a.mcap") && text.contains("[0.000,0.5000,0.2000,0.4000,0.2000,")
        );
        assert!(!text.contains("{{") && !text.contains("src=\"http"), "all in one file");
    }
}
