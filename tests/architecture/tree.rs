//! The modules of the workspace as the compiler finds them: from each crate's root along its `mod` declarations.
//! What only tests compile is left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, ItemUse, Meta, UseTree, Visibility};

/// A crate's root.
#[derive(Debug, Clone)]
pub struct Root {
    /// The name by which other crates of the workspace import it; `None` for a program.
    pub name: Option<String>,
    pub file: PathBuf,
}

/// Reads a file, or says that there is none.
pub type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// An index into [`Tree::modules`].
pub type ModuleId = usize;

pub struct Module {
    pub file: PathBuf,
    pub parent: Option<ModuleId>,
    pub root: ModuleId,
    pub items: Vec<Item>,
    pub children: HashMap<String, ModuleId>,
    /// Names of what the module defines.
    pub definitions: Vec<String>,
    /// Names that `use` brings in, and the path behind each.
    pub aliases: HashMap<String, UsePath>,
    /// The modules of which `use` brings in everything.
    pub globs: Vec<UsePath>,
}

/// A path as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsePath {
    pub segments: Vec<String>,
    /// Whether it starts with `::`.
    pub from_crates: bool,
}

pub struct Tree {
    pub modules: Vec<Module>,
    /// The libraries of the workspace, by name.
    pub crates: HashMap<String, ModuleId>,
}

impl Tree {
    /// # Panics
    /// If a module has no file, or one that is not Rust.
    pub fn load(roots: &[Root], read: Read) -> Self {
        let mut tree = Self { modules: Vec::new(), crates: HashMap::new() };
        for root in roots {
            let id = tree.modules.len();
            let folder = root.file.parent().unwrap_or(Path::new("")).to_owned();
            tree.add_file(&root.file, &folder, None, read);
            if let Some(name) = &root.name {
                tree.crates.insert(name.clone(), id);
            }
        }
        tree
    }

    fn add_file(&mut self, file: &Path, folder: &Path, parent: Option<ModuleId>, read: Read) -> ModuleId {
        let source = read(file).unwrap_or_else(|| panic!("{} is missing", file.display()));
        let parsed = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add_module(file, folder, parent, parsed.items, read)
    }

    /// `folder` is where the files of the module's children are.
    fn add_module(
        &mut self,
        file: &Path,
        folder: &Path,
        parent: Option<ModuleId>,
        items: Vec<Item>,
        read: Read,
    ) -> ModuleId {
        let id = self.modules.len();
        let mut names = Names::default();
        for item in &items {
            names.visit_item(item);
        }
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            root: parent.map_or(id, |parent| self.modules[parent].root),
            items: Vec::new(),
            children: HashMap::new(),
            definitions: items.iter().filter_map(defined).collect(),
            aliases: names.aliases,
            globs: names.globs,
        });
        let mut own = Vec::new();
        for item in items {
            let Item::Mod(module) = item else {
                own.push(item);
                continue;
            };
            if only_for_tests(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let below = folder.join(&name);
            let child = if let Some((_, items)) = module.content {
                self.add_module(file, &below, Some(id), items, read)
            } else {
                let plain = folder.join(format!("{name}.rs"));
                let child = if read(&plain).is_some() { plain } else { below.join("mod.rs") };
                self.add_file(&child, &below, Some(id), read)
            };
            self.modules[id].children.insert(name, child);
        }
        self.modules[id].items = own;
        id
    }
}

/// The name of what an item defines. Modules are children instead, and `use` items are aliases.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Whether an item is compiled for tests alone.
pub fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return attribute.path().is_ident("test");
        };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all (test"))
    })
}

/// The attributes of an item that can stand below `#[cfg(test)]`.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// One name of a `use`.
pub struct Import {
    pub path: UsePath,
    /// `None` for `*`.
    pub alias: Option<String>,
    pub line: usize,
}

/// The names of a `use`, one by one.
pub fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    flatten(&item.tree, &mut Vec::new(), item.leading_colon.is_some(), &mut found);
    found
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, from_crates: bool, found: &mut Vec<Import>) {
    let mut add = |segments: Vec<String>, alias: Option<String>, line| {
        found.push(Import { path: UsePath { segments, from_crates }, alias, line });
    };
    let line = |ident: &syn::Ident| ident.span().start().line;
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, from_crates, found);
            prefix.pop();
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, prefix, from_crates, found));
        }
        UseTree::Glob(glob) => add(prefix.clone(), None, glob.star_token.spans[0].start().line),
        UseTree::Name(name) if name.ident == "self" => {
            add(prefix.clone(), prefix.last().cloned(), line(&name.ident));
        }
        UseTree::Name(name) => {
            let path = [&prefix[..], &[name.ident.to_string()]].concat();
            add(path, Some(name.ident.to_string()), line(&name.ident));
        }
        UseTree::Rename(rename) => {
            let last = rename.ident.to_string();
            let path = if last == "self" { prefix.clone() } else { [&prefix[..], &[last]].concat() };
            add(path, Some(rename.rename.to_string()), line(&rename.ident));
        }
    }
}

/// Whether other modules can import what this `use` brings in.
pub fn reexports(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// Collects the names that `use` brings in, in functions too.
#[derive(Default)]
struct Names {
    aliases: HashMap<String, UsePath>,
    globs: Vec<UsePath>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Mod(_)) && !only_for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for import in imports(item) {
            match import.alias {
                Some(alias) => _ = self.aliases.entry(alias).or_insert(import.path),
                None => self.globs.push(import.path),
            }
        }
    }
}
