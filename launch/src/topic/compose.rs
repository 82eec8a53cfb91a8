//! JSON into messages: the canonical JSON of protobuf, and for arrays their elements under `values`.
//! It never sends a field that was not understood.

use offboard::{Array, DType, ViewError};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use super::{
    decode::{VALUES, is_array},
    path::no_field,
};
use crate::draw::short;

/// The message of this type that the JSON says; fields that it leaves out are as in an empty message.
///
/// # Errors
/// One line that says which field is wrong, and how.
pub(super) fn compose(kind: &MessageDescriptor, json: &str) -> Result<Vec<u8>, String> {
    let value: Value = serde_json::from_str(json).map_err(|error| format!("this is no JSON: {error}"))?;
    let Value::Object(mut fields) = value else {
        return Err(format!("{} is a JSON object, for instance {}", short(kind.full_name()), example(kind)));
    };
    let values = if is_array(kind) { fields.remove(VALUES) } else { None };
    check(kind, &fields)?;
    let message = read(kind, Value::Object(fields)).map_err(|why| format!("{}: {why}", short(kind.full_name())))?;
    match values {
        None => Ok(message.encode_to_vec()),
        Some(values) => with_values(&message, &values).map(|array| array.encode_to_vec()),
    }
}

/// How a message of this type begins.
fn example(kind: &MessageDescriptor) -> String {
    let of = |field: FieldDescriptor| {
        let value = match field.kind() {
            Kind::String | Kind::Bytes => "\"\"",
            Kind::Bool => "true",
            Kind::Message(_) => "{}",
            _ => "1",
        };
        if field.is_list() { format!("[{value}]") } else { value.to_owned() }
    };
    let first = kind.fields().next().map(|field| format!("\"{}\": {}", field.name(), of(field.clone())));
    format!("{{{}}}", first.unwrap_or_default())
}

/// Finds the field that is wrong: each is read alone.
fn check(kind: &MessageDescriptor, fields: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in fields {
        let Some(field) = kind.get_field_by_name(name).or_else(|| kind.get_field_by_json_name(name)) else {
            return Err(no_field(kind, name));
        };
        match (field.kind(), value) {
            // Types of protobuf's own have a JSON of their own.
            (Kind::Message(inner), Value::Object(fields)) if !is_google(&inner) && !field.is_map() => {
                check(&inner, fields)?;
            }
            (Kind::Message(inner), Value::Array(items)) if !is_google(&inner) && field.is_list() => {
                items.iter().filter_map(Value::as_object).try_for_each(|fields| check(&inner, fields))?;
            }
            _ => {}
        }
        let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        read(kind, alone).map_err(|why| format!("{name} is {value}: {why} (it is {})", words(&field)))?;
    }
    Ok(())
}

fn is_google(kind: &MessageDescriptor) -> bool {
    kind.package_name().starts_with("google.")
}

fn read(kind: &MessageDescriptor, json: Value) -> Result<DynamicMessage, String> {
    kind.clone().deserialize(json).map_err(|error| error.to_string())
}

/// What a field holds, in words.
fn words(field: &FieldDescriptor) -> String {
    let one = match field.kind() {
        Kind::Double | Kind::Float => "a number".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::String => "a string".to_owned(),
        Kind::Bytes => "a string of base64".to_owned(),
        Kind::Message(inner) => format!("an object, {}", short(inner.full_name())),
        Kind::Enum(kind) => {
            let names: Vec<String> = kind.values().map(|value| value.name().to_owned()).collect();
            format!("one of {}", names.join(", "))
        }
        _ => "a whole number".to_owned(),
    };
    if field.is_list() { format!("a list; each is {one}") } else { one }
}

