//! Inputs of a node that are paired, with real subscribers.

use offboard_proto::{Array, Drive};

use super::*;
use crate::wiring::{Endpoint, InputWiring, NodeWiring, OutputWiring};

/// A node that hears itself on two topics of these types.
fn node(dir: &std::path::Path) -> Node {
    let port = |name: &str, kind: String| {
        let address = format!("ipc://{}/{name}", dir.display());
        let topic = format!("me/{name}");
        let endpoints = vec![Endpoint { address: address.clone(), keep: Some(100) }];
        (
            InputWiring {
                name: name.into(),
                endpoint: address,
                topic: topic.clone(),
                kind: kind.clone(),
                timeout: None,
            },
            OutputWiring { name: name.into(), topic, kind, endpoints },
        )
    };
    let (inputs, outputs) = [port("array", Array::full_name()), port("drive", Drive::full_name())].into_iter().unzip();
    let params = serde_json::Map::new();
    let wiring =
        NodeWiring { graph: "t".into(), name: "me".into(), inputs, outputs, params, clock_offset_ns: 0, status: None };
    Node::start(wiring).unwrap()
}

#[tokio::test]
async fn two_inputs_are_paired_by_stamp_once_both_speak() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let mut arrays = node.publish::<Array>("array").await.unwrap();
    let mut drives = node.publish::<Drive>("drive").await.unwrap();
    let mut both = node.sync2::<Array, Drive>(["array", "drive"], Pairing::Exact).await.unwrap();

    let speak = async {
        for count in 1i64.. {
            let (stamp_ns, turn) = (1_000_000 * count, count as f32);
            arrays.send_at(stamp_ns, Array::new([1], &[turn]).unwrap()).await.unwrap();
            // Every third is lost: it must not shift those that follow.
            if count % 3 != 0 {
                drives.send_at(stamp_ns, Drive { turn, ..Drive::default() }).await.unwrap();
            } else {
                drives.send_no_data().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let listen = async {
        assert!(both.when_all_speak().await.unwrap());
        let pairs = both.collect(40).await.unwrap().unwrap();
        assert_eq!(pairs.len(), 40);
        for (array, drive) in &pairs {
            let value = array.view().unwrap().elements::<f32>().unwrap().next();
            assert_eq!(value, Some(drive.turn));
            assert_eq!(array.header.stamp_ns, drive.header.stamp_ns);
        }
        assert!(both.report().streams[0].unmatched >= 19, "{:?}", both.report());
    };
    let limit = tokio::time::sleep(Duration::from_secs(20));
    tokio::select! {
        () = speak => unreachable!(),
        () = listen => {}
        () = limit => panic!("not paired in time"),
    }
}
