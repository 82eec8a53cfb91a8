//! `recorder bag` as people use it: recordings become data sets and films and come back, are checked and mended, and what is no recording
//! costs one clear line. What it writes is read by other people's programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use jpeg_encoder::{ColorType, Encoder};
use offboard::{
    Drive, Header, Name, RawImage,
    recording::{Options, Recorded, Writer},
};
use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;

mod safety;

const SIZE: (u16, u16) = (64, 48);

fn bag(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_recorder")).arg("bag").args(args).current_dir(dir).output().unwrap()
}

/// What it says when all is well.
fn said(dir: &Path, args: &[&str]) -> String {
    let output = bag(dir, args);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{args:?} ended with {:?}: {out}{err}", output.status.code());
    out
}

fn info(dir: &Path, file: &str) -> Value {
    serde_json::from_str(&said(dir, &["info", file, "--json"])).unwrap()
}

/// What other people's programs find.
fn readers(dir: &Path, args: &[&str]) -> Value {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../target/venv/bin/python3");
    assert!(python.exists(), "a Python with readers of our files: tests/setup.sh test");
    let output = Command::new(python).arg(here.join("tests/readers.py")).args(args).current_dir(dir).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {err}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {err}"))
}

/// A picture that is like no other: a bright bar on a shaded ground.
fn picture(number: usize) -> Vec<u8> {
    let (width, height) = (usize::from(SIZE.0), usize::from(SIZE.1));
    let bar = number * 3 % width;
    let rgb: Vec<u8> = (0..width * height)
        .flat_map(|at| {
            let (x, y) = (at % width, at / width);
            if (bar..bar + 8).contains(&x) { [250, 240, 60] } else { [(x * 3) as u8, (y * 4) as u8, 90] }
        })
        .collect();
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 95).encode(&rgb, SIZE.0, SIZE.1, ColorType::Rgb).unwrap();
    jpeg
}

fn steering(number: usize) -> f32 {
    (number as f32 / 7.0).sin()
}

/// A folder as somebody else's program might have written it.
fn folder(dir: &Path, count: usize) -> PathBuf {
    let folder = dir.join("drive");
    fs::create_dir_all(folder.join("frames")).unwrap();
    let mut table = "frame,steering,throttle\n".to_owned();
    for number in 0..count {
        fs::write(folder.join(format!("frames/{number:04}.jpg")), picture(number)).unwrap();
        table += &format!("{number:04}.jpg,{},{}\n", steering(number), 0.5);
    }
    fs::write(folder.join("controls.csv"), table).unwrap();
    folder
}

