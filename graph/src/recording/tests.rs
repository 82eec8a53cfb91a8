//! What is written is read, whatever happened to the file in between.

use std::{collections::BTreeMap, fs, io::Cursor, path::PathBuf};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tempfile::TempDir;

use super::*;
use crate::{Array, CompressedImage, Drive, Log};

const SECOND: i64 = 1_000_000_000;
/// Some time on the timeline.
const NOW: i64 = 1_800_000_000 * SECOND;

fn header<M: Name>(seq: u64, origin: &str) -> Header {
    let sent_ns = NOW + seq as i64 * 1_000_000;
    Header {
        seq,
        incarnation: 77,
        sent_ns,
        stamp_ns: sent_ns - 5_000_000,
        origin: origin.to_owned(),
        r#type: M::full_name(),
        status: 0,
    }
}

fn recorded<M: Name + prost::Message>(topic: &str, seq: u64, origin: &str, body: &M) -> Recorded {
    let header = header::<M>(seq, origin);
    Recorded {
        topic: topic.to_owned(),
        received_ns: header.sent_ns + 300_000,
        header,
        payload: body.encode_to_vec().into(),
    }
}

/// Some messages, each of which occurs nowhere else.
fn messages(count: u64) -> Vec<Recorded> {
    let mut random = fastrand(7);
    let mut noise = |bytes: usize| -> Bytes { (0..bytes).map(|_| random()).collect::<Vec<u8>>().into() };
    (1..=count)
        .map(|seq| match seq % 3 {
            0 => {
                let image = CompressedImage { data: noise(1500), format: "jpeg".into(), ..CompressedImage::default() };
                recorded("camera/frames", seq, "robot:camera/frames", &image)
            }
            1 => {
                let array = Array { dtype: 1, shape: vec![40], data: noise(40), columns: Vec::new() };
                recorded("robot:emg/raw", seq, "robot:emg/raw", &array)
            }
            _ => {
                let drive = Drive { source: format!("human {seq}"), ..Drive::default() };
                let origin = if seq % 5 == 0 {
                    ""
                } else if seq % 2 == 0 {
                    "robot:camera/frames"
                } else {
                    "desk:pad/pad"
                };
                recorded("pilot/drive", seq, origin, &drive)
            }
        })
        .collect()
}

fn fastrand(seed: u64) -> impl FnMut() -> u8 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    }
}

fn options(compression: Compression) -> Options {
    Options { compression, chunk_bytes: 20_000, ..Options::default() }
}

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, compression: Compression, messages: &[Recorded]) -> PathBuf {
        let path = self.path(name);
        let mut writer = Writer::create(&path, options(compression)).unwrap();
        messages.iter().for_each(|message| writer.write(message).unwrap());
        writer.finish().unwrap();
        path
    }

    fn with(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn read(path: &Path) -> (Vec<Recorded>, Option<Damage>) {
    let mut reader = Reader::open(path).unwrap();
    let messages = reader.by_ref().collect();
    (messages, reader.damage().cloned())
}

#[test]
fn what_is_written_is_read() {
    let files = Files::new();
    let said = messages(300);
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let path = files.write(&format!("{compression:?}"), compression, &said);
        assert_eq!(read(&path), (said.clone(), None));
    }
}

#[test]
fn a_message_without_anything_good_and_times_before_1970_survive() {
    let files = Files::new();
    let mut odd = recorded("a/b", 1, "o", &Drive::default());
    odd.payload = Bytes::new();
    odd.header.status = crate::Status::NoData as i32;
    odd.header.sent_ns = -5;
    odd.header.seq = u64::MAX;
    odd.received_ns = 0;
    let path = files.write("odd", Compression::None, std::slice::from_ref(&odd));
    assert_eq!(read(&path), (vec![odd], None));
}

