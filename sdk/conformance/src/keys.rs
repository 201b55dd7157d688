//! The documents with keys that a vector brings with it, in place of those that the host would fetch.

use std::{collections::BTreeMap, sync::Arc};

use hookgate_capabilities::{Descriptor, FetchedKeys, Found, KeyDocument, KeyError, KeyRequest, UrlPattern};
use serde_json::Value;

/// Documents by their URLs. Documents that are fetched by POST are distinguished by their URL alone.
pub(crate) struct Documents {
    documents: BTreeMap<String, Value>,
    /// Where the plugin says that its keys are.
    patterns: Vec<UrlPattern>,
}

impl Documents {
    pub fn new(documents: BTreeMap<String, Value>, descriptor: &Descriptor) -> Arc<Self> {
        let patterns = descriptor.key_urls.iter().filter_map(|url| UrlPattern::new(url).ok()).collect();
        Arc::new(Documents { documents, patterns })
    }
}

impl FetchedKeys for Documents {
    fn find(&self, request: &KeyRequest) -> Found {
        let document = match self.documents.get(&request.url) {
            Some(Value::String(text)) => text.clone(),
            Some(json) => json.to_string(),
            None if self.patterns.iter().any(|pattern| pattern.fits(&request.url)) => return Found::Needed(None),
            None => return Found::Never(KeyError::NotAllowed),
        };
        match KeyDocument::read(&request.format, &request.at, document.as_bytes()) {
            Ok(keys) => Found::Document(Arc::new(keys), 1),
            Err(why) => Found::Never(KeyError::Unusable(why)),
        }
    }

    fn may_be_outdated(&self, _: &KeyRequest) -> bool {
        false
    }
}
