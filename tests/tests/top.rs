//! `launch top` and the real SDK: what it tells of a camera, a pilot and a motor that work.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use offboard_tests::{Bed, until};
use serde_json::Value;

const CHAIN: &str = r#"
[graph]
name = "car"

[node.camera]
run    = "dummy"
params = { rate = 100, size = 10000 }

[node.pilot]
run       = "dummy"
subscribe = { frames = { topic = "camera/array", keep = 100 } }
params    = { rate = 0, echo = "frames" }

[node.motor]
run       = "dummy"
subscribe = { drive = { topic = "pilot/echo", keep = 100, budget = "10s" } }
params    = { rate = 0 }
"#;

fn top(bed: &Bed) -> Vec<Value> {
    let out = bed.verb(&["top", "--once", "--json"]);
    String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn row<'a>(rows: &'a [Value], kind: &str, name: &str) -> &'a Value {
    rows.iter().find(|row| row["kind"] == kind && row[kind] == name).unwrap_or(&Value::Null)
}

#[test]
fn top_tells_of_a_chain_that_works() {
    let bed = Bed::new();
    let launch = bed.launch(&[bed.file("car.toml", CHAIN)]);
    launch.all_ready(3);
    let rows = until("every topic has a rate near what was asked for", || {
        let rows = top(&bed);
        let near = |topic: &str| {
            row(&rows, "topic", topic)["rate_hz"].as_f64().is_some_and(|rate| (70.0..130.0).contains(&rate))
        };
        (near("camera/array") && near("pilot/echo")).then_some(rows)
    });
    for topic in ["camera/array", "pilot/echo"] {
        let row = row(&rows, "topic", topic);
        let losses = ["gaps", "dropped", "expired", "undecodable", "wrong_type", "oversized"];
        assert!(losses.iter().all(|loss| row[loss] == 0), "{row}");
        let size = row["size_bytes"].as_f64().unwrap();
        assert!((10_000.0..11_000.0).contains(&size), "{row}");
    }
    let path = rows.iter().find(|row| row["kind"] == "path").unwrap();
    assert_eq!((&path["node"], &path["origin"]), (&"motor".into(), &"car:camera/array".into()));
    assert_eq!(path["complete"], true);
    let hops: Vec<&str> = path["hops"].as_array().unwrap().iter().map(|hop| hop["hop"].as_str().unwrap()).collect();
    assert_eq!(hops, ["publish", "transit", "compute", "transit"]);
    let nodes = ["camera", "pilot", "motor"].map(|node| row(&rows, "node", node));
    assert!(nodes.iter().all(|node| node["state"] == "ready" && node["memory_bytes"].as_u64() > Some(100_000)));
}
