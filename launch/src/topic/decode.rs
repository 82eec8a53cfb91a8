//! Payloads as JSON, by the descriptors that travel with the messages.
//! It never knows a type by heart and never shows what only fills the screen.

use offboard::proto::DESCRIPTORS;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value as Field};
use serde_json::{Map, Value, json};

use crate::{failure::Failure, supervisor::code};

/// The most elements of a list that are shown.
const LIST_MAX: usize = 64;

/// The most characters of a string that are shown.
const TEXT_MAX: usize = 1 << 10;

/// Reads payloads of all known types.
#[derive(Debug)]
pub(crate) struct Decoder(DescriptorPool);

impl Decoder {
    /// For the types of our own wire.
    ///
    /// # Errors
    /// When the descriptors of this build do not read.
    pub(crate) fn new() -> Result<Decoder, Failure> {
        DescriptorPool::decode(DESCRIPTORS).map(Decoder).map_err(|error| Failure::new(code::OTHER, error))
    }

    /// The payload, shortened for people; of an unknown type or a broken one: what is wrong, and its length.
    pub(crate) fn json(&self, kind: &str, payload: &[u8]) -> Value {
        let Some(descriptor) = self.0.get_message_by_name(kind) else {
            return json!({ "unknown type": kind, "bytes": payload.len() });
        };
        match DynamicMessage::decode(descriptor, payload) {
            Ok(message) => object(&message),
            Err(error) => json!({ "undecodable": error.to_string(), "bytes": payload.len() }),
        }
    }
}

fn object(message: &DynamicMessage) -> Value {
    // Fields that are zero are shown: a zero speed says something. Absent ones that can be absent are not.
    let shown = |field: &FieldDescriptor| !field.supports_presence() || message.has_field(field);
    let fields = message.descriptor();
    let fields = fields.fields().filter(shown);
    Value::Object(
        fields.map(|field| (field.name().to_owned(), value(&message.get_field(&field), &field.kind()))).collect(),
    )
}

fn value(field: &Field, kind: &Kind) -> Value {
    match field {
        Field::Bool(value) => json!(value),
        Field::I32(value) => json!(value),
        Field::I64(value) => json!(value),
        Field::U32(value) => json!(value),
        Field::U64(value) => json!(value),
        Field::F32(value) => number(f64::from(*value), value.to_string()),
        Field::F64(value) => number(*value, value.to_string()),
        Field::String(text) => json!(text.chars().take(TEXT_MAX).collect::<String>()),
        Field::Bytes(bytes) => json!(format!("<{} bytes>", bytes.len())),
        Field::EnumNumber(number) => enumerated(*number, kind),
        Field::Message(message) => object(message),
        Field::List(list) => {
            let mut shown: Vec<Value> = list.iter().take(LIST_MAX).map(|item| value(item, kind)).collect();
            if list.len() > LIST_MAX {
                shown.push(json!(format!("<{} more>", list.len() - LIST_MAX)));
            }
            Value::Array(shown)
        }
        Field::Map(map) => {
            let pairs = map.iter().take(LIST_MAX).map(|(key, item)| (format!("{key:?}"), value(item, kind)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

/// A number as it is meant: 0.1 of a float stays 0.1; what JSON cannot say (NaN, inf) is a string.
fn number(value: f64, text: String) -> Value {
    let short = text.parse().unwrap_or(value);
    serde_json::Number::from_f64(short).map_or(Value::String(text), Value::Number)
}

fn enumerated(number: i32, kind: &Kind) -> Value {
    let name = kind.as_enum().and_then(|kind| kind.get_value(number)).map(|value| value.name().to_owned());
    name.map_or(json!(number), Value::String)
}

#[cfg(test)]
mod tests {
    use offboard::{CompressedImage, Drive, Event};
    use prost::Message;

    use super::*;

    #[test]
    fn a_payload_is_shown_by_its_descriptor() {
        let decoder = Decoder::new().unwrap();
        let drive = Drive { forward: 0.1, ..Drive::default() }.encode_to_vec();
        let shown = decoder.json("offboard.v1.Drive", &drive);
        assert_eq!((&shown["forward"], &shown["turn"]), (&json!(0.1), &json!(0.0)));
        let nan = Drive { forward: f32::NAN, ..Drive::default() }.encode_to_vec();
        assert_eq!(decoder.json("offboard.v1.Drive", &nan)["forward"], json!("NaN"));
        let event = Event { kind: 3, ..Event::default() }.encode_to_vec();
        assert_eq!(decoder.json("offboard.v1.Event", &event)["kind"], json!("EVENT_KIND_ENDED"));
    }

    #[test]
    fn a_picture_does_not_fill_the_screen() {
        let picture = CompressedImage { data: vec![0; 100_000].into(), ..CompressedImage::default() }.encode_to_vec();
        let shown = Decoder::new().unwrap().json("offboard.v1.CompressedImage", &picture);
        assert_eq!(shown["data"], json!("<100000 bytes>"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let decoder = Decoder::new().unwrap();
        assert_eq!(decoder.json("x.Y", b"abc"), json!({ "unknown type": "x.Y", "bytes": 3 }));
        assert_eq!(decoder.json("offboard.v1.Drive", b"\xff")["bytes"], json!(1));
    }
}
