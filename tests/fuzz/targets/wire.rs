//! Fuzz target: whatever bytes come as a message, decoding them, checking what they claim and looking at all of it ends well.
//! It never opens a socket.

#![no_main]

use libfuzzer_sys::fuzz_target;
use offboard_proto::{
    Array, CompressedImage, CompressedVideo, Drive, Event, Gamepad, GamepadEvent, GraphStatus, Header, Log, MotorState,
    NodeState, NodeStatus, RawImage, jpeg,
};
use prost::Message;

/// What was decoded means the same when it was encoded and decoded again.
fn again<M: Message + Default + std::fmt::Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let encoded = message.encode_to_vec();
    let twice = M::decode(encoded.as_slice()).map(|message| message.encode_to_vec());
    assert!(twice.as_ref() == Ok(&encoded), "{message:?}");
    Some(message)
}

fn array(array: &Array) {
    let Ok(view) = array.view() else { return };
    let size = view.dtype.size().unwrap_or(1);
    let counts = [
        view.elements::<u8>().map(|all| all.count()),
        view.elements::<i16>().map(|all| all.count()),
        view.elements::<i32>().map(|all| all.count()),
        view.elements::<i64>().map(|all| all.count()),
        view.elements::<f32>().map(|all| all.count()),
        view.elements::<f64>().map(|all| all.count()),
    ];
    let counts: Vec<usize> = counts.into_iter().flatten().collect();
    assert_eq!(counts, [array.data.len() / size], "one type fits, and all its elements are there");
}

fn picture(image: &RawImage) {
    let Ok(view) = image.view() else { return };
    let row = view.width * view.channels;
    assert!(view.rows().all(|line| line.len() == row));
    for (x, y) in
        [(0, 0), (view.width.saturating_sub(1), view.height.saturating_sub(1)), (view.width / 2, view.height / 2)]
    {
        let pixel = view.pixel(x, y);
        assert_eq!(pixel.map(<[u8]>::len), (x < view.width && y < view.height).then_some(view.channels));
    }
    assert!(view.pixel(view.width, 0).is_none() && view.pixel(0, view.height).is_none());
}

fn compressed(bytes: &[u8]) {
    if let Some(length) = jpeg::length(bytes) {
        assert!(length <= bytes.len());
    }
    if let Ok((width, height)) = jpeg::size(bytes) {
        assert!(width > 0 && height > 0 && u64::from(width) * u64::from(height) <= offboard_proto::PIXELS_MAX);
    }
}

fuzz_target!(|bytes: &[u8]| {
    // The first byte says what it shall be.
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 16 {
        0 => drop(again::<Header>(bytes)),
        1 => drop(again::<Drive>(bytes)),
        2 => drop(again::<Gamepad>(bytes)),
        3 => drop(again::<GamepadEvent>(bytes)),
        4 => drop(again::<MotorState>(bytes)),
        5 => drop(again::<Log>(bytes)),
        6 => drop(again::<NodeStatus>(bytes)),
        7 => drop(again::<GraphStatus>(bytes)),
        8 => drop(again::<Event>(bytes)),
        9 => drop(again::<NodeState>(bytes)),
        10 => drop(again::<CompressedVideo>(bytes)),
        11 => again::<Array>(bytes).iter().for_each(array),
        12 => again::<RawImage>(bytes).iter().for_each(picture),
        13 => again::<CompressedImage>(bytes).iter().for_each(|image| {
            let _ = image.size();
        }),
        _ => compressed(bytes),
    }
});