/// A tub as donkeycar writes it, with some records deleted.
fn tub(dir: &Path, count: usize, deleted: &[usize]) -> PathBuf {
    let tub = dir.join("tub");
    fs::create_dir_all(tub.join("images")).unwrap();
    let mut lines = Vec::new();
    for number in 0..count {
        let image = format!("{number}_cam_image_array_.jpg");
        fs::write(tub.join("images").join(&image), picture(number)).unwrap();
        let mode = if number % 10 < 8 { "user" } else { "local_angle" };
        lines.push(json!({
            "_index": number,
            "_session_id": "26-11-21_0",
            "_timestamp_ms": 1_795_219_200_000_i64 + number as i64 * 50,
            "cam/image_array": image,
            "user/angle": steering(number),
            "user/mode": mode,
            "user/throttle": 0.25,
        }));
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(tub.join("catalog_0.catalog"), lines.concat()).unwrap();
    let lengths: Vec<usize> = lines.iter().map(String::len).collect();
    let about =
        json!({"created_at": 1.0, "line_lengths": lengths, "path": "catalog_0.catalog_manifest", "start_index": 0});
    fs::write(tub.join("catalog_0.catalog_manifest"), format!("{about}\n")).unwrap();
    let manifest = [
        json!(["cam/image_array", "user/angle", "user/throttle", "user/mode"]),
        json!(["image_array", "float", "float", "str"]),
        json!({}),
        json!({"created_at": 1.0, "sessions": {"all_full_ids": ["26-11-21_0"], "last_id": 0, "last_full_id": "26-11-21_0"}}),
        json!({"paths": ["catalog_0.catalog"], "current_index": count, "max_len": 1000, "deleted_indexes": deleted}),
    ];
    fs::write(tub.join("manifest.json"), manifest.map(|line| format!("{line}\n")).concat()).unwrap();
    tub
}

/// The records of a tub: all that matters of each, with its picture.
fn records(tub: &Path) -> Vec<(i64, f64, f64, String, Vec<u8>)> {
    let text = fs::read_to_string(tub.join("catalog_0.catalog")).unwrap();
    text.lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            let image = tub.join("images").join(record["cam/image_array"].as_str().unwrap());
            (
                record["_timestamp_ms"].as_i64().unwrap(),
                record["user/angle"].as_f64().unwrap(),
                record["user/throttle"].as_f64().unwrap(),
                record["user/mode"].as_str().unwrap().to_owned(),
                fs::read(image).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_tub_comes_back_as_it_was() {
    let dir = TempDir::new().unwrap();
    let tub = tub(dir.path(), 40, &[]);
    assert_eq!(said(dir.path(), &["import", "tub", "-o", "a.mcap"]), "a.mcap: 40 moments\n");
    said(dir.path(), &["export", "a.mcap", "--to", "tub", "-o", "back"]);
    let (was, is) = (records(&tub), records(&dir.path().join("back")));
    assert_eq!(was.len(), is.len());
    for (was, is) in was.iter().zip(&is) {
        assert_eq!((was.0, &was.3, &was.4), (is.0, &is.3, &is.4));
        assert!((was.1 - is.1).abs() < 1e-6 && (was.2 - is.2).abs() < 1e-6, "{} {}", was.1, is.1);
    }
    // And again: a second journey changes nothing at all.
    said(dir.path(), &["import", "back", "-o", "b.mcap"]);
    said(dir.path(), &["export", "b.mcap", "--to", "tub", "-o", "again"]);
    assert_eq!(is, records(&dir.path().join("again")));
    let lengths: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("again/catalog_0.catalog_manifest")).unwrap())
            .unwrap();
    let catalog = fs::read_to_string(dir.path().join("again/catalog_0.catalog")).unwrap();
    let lines: Vec<usize> = catalog.split_inclusive('\n').map(str::len).collect();
    assert_eq!(lengths["line_lengths"], json!(lines));
}

#[test]
fn what_was_deleted_in_a_tub_is_erased_in_the_recording() {
    let dir = TempDir::new().unwrap();
    tub(dir.path(), 30, &[10, 11, 12, 29]);
    let line = said(dir.path(), &["import", "tub", "-o", "a.mcap"]);
    assert_eq!(line, "a.mcap: 30 moments, 4 marked as erased\n");
    assert_eq!(info(dir.path(), "a.mcap")["marks"].as_array().unwrap().len(), 2);
    said(dir.path(), &["export", "a.mcap", "--to", "tub", "-o", "clean"]);
    assert_eq!(records(&dir.path().join("clean")).len(), 26);
    said(dir.path(), &["export", "a.mcap", "--to", "tub", "-o", "all", "--with-erased"]);
    let manifest = fs::read_to_string(dir.path().join("all/manifest.json")).unwrap();
    let catalogs: Value = serde_json::from_str(manifest.lines().nth(4).unwrap()).unwrap();
    assert_eq!(catalogs["deleted_indexes"], json!([10, 11, 12, 29]));
    assert_eq!(catalogs["current_index"], 30);
}

#[test]
fn a_folder_of_pictures_comes_back_with_its_times() {
    let dir = TempDir::new().unwrap();
    let folder = folder(dir.path(), 20);
    said(dir.path(), &["import", "drive", "-o", "a.mcap", "--rate", "20"]);
    said(dir.path(), &["export", "a.mcap", "--to", "jpegs", "-o", "jpegs"]);
    let table = fs::read_to_string(dir.path().join("jpegs/controls.csv")).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], "frame,steering,throttle,stamp_ns,control_stamp_ns,mode");
    assert_eq!(rows[2], format!("000001.jpg,{},0.5,1050000000,1050000000,human", steering(1)));
    assert_eq!(rows.len(), 21);
    let frames = [folder.join("frames/0019.jpg"), dir.path().join("jpegs/frames/000019.jpg")]
        .map(|path| fs::read(path).unwrap());
    assert!(frames[0] == frames[1], "a JPEG stays byte for byte what it was");
    // Its stamps are in it now: no rate is needed.
    said(dir.path(), &["import", "jpegs", "-o", "b.mcap"]);
    let [a, b] = ["a.mcap", "b.mcap"].map(|file| info(dir.path(), file));
    assert_eq!((&a["first_ns"], &a["last_ns"], &a["messages"]), (&b["first_ns"], &b["last_ns"], &b["messages"]));
}

