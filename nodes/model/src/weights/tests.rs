//! Tests of the file of weights.

use proptest::prelude::*;

use super::*;
use crate::net::{Preprocess, Shape, Size};

fn made() -> (Contract, Net) {
    let shape = Shape { size: Size::Small, extras: 2, outputs: 2 };
    let mut contract = Contract::driving(&shape, &Preprocess::of(&shape, 0.4));
    contract.topic = "camera/frames".to_owned();
    contract.kind = "offboard.v1.CompressedImage".to_owned();
    (contract.width, contract.height, contract.rate) = (160, 120, 30.0);
    (contract.lead_ns, contract.history) = (120_000_000, 1);
    (contract, Net::new(&shape, 1))
}

fn refusal(contract: &Contract, edit: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = serialise(contract, &made().1).unwrap();
    edit(&mut bytes);
    parse(&bytes).unwrap_err()
}

#[test]
fn what_is_saved_is_loaded_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.safetensors");
    let (contract, net) = made();
    save(&path, &contract, &net).unwrap();
    let weights = load(&path).unwrap();
    assert_eq!(weights.contract, contract);
    assert_eq!(weights.net.parameters(), net.parameters());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_named_and_a_network_of_another_shape_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let (contract, _) = made();
    let other = Net::new(&Shape { size: Size::Small, extras: 0, outputs: 2 }, 1);
    let path = folder.path().join("none/drive.safetensors");
    assert!(
        save(&path, &contract, &made().1).unwrap_err().to_string().ends_with("No such file or directory (os error 2)")
    );
    let path = folder.path().join("drive.safetensors");
    let why = save(&path, &contract, &other).unwrap_err().to_string();
    assert!(
        why.ends_with("holds no weights that can be used: the network is of another shape than its contract"),
        "{why}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(load(folder.path()).unwrap_err().to_string().ends_with("holds no weights that can be used: it is no file"));
}

#[test]
fn hostile_files_are_refused_in_one_line() {
    let (contract, _) = made();
    let cases: [(&str, String); 6] = [
        ("3 bytes are too short for a safetensors file", refusal(&contract, |bytes| bytes.truncate(3))),
        ("its header is cut off: the file was not copied whole", refusal(&contract, |bytes| bytes.truncate(99))),
        (
            "it is no safetensors file (a header of 18446744073709551615 bytes)",
            refusal(&contract, |bytes| bytes[..8].fill(0xff)),
        ),
        (
            "it is no safetensors file (a header of 723401728380766730 bytes)",
            refusal(&contract, |bytes| bytes.fill(10)),
        ),
        (
            "parameter is not a finite number (entry 49409)",
            refusal(&contract, |bytes| {
                // dense3's bias is last among its kin, whatever their order in the file: find it by its place in the header
                let tensors = SafeTensors::deserialize(bytes).unwrap();
                let bias = tensors.tensor("dense3.bias").unwrap().data().as_ptr().addr();
                let at = bias - bytes.as_ptr().addr();
                bytes[at + 4..at + 8].copy_from_slice(&f32::NAN.to_le_bytes());
            }),
        ),
        (
            "it does not say what it was made for: another program wrote it",
            refusal(&contract, |bytes| {
                *bytes = tensor::serialize::<&str, Numbers<'_>, _>([], None).unwrap();
            }),
        ),
    ];
    for (expected, why) in cases {
        assert_eq!(why, expected);
    }
    let cut = refusal(&contract, |bytes| bytes.truncate(bytes.len() - 1));
    assert!(cut.starts_with("it is damaged or no safetensors file"), "{cut}");
}

/// The file of a contract that was edited as text.
fn edited(from: &str, to: &str) -> String {
    let (contract, net) = made();
    let json = serde_json::to_string(&contract).unwrap();
    assert!(json.contains(from), "{json}");
    let numbers = Numbers { shape: vec![1], numbers: &net.parameters()[..1] };
    let metadata = HashMap::from([(KEY.to_owned(), json.replace(from, to))]);
    parse(&tensor::serialize([("conv1.weight", numbers)], Some(metadata)).unwrap()).unwrap_err()
}

