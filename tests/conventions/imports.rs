//! Import cycles: files of one folder must not import each other in a cycle.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, is_for_tests, text, without_comments, without_tests};

/// The nodes of a folder, each with the nodes that it imports. A node is a file, or a subfolder with the file that
/// declares it.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Returns the module path of a file: `src/crypto/ec/mod.rs` is `["crypto", "ec"]`.
fn module(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Appends the paths of the use tree at the start of `code` to `paths`, each with the name that it gets, and returns
/// the rest of `code`.
fn tree<'a>(mut code: &'a str, prefix: &[String], paths: &mut Vec<(Vec<String>, String)>) -> &'a str {
    let mut path = prefix.to_vec();
    loop {
        code = code.trim_start();
        if let Some(mut list) = code.strip_prefix('{') {
            loop {
                list = list.trim_start();
                if let Some(rest) = list.strip_prefix('}') {
                    return rest;
                }
                let rest = tree(list, &path, paths).trim_start();
                let rest = rest.strip_prefix(',').unwrap_or(rest);
                if rest.len() == list.len() {
                    return rest;
                }
                list = rest;
            }
        }
        let length = code.find(|c| !is_name(c)).unwrap_or(code.len());
        let (name, rest) = code.split_at(length);
        if !name.is_empty() {
            path.push(name.to_owned());
        }
        if let Some(rest) = rest.strip_prefix("::") {
            code = rest;
            continue;
        }
        let alias = rest.trim_start().strip_prefix("as ");
        let alias = alias.map(|rest| rest.split(|c| !is_name(c)).next().unwrap_or_default());
        let rest =
            alias.map_or(rest, |alias| rest.trim_start().trim_start_matches("as ").trim_start_matches(alias));
        let name = alias.map(str::to_owned).or(path.last().cloned()).unwrap_or_default();
        paths.push((path, name));
        return rest;
    }
}

/// Returns the absolute paths in the code of the module `at` that begin with `crate`, `super` or `self`.
fn paths(code: &str, at: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate", "super", "self"] {
        for (index, _) in code.match_indices(&format!("{start}::")) {
            let before = code[..index].chars().next_back();
            if before.is_some_and(|c| is_name(c) || c == ':') {
                continue;
            }
            let mut paths = Vec::new();
            tree(&code[index..], &[], &mut paths);
            found.extend(paths.into_iter().map(|(path, _)| absolute(&path, at)));
        }
    }
    found
}

fn absolute(path: &[String], at: &[String]) -> Vec<String> {
    let mut base = at.to_vec();
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    base.extend_from_slice(rest);
    base
}

/// Returns the names that the file of a folder imports from its nodes, such as by `pub use node::Name`, each with the
/// node.
fn reexports(code: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (index, _) in code.match_indices("use ") {
        let mut paths = Vec::new();
        tree(&code[index + "use ".len()..], &[], &mut paths);
        for (mut path, name) in paths {
            path.retain(|segment| segment != "self");
            if let [node, _, ..] = path.as_slice() {
                names.insert(name, node.clone());
            }
        }
    }
    names
}

/// Returns the imports of every folder, for sources by file name.
fn folders(sources: &BTreeMap<String, String>) -> BTreeMap<Vec<String>, Imports> {
    let mut folders: BTreeMap<Vec<String>, Imports> = BTreeMap::new();
    let mut names: BTreeMap<Vec<String>, BTreeMap<String, String>> = BTreeMap::new();
    for (file, code) in sources {
        let module = module(file);
        for depth in 1..module.len() {
            let (folder, rest) = module.split_at(depth);
            folders.entry(folder.to_vec()).or_default().entry(rest[0].clone()).or_default();
        }
        names.insert(module, reexports(code));
    }
    for (file, code) in sources {
        let module = module(file);
        for path in paths(code, &module) {
            for depth in 1..module.len() {
                let (folder, rest) = module.split_at(depth);
                let Some(next) = path.strip_prefix(folder).and_then(<[_]>::first) else { continue };
                let Some(imports) = folders.get_mut(folder) else { continue };
                let reexported = names.get(folder).and_then(|names| names.get(next));
                let node = if imports.contains_key(next) { Some(next) } else { reexported };
                if let Some(node) = node.filter(|node| **node != rest[0] && imports.contains_key(*node)) {
                    imports.get_mut(&rest[0]).unwrap().insert(node.clone());
                }
            }
        }
    }
    folders
}

/// Returns the nodes that `from` imports, directly or not.
fn reachable<'a>(imports: &'a Imports, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut pending: Vec<&str> = imports.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(node) = pending.pop() {
        if found.insert(node) {
            pending.extend(imports.get(node).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// Returns the cycles of `sources`: for each, the folder and the names of its nodes.
fn cycles(sources: &BTreeMap<String, String>) -> BTreeSet<(String, Vec<String>)> {
    let mut cycles = BTreeSet::new();
    for (folder, imports) in folders(sources) {
        for node in imports.keys() {
            let members: Vec<_> = reachable(&imports, node)
                .into_iter()
                .filter(|other| reachable(&imports, other).contains(node.as_str()))
                .map(str::to_owned)
                .collect();
            if !members.is_empty() {
                cycles.insert((folder.join("/"), members));
            }
        }
    }
    cycles
}

#[test]
fn finds_direct_and_transitive_cycles_also_through_reexports() {
    let sources = |sources: &[(&str, &str)]| {
        let sources = sources.iter().map(|(file, code)| (format!("src/{file}"), (*code).to_owned()));
        cycles(&sources.collect())
    };
    let module = ("a/mod.rs", "mod x; mod y; mod z; pub use y::{Y, Other as Renamed};");
    assert_eq!(sources(&[module, ("a/x.rs", "use super::y;"), ("a/y.rs", "use crate::b;")]), BTreeSet::new());
    let found = sources(&[
        module,
        ("a/x.rs", "use crate::{b, a::{Renamed}};"),
        ("a/y.rs", "fn f() { super::z::f() }"),
        ("a/z/mod.rs", "use super::Z;"),
        ("a/z/inner.rs", "use super::super::x::{self, X};"),
    ]);
    assert_eq!(found, BTreeSet::from([("a".to_owned(), ["x", "y", "z"].map(str::to_owned).to_vec())]));
}

#[test]
fn no_files_of_a_folder_import_each_other_in_a_cycle() {
    let mut sources = BTreeMap::new();
    for file in files("src", ".rs") {
        if !is_for_tests(&file) && !file.ends_with("/tests.rs") {
            let source = text(&file);
            sources.insert(file, without_comments(without_tests(&source)));
        }
    }
    let cycles = cycles(&sources);
    assert!(cycles.is_empty(), "files that import each other in a cycle, by folder of src: {cycles:?}");
}