#[test]
fn other_peoples_programs_open_a_recording() {
    let dir = TempDir::new().unwrap();
    folder(dir.path(), 20);
    said(dir.path(), &["import", "drive", "-o", "a.mcap", "--rate", "20"]);
    let found = readers(dir.path(), &["mcap", "a.mcap"]);
    assert_eq!(found["counts"], json!({"camera/frames": 20, "pilot/drive": 20, "pilot/state": 20}));
    assert_eq!(found["schemas"]["camera/frames"], "foxglove.CompressedImage");
    assert_eq!(found["sizes"], json!([[64, 48]]));
    assert_eq!(found["streamed"], 60);
    let third = &found["drives"][3];
    assert!((third[0].as_f64().unwrap() as f32 - steering(3)).abs() < 1e-6, "{third}");
    assert_eq!((&found["rerun_check"], &found["rerun_convert"]), (&json!(0), &json!(0)), "{}", found["rerun_said"]);
    assert_eq!(found["pictures_in_rerun"], true, "{}", found["rerun_said"]);
}

#[test]
fn a_lerobot_set_has_its_documented_layout() {
    let dir = TempDir::new().unwrap();
    tub(dir.path(), 60, &[30]); // what is erased ends an episode
    said(dir.path(), &["import", "tub", "-o", "a.mcap"]);
    said(dir.path(), &["export", "a.mcap", "--to", "jpegs", "-o", "jpegs"]);
    said(dir.path(), &["export", "a.mcap", "--to", "lerobot", "-o", "set", "--task", "keep to the lane"]);
    let set = readers(dir.path(), &["lerobot", "set", "jpegs/frames"]);
    let info = &set["info"];
    assert_eq!((&info["codebase_version"], &info["fps"]), (&json!("v3.0"), &json!(20)));
    assert_eq!((&info["total_frames"], &info["total_episodes"]), (&json!(59), &json!(2)));
    assert_eq!(set["rows"], 59);
    assert_eq!(set["groups"], 2, "an episode is a row group");
    assert_eq!(set["task"], json!(["task", ["keep to the lane"], [0]]));
    for feature in info["features"].as_object().unwrap().iter().filter(|(_, feature)| feature["dtype"] != "video") {
        assert!(set["columns"].get(feature.0).is_some(), "no column {}", feature.0);
    }
    assert_eq!(set["types"]["action"], "fixed_size_list<item: float>[2]");
    let columns = &set["columns"];
    assert_eq!(columns["stamp_ns"][31], 1_795_219_200_000_000_000_i64 + 32 * 50_000_000);
    assert_eq!((&columns["episode_index"][29], &columns["episode_index"][30]), (&json!(0), &json!(1)));
    assert_eq!((&columns["frame_index"][30], &columns["timestamp"][30]), (&json!(0), &json!(0.0)));
    assert!((columns["action"][31][0].as_f64().unwrap() as f32 - steering(32)).abs() < 1e-6);
    lerobot_episodes(&set);
    lerobot_film(&set);
}

