//! Makes OCI images of the ledger and of the filter, each a folder in the OCI layout, from files that are built.
//! The same files make the same images, to the byte: what is pinned by its digest can be built again.

mod layout;
mod ledger;
mod module;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;

/// Makes OCI image layouts of what is built.
#[derive(Debug, Parser)]
struct Arguments {
    /// The ledger's program, linked statically. Repeat it for other machines: one image is made for all.
    #[arg(long, required = true)]
    ledger: Vec<PathBuf>,
    /// The filter's module.
    #[arg(long)]
    filter: PathBuf,
    /// The folder to make the layouts in.
    #[arg(long, default_value = "dist/oci")]
    out: PathBuf,
    /// What the images are tagged with.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
}

#[expect(clippy::print_stdout, reason = "the digests, for those who pin them")]
fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let read = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let programs = arguments.ledger.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let filter = read(&arguments.filter)?;
    let ledger = ledger::make(&arguments.out.join("ledger"), &arguments.tag, &programs)?;
    let module = module::make(&arguments.out.join("filter"), &arguments.tag, &filter)?;
    println!("{ledger}\n{module}");
    Ok(())
}
