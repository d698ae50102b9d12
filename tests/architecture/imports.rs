//! Who imports what. An import is a name, in a `use` or written inline, whose definition is in another file:
//! re-exports are followed to where the name is defined, so that a `mod.rs` that only gathers names imports nothing.

use std::collections::HashSet;
use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, ImplItemFn, Item, ItemUse, Macro, Visibility};

use crate::tree::{ModuleId, Tree, UsePath, attributes, imports, only_for_tests, reexports};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub from: PathBuf,
    pub line: usize,
    /// As it is written.
    pub path: String,
    pub to: PathBuf,
    /// Whether it only names a module, or only passes on the name of something in a descendant.
    pub name_only: bool,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(ModuleId),
    /// Something defined in this module.
    ItemOf(ModuleId),
}

/// All imports between different files.
pub fn all(tree: &Tree) -> Vec<Import> {
    let mut found = Vec::new();
    for module in 0..tree.modules.len() {
        let mut finder = Finder { tree, module, found: Vec::new() };
        for item in &tree.modules[module].items {
            finder.visit_item(item);
        }
        found.append(&mut finder.found);
    }
    let mut seen = HashSet::new();
    found.retain(|import| seen.insert((import.from.clone(), import.line, import.path.clone())));
    found
}

/// Walks through the items of one module.
struct Finder<'a> {
    tree: &'a Tree,
    module: ModuleId,
    found: Vec<Import>,
}

impl Finder<'_> {
    fn add(&mut self, path: &UsePath, line: usize, reexported: bool, inline: bool) {
        let Some(target) = self.tree.resolve(self.module, path, &mut HashSet::new()) else {
            return;
        };
        let (to, is_module) = match target {
            Target::Module(module) => (module, true),
            Target::ItemOf(module) => (module, false),
        };
        // A single lower-case word is a variable more often than a module.
        if inline && is_module && path.segments.len() == 1 {
            return;
        }
        let from = &self.tree.modules[self.module].file;
        let to_file = &self.tree.modules[to].file;
        if from != to_file {
            self.found.push(Import {
                from: from.clone(),
                line,
                path: path.segments.join("::"),
                to: to_file.clone(),
                name_only: is_module || reexported && self.tree.is_below(to, self.module),
            });
        }
    }

    /// Macros are not expanded: the paths of at least two segments among their tokens count.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
        while let Some(token) = tokens.next() {
            match &token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        path.clear();
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.add_tokens(group.stream());
                    path.clear();
                }
                _ => path.clear(),
            }
            let goes_on = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
            if path.len() > 1 && colons == 0 && !goes_on {
                self.add(&UsePath { segments: path.clone(), from_crates: false }, line, false, true);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Mod(_)) && !only_for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !only_for_tests(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for import in imports(item).iter().filter(|import| import.alias.is_some()) {
            self.add(&import.path, import.line, reexports(item), false);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.add(&UsePath { segments, from_crates: path.leading_colon.is_some() }, line, false, true);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        if let Some(name) = call.path.get_ident() {
            self.add_textual(&name.to_string(), name.span().start().line);
        }
        self.add_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

impl Finder<'_> {
    /// A macro can be called by its bare name in the modules below the one that defines it.
    fn add_textual(&mut self, name: &str, line: usize) {
        let mut above = self.tree.modules[self.module].parent;
        while let Some(module) = above {
            let defines = self.tree.modules[module].items.iter().any(
                |item| matches!(item, Item::Macro(item) if item.ident.as_ref().is_some_and(|ident| ident == name)),
            );
            if defines {
                let (from, to) = (&self.tree.modules[self.module].file, &self.tree.modules[module].file);
                if from != to {
                    self.found.push(Import {
                        from: from.clone(),
                        line,
                        path: format!("{name}!"),
                        to: to.clone(),
                        name_only: false,
                    });
                }
                return;
            }
            above = self.tree.modules[module].parent;
        }
    }
}

impl Tree {
    /// Whether a module is a descendant of another.
    fn is_below(&self, module: ModuleId, ancestor: ModuleId) -> bool {
        let mut above = self.modules[module].parent;
        while let Some(module) = above {
            if module == ancestor {
                return true;
            }
            above = self.modules[module].parent;
        }
        false
    }

    /// Where a path of `module` leads; `None` if that is outside the workspace.
    fn resolve(
        &self,
        module: ModuleId,
        path: &UsePath,
        seen: &mut HashSet<(ModuleId, String)>,
    ) -> Option<Target> {
        let (first, mut rest) = path.segments.split_first()?;
        let mut target = match first.as_str() {
            "crate" => Target::Module(self.modules[module].root),
            "self" => Target::Module(module),
            "super" => Target::Module(self.modules[module].parent?),
            name => {
                let local = if path.from_crates { None } else { self.lookup(module, name, seen) };
                local.or_else(|| self.crates.get(name).map(|&root| Target::Module(root)))?
            }
        };
        while let (Target::Module(module), Some((name, after))) = (target, rest.split_first()) {
            target = match name.as_str() {
                "super" => Target::Module(self.modules[module].parent?),
                // What a macro defined there, or something of another crate that is passed on there.
                name => self.lookup(module, name, seen).unwrap_or(Target::ItemOf(module)),
            };
            rest = after;
        }
        Some(target)
    }

    fn lookup(&self, module: ModuleId, name: &str, seen: &mut HashSet<(ModuleId, String)>) -> Option<Target> {
        if !seen.insert((module, name.to_owned())) {
            return None;
        }
        let scope = &self.modules[module];
        if let Some(&child) = scope.children.get(name) {
            return Some(Target::Module(child));
        }
        if scope.definitions.iter().any(|defined| defined == name) {
            return Some(Target::ItemOf(module));
        }
        if let Some(path) = scope.aliases.get(name) {
            return self.resolve(module, path, seen);
        }
        scope.globs.iter().find_map(|glob| match self.resolve(module, glob, seen)? {
            Target::Module(globbed) => self.lookup(globbed, name, seen),
            Target::ItemOf(_) => None,
        })
    }
}
