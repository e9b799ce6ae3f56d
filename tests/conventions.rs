//! The conventions of the project, as far as a test can check them; CONTRIBUTING.md states them.

mod documents;
mod imports;
mod layers;
mod operations;
mod security;
mod statements;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders with generated files.
const GENERATED: [&str; 3] = ["target", ".git", "__pycache__"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the files below `folder` that end in `ending`, as sorted paths relative to the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if !GENERATED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<String> {
    ["src", "bin", "tests", "examples", "benches"]
        .iter()
        .filter(|folder| root().join(folder).is_dir())
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

/// Returns a source without its unit tests, which no rule about imports restricts.
fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod ").map_or(source, |at| &source[..at])
}

/// Whether the module of `file` is declared with `#[cfg(test)]`.
fn is_for_tests(file: &str) -> bool {
    let path = PathBuf::from(file);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let folder = path.parent().unwrap();
    let parents = [folder.join("mod.rs"), folder.with_extension("rs")];
    parents.iter().filter_map(|parent| fs::read_to_string(root().join(parent)).ok()).any(|parent| {
        let declared = |visibility| parent.contains(&format!("#[cfg(test)]\n{visibility}mod {name};"));
        declared("") || declared("pub(crate) ") || declared("pub(super) ") || declared("pub ")
    })
}

/// Returns a source in one line and without the lines that are comments.
fn without_comments(source: &str) -> String {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line.trim(), " "])
        .collect()
}