#[test]
fn a_contract_that_asks_for_too_much_or_contradicts_itself_is_refused_before_any_memory_is_taken() {
    assert_eq!(
        edited("\"outputs\":2}", "\"outputs\":99999999999}"),
        "2 extras and 99999999999 outputs are no network of ours"
    );
    assert_eq!(edited("\"format\":1", "\"format\":2"), "it is of format 2, this version reads format 1");
    assert_eq!(edited("\"width\":48", "\"width\":4800"), "its pictures are of another size than its network");
    assert_eq!(
        edited("\"model\":\"cnn\"", "\"model\":\"ridge\""),
        "it is a model of kind \"ridge\" and none that looks at pictures"
    );
    assert_eq!(edited("\"crop_top\":0.4", "\"crop_top\":4"), "it cuts 4 of a picture, from 0 to 0.9 can be cut");
    assert_eq!(edited("\"extra1\"", "\"extra1\",\"extra2\""), "it names other outputs or extras than its network has");
    assert_eq!(edited("\"rate\":30.0", "\"rate\":30.0"), "1 tensors where its network has 12");
    assert!(
        edited("\"size\":\"small\"", "\"size\":\"huge\"")
            .starts_with("what it says of itself is unreadable (unknown variant")
    );
}

#[test]
fn a_tensor_of_another_shape_is_named() {
    let (contract, net) = made();
    let mut tensors = Vec::new();
    let mut rest = net.parameters();
    for (name, shape) in tensors_of(&contract) {
        let (numbers, after) = rest.split_at(shape.iter().product());
        rest = after;
        let shape = if name == "conv2.weight" { vec![9 * 16, 32] } else { shape };
        tensors.push((name, Numbers { shape, numbers }));
    }
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(&contract).unwrap())]);
    let why = parse(&tensor::serialize(tensors, Some(metadata)).unwrap()).unwrap_err();
    assert_eq!(why, "tensor \"conv2.weight\" is F32 [144, 32] where its network has F32 [3, 3, 16, 32]");
}

#[test]
fn what_does_not_fit_is_said_line_by_line() {
    let (contract, _) = made();
    let fits = Live {
        topic: Some("robot:camera/frames"),
        kind: Some("offboard.v1.CompressedImage"),
        size: Some((160, 120)),
        rate: Some(28.0),
    };
    assert_eq!(contract.differences(&fits), Vec::<String>::new());
    assert_eq!(contract.differences(&Live::default()), Vec::<String>::new());
    let other = Live {
        topic: Some("front/frames"),
        kind: Some("offboard.v1.RawImage"),
        size: Some((640, 480)),
        rate: Some(10.0),
    };
    assert_eq!(
        contract.differences(&other),
        [
            "topic: it learned from camera/frames, this is front/frames",
            "type: it learned from offboard.v1.CompressedImage, this is offboard.v1.RawImage",
            "size: it learned from 160×120, this is 640×480",
            "rate: it learned from 30.0 pictures a second, these are 10.0",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn flipped_and_missing_bytes_never_panic(flips in prop::collection::vec((0usize..4000, any::<u8>()), 0..4), keep in 0usize..210_000) {
        let (contract, net) = made();
        let mut bytes = serialise(&contract, &net).unwrap();
        for (at, by) in flips {
            bytes[at] ^= by;
        }
        bytes.truncate(keep);
        if let Ok(weights) = parse(&bytes) {
            prop_assert!(weights.net.parameters().iter().all(|parameter| parameter.is_finite()));
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), length in 0u64..3000) {
        let mut bytes = bytes;
        let _ = parse(&bytes);
        if bytes.len() >= 8 {
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        let _ = parse(&bytes);
    }
}
