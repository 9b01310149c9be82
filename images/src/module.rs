//! The filter's module, in the two forms of the Wasm Image Specification that gateways pull
//! (<https://github.com/solo-io/wasm/tree/master/spec>): Istio and Envoy Gateway take either.

use std::path::Path;

use serde_json::json;

use crate::layout::{CONFIG, CREATED, File, LAYER, Layout, annotations, layer};

const MODULE_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const MODULE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// Makes the layout: under `tag` an image with the module as the file `plugin.wasm`, which every registry
/// takes; under `tag` and `-artifact` the module itself as a blob, whose digest is the module's own.
/// What was made, a line each.
pub(crate) fn make(folder: &Path, tag: &str, module: &[u8]) -> anyhow::Result<String> {
    let mut layout = Layout::new(folder)?;
    let about = annotations("stripe402-filter");

    let plugin = File { path: "plugin.wasm", mode: 0o644, owner: 0, content: module };
    let packed = layer(&[plugin])?;
    let config = json!({
        "created": CREATED,
        // Gateways look at neither; tools for images know no other system.
        "architecture": "wasm",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [packed.diff_id]},
    });
    let config = layout.blob(CONFIG, &serde_json::to_vec(&config)?)?;
    let files = layout.blob(LAYER, &packed.compressed)?;
    let image = layout.manifest(&config, &[files], &about)?;
    let image = layout.tag(tag, &image);

    // The second layer is the configuration of a runtime. It says nothing here, but loaders want two.
    let runtime = layout.blob(MODULE_CONFIG, b"{}")?;
    let raw = layout.blob(MODULE, module)?;
    let artifact_tag = format!("{tag}-artifact");
    let artifact = layout.manifest(&runtime, &[raw, runtime.clone()], &about)?;
    let artifact = layout.tag(&artifact_tag, &artifact);
    layout.finish()?;
    let folder = folder.display();
    Ok(format!("{folder}:{tag} {image}\n{folder}:{artifact_tag} {artifact}"))
}
