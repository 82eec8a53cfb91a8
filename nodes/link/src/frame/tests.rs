//! Tests of the frames: what is said arrives, and nothing else gets through.

use proptest::prelude::*;

use super::*;

fn header() -> Header {
    Header {
        seq: 7,
        incarnation: 9,
        sent_ns: 1_000,
        stamp_ns: 900,
        origin: "robot:camera/frames".into(),
        r#type: "offboard.v1.Drive".into(),
        status: 0,
    }
}

fn examples() -> Vec<Frame> {
    vec![
        Frame::Hello(Hello { role: Role::Bulk, session: [3; 16], name: "robot".into() }),
        Frame::Want(vec![
            Want { topic: "camera/frames".into(), kind: "*".into(), keep: 1 },
            Want { topic: "camera/log".into(), kind: "offboard.v1.Log".into(), keep: 100 },
        ]),
        Frame::Refuse { number: 1, reason: "no such topic".into() },
        Frame::Data { number: 3, header: header(), payload: Bytes::from_static(b"picture") },
        Frame::Ping { sent_ns: -5 },
        Frame::Pong { sent_ns: 1, received_ns: 2, replied_ns: 3 },
    ]
}

fn assemble(assembler: &mut Assembler, mut bytes: &[u8]) -> Result<Vec<Bytes>, FrameError> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        frames.extend(assembler.take(&mut bytes)?);
    }
    Ok(frames)
}

#[test]
fn every_frame_survives_its_encoding_in_pieces_of_any_size() {
    let bytes: Vec<u8> = examples().iter().flat_map(Frame::encode).collect();
    for size in 1..bytes.len() {
        let mut assembler = Assembler::new(CONTROL_MAX);
        let frames: Vec<Frame> = bytes
            .chunks(size)
            .flat_map(|piece| assemble(&mut assembler, piece).unwrap())
            .map(|frame| Frame::decode(frame).unwrap())
            .collect();
        assert_eq!(frames, examples());
    }
}

#[test]
fn a_frame_with_bytes_missing_or_to_spare_is_refused() {
    for frame in examples().into_iter().filter(|frame| !matches!(frame, Frame::Data { .. })) {
        let bytes = Bytes::from(frame.encode()).slice(4..);
        for end in 0..bytes.len() {
            assert!(Frame::decode(bytes.slice(..end)).is_err(), "{frame:?} cut at {end}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(Frame::decode(longer.into()).is_err(), "{frame:?} with a byte more");
    }
}

#[test]
fn a_claim_over_the_limit_is_refused_before_anything_is_allocated() {
    for claimed in [CONTROL_MAX as u32 + 1, 1 << 30, u32::MAX] {
        let mut assembler = Assembler::new(CONTROL_MAX);
        let refused = assembler.take(&mut &claimed.to_le_bytes()[..]);
        assert_eq!(refused, Err(FrameError::TooLong { claimed: claimed as usize, limit: CONTROL_MAX }));
        assert_eq!(assembler.allocated(), 0);
    }
}

#[test]
fn a_claim_within_the_limit_gets_no_more_memory_than_its_bytes_earn() {
    let mut assembler = Assembler::new(BULK_MAX);
    assembler.take(&mut &(BULK_MAX as u32).to_le_bytes()[..]).unwrap();
    assert_eq!(assembler.allocated(), 0);
    let mut received = 0;
    while received + 60_000 < BULK_MAX {
        assembler.take(&mut &[0; 60_000][..]).unwrap();
        received += 60_000;
        assert!(assembler.allocated() <= (2 * received).max(GRAIN), "{} for {received}", assembler.allocated());
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = examples()[0].encode();
    bytes[5] = 9;
    assert_eq!(Frame::decode(Bytes::from(bytes).slice(4..)), Err(FrameError::Version(9)));
}

#[test]
fn a_name_that_could_forge_a_log_line_is_no_name() {
    let forged = Hello { role: Role::Control, session: [0; 16], name: "a\nERROR".into() };
    let bytes = Bytes::from(Frame::Hello(forged).encode()).slice(4..);
    assert_eq!(Frame::decode(bytes), Err(FrameError::Field("name")));
}

#[test]
fn an_empty_frame_is_no_frame() {
    let mut assembler = Assembler::new(CONTROL_MAX);
    let frame = assembler.take(&mut &[0; 4][..]).unwrap().unwrap();
    assert!(Frame::decode(frame).is_err());
}

#[test]
fn the_longest_want_fits_a_control_frame() {
    let long = Want { topic: "t".repeat(TOPIC_MAX), kind: "k".repeat(KIND_MAX), keep: KEEP_MAX };
    assert!(Frame::Want(vec![long; WANTS_MAX]).encode().len() <= CONTROL_MAX + 4);
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_read_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Frame::decode(bytes.clone().into());
        let mut assembler = Assembler::new(CONTROL_MAX);
        let _ = assemble(&mut assembler, &bytes);
        prop_assert!(assembler.allocated() <= CONTROL_MAX);
    }

    #[test]
    fn a_frame_with_a_wrong_byte_is_never_a_panic(which in 0..6_usize, at in 0..200_usize, byte in any::<u8>()) {
        let mut bytes = examples()[which].encode();
        let at = 4 + at % (bytes.len() - 4);
        bytes[at] = byte;
        let _ = Frame::decode(Bytes::from(bytes).slice(4..));
    }
}