fn lerobot_episodes(set: &Value) {
    let [first, second] = [0, 1].map(|at| &set["episodes"][at]);
    assert_eq!(
        (&first["dataset_from_index"], &first["dataset_to_index"], &first["length"]),
        (&json!(0), &json!(30), &json!(30))
    );
    assert_eq!((&second["dataset_from_index"], &second["dataset_to_index"]), (&json!(30), &json!(59)));
    assert_eq!(second["tasks"], json!(["keep to the lane"]));
    assert_eq!(second["videos/observation.images.camera/from_timestamp"], 1.5);
    assert_eq!(second["videos/observation.images.camera/to_timestamp"], 2.95);
    assert_eq!(second["stats/action/count"], json!([29]));
    assert_eq!(second["stats/observation.images.camera/min"].as_array().unwrap().len(), 3);
    let stats = &set["stats"]["observation.images.camera"];
    let blue = stats["mean"][2][0][0].as_f64().unwrap();
    assert!((0.2..0.5).contains(&blue), "{blue}");
    assert!(set["stats"]["action"]["std"][0].as_f64().unwrap() > 0.5);
}

fn lerobot_film(set: &Value) {
    assert_eq!((&set["pictures"], &set["codec"], &set["size"]), (&json!(59), &json!("h264"), &json!([64, 48])));
    let (grid, pixels) = (set["grid_error_s"].as_f64().unwrap(), set["pixel_error"].as_f64().unwrap());
    assert!(grid < 1e-4, "pictures are {grid} s off the grid that the format promises");
    assert!(pixels < 8.0, "pixels are {pixels} of 255 off");
}

#[test]
fn a_film_shows_each_picture_for_as_long_as_it_was() {
    let dir = TempDir::new().unwrap();
    let folder = folder(dir.path(), 12);
    let times =
        [0, 50, 100, 150, 200, 900, 950, 1000, 1050, 1100, 1150, 1200].map(|ms: i64| 5_000_000_000 + ms * 1_000_000);
    let mut table = "frame,steering,throttle,stamp_ns\n".to_owned();
    for (number, time) in times.iter().enumerate() {
        table += &format!("{number:04}.jpg,0,0,{time}\n");
    }
    fs::write(folder.join("controls.csv"), table).unwrap();
    said(dir.path(), &["import", "drive", "-o", "a.mcap"]);
    said(dir.path(), &["export", "a.mcap", "--to", "mp4"]);
    let film = readers(dir.path(), &["film", "a.mp4"]);
    let shown: Vec<f64> = film["times"].as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
    let wanted: Vec<f64> = times.iter().map(|time| (time - times[0]) as f64 / 1e9).collect();
    assert_eq!(shown.len(), wanted.len());
    assert!(shown.iter().zip(&wanted).all(|(is, was)| (is - was).abs() < 1e-3), "{shown:?}");
}

fn drive(number: u64) -> Recorded {
    let header = Header {
        seq: number,
        incarnation: 7,
        sent_ns: number as i64 * 10_000_000,
        stamp_ns: number as i64 * 10_000_000,
        origin: "robot:pilot/drive".to_owned(),
        r#type: Drive::full_name(),
        ..Header::default()
    };
    let payload = Drive { forward: 0.5, ..Drive::default() }.encode_to_vec().into();
    Recorded { topic: "pilot/drive".to_owned(), received_ns: header.sent_ns, header, payload }
}

/// A message as a recorder writes it.
fn message<M: Message + Name>(topic: &str, number: u64, at_ns: i64, body: &M) -> Recorded {
    let header = Header {
        seq: number,
        incarnation: 7,
        sent_ns: at_ns,
        stamp_ns: at_ns,
        origin: format!("robot:{topic}"),
        r#type: M::full_name(),
        ..Header::default()
    };
    Recorded { topic: topic.to_owned(), received_ns: at_ns, header, payload: body.encode_to_vec().into() }
}

