//! Payloads by the descriptors of our wire: what is shown of them.
//! It never knows a type by heart but the array, whose elements are bytes to all others.

use base64::{Engine, engine::general_purpose::STANDARD};
use offboard::{Array, ArrayView, DType, Element, proto::DESCRIPTORS};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value as Field,
};
use serde_json::json;

use super::tree::{Style, Tree};
use crate::{draw::short, failure::Failure, supervisor::code, words::did_you_mean};

/// The array's full name.
const ARRAY: &str = "offboard.v1.Array";

/// The name under which an array's elements are shown, in place of their bytes.
pub(super) const VALUES: &str = "values";

/// The first bytes of a payload of an unknown type that are shown.
const PREFIX: usize = 32;

/// Knows all types of our own wire.
#[derive(Debug)]
pub(crate) struct Types(DescriptorPool);

impl Types {
    /// For the types of our own wire.
    ///
    /// # Errors
    /// When the descriptors of this build do not read.
    pub(crate) fn new() -> Result<Types, Failure> {
        DescriptorPool::decode(DESCRIPTORS).map(Types).map_err(|error| Failure::new(code::OTHER, error))
    }

    /// The type of this full or short name.
    pub(super) fn get(&self, kind: &str) -> Option<MessageDescriptor> {
        let full = format!("{}.{kind}", offboard::proto::PACKAGE);
        self.0.get_message_by_name(kind).or_else(|| self.0.get_message_by_name(&full))
    }

    /// `; did you mean …?` for a name that is none of a type.
    pub(super) fn did_you_mean(&self, kind: &str) -> String {
        let names: Vec<String> = self.0.all_messages().map(|message| short(message.full_name()).to_owned()).collect();
        did_you_mean(short(kind), names.iter().map(String::as_str))
    }

    /// The message of this type, or what can be shown of a payload that is of an unknown type or broken.
    pub(super) fn message(&self, kind: &str, payload: &[u8]) -> Result<DynamicMessage, Tree> {
        let raw = |why: (&str, &str)| {
            let more = if payload.len() > PREFIX { "…" } else { "" };
            let hex: String = payload.iter().take(PREFIX).map(|byte| format!("{byte:02x}")).collect();
            let field = |name: &str, part| (name.to_owned(), part);
            Tree::Fields(vec![
                field(why.0, Tree::Scalar(json!(why.1))),
                field("bytes", Tree::Scalar(json!(payload.len()))),
                field("hex", Tree::Scalar(json!(format!("{hex}{more}")))),
            ])
        };
        let Some(descriptor) = self.0.get_message_by_name(kind) else { return Err(raw(("unknown type", kind))) };
        DynamicMessage::decode(descriptor, payload).map_err(|error| raw(("undecodable", &error.to_string())))
    }
}

/// All of a message.
pub(super) fn message(message: &DynamicMessage, style: Style) -> Tree {
    // Fields that are zero are shown: a zero speed says something. Absent ones that can be absent are not.
    let shown = |field: &FieldDescriptor| !field.supports_presence() || message.has_field(field);
    let descriptor = message.descriptor();
    let elements = array(message);
    let part = |field: FieldDescriptor| match &elements {
        Some(elements) if field.name() == "data" => (VALUES.to_owned(), values(elements, style)),
        _ => (field.name().to_owned(), part(&message.get_field(&field), &field.kind(), style)),
    };
    Tree::Fields(descriptor.fields().filter(shown).map(part).collect())
}

/// A field, or an item of one; `kind` is the field's.
pub(super) fn part(field: &Field, kind: &Kind, style: Style) -> Tree {
    match field {
        Field::Bool(value) => Tree::Scalar(json!(value)),
        Field::I32(value) => Tree::Scalar(json!(value)),
        Field::I64(value) => Tree::Scalar(json!(value)),
        Field::U32(value) => Tree::Scalar(json!(value)),
        Field::U64(value) => Tree::Scalar(json!(value)),
        Field::F32(value) => number(f64::from(*value), value.to_string()),
        Field::F64(value) => number(*value, value.to_string()),
        Field::String(text) => Tree::text(text, style),
        Field::Bytes(bytes) if style.bytes => Tree::Scalar(json!(STANDARD.encode(bytes))),
        Field::Bytes(bytes) => Tree::Note(format!("<{} bytes>", bytes.len())),
        Field::EnumNumber(number) => enumerated(*number, kind),
        Field::Message(inner) => message(inner, style),
        Field::List(list) => Tree::list(list.len(), list.iter().map(|item| part(item, kind, style)), style),
        Field::Map(map) => {
            let kind = kind.as_message().map_or(kind.clone(), |entry| entry.map_entry_value_field().kind());
            let pairs = map.iter().take(style.length);
            Tree::Fields(pairs.map(|(key, item)| (format!("{key:?}"), part(item, &kind, style))).collect())
        }
    }
}

/// Whether a type's elements can be shown.
pub(super) fn is_array(descriptor: &MessageDescriptor) -> bool {
    descriptor.full_name() == ARRAY
}

/// A message as an array, if it is one.
pub(super) fn array(message: &DynamicMessage) -> Option<Array> {
    if !is_array(&message.descriptor()) {
        return None;
    }
    // Field by field: encoding it once more would copy the elements.
    let get = |name: &str| message.get_field_by_name(name);
    Some(Array {
        dtype: get("dtype")?.as_enum_number()?,
        shape: get("shape")?.as_list()?.iter().filter_map(Field::as_u32).collect(),
        data: get("data")?.as_bytes()?.clone(),
        columns: get("columns")?.as_list()?.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
    })
}