#[test]
fn what_was_flushed_can_be_read_without_an_end() {
    let files = Files::new();
    let path = files.path("open");
    let mut writer = Writer::create(&path, Options::default()).unwrap();
    let said = messages(10);
    said[..6].iter().for_each(|message| writer.write(message).unwrap());
    writer.flush().unwrap();
    said[6..].iter().for_each(|message| writer.write(message).unwrap());
    drop(writer);
    let (messages, damage) = read(&path);
    assert_eq!(messages, said[..6]);
    assert!(damage.is_some_and(|damage| damage.unfinished && damage.lost_bytes == 0));
}

#[test]
fn a_stock_reader_reads_it_with_the_types_inside() {
    let files = Files::new();
    let log = Log { message: "hello".into(), level: 2, ..Log::default() };
    let mut said = messages(60);
    said.push(recorded("launch/log", 1, "o", &log));
    let bytes = fs::read(files.write("stock", Compression::None, &said)).unwrap();
    let mut kinds = BTreeMap::new();
    for message in mcap::MessageStream::new(&bytes).unwrap() {
        let message = message.unwrap();
        let schema = message.channel.schema.clone().unwrap();
        let pool = DescriptorPool::decode(&*schema.data).unwrap();
        let kind = pool.get_message_by_name(&schema.name).unwrap();
        let body = DynamicMessage::decode(kind, &*message.data).unwrap();
        if schema.name == "foxglove.CompressedImage" {
            assert_eq!(body.get_field_by_name("format").unwrap().as_str(), Some("jpeg"));
        }
        *kinds.entry((message.channel.topic.clone(), schema.name.clone())).or_insert(0) += 1;
    }
    let kind = |topic: &str, kind: &str| (topic.to_owned(), kind.to_owned());
    let expected = [
        (kind("camera/frames", "foxglove.CompressedImage"), 20),
        (kind("launch/log", "foxglove.Log"), 1),
        (kind("pilot/drive", "offboard.v1.Drive"), 20),
        (kind("robot:emg/raw", "offboard.v1.Array"), 20),
    ];
    assert_eq!(kinds, expected.into());
    assert!(mcap::Summary::read(&bytes).unwrap().is_some());
}

#[test]
fn a_type_that_nobody_described_is_kept_and_opens_in_stock_readers() {
    let files = Files::new();
    let mut message = recorded("a/b", 1, "o", &Drive { forward: 1.0, ..Drive::default() });
    message.header.r#type = "their.Kind".into();
    let path = files.write("unknown", Compression::None, std::slice::from_ref(&message));
    assert_eq!(read(&path), (vec![message], None));
    let bytes = fs::read(&path).unwrap();
    let stock = mcap::MessageStream::new(&bytes).unwrap().next().unwrap().unwrap();
    let pool = DescriptorPool::decode(&*stock.channel.schema.clone().unwrap().data).unwrap();
    assert!(pool.get_message_by_name("their.Kind").is_some());
}

