//! The dummy node: sends counted arrays, checks those it receives, measures their age, and misbehaves on request.
//! It never means what it says.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use offboard::{Array, Node, Publisher, Result};
use tokio::task::{JoinSet, LocalSet};

use crate::{
    ledger::COLUMNS,
    listen::{Ledgers, Listener},
    params::Params,
    trouble::Work,
};

mod children;
mod content;
mod histogram;
mod ledger;
mod listen;
mod params;
mod trouble;

/// How often it reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match children::asked() {
        Some(kind) => children::live(kind),
        None => offboard::main(run),
    }
}

async fn run() -> Result<()> {
    let node = offboard::describe("Sends, checks and counts arrays; crashes, hangs, leaks and floods on request")
        .output::<Array>("array", "counted arrays")
        .output::<Array>("echo", "the arrays of one input again")
        .output::<Array>("report", "a row for each input: received, gaps, bad, age_p50_us, age_p99_us")
        .any_inputs()
        .params::<Params>()
        .node()?;
    let params = Arc::new(node.params::<Params>()?);
    params.check()?;
    if let Some(code) = params.exit_at_start {
        std::process::exit(code.into());
    }
    let _children = children::start(params.spawn_children, params.children)?;
    if params.hang_before_ready {
        trouble::hang();
    }
    let (work, ledgers) =
        (Arc::new(Work::default()), Arc::new(Ledgers::new(node.inputs().map(|input| input.name.clone()))));
    let local = LocalSet::new();
    let worked = tokio::select! {
        worked = local.run_until(all_work(&node, &params, &work, &ledgers)) => worked,
        () = work.reached(params.messages), if params.messages > 0 => Ok(()),
        never = trouble::misbehave(&params, &work) => match never {},
    };
    finish(&params, &ledgers)?;
    worked
}

/// Speaks, listens and reports until the node is asked to stop.
async fn all_work(node: &Node, params: &Arc<Params>, work: &Arc<Work>, ledgers: &Arc<Ledgers>) -> Result<()> {
    let mut listeners = JoinSet::new();
    for (at, input) in node.inputs().enumerate() {
        listeners.spawn_local(Listener::open((node, at, &input.name), params, ledgers, work).await?.run());
    }
    let listening = async {
        while let Some(ended) = listeners.join_next().await {
            ended.map_err(offboard::Error::other)??;
        }
        Ok(())
    };
    tokio::try_join!(speak(node, params, work), listening, report(node, ledgers)).map(drop)
}

/// Sends counted arrays.
async fn speak(node: &Node, params: &Params, work: &Work) -> Result<()> {
    if !node.has_output("array") {
        return Ok(());
    }
    let mut out = node.publish::<Array>("array").await?;
    let Some(period) = params.period() else {
        node.stopped().await;
        return Ok(());
    };
    let (mut pace, recipe) = (node.every(period), params.recipe());
    for count in 1.. {
        if pace.tick().await.is_none() {
            break;
        }
        // Numbered all the same, but not made, when nobody listens.
        let array = if out.wanted() { recipe.make(count) } else { Array::default() };
        out.send(array).await?;
        work.count();
    }
    Ok(())
}

/// Once a second what the inputs received: to the log, and to whoever wants it.
async fn report(node: &Node, ledgers: &Ledgers) -> Result<()> {
    let mut out: Option<Publisher<Array>> =
        if node.has_output("report") { Some(node.publish("report").await?) } else { None };
    let mut pace = node.every(REPORT_EVERY);
    while pace.tick().await.is_some() {
        let rows: Vec<f64> = ledgers
            .all()
            .iter_mut()
            .flat_map(|(input, ledger)| {
                tracing::debug!("{}", ledger.sentence(input));
                ledger.report()
            })
            .collect();
        if let Some(out) = &mut out {
            let shape = [(rows.len() / COLUMNS.len()) as u32, COLUMNS.len() as u32];
            let columns = COLUMNS.map(str::to_owned).to_vec();
            let array = Array::new(shape, &rows).map_err(offboard::Error::other)?;
            out.send(Array { columns, ..array }).await?;
        }
    }
    Ok(())
}

/// The last words, and the refusal to end when asked for.
fn finish(params: &Params, ledgers: &Ledgers) -> Result<()> {
    for (input, ledger) in ledgers.all().iter() {
        tracing::info!("{}", ledger.sentence(input));
        if params.probe {
            let json = serde_json::to_string(&ledger.summary(input)).map_err(offboard::Error::other)?;
            writeln!(io::stdout(), "{json}")?;
        }
    }
    if params.ignore_term {
        loop {
            thread::sleep(Duration::from_secs(3600));
        }
    }
    Ok(())
}
