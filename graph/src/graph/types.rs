//! Names of message types. It never looks into a message.

use offboard_proto::{DESCRIPTORS, PACKAGE};

use super::{near::near, show::tick};

/// The longest type name, in bytes.
const MAX: usize = 200;

/// The full name of a type as the graph file writes it: ours may be written without the package.
///
/// # Errors
/// What is wrong, and how to mend it.
pub(crate) fn resolve(text: &str) -> Result<String, (String, String)> {
    let known = known();
    let full = if text.contains('.') { text.to_owned() } else { format!("{PACKAGE}.{text}") };
    if known.contains(&full) {
        return Ok(full);
    }
    let ours = full.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('.'));
    if let Some(name) = ours {
        let short: Vec<&str> = known.iter().map(|full| short(full)).collect();
        let help = match near(name, short.iter().copied()) {
            Some(near) => format!("did you mean {}?", tick(near)),
            None => format!("ours are {}; a foreign type is written with its package", short.join(", ")),
        };
        return Err((format!("there is no message type {}", tick(text)), help));
    }
    let segment = |segment: &str| {
        segment.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if full.len() <= MAX && full.split('.').all(segment) {
        return Ok(full);
    }
    Err((
        format!("{} is no name of a message type", tick(text)),
        "write its full protobuf name, like `my_robot.v1.Scan`".to_owned(),
    ))
}

/// The name without our package, for people.
pub(crate) fn short(full: &str) -> &str {
    full.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('.')).unwrap_or(full)
}

/// The full names of all our messages, sorted.
fn known() -> Vec<String> {
    let mut names: Vec<String> = fields(DESCRIPTORS, 1)
        .filter(|file| fields(file, 2).next() == Some(PACKAGE.as_bytes()))
        .flat_map(|file| fields(file, 4))
        .filter_map(|message| std::str::from_utf8(fields(message, 1).next()?).ok())
        .map(|name| format!("{PACKAGE}.{name}"))
        .collect();
    names.sort();
    names
}

/// The length-delimited fields of this number in a protobuf message: all that is needed of descriptors here.
fn fields(mut message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while !message.is_empty() {
            let key = varint(&mut message)?;
            let length = match key & 7 {
                0 => varint(&mut message).map(|_| 0)?,
                1 => 8,
                2 => usize::try_from(varint(&mut message)?).ok()?,
                5 => 4,
                _ => return None,
            };
            let (field, rest) = message.split_at_checked(length)?;
            message = rest;
            if key == number << 3 | 2 {
                return Some(field);
            }
        }
        None
    })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_types_need_no_package() {
        assert_eq!(resolve("Drive").unwrap(), "offboard.v1.Drive");
        assert_eq!(resolve("offboard.v1.CompressedImage").unwrap(), "offboard.v1.CompressedImage");
        assert_eq!(resolve("my_robot.v1.Scan").unwrap(), "my_robot.v1.Scan");
    }

    #[test]
    fn all_messages_of_the_wire_are_known() {
        let known = known();
        for name in ["Array", "Gamepad", "Header", "NodeStatus", "RawImage"] {
            assert!(known.contains(&format!("offboard.v1.{name}")), "{name} is not in {known:?}");
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        for text in ["", "*", "a..b", ".a", "a b.c", "a.b\0", "offboard.v1.", "a.1b", &"a.".repeat(200)] {
            assert!(resolve(text).is_err(), "{text:?}");
        }
    }
}
