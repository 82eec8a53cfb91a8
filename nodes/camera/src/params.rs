//! The camera's parameters as the graph file gives them. They never reach a device unchecked.

use std::{borrow::Cow, fmt, path::PathBuf};

use offboard::{CompressedImage, Error, Name as _, Node, RawImage, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::source::formats::Kind;

/// The name of the output.
pub(crate) const FRAMES: &str = "frames";

/// What the graph file may say about a camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// Where pictures come from: a camera's number (0 is /dev/video0) or a path under /dev; "pattern", a moving test picture; a folder of .jpg, .jpeg and .png pictures or an MJPEG file, replayed in a loop.
    #[schemars(extend("x-device" = "video"))]
    pub(crate) device: Device,
    /// Width and height in pixels, 16 to 16384 each: of the pattern, and what a camera is asked for (it may only know near ones); pictures from files keep their own.
    #[schemars(inner(range(min = 16, max = 16384)))]
    pub(crate) size: [u32; 2],
    /// The camera's own format; without it the one that costs least is taken: its JPEGs as they are, where JPEGs leave and it has them.
    pub(crate) format: Option<Kind>,
    /// Pictures a second, 0.001 to 1000: what a camera is asked for, how fast files are replayed.
    #[schemars(range(min = 0.001, max = 1000))]
    pub(crate) rate: f64,
    /// "jpeg" sends CompressedImage, "rgb8" sends RawImage. JPEGs that a camera or a file delivers are passed on as they are.
    pub(crate) encoding: Encoding,
    /// Quality of the JPEGs that are encoded here, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) quality: u8,
}

impl Default for Params {
    fn default() -> Self {
        let (size, rate) = ([640, 480], 30.0);
        Params { device: Device::Camera(0), size, format: None, rate, encoding: Encoding::Jpeg, quality: 85 }
    }
}

/// How pictures leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Encoding {
    Jpeg,
    Rgb8,
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    /// `/dev/videoN`.
    Camera(u32),
    /// A path under /dev; a link such as /dev/v4l/by-id/… keeps its camera when the numbers change.
    CameraAt(PathBuf),
    Pattern,
    /// A folder of pictures or an MJPEG file.
    Files(PathBuf),
}

impl From<&str> for Device {
    fn from(text: &str) -> Self {
        match text {
            "pattern" => Device::Pattern,
            path if path.starts_with("/dev/") => Device::CameraAt(path.into()),
            path => Device::Files(path.into()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Camera(index) => write!(f, "camera {index}"),
            Device::CameraAt(path) => write!(f, "camera {}", path.display()),
            Device::Pattern => f.write_str("the test pattern"),
            Device::Files(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Device::Camera(index) => serializer.serialize_u32(*index),
            Device::Pattern => serializer.serialize_str("pattern"),
            Device::CameraAt(path) | Device::Files(path) => serializer.collect_str(&path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DeviceVisitor)
    }
}

struct DeviceVisitor;

impl de::Visitor<'_> for DeviceVisitor {
    type Value = Device;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a camera's number, \"pattern\", or a path")
    }

    fn visit_u64<E: de::Error>(self, index: u64) -> Result<Device, E> {
        u32::try_from(index).map(Device::Camera).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(index), &self))
    }

    fn visit_i64<E: de::Error>(self, index: i64) -> Result<Device, E> {
        u64::try_from(index)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(index), &self))
            .and_then(|index| self.visit_u64(index))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Device, E> {
        if text.is_empty() {
            return Err(E::invalid_value(de::Unexpected::Str(text), &self));
        }
        Ok(Device::from(text))
    }
}

impl JsonSchema for Device {
    fn schema_name() -> Cow<'static, str> {
        "Device".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] })
    }
}

impl Encoding {
    /// The full name of the message type that it makes.
    pub(crate) fn kind(self) -> String {
        match self {
            Encoding::Jpeg => CompressedImage::full_name(),
            Encoding::Rgb8 => RawImage::full_name(),
        }
    }

    /// As the graph file names it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Encoding::Jpeg => "jpeg",
            Encoding::Rgb8 => "rgb8",
        }
    }
}

impl Params {
    /// The node's parameters, each within its range and in agreement with its wiring.
    ///
    /// # Errors
    /// A configuration error that names what does not fit.
    pub(crate) fn of(node: &Node) -> Result<Params> {
        let params: Params = node.params()?;
        params.check().map_err(|problem| Error::config(format!("params of {}: {problem}", node.name())))?;
        let wired = node.outputs().find(|output| output.name == FRAMES).map_or("*", |output| output.kind.as_str());
        params.agrees_with(wired).map_err(Error::config)?;
        Ok(params)
    }

