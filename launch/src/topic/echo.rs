//! `topic echo`: messages as they come, for people and for machines.
//! It never shows a message as anything but what its own header says it is.

use offboard::RawMessage;
use serde::Serialize;

use super::{
    Eye, Found,
    decode::{self, Types},
    find, follow,
    path::Path,
    tree::{Style, Tree},
};
use crate::{
    cli::{EchoArgs, UntilArgs},
    draw::short,
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
    words::escape,
};

/// `topic echo TOPIC`.
pub(super) fn echo(args: &EchoArgs) -> Result<(), Failure> {
    let field: Option<Path> = args.field.as_deref().map(str::parse).transpose().map_err(usage)?;
    let (topic, types) = (find(&args.which.topic)?, Types::new()?);
    // A field that no message can have is said at once, not when one comes.
    if let (Some(field), Some(kind)) = (&field, types.get(&topic.view.r#type)) {
        field.check(&kind).map_err(usage)?;
    }
    let style = Style {
        length: if args.full_length { usize::MAX } else { args.truncate_length },
        bytes: args.full_length,
        lists: !args.no_arr,
        strings: !args.no_str,
    };
    let form = match (args.json, args.csv) {
        (true, _) => Form::Json,
        (false, true) => Form::Csv,
        (false, false) => Form::Text,
    };
    let until = UntilArgs { count: if args.once { Some(1) } else { args.until.count }, ..args.until };
    follow(&topic, until, &mut Echo { topic: &topic, types, field, style, form, missed: 0 })
}

fn usage(why: String) -> Failure {
    Failure::new(code::USAGE, why)
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Json,
    Csv,
}

struct Echo<'a> {
    topic: &'a Found,
    types: Types,
    field: Option<Path>,
    style: Style,
    form: Form,
    /// Messages missing so far.
    missed: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    r#type: &'a str,
    origin: &'a str,
    seq: u64,
    incarnation: u64,
    stamp_ns: i64,
    sent_ns: i64,
    age_ms: f64,
    no_data: bool,
    message: &'a Tree,
}

impl Eye for Echo<'_> {
    fn see(&mut self, message: &RawMessage, age_ns: i64, gaps: u64) -> Result<(), Failure> {
        let missed = gaps.saturating_sub(std::mem::replace(&mut self.missed, gaps));
        let body = self.body(message)?;
        match self.form {
            Form::Json => self.json(message, age_ns, &body),
            Form::Csv => print(&format!("{}\n", body.csv())),
            Form::Text => {
                let head = self.head(message, age_ns, missed);
                print(&format!("{head}\n{}\n---\n", body.lines().join("\n")))
            }
        }
    }
}

impl Echo<'_> {
    fn body(&self, message: &RawMessage) -> Result<Tree, Failure> {
        let decoded = match self.types.message(&message.header.r#type, &message.payload) {
            Ok(decoded) => decoded,
            Err(raw) => return Ok(raw),
        };
        let Some(field) = &self.field else { return Ok(decode::message(&decoded, self.style)) };
        // Where a topic may carry anything, it is known only now.
        field.check(&prost_reflect::ReflectMessage::descriptor(&decoded)).map_err(usage)?;
        Ok(field.find(&decoded, self.style))
    }

    /// All that matters of the header in one line, a comment to YAML.
    fn head(&self, message: &RawMessage, age_ns: i64, missed: u64) -> String {
        let header = &message.header;
        let own = format!("{}:{}", self.topic.view.graph, self.topic.view.topic);
        let origin = &header.origin;
        let from = if origin.is_empty() || *origin == own || *origin == self.topic.view.topic {
            String::new()
        } else {
            format!(", from {}", escape(origin))
        };
        let missed = if missed > 0 { format!(", {missed} missed before it") } else { String::new() };
        let nothing = if message.is_no_data() { ", no data" } else { "" };
        let (seq, kind, age) = (header.seq, escape(short(&header.r#type)), age_ns as f64 / 1e6);
        format!("# {seq}, {kind}, {age:.1} ms old{from}{missed}{nothing}")
    }

    fn json(&self, message: &RawMessage, age_ns: i64, body: &Tree) -> Result<(), Failure> {
        let header = &message.header;
        print_json(&Line {
            topic: &message.topic,
            r#type: &header.r#type,
            origin: &header.origin,
            seq: header.seq,
            incarnation: header.incarnation,
            stamp_ns: header.stamp_ns,
            sent_ns: header.sent_ns,
            age_ms: age_ns as f64 / 1e6,
            no_data: message.is_no_data(),
            message: body,
        })
    }
}
