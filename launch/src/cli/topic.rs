//! The words of `launch topic`. It never looks at a topic.

use std::time::Duration;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use offboard::graph::duration;

use crate::complete;

/// How to look at topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicVerb {
    /// All topics and their types
    List(ListArgs),
    /// Who publishes a topic, who listens, and what was lost
    Info(InfoArgs),
    /// Print messages as they come
    Echo(EchoArgs),
    /// Measure rate, age and gaps, once a second
    Hz(RateArgs),
    /// Measure bandwidth and message sizes, once a second
    Bw(RateArgs),
    /// Measure how old the stamps are on arrival, once a second
    Delay(RateArgs),
    /// Publish in place of a node that is stopped
    Pub(PubArgs),
    /// Print a topic's type
    Type(TypeArgs),
    /// Print the topics of a type
    Find(FindArgs),
}

/// Which topic.
#[derive(Debug, Args)]
pub(crate) struct TopicArg {
    /// TOPIC, or GRAPH:TOPIC
    #[arg(add = ArgValueCandidates::new(complete::topics))]
    pub(crate) topic: String,
}

/// When to end.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct UntilArgs {
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after so long, for instance 5s
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) within: Option<Duration>,
}

/// Which topics to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// As in ros2; types are always shown
    #[arg(long, short = 't')]
    pub(crate) show_types: bool,
    /// Print only how many there are
    #[arg(long, short)]
    pub(crate) count_topics: bool,
    /// Show who publishes and who listens, too
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to tell of a topic.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) which: TopicArg,
    /// Show endpoints, too
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to print messages.
#[derive(Debug, Args)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) which: TopicArg,
    /// End after one message
    #[arg(long, short = '1', conflicts_with = "count")]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) until: UntilArgs,
    /// Print only one field, for instance forward, linear.x or values[3]
    #[arg(long, value_name = "PATH")]
    pub(crate) field: Option<String>,
    /// Print lists by their length only
    #[arg(long)]
    pub(crate) no_arr: bool,
    /// Print strings by their length only
    #[arg(long)]
    pub(crate) no_str: bool,
    /// Cut nothing, and print bytes as base64
    #[arg(long, short, conflicts_with = "truncate_length")]
    pub(crate) full_length: bool,
    /// Cut lists and strings that are longer
    #[arg(long, short = 'l', value_name = "N", default_value_t = 128)]
    pub(crate) truncate_length: usize,
    /// Print values alone, separated by commas, one message a line
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// One JSON object a line, with all of the header
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to measure.
#[derive(Debug, Args)]
pub(crate) struct RateArgs {
    #[command(flatten)]
    pub(crate) which: TopicArg,
    /// Over how many messages at most
    #[arg(long, short, value_name = "N", default_value_t = 1000)]
    pub(crate) window: usize,
    #[command(flatten)]
    pub(crate) until: UntilArgs,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to publish.
#[derive(Debug, Args)]
pub(crate) struct PubArgs {
    #[command(flatten)]
    pub(crate) which: TopicArg,
    /// The message, for instance '{"forward": 0.2, "source": "human"}'; an array's elements may stand under "values"
    #[arg(value_name = "JSON", default_value = "{}")]
    pub(crate) message: String,
    /// Publish one message
    #[arg(long, short = '1', conflicts_with = "times")]
    pub(crate) once: bool,
    /// Messages a second
    #[arg(long, short, value_name = "HZ", default_value_t = 1.0)]
    pub(crate) rate: f64,
    /// End after so many messages
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) times: Option<u64>,
    /// The type to publish, where the topic carries any
    #[arg(long = "type", value_name = "TYPE", add = ArgValueCandidates::new(complete::types))]
    pub(crate) kind: Option<String>,
    /// One JSON object at the end
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which topic's type to print.
#[derive(Debug, Args)]
pub(crate) struct TypeArgs {
    #[command(flatten)]
    pub(crate) which: TopicArg,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which topics to find.
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// For instance Drive or offboard.v1.Drive
    #[arg(value_name = "TYPE", add = ArgValueCandidates::new(complete::types))]
    pub(crate) kind: String,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}
