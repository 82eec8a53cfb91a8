//! `player`: publishes a recording with its own rhythm, in the place of the node whose name it runs under. `player topics FILE` says what
//! it could play. It never changes a recording.

use std::process::ExitCode;

use offboard::Result;

mod glob;
mod params;
mod play;
mod source;
mod timing;
mod topics;

use params::Params;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("topics") => topics::answer(&args[1..]),
        _ => offboard::main(run),
    }
}

async fn run() -> Result<()> {
    let node =
        offboard::describe("Publishes a recording with its own rhythm, in the place of the node whose name it has")
            .any_outputs()
            .params::<Params>()
            .stays_down_when_done()
            .node()?;
    let params = node.params::<Params>()?.checked()?;
    play::play(&node, &params).await
}