/// The elements of an array, or why they are not what it claims.
pub(super) fn values(array: &Array, style: Style) -> Tree {
    match array.view() {
        Ok(view) => Tree::list(count(&view), elements(&view, 0, style.length), style),
        Err(error) => Tree::Note(format!("<{error}>")),
    }
}

/// One element of an array.
pub(super) fn value_at(array: &Array, at: usize) -> Option<Tree> {
    elements(&array.view().ok()?, at, 1).next()
}

fn count(view: &ArrayView<'_>) -> usize {
    view.shape.iter().map(|&extent| extent as usize).product()
}

fn elements(view: &ArrayView<'_>, from: usize, most: usize) -> std::vec::IntoIter<Tree> {
    fn of<T: Element + ToString>(
        view: &ArrayView<'_>,
        from: usize,
        most: usize,
        tree: impl Fn(T) -> Tree,
    ) -> Vec<Tree> {
        // The view was asked for its own type.
        view.elements::<T>().map(|all| all.skip(from).take(most).map(tree).collect()).unwrap_or_default()
    }
    let shown = match view.dtype {
        DType::DtypeU8 => of::<u8>(view, from, most, |value| Tree::Scalar(json!(value))),
        DType::DtypeI16 => of::<i16>(view, from, most, |value| Tree::Scalar(json!(value))),
        DType::DtypeI32 => of::<i32>(view, from, most, |value| Tree::Scalar(json!(value))),
        DType::DtypeI64 => of::<i64>(view, from, most, |value| Tree::Scalar(json!(value))),
        DType::DtypeF32 => of::<f32>(view, from, most, |value| number(f64::from(value), value.to_string())),
        DType::DtypeF64 => of::<f64>(view, from, most, |value| number(value, value.to_string())),
        DType::DtypeUnknown => Vec::new(),
    };
    shown.into_iter()
}

/// A number as it is meant: 0.1 of a float stays 0.1; what JSON cannot say (NaN, inf) is a string.
fn number(value: f64, text: String) -> Tree {
    let short = text.parse().unwrap_or(value);
    Tree::Scalar(serde_json::Number::from_f64(short).map_or(json!(text), serde_json::Value::Number))
}

fn enumerated(number: i32, kind: &Kind) -> Tree {
    let name = kind.as_enum().and_then(|kind| kind.get_value(number)).map(|value| value.name().to_owned());
    Tree::Scalar(name.map_or(json!(number), |name| json!(name)))
}

/// A message of the wire, as tests make them.
#[cfg(test)]
pub(super) fn dynamic(kind: &str, message: &impl prost::Message) -> DynamicMessage {
    Types::new().unwrap().message(kind, &message.encode_to_vec()).unwrap()
}

#[cfg(test)]
mod tests {
    use offboard::{CompressedImage, Drive, Event};
    use prost::Message;

    use super::*;

    const STYLE: Style = Style { length: 4, bytes: false, lists: true, strings: true };

    fn shown(kind: &str, of: &impl Message, style: Style) -> serde_json::Value {
        serde_json::to_value(message(&dynamic(kind, of), style)).unwrap()
    }

    #[test]
    fn a_payload_is_shown_by_its_descriptor() {
        let drive = |forward| shown("offboard.v1.Drive", &Drive { forward, ..Drive::default() }, STYLE);
        assert_eq!((&drive(0.1)["forward"], &drive(0.1)["turn"]), (&json!(0.1), &json!(0.0)));
        assert_eq!(drive(f32::NAN)["forward"], json!("NaN"));
        let event = shown("offboard.v1.Event", &Event { kind: 3, ..Event::default() }, STYLE);
        assert_eq!(event["kind"], json!("EVENT_KIND_ENDED"));
    }

    #[test]
    fn a_picture_does_not_fill_the_screen_unless_asked_to() {
        let picture = CompressedImage { data: vec![0; 100_000].into(), ..CompressedImage::default() };
        let full = Style { length: usize::MAX, bytes: true, ..STYLE };
        let data = |style| shown("offboard.v1.CompressedImage", &picture, style)["data"].as_str().unwrap().to_owned();
        assert_eq!((data(STYLE).as_str(), data(full).len()), ("<100000 bytes>", 133_336));
    }

    #[test]
    fn an_array_shows_its_elements() {
        let array = |array: &Array| message(&dynamic(ARRAY, array), STYLE).lines().join("\n");
        let text = "dtype: DTYPE_F32\nshape: [2, 3]\nvalues: [1.5, -2.0, 0.1, NaN, <2 more>]\ncolumns: []";
        let whole = Array::new([2, 3], &[1.5f32, -2.0, 0.1, f32::NAN, 5.0, 6.0]).unwrap();
        assert_eq!(array(&whole).replace("\"NaN\"", "NaN"), text);
        let broken = Array { shape: vec![7], ..whole };
        assert!(
            array(&broken).contains("values: <data has 24 bytes but shape x dtype needs 28>"),
            "{}",
            array(&broken)
        );
        let integers = Array::new([3], &[-1i16, 0, i16::MAX]).unwrap();
        assert!(array(&integers).contains("values: [-1, 0, 32767]"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let types = Types::new().unwrap();
        let raw = |kind: &str, payload: &[u8]| serde_json::to_value(types.message(kind, payload).unwrap_err()).unwrap();
        assert_eq!(raw("x.Y", b"abc"), json!({ "unknown type": "x.Y", "bytes": 3, "hex": "616263" }));
        assert_eq!(raw("x.Y", &[255; 33])["hex"].as_str().unwrap().chars().count(), 65);
        assert_eq!(raw("offboard.v1.Drive", b"\xff")["bytes"], json!(1));
        assert_eq!(types.did_you_mean("Drvie"), "; did you mean Drive?");
    }
}
