//! The nodes of the loop: this program run again by `launch`, with the same SDK as any node. They never know whether there is a
//! link between them.

use std::{fs, path::PathBuf, time::Duration};

use offboard::{CompressedImage, Drive, Error, Evidence, Message, Name, Node, RawImage, Result, clock, proto::jpeg};
use offboard_tests::scene::{HEIGHT, WIDTH};
use serde_json::{Map, Value};
use zune_jpeg::JpegDecoder;

/// Time between two pictures: 30 Hz.
const PERIOD: Duration = Duration::from_micros(33_333);

/// What the third word of the command line asks for.
pub(crate) async fn run() -> Result<()> {
    let node = offboard::node()?;
    match std::env::args().nth(2).as_deref() {
        Some("source") => source(&node).await,
        Some("look") => look(&node).await,
        Some("decode") => decode(&node).await,
        Some("sink") => sink(&node).await,
        other => Err(Error::config(format!("no such role: {other:?}"))),
    }
}

fn param(params: &Map<String, Value>, name: &str) -> Result<Value> {
    params.get(name).cloned().ok_or_else(|| Error::config(format!("params lack {name}")))
}

fn path(params: &Map<String, Value>, name: &str) -> Result<PathBuf> {
    Ok(param(params, name)?.as_str().unwrap_or_default().into())
}

fn number(params: &Map<String, Value>, name: &str) -> Result<usize> {
    Ok(param(params, name)?.as_u64().unwrap_or_default() as usize)
}

/// A camera whose pictures are there already.
async fn source(node: &Node) -> Result<()> {
    let folder = path(&node.params()?, "folder")?;
    let mut names: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    names.sort();
    let jpegs = names.iter().map(|name| Ok(fs::read(name)?)).collect::<Result<Vec<_>>>()?;
    if node.outputs().any(|output| output.kind == RawImage::full_name()) {
        let pictures = jpegs.iter().map(|jpeg| Ok(raw(rgb(jpeg)?))).collect::<Result<Vec<_>>>()?;
        say(node, &pictures).await
    } else {
        say(node, &jpegs.into_iter().map(compressed).collect::<Vec<_>>()).await
    }
}

fn raw(rgb: Vec<u8>) -> RawImage {
    RawImage {
        width: WIDTH as u32,
        height: HEIGHT as u32,
        encoding: "rgb8".to_owned(),
        step: (WIDTH * 3) as u32,
        data: rgb.into(),
        ..RawImage::default()
    }
}

fn compressed(jpeg: Vec<u8>) -> CompressedImage {
    let (format, width, height) = ("jpeg".to_owned(), WIDTH as u32, HEIGHT as u32);
    CompressedImage { data: jpeg.into(), format, width, height, ..CompressedImage::default() }
}

async fn say<M: prost::Message + Name + Clone>(node: &Node, pictures: &[M]) -> Result<()> {
    let mut out = node.publish::<M>("frames").await?;
    let mut rate = node.every(PERIOD);
    for picture in pictures.iter().cycle() {
        if rate.tick().await.is_none() {
            break;
        }
        out.send_at(clock::now_ns(), picture.clone()).await?;
    }
    Ok(())
}

/// A pilot that reads every pixel of a raw picture.
async fn look(node: &Node) -> Result<()> {
    let (mut frames, mut out) = (node.subscribe::<RawImage>("frames").await?, node.publish("drive").await?);
    while let Some(frame) = frames.latest().await? {
        let view = frame.view().map_err(Error::other)?;
        let drive = steer(view.rows(), view.width * view.channels);
        out.send_from(&frame, drive).await?;
    }
    Ok(())
}

/// A pilot that decodes a picture first.
async fn decode(node: &Node) -> Result<()> {
    let (mut frames, mut out) = (node.subscribe::<CompressedImage>("frames").await?, node.publish("drive").await?);
    while let Some(frame) = frames.latest().await? {
        jpeg::size(&frame.data).map_err(Error::other)?;
        let rgb = rgb(&frame.data)?;
        out.send_from(&frame, steer(rgb.chunks_exact(WIDTH * 3), WIDTH * 3)).await?;
    }
    Ok(())
}

fn rgb(jpeg: &[u8]) -> Result<Vec<u8>> {
    let decoded = JpegDecoder::new(zune_core::bytestream::ZCursor::new(jpeg)).decode();
    decoded.map_err(|error| Error::other(std::io::Error::other(format!("{error:?}"))))
}

/// Towards the brighter side.
fn steer<'a>(rows: impl Iterator<Item = &'a [u8]>, row: usize) -> Drive {
    let sum = |half: &[u8]| half.iter().map(|value| u32::from(*value)).sum::<u32>();
    let halves = rows.map(|row| (sum(&row[..row.len() / 2]), sum(&row[row.len() / 2..])));
    let (left, right) = halves.fold((0, 0), |(left, right), halves| (left + halves.0, right + halves.1));
    let all = (row * HEIGHT) as f32 * 255.0 / 2.0;
    Drive { forward: 0.2, turn: (right as f32 - left as f32) / all, source: "bench".to_owned(), ..Drive::default() }
}

/// The robot's end: notes how old the picture is when its command arrives, and writes that down at the end.
async fn sink(node: &Node) -> Result<()> {
    let params = node.params()?;
    let (warm, count, result) = (number(&params, "warm")?, number(&params, "count")?, path(&params, "result")?);
    let mut commands = node.subscribe::<Drive>("drive").await?;
    let mut heard = Vec::with_capacity(warm + count);
    while let Some(command) = commands.latest().await? {
        heard.push(times(&command));
        if heard.len() == warm + count {
            let text = columns(&heard[warm..]);
            let beside = result.with_extension("part");
            fs::write(&beside, text)?;
            fs::rename(beside, &result)?;
        }
    }
    Ok(())
}

/// Nanoseconds since the picture was captured, of those before the command was sent, and after.
fn times(command: &Message<Drive>) -> [i64; 3] {
    let whole = command.age().as_nanos() as i64;
    let there = command.header.sent_ns - command.header.stamp_ns;
    [whole, there, whole - there]
}

fn columns(heard: &[[i64; 3]]) -> String {
    let column = |at: usize| heard.iter().map(|times| times[at]).collect::<Vec<i64>>();
    serde_json::json!({ "whole_ns": column(0), "there_ns": column(1), "back_ns": column(2) }).to_string()
}