#[test]
fn anothers_file_is_read_with_headers_made_of_its_own_words() {
    let mut bytes = Vec::new();
    let mut writer = mcap::Writer::new(Cursor::new(&mut bytes)).unwrap();
    let schema = writer.add_schema("foxglove.CompressedImage", "protobuf", b"").unwrap();
    let pictures = writer.add_channel(schema, "/camera", "protobuf", &BTreeMap::new()).unwrap();
    let plain = writer.add_channel(0, "/plain", "json", &BTreeMap::new()).unwrap();
    let head =
        |channel_id, sequence| mcap::records::MessageHeader { channel_id, sequence, log_time: 20, publish_time: 10 };
    let image = CompressedImage { format: "jpeg".into(), ..CompressedImage::default() };
    writer.write_to_known_channel(&head(pictures, 4), &image.encode_to_vec()).unwrap();
    writer.write_to_known_channel(&head(plain, 5), b"{}").unwrap();
    writer.finish().unwrap();
    drop(writer);
    let files = Files::new();
    let (messages, damage) = read(&files.with("foreign", &bytes));
    assert_eq!(damage, None);
    let [picture, json] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(picture.decode::<CompressedImage>().unwrap().format, "jpeg");
    let header = &picture.header;
    assert_eq!((header.seq, header.sent_ns, header.stamp_ns, picture.received_ns), (4, 10, 10, 20));
    assert_eq!((json.topic.as_str(), json.header.r#type.as_str(), &json.payload[..]), ("/plain", "", &b"{}"[..]));
}

/// Where each message of an unpacked file ends: it is looked up by its payload, which occurs only once.
fn ends(bytes: &[u8], said: &[Recorded]) -> Vec<usize> {
    let end = |message: &Recorded| {
        let at = bytes.windows(message.payload.len()).position(|window| window == &message.payload[..]).unwrap();
        // Its envelope ends 9 bytes after the key of the last field.
        let key = [0xfd, 0xff, 0xff, 0xff, 0x0f];
        let after = at + message.payload.len();
        after + bytes[after..].windows(5).position(|window| window == key).unwrap() + 9
    };
    said.iter().map(end).collect()
}

#[test]
fn a_file_that_is_cut_off_anywhere_gives_every_message_before_the_cut() {
    let files = Files::new();
    let said = messages(150);
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let bytes = fs::read(files.write(&format!("{compression:?}"), compression, &said)).unwrap();
        let ends = if compression == Compression::None { ends(&bytes, &said) } else { Vec::new() };
        let whole_before = |at: usize| ends.iter().take_while(|end| **end <= at).count();
        for cut in (8..bytes.len()).step_by(1024) {
            let path = files.with("cut", &bytes[..cut]);
            let (messages, damage) = read(&path);
            assert_eq!(messages, said[..messages.len()], "cut at {cut}");
            assert!(damage.as_ref().is_some_and(|damage| damage.unfinished), "cut at {cut}: {damage:?}");
            if compression == Compression::None {
                assert_eq!(messages.len(), whole_before(cut), "cut at {cut}");
            }
            let repaired = repair(&path, &files.path("mended")).unwrap();
            assert_eq!((repaired.messages, repaired.damage), (messages.len() as u64, damage));
            assert_eq!(read(&files.path("mended")), (messages, None));
        }
    }
}

#[test]
fn a_file_with_a_wrong_byte_anywhere_gives_every_message_before_it_and_none_that_is_wrong() {
    let files = Files::new();
    let said = messages(150);
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let bytes = fs::read(files.write(&format!("{compression:?}"), compression, &said)).unwrap();
        let ends = if compression == Compression::None { ends(&bytes, &said) } else { Vec::new() };
        let whole_before = |at: usize| ends.iter().take_while(|end| **end <= at).count();
        for at in (8..bytes.len()).step_by(1024).chain(8..400).chain(bytes.len() - 200..bytes.len()) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1 << (at % 8);
            let path = files.with("wrong", &wrong);
            let (messages, damage) = read(&path);
            assert!(damage.is_some(), "{compression:?}: byte {at} went unnoticed");
            assert_eq!(messages, said[..messages.len()], "{compression:?}: byte {at}");
            assert!(messages.len() >= whole_before(at), "byte {at}: {}: {damage:?}", messages.len());
            let repaired = repair(&path, &files.path("mended")).unwrap();
            assert_eq!(repaired.messages, messages.len() as u64);
            assert_eq!(read(&files.path("mended")), (messages, None));
        }
    }
}

#[test]
fn what_is_no_recording_is_refused_in_one_line() {
    let files = Files::new();
    let refused =
        |path: PathBuf| Reader::open(&path).err().unwrap().to_string().replace(files.0.path().to_str().unwrap(), "");
    assert_eq!(refused(files.with("empty", b"")), "/empty is no recording: it is empty");
    assert_eq!(
        refused(files.with("text", b"hello, world")),
        "/text is no recording: it does not begin like an MCAP file"
    );
    assert_eq!(refused(files.0.path().to_owned()), " is no recording: it is not a file");
    assert!(refused(files.path("none")).contains("No such file"));
}