#[test]
fn pictures_have_the_control_of_their_moment_or_are_left_out() {
    const MS: i64 = 1_000_000;
    let dir = TempDir::new().unwrap();
    let mut writer = Writer::create(&dir.path().join("a.mcap"), Options::default()).unwrap();
    // Raw pictures every 50 ms; two drivers speak at 100 Hz, ours not between 200 and 400 ms.
    for tick in 0..100u64 {
        let at = 1_000 * MS + tick as i64 * 10 * MS;
        if tick % 5 == 0 {
            let raw = RawImage {
                width: 32,
                height: 16,
                encoding: "rgb8".to_owned(),
                step: 96,
                data: vec![tick as u8 * 2; 96 * 16].into(),
                ..RawImage::default()
            };
            writer.write(&message("robot:camera/frames", tick / 5 + 1, at, &raw)).unwrap();
        }
        let turn = tick as f32 / 100.0;
        if !(20..40).contains(&tick) {
            writer.write(&message("pilot/drive", tick + 1, at + MS, &Drive { turn, ..Drive::default() })).unwrap();
        }
        writer.write(&message("model/drive", tick + 1, at, &Drive { turn: -1.0, ..Drive::default() })).unwrap();
    }
    writer.finish().unwrap();
    let line = said(dir.path(), &["export", "a.mcap", "--to", "jpegs", "--tolerance", "20ms"]);
    assert_eq!(
        line,
        "a.jpegs: 17 pictures of robot:camera/frames with pilot/drive, 3 left out without a control near enough\n"
    );
    let table = fs::read_to_string(dir.path().join("a.jpegs/controls.csv")).unwrap();
    let steering: Vec<&str> = table.lines().skip(1).map(|row| row.split(',').nth(1).unwrap()).collect();
    assert_eq!(steering[..6], ["0", "0.05", "0.1", "0.15", "0.19", "0.4"]);
    said(dir.path(), &["export", "a.mcap", "--to", "mp4", "--controls", "model/drive"]);
    let film = readers(dir.path(), &["film", "a.mp4"]);
    let light: Vec<f64> = film["brightness"].as_array().unwrap().iter().map(|light| light.as_f64().unwrap()).collect();
    assert_eq!(light.len(), 20);
    assert!(light.windows(2).all(|pair| pair[0] < pair[1]), "each picture is brighter than the last: {light:?}");
    let wrong = bag(dir.path(), &["export", "a.mcap", "--to", "tub", "--controls", "robot:camera/frames"]);
    let line = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(line, "error: a.mcap: has no controls on robot:camera/frames; it has: model/drive, pilot/drive\n");
}

