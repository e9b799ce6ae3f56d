//! Access control by types: the `compile_fail` examples of `src/engine/access.rs` fail with the error code
//! that is written beside them. Stable rustdoc checks only that they fail, which a typing error would cause
//! as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::harness::Folder;

/// Returns the `compile_fail` examples of a source file with their error codes.
fn examples(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = source.lines().map(|line| line.trim_start_matches("///"));
    while let Some(line) = lines.next() {
        if let Some(code) = line.trim().strip_prefix("```compile_fail,") {
            let body = lines.by_ref().take_while(|line| line.trim() != "```");
            found.push((code.to_owned(), body.collect::<Vec<_>>().join("\n")));
        }
    }
    found
}

/// Returns the library of this crate: the one built last, in the folder of this executable.
fn library(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let libraries = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libkmip_server-") && name.ends_with(".rlib")
    });
    let built =
        |path: &PathBuf| fs::metadata(path).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    libraries.max_by_key(built).expect("the tests link it")
}

/// Returns the output of the compiler for a source.
fn compile(source: &str) -> String {
    let executable = std::env::current_exe().unwrap();
    let folder = executable.parent().unwrap();
    let scratch = Folder::new();
    let file = scratch.path("example.rs");
    fs::write(&file, source).unwrap();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=short", "--out-dir"])
        .arg(scratch.path(""))
        .arg(format!("--extern=kmip_server={}", library(folder).display()))
        .arg(format!("-Ldependency={}", folder.display()))
        .arg(&file)
        .output()
        .expect("the tests are built by a rustc");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn access_to_a_record_without_a_permission_check_does_not_compile() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/access.rs")).unwrap();
    let examples = examples(&source);
    assert_eq!(examples.len(), 4, "every way around the gate has its example");
    for (code, example) in examples {
        let output = compile(&example);
        let errors: Vec<_> = output.lines().filter(|line| line.contains("error[")).collect();
        assert!(
            matches!(errors[..], [only] if only.contains(&code)),
            "{code} is expected of\n{example}\n{output}"
        );
    }
    // The same source without the error compiles.
    let output = compile(
        "pub fn owner(granted: &kmip_server::internals::engine::Granted) -> &str { &granted.owner.user }",
    );
    assert!(!output.contains("error"), "{output}");
}
