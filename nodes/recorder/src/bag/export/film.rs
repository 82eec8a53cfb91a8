//! A film of what the camera saw, each picture shown for as long as it was.

use super::super::{
    failure::{Failure, Result},
    film::Film,
    pairs::{Left, Pairs},
    place::Place,
};

pub(super) fn export(pairs: &Pairs, place: Place) -> Result<Left> {
    let rate = pairs.rate()?.unwrap_or(30.0) as f32;
    let mut place = Some(place);
    let mut film: Option<(Film, i64)> = None;
    let left = pairs.each("encoding", |pair| {
        let picture = pair.picture.to_rgb().map_err(Failure::new)?;
        let (film, first) = match (&mut film, place.take()) {
            (Some(film), _) => film,
            (none, Some(place)) => {
                let begun = Film::create(place, (picture.width, picture.height), rate)?;
                none.insert((begun, pair.stamp_ns))
            }
            (None, None) => return Ok(()), // one of both is there
        };
        let time = pair.stamp_ns.saturating_sub(*first).max(0) as u64 / 1000;
        film.add(time, &picture)
    })?;
    super::jpegs::some(&left)?;
    match film {
        Some((film, _)) => film.finish().map(|()| left),
        None => Ok(left),
    }
}