/// The array of these elements; f32 and of one dimension where nothing else is said.
fn with_values(said: &DynamicMessage, values: &Value) -> Result<Array, String> {
    let said: Array = said.transcode_to().map_err(|error| error.to_string())?;
    if !said.data.is_empty() {
        return Err(format!("say either {VALUES} or data"));
    }
    let items = values.as_array().ok_or_else(|| format!("{VALUES} is a list of numbers"))?;
    let length = u32::try_from(items.len()).map_err(|error| error.to_string())?;
    let dtype = if said.dtype() == DType::DtypeUnknown { DType::DtypeF32 } else { said.dtype() };
    let shape = if said.shape.is_empty() { vec![length] } else { said.shape };
    let array = match dtype {
        DType::DtypeU8 => of::<u8>(items, shape, whole),
        DType::DtypeI16 => of::<i16>(items, shape, whole),
        DType::DtypeI32 => of::<i32>(items, shape, whole),
        DType::DtypeI64 => of::<i64>(items, shape, whole),
        DType::DtypeF64 => of::<f64>(items, shape, Value::as_f64),
        DType::DtypeF32 | DType::DtypeUnknown => {
            of::<f32>(items, shape, |item| item.as_f64().map(|value| value as f32))
        }
    };
    let array = array?;
    Ok(Array { columns: said.columns, ..array })
}

fn of<T: offboard::Element>(
    items: &[Value],
    shape: Vec<u32>,
    one: impl Fn(&Value) -> Option<T>,
) -> Result<Array, String> {
    let wrong = |item: &Value| format!("{VALUES} holds {item}, which is no {}", T::DTYPE.as_str_name());
    let elements: Vec<T> = items.iter().map(|item| one(item).ok_or_else(|| wrong(item))).collect::<Result<_, _>>()?;
    Array::new(shape, &elements).map_err(|error: ViewError| error.to_string())
}

fn whole<T: TryFrom<i64>>(item: &Value) -> Option<T> {
    T::try_from(item.as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use offboard::{CompressedImage, Drive};

    use super::{super::decode::Types, *};

    fn said<M: Message + Default>(kind: &str, json: &str) -> Result<M, String> {
        let kind = Types::new().unwrap().get(kind).unwrap();
        compose(&kind, json).map(|payload| M::decode(payload.as_slice()).unwrap())
    }

    #[test]
    fn what_is_said_is_sent_and_what_is_not_is_empty() {
        let drive = Drive { forward: 0.5, emergency_stop: true, ..Drive::default() };
        assert_eq!(said("Drive", r#"{"forward": 0.5, "emergency_stop": true}"#), Ok(drive));
        assert_eq!(said("offboard.v1.Drive", "{}"), Ok(Drive::default()));
        let picture: CompressedImage =
            said("CompressedImage", r#"{"data": "AQI=", "timestamp": "1970-01-01T00:00:01Z"}"#).unwrap();
        assert_eq!((&picture.data[..], picture.timestamp.unwrap().seconds), (&[1, 2][..], 1));
    }

    #[test]
    fn what_is_not_understood_is_one_line_and_not_sent() {
        let wrong = |json: &str| said::<Drive>("Drive", json).unwrap_err();
        assert!(wrong(r#"{"fowrard": 1}"#).starts_with("Drive has no field fowrard; did you mean forward?"));
        assert!(
            wrong(r#"{"forward": "fast"}"#).starts_with("forward is \"fast\": "),
            "{}",
            wrong(r#"{"forward": "fast"}"#)
        );
        assert!(wrong(r#"{"reset": 1}"#).ends_with("(it is true or false)"));
        assert!(wrong(r#"{"valid_for_ms": -1}"#).starts_with("valid_for_ms is -1: "));
        assert_eq!(wrong("[]"), "Drive is a JSON object, for instance {\"forward\": 1}");
        assert!(wrong("forward: 1").starts_with("this is no JSON: "));
        let inner = said::<Drive>("GraphStatus", r#"{"nodes": [{"nod": "a"}]}"#).unwrap_err();
        assert!(inner.starts_with("NodeState has no field nod; did you mean node?"), "{inner}");
        assert!(![wrong("{"), inner].iter().any(|line| line.contains('\n')));
    }

    #[test]
    fn an_array_is_said_by_its_elements() {
        let array = |json: &str| said::<Array>("Array", json);
        assert_eq!(array(r#"{"values": [1, 2.5]}"#), Ok(Array::new([2], &[1f32, 2.5]).unwrap()));
        let shaped = array(r#"{"dtype": "DTYPE_I16", "shape": [2, 1], "values": [1, -2]}"#);
        assert_eq!(shaped, Ok(Array::new([2, 1], &[1i16, -2]).unwrap()));
        assert_eq!(array(r#"{"dtype": 1, "values": [256]}"#), Err("values holds 256, which is no DTYPE_U8".into()));
        assert!(array(r#"{"shape": [3], "values": [1]}"#).unwrap_err().contains("needs 12"));
    }
}
