//! Compiles `offboard/v1/*.proto` with protox, so that building needs no `protoc`.
//! Never reaches outside this folder and `OUT_DIR`.

use std::{env, fs, io, path::PathBuf};

use protox::prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=offboard/v1");
    let mut files =
        fs::read_dir("offboard/v1")?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|path| path.extension().is_some_and(|ext| ext == "proto"));
    files.sort();

    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), descriptors.encode_to_vec())?;
    prost_build::Config::new()
        .enable_type_names()
        .bytes(["."]) // pictures are slices of the received buffer, not copies of it
        .compile_fds(descriptors)?;
    Ok(())
}
