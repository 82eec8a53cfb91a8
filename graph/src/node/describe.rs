//! A node program that says what it is: `--describe` for `launch`, `--help` for people. It never runs anything itself.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _};

use prost::Name;
use schemars::JsonSchema;

use super::{Node, Result, node};
use crate::graph::{Description, Port};

/// A description under construction; [`Describe::node`] ends it.
#[derive(Debug, Clone)]
pub struct Describe(Description);

/// Begins the description of a node program with one sentence: what it does.
///
/// ```no_run
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Params {}
/// # async fn f() -> offboard::Result<()> {
/// let node = offboard::describe("Turns its wheels as commanded")
///     .required_input::<offboard::Drive>("drive", "the commands")
///     .output::<offboard::MotorState>("state", "what was put out")
///     .params::<Params>()
///     .node()?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn describe(about: &str) -> Describe {
    Describe(Description { about: about.to_owned(), ..Description::default() })
}

impl Describe {
    /// An input of one type that may be left unconnected.
    #[must_use]
    pub fn input<M: Name>(self, name: &str, about: &str) -> Describe {
        self.add_input(name, vec![M::full_name()], about, false)
    }

    /// An input of one type without which the node cannot work.
    #[must_use]
    pub fn required_input<M: Name>(self, name: &str, about: &str) -> Describe {
        self.add_input(name, vec![M::full_name()], about, true)
    }

    /// An input, needed by the node, of any of these full type names; none: any.
    #[must_use]
    pub fn input_kinds(self, name: &str, kinds: &[String], about: &str) -> Describe {
        self.add_input(name, kinds.to_vec(), about, true)
    }

    /// An input of any of these full type names that may be left unconnected.
    #[must_use]
    pub fn optional_input_kinds(self, name: &str, kinds: &[String], about: &str) -> Describe {
        self.add_input(name, kinds.to_vec(), about, false)
    }

    /// An output of one type.
    #[must_use]
    pub fn output<M: Name>(self, name: &str, about: &str) -> Describe {
        self.add_output(Port { types: vec![M::full_name()], ..port(name, about) })
    }

    /// An output of any of these full type names, the first is the default.
    #[must_use]
    pub fn output_kinds(self, name: &str, kinds: &[String], about: &str) -> Describe {
        self.add_output(Port { types: kinds.to_vec(), ..port(name, about) })
    }

    /// An output whose type depends on the value of a parameter: pairs of value and full type name, the first is the default.
    #[must_use]
    pub fn output_when(self, name: &str, param: &str, kinds: &[(&str, String)], about: &str) -> Describe {
        let by_value: BTreeMap<String, String> =
            kinds.iter().map(|(value, kind)| ((*value).to_owned(), kind.clone())).collect();
        let types = kinds.iter().map(|(_, kind)| kind.clone()).collect();
        self.add_output(Port { types, when: Some((param.to_owned(), by_value)), ..port(name, about) })
    }

    /// It takes any further inputs.
    #[must_use]
    pub fn any_inputs(mut self) -> Describe {
        self.0.any_inputs = true;
        self
    }

    /// It takes any further outputs that the graph file names.
    #[must_use]
    pub fn any_outputs(mut self) -> Describe {
        self.0.any_outputs = true;
        self
    }

    /// Its parameters.
    #[must_use]
    pub fn params<T: JsonSchema>(mut self) -> Describe {
        self.0.params = Some(schemars::schema_for!(T).to_value());
        self
    }

    /// A good end (exit code 0) is a person's wish: it is not restarted.
    #[must_use]
    pub fn stays_down_when_done(mut self) -> Describe {
        self.0.restart_when_done = Some(false);
        self
    }

