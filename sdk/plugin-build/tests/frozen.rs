//! What was released of the contract stays: `wit/provider.wit` against `wit/frozen/`, by its meaning and not by its text.
//!
//! A component that was built against 0.1.0 names what it imports and exports, with all types. It goes on loading as long
//! as each of these is there unchanged. So the frozen interfaces may gain functions and types where a plugin imports them,
//! and the package may gain interfaces; anything else is another version of the package.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use wit_parser::{
    Function, Handle, InterfaceId, PackageId, Resolve, Type, TypeDefKind, TypeId, TypeOwner, WorldItem, WorldKey,
};

/// Names of what the contract is made of, and what each is.
type Contract = BTreeMap<String, String>;

/// Interfaces that plugins import, or that only have types: older plugins do not ask for additions.
const MAY_GROW: [&str; 2] = ["interface types", "interface capabilities"];

fn wit(name: &str) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    fs::read_to_string(workspace.join("wit").join(name)).unwrap()
}

#[test]
fn version_0_1_0_is_what_was_released() {
    let (frozen, now) = (contract(&wit("frozen/provider-0.1.0.wit")), contract(&wit("provider.wit")));
    let broken = broken(&frozen, &now);
    assert!(
        broken.is_empty(),
        "wit/provider.wit is no longer the 0.1.0 that plugins were built against; what must change is a new version \
         beside it (docs/design.md, section 5):\n{}",
        broken.join("\n")
    );
}

#[test]
fn what_breaks_a_plugin_is_found_and_what_does_not_is_let_be() {
    let text = wit("frozen/provider-0.1.0.wit");
    let frozen = contract(&text);
    let cases = [
        // A field, a case, their order, a function, its types: all of that is frozen.
        ("    kind: option<string>,\n", "", "record identity"),
        ("    reply: option<reply>,\n", "    reply: option<reply>,\n    note: string,\n", "record accepted"),
        ("    md5,\n    sha1,\n", "    sha1,\n    md5,\n", "enum digest"),
        ("    stale(string),\n", "    stale(string),\n    tired(string),\n", "variant refusal"),
        ("    received-at: func() -> u64;\n", "", "received-at"),
        ("    received-at: func() -> u64;\n", "    received-at: func() -> s64;\n", "received-at"),
        ("  export verify: func(", "  export judge: func(", "export verify"),
        // What a plugin must export it cannot know of later.
        ("  import capabilities;\n", "  import capabilities;\n  export late: func();\n", "export late"),
        ("  sign: func(delivery", "  late: func();\n  sign: func(delivery", "late"),
        ("  export sender;\n", "", "export hookgate:provider/sender"),
        // What it may import it need not.
        ("    received-at: func() -> u64;\n", "    received-at: func() -> u64;\n    late: func() -> u64;\n", ""),
        ("  /// Public-key signatures.\n", "  enum late { yes, no }\n", ""),
        ("interface sender {", "interface late { ask: func(); }\ninterface sender {", ""),
        ("world provider {\n", "interface late { ask: func(); }\nworld provider {\n  import late;\n", ""),
    ];
    for (from, to, named) in cases {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from:?} is not there");
        let broken = broken(&frozen, &contract(&changed));
        match named {
            "" => assert!(broken.is_empty(), "{to:?}: {broken:?}"),
            named => assert!(broken.iter().any(|why| why.contains(named)), "{to:?}: {broken:?}"),
        }
    }
}

/// What of the frozen contract is gone or another one, and what was added where nothing may be.
fn broken(frozen: &Contract, now: &Contract) -> Vec<String> {
    let changed = frozen.iter().filter_map(|(name, before)| match now.get(name) {
        None => Some(format!("{name} is gone")),
        Some(after) if after != before => Some(format!("{name} was\n    {before}\n  and is\n    {after}")),
        Some(_) => None,
    });
    let added = now.keys().filter(|name| !frozen.contains_key(*name) && !may_be_added(frozen, name));
    changed.chain(added.map(|name| format!("{name} was added, and plugins do not have it"))).collect()
}