    fn check(&self) -> Result<(), String> {
        if !self.size.iter().all(|side| (16..=16384).contains(side)) {
            return Err(format!("size is {:?}; each side may have 16 to 16384 pixels", self.size));
        }
        if u64::from(self.size[0]) * u64::from(self.size[1]) > offboard::proto::PIXELS_MAX {
            return Err(format!("size is {:?}; at most 64 Mpx are allowed", self.size));
        }
        if !(0.001..=1000.0).contains(&self.rate) {
            return Err(format!("rate is {}; 0.001 to 1000 pictures a second are allowed", self.rate));
        }
        if !(1..=100).contains(&self.quality) {
            return Err(format!("quality is {}; 1 to 100 are allowed", self.quality));
        }
        Ok(())
    }

    fn agrees_with(&self, wired: &str) -> Result<(), String> {
        let kind = self.encoding.kind();
        if wired == "*" || wired == kind {
            return Ok(());
        }
        let encoding = self.encoding.word();
        Err(format!("encoding = \"{encoding}\" makes {kind}, but the graph says that frames carries {wired}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Params, String> {
        let params: Params = serde_json::from_str(json).map_err(|error| error.to_string())?;
        params.check().map(|()| params)
    }

    #[test]
    fn nothing_said_means_the_first_camera_as_jpeg() {
        assert_eq!(read("{}"), Ok(Params::default()));
    }

    #[test]
    fn a_device_is_a_number_a_pattern_or_a_path() {
        let cases = [
            ("2", Device::Camera(2)),
            (r#""pattern""#, Device::Pattern),
            (r#""/dev/v4l/by-id/usb-cam""#, Device::CameraAt("/dev/v4l/by-id/usb-cam".into())),
            (r#""drive/frames""#, Device::Files("drive/frames".into())),
        ];
        for (json, device) in cases {
            assert_eq!(read(&format!(r#"{{"device":{json}}}"#)).unwrap().device, device);
        }
    }

    #[test]
    fn a_format_has_the_name_that_the_list_shows() {
        for kind in Kind::ALL {
            let params = read(&format!(r#"{{"format":"{kind}"}}"#)).unwrap();
            assert_eq!(params.format, Some(kind));
        }
        let error = read(r#"{"format":"H264"}"#).unwrap_err();
        assert!(error.starts_with("unknown variant `H264`, expected one of `MJPEG`, `JPEG`, `NV12`"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_range() {
        let cases = [
            (r#"{"rate":0}"#, "rate is 0; 0.001 to 1000 pictures a second are allowed"),
            (r#"{"quality":0}"#, "quality is 0; 1 to 100 are allowed"),
            (r#"{"size":[8,480]}"#, "size is [8, 480]; each side may have 16 to 16384 pixels"),
            (r#"{"size":[16384,16384]}"#, "size is [16384, 16384]; at most 64 Mpx are allowed"),
        ];
        for (json, error) in cases {
            assert_eq!(read(json).unwrap_err(), error);
        }
        let error = read(r#"{"device":-1}"#).unwrap_err();
        let sentence = "invalid value: integer `-1`, expected a camera's number, \"pattern\", or a path";
        assert!(error.starts_with(sentence), "{error}");
        assert!(read(r#"{"sise":[640,480]}"#).unwrap_err().contains("unknown field `sise`"));
    }

    #[test]
    fn encoding_and_wiring_must_agree() {
        let params = Params { encoding: Encoding::Rgb8, ..Params::default() };
        assert_eq!(params.agrees_with("offboard.v1.RawImage"), Ok(()));
        assert_eq!(
            params.agrees_with("offboard.v1.CompressedImage").unwrap_err(),
            "encoding = \"rgb8\" makes offboard.v1.RawImage, but the graph says that frames carries \
             offboard.v1.CompressedImage"
        );
    }

    #[test]
    fn defaults_fit_their_own_schema() {
        let schema = schemars::schema_for!(Params).to_value();
        assert_eq!(schema["properties"]["device"]["default"], 0);
        assert_eq!(schema["properties"]["device"]["x-device"], "video");
        assert_eq!(schema["properties"]["quality"]["maximum"], 100);
        assert_eq!(schema["additionalProperties"], false);
    }
}
