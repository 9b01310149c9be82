//! The ledger as an image: one program that needs nothing around it, and a user that is not root. The
//! `Dockerfile` in this crate says the same to a container engine.

use std::path::Path;

use anyhow::ensure;
use serde_json::json;

use crate::layout::{Blob, CONFIG, CREATED, File, LAYER, Layout, annotations, layer};

/// User and group; of nobody, and above those of systems.
const USER: u64 = 65532;
/// The embedded store, if no volume is mounted and no other store is named.
const STORE: &str = "file:/data/stripe402.redb";

/// Makes the layout: one image of one program, or of several, for different machines, one image that is each of
/// them where it runs. What was made, a line.
pub(crate) fn make(folder: &Path, tag: &str, programs: &[Vec<u8>]) -> anyhow::Result<String> {
    let mut layout = Layout::new(folder)?;
    let mut images = Vec::new();
    for program in programs {
        let architecture = architecture(program)?;
        ensure!(
            images.iter().all(|(other, _)| *other != architecture),
            "two of the ledger's programs are for {architecture}"
        );
        images.push((architecture, image(&layout, architecture, program)?));
    }
    let digest = match images.as_slice() {
        [(_, image)] => layout.tag(tag, image),
        _ => {
            let index = layout.index(&images, &annotations("stripe402-ledger"))?;
            layout.tag(tag, &index)
        }
    };
    layout.finish()?;
    Ok(format!("{}:{tag} {digest}", folder.display()))
}

/// The image for one architecture.
fn image(layout: &Layout, architecture: &str, program: &[u8]) -> anyhow::Result<Blob> {
    let packed = layer(&[
        // Volumes that an engine makes here take over whose it is.
        File { path: "data/", mode: 0o700, owner: USER, content: &[] },
        File { path: "stripe402-ledger", mode: 0o755, owner: 0, content: program },
    ])?;
    let config = json!({
        "created": CREATED,
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": ["/stripe402-ledger"],
            "Cmd": ["serve"],
            // In a container nobody could connect to 127.0.0.1.
            "Env": [
                "LEDGER_LISTEN=0.0.0.0:8402",
                "LEDGER_ADMIN_LISTEN=0.0.0.0:8403",
                "LEDGER_WEBHOOK_LISTEN=0.0.0.0:8406",
                format!("LEDGER_STORE={STORE}"),
                "LEDGER_LOG_FORMAT=json",
            ],
            "ExposedPorts": {"8402/tcp": {}, "8403/tcp": {}, "8406/tcp": {}},
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [packed.diff_id]},
    });
    let config = layout.blob(CONFIG, &serde_json::to_vec(&config)?)?;
    let files = layout.blob(LAYER, &packed.compressed)?;
    layout.manifest(&config, &[files], &annotations("stripe402-ledger"))
}

/// What the program runs on, by its own header (`e_machine`).
fn architecture(program: &[u8]) -> anyhow::Result<&'static str> {
    ensure!(program.starts_with(b"\x7fELF"), "the ledger's program is none that Linux runs");
    match program.get(18..20) {
        Some([0x3e, 0]) => Ok("amd64"),
        Some([0xb7, 0]) => Ok("arm64"),
        machine => anyhow::bail!("the ledger's program is for another machine: {machine:?}"),
    }
}
