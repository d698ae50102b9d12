//! The rules about size: a file has at most 400 lines, a function at most 60.

use std::path::Path;

use syn::visit::Visit;
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

use crate::exceptions::Long;

pub const MAX_FILE: usize = 400;
pub const MAX_FUNCTION: usize = 60;

/// A function, from the line of `fn` to its closing brace.
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

#[derive(Default)]
struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, signature: &Signature, block: &Block) {
        let first = signature.fn_token.span.start().line;
        let lines = block.brace_token.span.close().end().line - first + 1;
        self.0.push(Function { name: signature.ident.to_string(), line: first, lines });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

/// What is too long in a source file; `used` learns the exceptions that were needed.
pub fn problems(file: &Path, source: &str, exceptions: &[Long], used: &mut [bool]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut report = |name: Option<&str>, line: usize, lines: usize, max: usize| {
        if lines <= max {
            return;
        }
        if let Some(at) = exceptions.iter().position(|long| long.covers(file, name)) {
            used[at] = true;
            return;
        }
        let what = name.map_or_else(|| "the file".to_owned(), |name| format!("`{name}`"));
        let advice =
            if name.is_some() { "Take a step of it out as a function." } else { "Move a part to a file." };
        problems
            .push(format!("{}:{line}: {what} has {lines} lines, at most {max}. {advice}", file.display()));
    };
    report(None, 1, source.lines().count(), MAX_FILE);
    let parsed = syn::parse_file(source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut functions = Functions::default();
    functions.visit_file(&parsed);
    for function in &functions.0 {
        report(Some(&function.name), function.line, function.lines, MAX_FUNCTION);
    }
    problems
}
