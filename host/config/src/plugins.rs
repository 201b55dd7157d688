//! What is known of plugins while a configuration is read, and what they are granted.

use std::collections::{BTreeMap, BTreeSet};

use hookgate_capabilities::Descriptor;

use hookgate_settings::Table;

use super::{Grant, Plugins, Source};

/// The plugins that there are, so that sources can be checked against what theirs takes.
pub trait KnownPlugins {
    /// Their names, sorted.
    fn names(&self) -> Vec<String>;

    /// What a plugin says of itself; none when there is none of that name, an error when it does not load. Asked for
    /// those only that a source names.
    fn descriptor(&self, name: &str) -> Option<Result<Descriptor, String>>;

    /// As [`KnownPlugins::descriptor`], of the version that is activated for that source, where one is.
    fn descriptor_for(&self, _source: &str, plugin: &str) -> Option<Result<Descriptor, String>> {
        self.descriptor(plugin)
    }

    /// Whether the source's plugin is part of the gateway.
    fn is_bundled(&self, _: &Source) -> bool {
        false
    }

    /// Why the source may not have the version of its plugin work for it; none when it may.
    fn distrust(&self, _: &Plugins, _: &Source) -> Option<String> {
        None
    }

    /// What the source's plugin has against its secrets and settings, so that it would turn every delivery away; none
    /// when it has nothing, or is not asked.
    fn objection(&self, _: &Source) -> Option<String> {
        None
    }
}

impl KnownPlugins for BTreeMap<String, Result<Descriptor, String>> {
    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn descriptor(&self, name: &str) -> Option<Result<Descriptor, String>> {
        self.get(name).cloned()
    }
}

/// `grants` of a table.
pub(super) fn read_grants(table: &Table<'_>) -> BTreeSet<Grant> {
    let grant = |text: &str| match text {
        "wasi" => Ok(Grant::Wasi),
        _ => Err("is nothing that is granted; \"wasi\" is".to_owned()),
    };
    table.texts("grants", grant).into_iter().collect()
}
