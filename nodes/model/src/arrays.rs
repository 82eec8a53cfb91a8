//! The array model: collects, fits and predicts, or all at once while it runs. Inputs and targets are paired by stamp; it learns in a
//! thread of its own, so predicting never waits.

use std::{cell::RefCell, time::Duration};

use offboard::{
    Array, Error, Evidence, Message, ModelPhase, ModelState, Node, Pairer, Pairing, Publisher, Result, Subscriber,
};

pub mod history;
mod learner;
mod live;
mod method;
pub mod mlp;
pub mod params;
pub mod ridge;
pub mod rls;
mod row;
pub mod score;
pub mod store;
pub mod weights;

pub use params::Params;

use learner::{Fact, Handle};
use live::Live;

/// The input whose messages say what should have been predicted.
const TARGET: &str = "target";
/// The input whose messages are predicted from, and that leads where there are several.
const INPUT: &str = "input";
/// How often it looks whether its state changed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many of these looks are between two states that say the same.
const STATE_EVERY: u32 = 10;

/// Runs an array model until the node is asked to stop.
///
/// # Errors
/// [`Error::Config`] with parameters or a graph that do not fit.
pub async fn run(node: Node, params: Params) -> Result<()> {
    params.check()?;
    let names = input_names(&node)?;
    if params.learn && !node.has_input(TARGET) {
        return Err(Error::config(format!(
            "{} has nothing to learn from: add {TARGET} = \"node/output\" to subscribe, or say learn = false",
            node.name()
        )));
    }
    let mut inputs = Vec::with_capacity(names.len());
    for name in &names {
        inputs.push(node.subscribe::<Array>(name).await?);
    }
    let target = if node.has_input(TARGET) { Some(node.subscribe::<Array>(TARGET).await?) } else { None };
    let out = node.publish::<Array>("prediction").await?;
    let state = if node.has_output("state") { Some(node.publish::<ModelState>("state").await?) } else { None };

    let together = Pairer::new(names.len(), Pairing::LatestAt(params.tolerance.0)).eager();
    let handle = Handle::start(&params)?;
    let topic = |name: String| {
        let input = node.inputs().find(|input| input.name == name);
        let topic = input.map_or_else(String::new, |input| input.topic.clone());
        (name, topic)
    };
    let named = names.into_iter().map(topic).collect();
    let live = RefCell::new(Live::new(&params, named, handle, together));
    let mut inputs = inputs.into_iter();
    let leader = inputs.next().ok_or_else(|| Error::config("an input is needed"))?;
    let sides = inputs.enumerate().map(|(at, side)| beside(&live, at + 1, side));
    let ended = tokio::try_join!(
        predict(&live, leader, out),
        all(sides.collect()),
        teach(&live, target),
        report(&node, &live, state),
    );
    live.borrow_mut().end();
    ended.map(drop)
}

/// The inputs to predict from, the leading one first.
fn input_names(node: &Node) -> Result<Vec<String>> {
    let mut names: Vec<String> = node.inputs().map(|input| input.name.clone()).filter(|name| name != TARGET).collect();
    names.sort_by_key(|name| name != INPUT);
    if names.is_empty() {
        return Err(Error::config(format!(
            "{} has nothing to predict from: add {INPUT} = \"node/output\" to subscribe in [node.{}]",
            node.name(),
            node.name()
        )));
    }
    Ok(names)
}

/// Every message of an input; silence is no reason to end.
async fn next(from: &mut Subscriber<Array>) -> Result<Option<Option<Message<Array>>>> {
    match from.next().await {
        Ok(message) => Ok(message.map(Some)),
        Err(Error::Silent { .. }) => Ok(Some(None)),
        Err(error) => Err(error),
    }
}

/// When its cause was sensed; a publisher without our SDK may leave that out.
fn stamp_ns(message: &Message<Array>) -> i64 {
    let header = message.header();
    [header.stamp_ns, header.sent_ns].into_iter().find(|stamp_ns| *stamp_ns != 0).unwrap_or(message.received_ns)
}

/// Answers each message of the leading input.
async fn predict(live: &RefCell<Live>, mut from: Subscriber<Array>, mut out: Publisher<Array>) -> Result<()> {
    while let Some(message) = next(&mut from).await? {
        let answer = message.as_ref().and_then(|message| live.borrow_mut().answer(stamp_ns(message), message));
        let answered = match (answer, message) {
            (Some(answer), Some(message)) => {
                out.send_from(&message, answer).await?;
                Some(message.received_ns)
            }
            _ => {
                out.send_no_data().await?;
                None
            }
        };
        live.borrow_mut().answered(answered);
    }
    Ok(())
}

/// Keeps what the other inputs say for the leading one.
async fn beside(live: &RefCell<Live>, at: usize, mut from: Subscriber<Array>) -> Result<()> {
    while let Some(message) = next(&mut from).await? {
        if let Some(message) = message {
            live.borrow_mut().beside(at, stamp_ns(&message), &message);
        }
    }
    Ok(())
}

/// Tells the learner what should have been predicted.
async fn teach(live: &RefCell<Live>, from: Option<Subscriber<Array>>) -> Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    while let Some(message) = next(&mut from).await? {
        if let Some(message) = message {
            live.borrow_mut().teach(stamp_ns(&message), &message);
        }
    }
    Ok(())
}

/// How the model is: once a second, and at each change.
async fn report(node: &Node, live: &RefCell<Live>, mut out: Option<Publisher<ModelState>>) -> Result<()> {
    let (mut pace, mut last, mut since) = (node.every(LOOK_EVERY), None, 0);
    while pace.tick().await.is_some() {
        let state = live.borrow().state();
        let now = (state.phase, state.reason.clone());
        since += 1;
        if last.as_ref() != Some(&now) && state.phase == ModelPhase::Refusing as i32 {
            tracing::warn!("refusing: {}", state.reason);
        }
        let changed = last.as_ref().is_none_or(|(phase, _)| *phase != now.0);
        if changed || since >= STATE_EVERY {
            since = 0;
            last = Some(now);
            live.borrow().gauges(node);
            if let Some(out) = &mut out {
                out.send(state).await?;
            }
        }
    }
    Ok(())
}

/// All of these at once.
async fn all(mut futures: Vec<impl Future<Output = Result<()>>>) -> Result<()> {
    let mut futures: Vec<_> = futures.drain(..).map(|future| Some(Box::pin(future))).collect();
    std::future::poll_fn(|context| {
        for slot in &mut futures {
            let polled = slot.as_mut().map(|future| future.as_mut().poll(context));
            match polled {
                Some(std::task::Poll::Ready(Ok(()))) => *slot = None,
                Some(std::task::Poll::Ready(error)) => return std::task::Poll::Ready(error),
                Some(std::task::Poll::Pending) | None => {}
            }
        }
        if futures.iter().all(Option::is_none) { std::task::Poll::Ready(Ok(())) } else { std::task::Poll::Pending }
    })
    .await
}

#[cfg(test)]
mod tests;
