//! The words of `launch topic`. It never looks at a topic.

use std::time::Duration;

use clap::Subcommand;
use offboard::graph::duration;

/// How to look at topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicVerb {
    /// All topics and their types
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print messages as they come
    Echo {
        /// TOPIC, or GRAPH:TOPIC
        topic: String,
        /// End after one message
        #[arg(long, conflicts_with = "count")]
        once: bool,
        /// End after so many messages
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// End after so long, for instance 5s
        #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
        within: Option<Duration>,
        /// One JSON object a line, with all of the header
        #[arg(long)]
        json: bool,
    },
    /// Measure rate, age and gaps, once a second
    Hz {
        /// TOPIC, or GRAPH:TOPIC
        topic: String,
        /// Over how many messages at most
        #[arg(long, value_name = "N", default_value_t = 1000)]
        window: usize,
        /// End after so many messages
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// End after so long, for instance 5s
        #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
        within: Option<Duration>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}