/// A recording of commands with some missing; chunks are small.
fn recording(path: &Path) {
    let mut writer = Writer::create(path, Options { chunk_bytes: 2000, ..Options::default() }).unwrap();
    for number in (1..=500).filter(|number| ![100, 200, 201, 202].contains(number)) {
        writer.write(&drive(number)).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn check_says_exactly_what_is_missing() {
    let dir = TempDir::new().unwrap();
    recording(&dir.path().join("a.mcap"));
    let lines = said(dir.path(), &["check", "a.mcap"]);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(
        lines,
        [
            "a.mcap: whole, 496 messages in 5 s, 4 are missing",
            "pilot/drive: 4 of 500 missing, in 2 gaps:",
            "    100, before 1.000 s",
            "    200 to 202, before 2.020 s",
        ]
    );
}

#[test]
fn a_cut_recording_is_told_and_mended() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.mcap");
    recording(&path);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let checked = bag(dir.path(), &["check", "a.mcap"]);
    assert_eq!(checked.status.code(), Some(1));
    let lines = String::from_utf8(checked.stdout).unwrap();
    assert!(lines.contains("from byte ") && lines.contains("launch bag repair"), "{lines}");
    let line = said(dir.path(), &["repair", "a.mcap", "-o", "b.mcap"]);
    assert!(line.starts_with("b.mcap: "), "{line}");
    assert_eq!(fs::read(&path).unwrap().len(), whole.len() / 2, "the old file is as it was");
    let (before, after) = (bag(dir.path(), &["info", "a.mcap", "--json"]), info(dir.path(), "b.mcap"));
    let before: Value = serde_json::from_slice(&before.stdout).unwrap();
    assert!(before["messages"].as_u64().unwrap() > 100);
    assert_eq!((&before["messages"], &after["whole"]), (&after["messages"], &json!(true)));
    said(dir.path(), &["repair", "a.mcap"]);
    said(dir.path(), &["check", "a.mcap"]);
}

#[test]
fn a_drawing_is_one_file_and_needs_no_network() {
    let dir = TempDir::new().unwrap();
    tub(dir.path(), 60, &[20, 21, 22]);
    said(dir.path(), &["import", "tub", "-o", "a.mcap"]);
    said(dir.path(), &["plot", "a.mcap"]);
    let page = fs::read_to_string(dir.path().join("a.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("steering") && page.contains("camera/frames"));
    assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count(), "it loads nothing");
    said(dir.path(), &["plot", "a.mcap", "-o", "a.png"]);
    let mut reader =
        png::Decoder::new(std::io::Cursor::new(fs::read(dir.path().join("a.png")).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.chunks(3).any(|pixel| pixel == [25, 113, 194]), "the steering is drawn");
}

#[test]
fn what_is_no_recording_costs_one_clear_line() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, content: &[u8]| fs::write(dir.path().join(name), content).unwrap();
    file("empty.mcap", b"");
    file("text.mcap", b"this is a letter and no recording");
    let huge = fs::File::create(dir.path().join("huge.mcap")).unwrap();
    huge.set_len(1 << 40).unwrap(); // a terabyte of nothing
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::create_dir(dir.path().join("brokentub")).unwrap();
    file("brokentub/manifest.json", b"[]\n{}\n");
    let before = fs::read_dir(dir.path()).unwrap().count();
    for name in ["empty.mcap", "text.mcap", "huge.mcap", "missing.mcap", "folder"] {
        let verbs: [&[&str]; 7] = [
            &["info", name],
            &["check", name],
            &["repair", name, "-o", "out.mcap"],
            &["export", name, "--to", "jpegs", "-o", "out"],
            &["export", name, "--to", "lerobot", "-o", "out"],
            &["plot", name, "-o", "out.png"],
            &["import", name, "-o", "out.mcap"],
        ];
        for args in verbs {
            one_line(dir.path(), args);
        }
    }
    one_line(dir.path(), &["import", "brokentub", "-o", "out.mcap"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), before, "nothing half-written is left");
}

fn one_line(dir: &Path, args: &[&str]) {
    let output = bag(dir, args);
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{args:?} succeeded");
    assert!(line.starts_with("error: ") && line.lines().count() == 1, "{args:?}: {line}");
    assert!(line.contains(args[1]), "{args:?} does not say which file: {line}");
}

#[test]
fn a_broken_record_of_a_tub_is_named_or_left_out() {
    let dir = TempDir::new().unwrap();
    let tub = tub(dir.path(), 10, &[]);
    fs::write(tub.join("images/4_cam_image_array_.jpg"), b"no picture").unwrap();
    let output = bag(dir.path(), &["import", "tub", "-o", "a.mcap"]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains("catalog_0.catalog: line 5: ") && line.contains("--keep-going"), "{line}");
    assert!(!dir.path().join("a.mcap").exists());
    let line = said(dir.path(), &["import", "tub", "-o", "a.mcap", "--keep-going"]);
    assert_eq!(line, "a.mcap: 9 moments, 1 left out\n");
}

#[test]
fn a_tub_reads_no_file_outside_itself() {
    let dir = TempDir::new().unwrap();
    let tub = tub(dir.path(), 2, &[]);
    fs::write(dir.path().join("secret.jpg"), picture(1)).unwrap();
    let catalog = tub.join("catalog_0.catalog");
    let text = fs::read_to_string(&catalog).unwrap();
    fs::write(&catalog, text.replace("1_cam_image_array_.jpg", "../../secret.jpg")).unwrap();
    let output = bag(dir.path(), &["import", "tub", "-o", "a.mcap"]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains("\"../../secret.jpg\" is no name of a file"), "{line}");
}
