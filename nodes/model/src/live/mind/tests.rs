//! Tests of `mind`.

use offboard::{Name as _, RawImage};
use prost::Message as _;

use super::*;

const TOPIC: &str = "camera/frames";
const FRAME_NS: i64 = 33_000_000;

/// A mind that learns and has a file of weights for pictures of this width.
fn mind(width: u32) -> Mind {
    let params =
        Params { learn: true, weights: "drive.safetensors".to_owned(), lead: "0ms".to_owned(), ..Params::default() };
    let mut mind = Mind::new(params, Lead::Is(Duration::ZERO), TOPIC);
    mind.file(News::Read(Box::new(weights(width))));
    mind
}

fn weights(width: u32) -> Weights {
    let shape = Shape { size: crate::net::Size::Small, extras: 0, outputs: 2 };
    let mut made_for = Contract::driving(&shape, &Preprocess::of(&shape, 0.3));
    (made_for.topic, made_for.kind) = (TOPIC.to_owned(), RawImage::full_name());
    (made_for.width, made_for.height, made_for.rate) = (width, 4, 30.0);
    Weights { contract: made_for, net: Net::new(&shape, 1) }
}

/// Pictures of 8×4 and the commands of a human to them.
fn drive(mind: &mut Mind, frames: std::ops::Range<i64>) {
    for nth in frames {
        let at_ns = nth * FRAME_NS;
        let header = Header { seq: nth as u64, stamp_ns: at_ns, sent_ns: at_ns, ..Header::default() };
        let body = Drive { turn: 0.5, forward: 0.5, source: "pilot".to_owned(), ..Drive::default() };
        mind.command(&Message { header: header.clone(), body, received_ns: at_ns });
        let data = vec![nth as u8; 32].into();
        let image = RawImage { width: 8, height: 4, step: 8, encoding: "mono8".into(), data, ..RawImage::default() };
        let header = Header { r#type: RawImage::full_name(), ..header };
        let payload = image.encode_to_vec().into();
        mind.frame(&RawMessage { topic: TOPIC.into(), header, payload, received_ns: at_ns }, at_ns);
    }
}

#[test]
fn weights_that_fit_are_learned_on_and_written() {
    let mut mind = mind(8);
    drive(&mut mind, 1..60);
    assert!(mind.pupil.is_some() && mind.misfits.is_empty(), "{:?}", mind.misfits);
    mind.unsaved = true;
    assert!(mind.unsaved_weights().is_some());
}

#[test]
fn weights_that_do_not_fit_are_neither_learned_on_nor_written_over_the_file() {
    let mut mind = mind(640);
    drive(&mut mind, 1..60);
    assert_eq!(mind.misfits, ["size: it learned from 640×4, this is 8×4"]);
    assert!(mind.pupil.is_none() && mind.pending.is_empty());
    mind.unsaved = true;
    assert!(mind.unsaved_weights().is_none());
}

#[test]
fn weights_of_a_much_slower_camera_are_refused_before_anything_is_learned() {
    let mut mind = mind(8);
    let mut slow = weights(8);
    slow.contract.rate = 10.0;
    mind.file(News::Read(Box::new(slow)));
    drive(&mut mind, 1..60);
    assert_eq!(mind.misfits, ["rate: it learned from 10.0 pictures a second, these are 30.3"]);
    assert!(mind.pupil.is_none());
}

#[test]
fn what_was_learned_before_a_file_was_taken_up_is_not_written_over_it() {
    let mut mind = mind(8);
    drive(&mut mind, 1..60);
    mind.unsaved = true;
    mind.file(News::Read(Box::new(weights(8))));
    assert!(mind.unsaved_weights().is_none());
}
