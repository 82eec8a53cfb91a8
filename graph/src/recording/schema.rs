//! Descriptors of message types as recordings carry them: each type's file with all that it imports, and our pictures and logs under
//! the names by which stock viewers know them. It never knows a type that nobody described.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::{RecordingError, records::Schema};
use crate::{DESCRIPTORS, PACKAGE};

/// Our types that are, field for field, those of the package that stock viewers show.
const SHOWN: [&str; 4] = ["CompressedImage", "RawImage", "CompressedVideo", "Log"];
const SHOWN_AS: &str = "foxglove";

/// What is known of message types.
#[derive(Debug, Clone, Default)]
pub struct Descriptors {
    files: BTreeMap<String, FileDescriptorProto>,
    /// Which file a type is in.
    types: BTreeMap<String, String>,
}

impl Descriptors {
    /// Those of all messages of `offboard.v1`.
    #[must_use]
    pub fn ours() -> Descriptors {
        let mut ours = Descriptors::default();
        let added = ours.add(DESCRIPTORS);
        debug_assert!(added.is_ok(), "what was compiled in decodes");
        ours
    }

    /// Takes in an encoded `google.protobuf.FileDescriptorSet`; what is known already stays as it is.
    ///
    /// # Errors
    /// When the bytes are no such set.
    pub fn add(&mut self, set: &[u8]) -> Result<(), RecordingError> {
        let set = FileDescriptorSet::decode(set).map_err(|error| RecordingError::Descriptors(error.to_string()))?;
        for mut file in set.file {
            file.source_code_info = None; // comments: as long as the rest, and nobody reads them here
            let name = file.name().to_owned();
            if self.files.contains_key(&name) {
                continue;
            }
            let package = file.package().to_owned();
            file.message_type.iter().for_each(|message| self.learn(&name, &package, message));
            self.files.insert(name, file);
        }
        Ok(())
    }

    fn learn(&mut self, file: &str, scope: &str, message: &DescriptorProto) {
        let full = if scope.is_empty() { message.name().to_owned() } else { format!("{scope}.{}", message.name()) };
        message.nested_type.iter().for_each(|nested| self.learn(file, &full, nested));
        self.types.entry(full).or_insert_with(|| file.to_owned());
    }

    /// The schema of a type as a recording carries it. A type that nobody described gets one without fields, so that readers open
    /// the file and show that there are bytes.
    #[must_use]
    pub fn schema(&self, kind: &str) -> Schema {
        let shown =
            kind.strip_prefix(PACKAGE).and_then(|name| name.strip_prefix('.')).filter(|name| SHOWN.contains(name));
        let (name, file) = match (shown, self.types.get(kind).and_then(|file| self.files.get(file))) {
            (Some(name), Some(file)) => (format!("{SHOWN_AS}.{name}"), shown_file(file, name)),
            (None, Some(file)) => (kind.to_owned(), file.clone()),
            (_, None) => (kind.to_owned(), unknown_file(kind)),
        };
        let mut files = Vec::new();
        let mut seen = BTreeSet::new();
        self.collect(file, &mut seen, &mut files);
        Schema { name, encoding: "protobuf".to_owned(), data: FileDescriptorSet { file: files }.encode_to_vec().into() }
    }

    /// A file after all that it imports: the order in which readers want them.
    fn collect(&self, file: FileDescriptorProto, seen: &mut BTreeSet<String>, files: &mut Vec<FileDescriptorProto>) {
        if !seen.insert(file.name().to_owned()) {
            return;
        }
        for import in file.dependency.iter().filter_map(|name| self.files.get(name)) {
            self.collect(import.clone(), seen, files);
        }
        files.push(file);
    }
}

/// The type that a schema of this name carries: ours for what is field for field the same.
pub(super) fn our_name(schema: &str) -> String {
    let shown = schema.strip_prefix(SHOWN_AS).and_then(|name| name.strip_prefix('.'));
    match shown.filter(|name| SHOWN.contains(name)) {
        Some(name) => format!("{PACKAGE}.{name}"),
        None => schema.to_owned(),
    }
}

/// One of our types in the package that viewers know.
fn shown_file(file: &FileDescriptorProto, name: &str) -> FileDescriptorProto {
    let mut shown = file.clone();
    shown.name = Some(format!("{SHOWN_AS}/{name}.proto"));
    shown.package = Some(SHOWN_AS.to_owned());
    shown.message_type.retain(|message| message.name() == name);
    for field in shown.message_type.iter_mut().flat_map(|message| &mut message.field) {
        if let Some(local) = field.type_name().strip_prefix(&format!(".{PACKAGE}.")) {
            field.type_name = Some(format!(".{SHOWN_AS}.{local}"));
        }
    }
    shown
}

fn unknown_file(kind: &str) -> FileDescriptorProto {
    let (package, name) =
        kind.rsplit_once('.').map_or((None, kind), |(package, name)| (Some(package.to_owned()), name));
    FileDescriptorProto {
        name: Some(format!("unknown/{}.proto", kind.replace('.', "/"))),
        package,
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto { name: Some(name.to_owned()), ..DescriptorProto::default() }],
        ..FileDescriptorProto::default()
    }
}