#[test]
fn what_claims_to_be_huge_is_not_believed() {
    let files = Files::new();
    let record =
        |opcode: u8, length: u64, body: &[u8]| [mcap::MAGIC, &[opcode], &length.to_le_bytes()[..], body].concat();
    let mut chunk =
        [[0; 16].as_slice(), &u64::MAX.to_le_bytes(), &[0; 4], &[0; 4], &4u64.to_le_bytes(), &[0; 4]].concat();
    let length = chunk.len() as u64;
    let cases = [
        ("a record of all", record(5, u64::MAX, b"")),
        ("a record of more than there is", record(5, 1 << 20, b"abc")),
        ("a chunk of all", record(6, u64::MAX, &chunk)),
        ("a chunk that unpacks to all", record(6, length, &chunk)),
        ("a string of all", record(3, 8, &[1, 0, 255, 255, 255, 255, 0, 0])),
        ("an attachment of all", record(9, u64::MAX, &[0; 64])),
    ];
    for (what, bytes) in cases {
        let (messages, damage) = read(&files.with("huge", &bytes));
        assert!(messages.is_empty() && damage.is_some(), "{what}");
    }
    chunk[16..24].copy_from_slice(&4u64.to_le_bytes());
    assert!(read(&files.with("huge", &record(6, length, &chunk))).1.is_some());
}

#[test]
fn marks_are_found_and_what_was_erased_is_left_out() {
    let files = Files::new();
    let said = messages(100);
    let mark = |kind: MarkKind, from: &Recorded, until: &Recorded| Mark {
        kind: kind as i32,
        from_ns: from.received_ns,
        until_ns: until.received_ns,
        text: "because".into(),
    };
    let erased = mark(MarkKind::Erased, &said[20], &said[29]);
    let moment = mark(MarkKind::TakeOver, &said[50], &said[50]);
    let with =
        [&said[..], &[recorded("recorder/marks", 1000, "o", &erased), recorded("recorder/marks", 1001, "o", &moment)]];
    let path = files.write("marks", Compression::None, &with.concat());
    assert_eq!(marks(&path).unwrap(), [erased, moment]);
    let left: Vec<_> = Reader::without_erased(&path).unwrap().collect();
    assert_eq!(left[..90], [&said[..20], &said[30..]].concat());
    assert_eq!(left.len(), 92);
}

#[test]
fn a_recording_is_mended_in_its_place() {
    let files = Files::new();
    let said = messages(50);
    let bytes = fs::read(files.write("whole", Compression::Zstd, &said)).unwrap();
    let path = files.with("cut", &bytes[..bytes.len() - 10]);
    let repaired = repair(&path, &path).unwrap();
    assert_eq!(repaired.messages, 50);
    assert!(repaired.damage.is_some_and(|damage| damage.summary_only));
    assert_eq!(read(&path), (said, None));
    assert_eq!(fs::read_dir(files.0.path()).unwrap().count(), 2, "nothing half-written stays");
}

/// A disk with room for so many bytes.
struct Disk(Cursor<Vec<u8>>, usize);

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.1 - self.0.get_ref().len();
        if room == 0 {
            return Err(io::Error::from_raw_os_error(28));
        }
        self.0.write(&bytes[..bytes.len().min(room)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for Disk {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_full_disk_is_told_and_what_was_flushed_before_is_known() {
    let mut writer = Writer::new(Disk(Cursor::default(), 50_000), options(Compression::None)).unwrap();
    let said = messages(1000);
    let error = said.iter().find_map(|message| writer.write(message).err()).unwrap();
    assert!(error.is_disk_full(), "{error}");
    assert!((20_000..50_000).contains(&writer.written().bytes));
    assert!(writer.flush().is_err());
}