fn may_be_added(frozen: &Contract, name: &str) -> bool {
    let whole = name.split(": ").next().unwrap_or_default();
    let is_known = frozen.keys().any(|known| known.split(": ").next() == Some(whole));
    !is_known || MAY_GROW.contains(&whole) || name.contains(": import ")
}

/// The contract of a WIT text: `interface types: record identity`, `world provider: export verify`, ...
fn contract(text: &str) -> Contract {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("provider.wit", text).unwrap();
    let mut contract = Contract::new();
    contract.insert("package: name".to_owned(), resolve.packages[package].name.to_string());
    for (name, interface) in &resolve.packages[package].interfaces {
        of_interface(&resolve, name, *interface, &mut contract);
    }
    of_worlds(&resolve, package, &mut contract);
    contract
}

fn of_interface(resolve: &Resolve, name: &str, interface: InterfaceId, contract: &mut Contract) {
    for (of, id) in &resolve.interfaces[interface].types {
        let kind = resolve.types[*id].kind.as_str();
        contract.insert(format!("interface {name}: {kind} {of}"), definition(resolve, *id));
    }
    for (of, function) in &resolve.interfaces[interface].functions {
        contract.insert(format!("interface {name}: {of}"), signature(resolve, function));
    }
}

fn of_worlds(resolve: &Resolve, package: PackageId, contract: &mut Contract) {
    for (name, world) in &resolve.packages[package].worlds {
        let world = &resolve.worlds[*world];
        let imports = world.imports.iter().map(|item| ("import", item));
        for (direction, (key, item)) in imports.chain(world.exports.iter().map(|item| ("export", item))) {
            let key = match key {
                WorldKey::Name(name) => name.clone(),
                WorldKey::Interface(id) => resolve.id_of(*id).unwrap(),
            };
            let item = match item {
                WorldItem::Interface { .. } => "interface".to_owned(),
                WorldItem::Function(function) => signature(resolve, function),
                WorldItem::Type { id, .. } => definition(resolve, *id),
            };
            contract.insert(format!("world {name}: {direction} {key}"), item);
        }
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params = function.params.iter().map(|param| format!("{}: {}", param.name, type_of(resolve, &param.ty)));
    let result = function.result.as_ref().map_or("nothing".to_owned(), |result| type_of(resolve, result));
    format!("func({}) -> {result}", params.collect::<Vec<_>>().join(", "))
}

/// What a named type is.
fn definition(resolve: &Resolve, id: TypeId) -> String {
    let list = |items: Vec<String>| items.join(", ");
    let of = |ty: &Type| type_of(resolve, ty);
    let some = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), of);
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => {
            list(record.fields.iter().map(|field| format!("{}: {}", field.name, of(&field.ty))).collect())
        }
        TypeDefKind::Variant(variant) => {
            list(variant.cases.iter().map(|case| format!("{}({})", case.name, some(&case.ty))).collect())
        }
        TypeDefKind::Enum(cases) => list(cases.cases.iter().map(|case| case.name.clone()).collect()),
        TypeDefKind::Flags(flags) => list(flags.flags.iter().map(|flag| flag.name.clone()).collect()),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", list(tuple.types.iter().map(of).collect())),
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", some(&result.ok), some(&result.err)),
        TypeDefKind::Handle(Handle::Own(id)) => format!("own {}", full_name(resolve, *id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow {}", full_name(resolve, *id)),
        TypeDefKind::Resource => "resource".to_owned(),
        TypeDefKind::Type(ty) => of(ty),
        other => format!("{other:?}"),
    }
}

fn type_of(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Id(id) if resolve.types[*id].name.is_some() => full_name(resolve, *id),
        Type::Id(id) => definition(resolve, *id),
        primitive => format!("{primitive:?}").to_lowercase(),
    }
}

/// With the interface in which it was defined, wherever it is used.
fn full_name(resolve: &Resolve, id: TypeId) -> String {
    let definition = &resolve.types[id];
    if let TypeDefKind::Type(Type::Id(origin)) = definition.kind {
        return full_name(resolve, origin);
    }
    let owner = match definition.owner {
        TypeOwner::Interface(interface) => resolve.id_of(interface).unwrap_or_default(),
        _ => String::new(),
    };
    format!("{owner}.{}", definition.name.as_deref().unwrap_or_default())
}