    /// A verb of launch that is this program's business: `launch calibrate NODE` runs `PROGRAM calibrate` with the node's wiring.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Describe {
        self.0.verbs.push(verb.to_owned());
        self
    }

    /// The node that this process is. Answers `--describe` and `--help` instead, and ends the process, when it was asked so.
    ///
    /// # Errors
    /// As [`node()`].
    pub fn node(self) -> Result<Node> {
        match std::env::args().nth(1).as_deref() {
            Some("--describe") => finish(&serde_json::to_string(&self.0).map_err(super::Error::other)?),
            Some("--help" | "-h") => finish(&help(&program(), &self.0)),
            _ => node(),
        }
    }
}

impl Describe {
    fn add_input(mut self, name: &str, types: Vec<String>, about: &str, required: bool) -> Describe {
        self.0.inputs.push(Port { types, required, ..port(name, about) });
        self
    }

    fn add_output(mut self, output: Port) -> Describe {
        self.0.outputs.push(output);
        self
    }
}

fn port(name: &str, about: &str) -> Port {
    Port { name: name.to_owned(), about: about.to_owned(), ..Port::default() }
}

/// The answer goes to stdout; whoever stopped reading has read enough.
fn finish(answer: &str) -> ! {
    drop(writeln!(std::io::stdout(), "{answer}"));
    std::process::exit(0)
}

fn program() -> String {
    let path = std::env::args().next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or("node").to_owned()
}

/// What `--help` prints: what it does, how it is started, its ports and parameters.
fn help(program: &str, description: &Description) -> String {
    let mut text = format!("{}\n\nA node: launch starts it from a graph file, for instance\n\n", description.about);
    let _ = writeln!(text, "  [node.{program}]");
    let inputs: Vec<String> =
        description.inputs.iter().map(|port| format!("{} = \"node/output\"", port.name)).collect();
    if !inputs.is_empty() {
        let _ = writeln!(text, "  subscribe = {{ {} }}", inputs.join(", "));
    }
    for (title, ports) in [("Inputs", &description.inputs), ("Outputs", &description.outputs)] {
        if !ports.is_empty() {
            let _ = writeln!(text, "\n{title}:");
        }
        for port in ports {
            let kinds = if port.types.is_empty() { "any type".to_owned() } else { port.types.join(" or ") };
            let _ = writeln!(text, "  {:<12} {kinds}: {}", port.name, port.about);
        }
    }
    help_params(&mut text, description.params.as_ref());
    text
}

fn help_params(text: &mut String, schema: Option<&serde_json::Value>) {
    let Some(properties) = schema.and_then(|schema| schema["properties"].as_object()) else { return };
    let required = schema.and_then(|schema| schema["required"].as_array());
    let _ = writeln!(text, "\nParameters (params = {{ … }}):");
    for (name, property) in properties {
        let about = property["description"].as_str().unwrap_or("").replace('\n', " ");
        let default = match property.get("default") {
            Some(default) => format!(" [default: {default}]"),
            None if required.is_some_and(|names| names.iter().any(|other| other == name)) => " [required]".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(text, "  {name:<16} {about}{default}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(default)]
    struct Params {
        /// Frames a second.
        rate: f64,
    }

    impl Default for Params {
        fn default() -> Self {
            Params { rate: 30.0 }
        }
    }

    #[test]
    fn a_description_survives_its_json() {
        let Describe(description) = describe("Streams a camera")
            .output_when("frames", "encoding", &[("jpeg", "a.B".into()), ("rgb8", "a.C".into())], "pictures")
            .params::<Params>()
            .verb("calibrate")
            .stays_down_when_done();
        let json = serde_json::to_string(&description).unwrap();
        assert_eq!(serde_json::from_str::<Description>(&json).unwrap(), description);
    }

    #[test]
    fn help_teaches_the_graph_file() {
        let Describe(description) =
            describe("Drives").required_input::<offboard_proto::Drive>("drive", "the commands").params::<Params>();
        let text = help("motor", &description);
        for line in [
            "  [node.motor]",
            "  subscribe = { drive = \"node/output\" }",
            "  drive        offboard.v1.Drive: the commands",
            "  rate             Frames a second. [default: 30.0]",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}\nis not in\n{text}");
        }
    }
}
