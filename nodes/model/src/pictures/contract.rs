//! What weights were made for, as pictures and drives have it. Pure.

use super::source::Seen;
use crate::{
    net::{Preprocess, Shape},
    train::footage::{Ahead, HISTORY_MAX, LEAD_MAX_NS},
    weights::{Contract, Live},
};

/// What a network that drives says, in this order.
pub const OUTPUTS: [&str; 2] = ["turn", "forward"];

/// The contract of weights that learn from these pictures; an empty `data_hash`: while driving.
#[must_use]
pub fn of(topic: &str, seen: &Seen, shape: &Shape, prepare: &Preprocess, ahead: Ahead, data_hash: String) -> Contract {
    Contract {
        topic: topic.to_owned(),
        kind: seen.kind.clone(),
        width: pixels(seen.width),
        height: pixels(seen.height),
        rate: seen.rate.unwrap_or(0.0),
        extras: (1..=ahead.history).flat_map(|back| OUTPUTS.map(|output| format!("{output} {back} back"))).collect(),
        history: ahead.history,
        lead_ns: ahead.lead_ns,
        data_hash,
        ..Contract::driving(shape, prepare)
    }
}

fn pixels(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How far ahead the weights look.
#[must_use]
pub fn ahead(contract: &Contract) -> Ahead {
    Ahead { lead_ns: contract.lead_ns, history: contract.history }
}

/// Whether these weights can drive at all.
///
/// # Errors
/// A line that says what they are instead.
pub fn drives(contract: &Contract) -> Result<(), String> {
    let names: Vec<&str> = contract.outputs.iter().map(|output| output.name.as_str()).collect();
    if names != OUTPUTS {
        let names: Vec<String> = names.iter().take(4).map(|name| name.escape_debug().to_string()).collect();
        return Err(format!("what it says is {}, a drive is turn and forward", names.join(", ")));
    }
    if contract.history > HISTORY_MAX || contract.shape.extras != contract.history * 2 {
        return Err("it takes other inputs beside the picture than commands in flight".to_owned());
    }
    if !(0..=LEAD_MAX_NS).contains(&contract.lead_ns) {
        return Err(format!("a lead of {} ms is none that can be driven", contract.lead_ns / 1_000_000));
    }
    Ok(())
}

/// In what the weights do not fit what comes, a line each; the lead is left to whoever measures the loop.
#[must_use]
pub fn differences(contract: &Contract, topic: &str, seen: &Seen) -> Vec<String> {
    contract.differences(&Live {
        topic: Some(topic),
        kind: Some(&seen.kind),
        size: Some((pixels(seen.width), pixels(seen.height))),
        rate: seen.rate,
    })
}
