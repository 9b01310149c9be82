//! A folder in the OCI image layout: blobs under their sums, and an index of what is tagged.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stripe402_protocol::hex;

/// When everything was made: always the same, so that the same files make the same image.
pub(crate) const CREATED: &str = "1970-01-01T00:00:00Z";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A layout that is being made, in place of what was there before.
pub(crate) struct Layout {
    folder: PathBuf,
    tagged: Vec<Value>,
}

/// How a blob is named by what refers to it.
#[derive(Clone)]
pub(crate) struct Blob {
    media_type: &'static str,
    digest: String,
    size: usize,
}

/// A file of a layer.
pub(crate) struct File<'content> {
    /// Its path, without a slash in front; a folder's has one behind.
    pub(crate) path: &'static str,
    /// Its permissions.
    pub(crate) mode: u32,
    /// Its user and group.
    pub(crate) owner: u64,
    /// What is in it.
    pub(crate) content: &'content [u8],
}

/// A layer as a file system of its own.
pub(crate) struct Layer {
    /// As it travels.
    pub(crate) compressed: Vec<u8>,
    /// The sum of what it is before compression, as configurations name it.
    pub(crate) diff_id: String,
}

impl Layout {
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)
                .with_context(|| format!("cannot replace {}", folder.display()))?;
        }
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs)
            .with_context(|| format!("cannot make {}", blobs.display()))?;
        Ok(Self { folder: folder.to_path_buf(), tagged: Vec::new() })
    }

    /// Keeps a blob.
    pub(crate) fn blob(&self, media_type: &'static str, content: &[u8]) -> anyhow::Result<Blob> {
        let sum = sum(content);
        self.write(&format!("blobs/sha256/{sum}"), content)?;
        Ok(Blob { media_type, digest: format!("sha256:{sum}"), size: content.len() })
    }

    /// Keeps the manifest of an image.
    pub(crate) fn manifest(
        &self,
        config: &Blob,
        layers: &[Blob],
        annotations: &Value,
    ) -> anyhow::Result<Blob> {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
            "annotations": annotations,
        });
        self.blob(MANIFEST, &serde_json::to_vec(&manifest)?)
    }

    /// Keeps the index of one image for several architectures.
    pub(crate) fn index(
        &self,
        images: &[(&'static str, Blob)],
        annotations: &Value,
    ) -> anyhow::Result<Blob> {
        let manifests = images.iter().map(|(architecture, image)| {
            let mut described = image.descriptor();
            if let Some(fields) = described.as_object_mut() {
                let platform = json!({"architecture": architecture, "os": "linux"});
                fields.insert("platform".to_owned(), platform);
            }
            described
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": manifests.collect::<Vec<_>>(),
            "annotations": annotations,
        });
        self.blob(INDEX, &serde_json::to_vec(&index)?)
    }

    /// Tags a manifest or an index; its digest.
    pub(crate) fn tag(&mut self, tag: &str, image: &Blob) -> String {
        let Blob { media_type, digest, size } = image;
        self.tagged.push(json!({
            "mediaType": media_type,
            "digest": digest,
            "size": size,
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }));
        digest.clone()
    }

    /// Writes what makes the folder a layout.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.tagged});
        self.write("index.json", &serde_json::to_vec(&index)?)?;
        self.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Blob {
    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}

/// Packs files in the order given, without dates.
pub(crate) fn layer(files: &[File<'_>]) -> anyhow::Result<Layer> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(file.content.len())?);
        header.set_mode(file.mode);
        header.set_mtime(0);
        header.set_uid(file.owner);
        header.set_gid(file.owner);
        header.set_entry_type(if file.path.ends_with('/') {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        archive.append_data(&mut header, file.path, file.content)?;
    }
    let plain = archive.into_inner()?;
    let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    packer.write_all(&plain)?;
    Ok(Layer { compressed: packer.finish()?, diff_id: format!("sha256:{}", sum(&plain)) })
}

/// A SHA-256 as it is written.
pub(crate) fn sum(content: &[u8]) -> String {
    hex::to_string(&Sha256::digest(content))
}

/// What the image is, for those who look at it.
pub(crate) fn annotations(title: &str) -> Value {
    json!({
        "org.opencontainers.image.created": CREATED,
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
    })
}
