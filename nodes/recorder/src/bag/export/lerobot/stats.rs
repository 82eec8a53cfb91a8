//! Statistics of what was exported, as training normalises with them. Pure.

use serde_json::{Map, Value, json};

/// Pixels of a picture that count for its statistics, about.
const PIXELS: usize = 4_000;
/// The quantiles that are told.
const QUANTILES: [(&str, f64); 5] = [("q01", 0.01), ("q10", 0.1), ("q50", 0.5), ("q90", 0.9), ("q99", 0.99)];

/// The figures of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    pub(crate) std: f64,
    quantiles: [f64; 5],
}

impl Figures {
    /// Of some values; all zero for none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Figures {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first().copied(), sorted.last().copied()) else {
            return Figures { min: 0.0, max: 0.0, mean: 0.0, std: 0.0, quantiles: [0.0; 5] };
        };
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let std = (sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let quantiles = QUANTILES.map(|(_, share)| sorted[((count - 1.0) * share).round() as usize]);
        Figures { min, max, mean, std, quantiles }
    }

    /// The figures by name.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, f64)> + use<'_> {
        let first = [("min", self.min), ("max", self.max), ("mean", self.mean), ("std", self.std)];
        first.into_iter().chain(QUANTILES.iter().zip(self.quantiles).map(|((name, _), value)| (*name, value)))
    }
}

/// How often each brightness came, by colour.
#[derive(Debug, Clone)]
pub(crate) struct Colours {
    counts: [[u64; 256]; 3],
    /// How many pictures.
    pub(crate) pictures: usize,
}

impl Default for Colours {
    fn default() -> Colours {
        Colours { counts: [[0; 256]; 3], pictures: 0 }
    }
}

impl Colours {
    /// Counts a picture in; of a large one every so many pixels.
    pub(crate) fn add(&mut self, rgb: &[u8]) {
        self.pictures += 1;
        let step = (rgb.len() / 3).div_ceil(PIXELS).max(1);
        for pixel in rgb.chunks_exact(3).step_by(step) {
            for (counts, value) in self.counts.iter_mut().zip(pixel) {
                counts[usize::from(*value)] += 1;
            }
        }
    }

    /// Counts another's pictures in.
    pub(crate) fn merge(&mut self, other: &Colours) {
        self.pictures += other.pictures;
        for (counts, others) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            *counts += others;
        }
    }

    /// The figures of red, green and blue, from 0 to 1.
    pub(crate) fn figures(&self) -> [Figures; 3] {
        self.counts.each_ref().map(figures)
    }
}

fn figures(counts: &[u64; 256]) -> Figures {
    let total: u64 = counts.iter().sum();
    let weighed = || {
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| (at as f64 / 255.0, *count as f64))
    };
    let (Some((min, _)), Some((max, _))) = (weighed().next(), weighed().next_back()) else {
        return Figures::of([]);
    };
    let mean = weighed().map(|(value, count)| value * count).sum::<f64>() / total as f64;
    let std = (weighed().map(|(value, count)| (value - mean).powi(2) * count).sum::<f64>() / total as f64).sqrt();
    let quantiles = QUANTILES.map(|(_, share)| {
        let wanted = share * total as f64;
        let mut seen = 0.0;
        weighed().find_map(|(value, count)| {
            seen += count;
            (seen >= wanted).then_some(value)
        })
    });
    Figures { min, max, mean, std, quantiles: quantiles.map(|value| value.unwrap_or(max)) }
}

/// Figures of the parts of a vector as JSON: `{"min": […], …, "count": […]}`.
pub(crate) fn to_json(parts: &[Figures], count: usize, shape: impl Fn(f64) -> Value) -> Value {
    let mut map = Map::new();
    for part in parts {
        for (name, value) in part.named() {
            if let Value::Array(list) = map.entry(name).or_insert_with(|| json!([])) {
                list.push(shape(value));
            }
        }
    }
    map.insert("count".to_owned(), json!([count]));
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_line() {
        let figures = Figures::of((0..=100).map(f64::from));
        assert_eq!((figures.min, figures.max, figures.mean), (0.0, 100.0, 50.0));
        assert!((figures.std - 29.15).abs() < 0.01);
        assert_eq!(figures.quantiles, [1.0, 10.0, 50.0, 90.0, 99.0]);
    }

    #[test]
    fn colours_are_from_0_to_1() {
        let mut colours = Colours::default();
        colours.add(&[0, 255, 51].repeat(10));
        let [red, green, blue] = colours.figures();
        assert_eq!((red.mean, green.mean, blue.min, blue.std), (0.0, 1.0, 0.2, 0.0));
    }
}
