//! What every source file keeps to.

use std::{fs, path::PathBuf, process::Command};

use syn::{spanned::Spanned, visit::Visit};

const MAX_FILE: usize = 600;
const MAX_FUNCTION: usize = 80;

/// The Rust files that git knows or would add.
fn files() -> Vec<(String, String)> {
    let root = crate::root();
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(&root)
        .output()
        .unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let read = |name: &str| fs::read_to_string(root.join(name)).ok().map(|text| (name.to_string(), text));
    let files: Vec<_> = names.lines().filter_map(read).collect();
    assert!(files.len() > 100, "only {} files found", files.len());
    files
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<_> =
        files().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "the first line must be //! with what the file owns: {silent:#?}");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = files()
        .into_iter()
        .map(|(name, text)| (text.lines().count(), name))
        .filter(|(lines, _)| *lines > MAX_FILE)
        .collect();
    assert!(long.is_empty(), "longer than {MAX_FILE} lines: {long:#?}");
}

struct Functions<'a> {
    file: &'a str,
    long: Vec<String>,
}

impl Functions<'_> {
    fn check(&mut self, name: &syn::Ident, block: &syn::Block) {
        let lines = block.span().end().line + 1 - block.span().start().line;
        if lines > MAX_FUNCTION {
            self.long.push(format!("{}: {name} has {lines} lines", self.file));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.check(&function.sig.ident, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.check(&function.sig.ident, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

#[test]
fn no_function_is_too_long() {
    let mut long = Vec::new();
    for (name, text) in files() {
        let Ok(file) = syn::parse_file(&text) else { panic!("{name} cannot be parsed") };
        let mut functions = Functions { file: &name, long: vec![] };
        functions.visit_file(&file);
        long.extend(functions.long);
    }
    assert!(long.is_empty(), "longer than {MAX_FUNCTION} lines: {long:#?}");
}

#[test]
fn the_sdks_copy_of_the_contract_is_the_contract() {
    let root = crate::root();
    let wit = |folder: &str| -> Vec<(String, String)> {
        let mut files: Vec<PathBuf> = fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|p| p.extension().is_some_and(|e| e == "wit"));
        files.sort();
        let name = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(|p| (name(p), fs::read_to_string(p).unwrap())).collect()
    };
    assert_eq!(wit("wit"), wit("sdk/rust/wit"), "copy wit/*.wit to sdk/rust/wit");
}
