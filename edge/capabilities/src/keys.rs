//! Keys that the edge fetches for the plugin.
//!
//! In the gateway the plugin's call ends where keys are missing. Here nothing can end it, so the plugin learns that they
//! are unusable, whatever it says of the delivery is thrown away, and it is asked again when they are there.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use hookgate_capabilities::{
    CapabilityError, FetchedKeys, Found, KeyDocument, KeyError, KeyNeed, KeyRequest, OwnedKeyField, UrlPattern,
};
use sha2::{Digest as _, Sha256};

use crate::bindings::exports::hookgate::edge::gate;

/// What the plugin has asked for in vain.
#[derive(Default)]
pub struct Asked(RefCell<Option<KeyNeed>>);

impl Asked {
    /// The answer, unless keys are needed for it: then that is noted.
    pub fn unless_needed<R>(&self, answer: Result<Result<R, KeyError>, CapabilityError>) -> Result<R, KeyError> {
        match answer {
            Ok(answer) => answer,
            Err(CapabilityError::KeysNeeded(need)) => {
                *self.0.borrow_mut() = Some(*need);
                Err(KeyError::Unusable("they are yet to be fetched".to_owned()))
            }
            Err(broken) => panic!("{broken}"),
        }
    }

    /// What was noted, once.
    pub fn take(&self) -> Option<KeyNeed> {
        self.0.borrow_mut().take()
    }
}

/// What is at hand for one delivery.
pub struct Given {
    allowed: Vec<UrlPattern>,
    documents: Mutex<Vec<Document>>,
}

struct Document {
    request: KeyRequest,
    keys: Arc<KeyDocument>,
    is_new: bool,
}

impl Given {
    /// Nothing yet. A pattern that is none allows nothing.
    pub fn new(allowed: &[String]) -> Given {
        let allowed = allowed.iter().filter_map(|pattern| UrlPattern::new(pattern).ok()).collect();
        Given { allowed, documents: Mutex::default() }
    }

    /// Takes a document in.
    ///
    /// # Errors
    /// In words: it holds no keys.
    pub fn give(&self, request: &KeyRequest, document: &[u8], is_new: bool) -> Result<(), String> {
        let keys = Arc::new(KeyDocument::read(&request.format, &request.at, document)?);
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.retain(|known| known.request != *request);
        documents.push(Document { request: request.clone(), keys, is_new });
        Ok(())
    }
}

impl FetchedKeys for Given {
    fn find(&self, request: &KeyRequest) -> Found {
        if !self.allowed.iter().any(|pattern| pattern.fits(&request.url)) {
            return Found::Never(KeyError::NotAllowed);
        }
        let documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        match documents.iter().find(|known| known.request == *request) {
            Some(Document { keys, is_new, .. }) => Found::Document(keys.clone(), u64::from(*is_new)),
            None => Found::Needed(None),
        }
    }

    fn may_be_outdated(&self, request: &KeyRequest) -> bool {
        let documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.iter().any(|known| known.request == *request && !known.is_new)
    }
}

/// The need as the edge has it. The error is for the operator: a secret is missing.
pub fn need(source: &gate::Source, need: &KeyNeed) -> Result<gate::KeyNeed, String> {
    let request = &need.request;
    let id = Sha256::digest(format!("{:?} {request:?}", source.name));
    Ok(gate::KeyNeed {
        id: hex::encode(id),
        url: request.url.clone(),
        body: if request.fields.is_empty() { None } else { Some(object(source, &request.fields)?) },
        is_newer: need.newer_than.is_some(),
    })
}

fn object(source: &gate::Source, fields: &[(String, OwnedKeyField)]) -> Result<Vec<u8>, String> {
    let mut object: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, field) in fields {
        let text = match field {
            OwnedKeyField::Text(text) => text,
            OwnedKeyField::Secret(secret) => {
                let texts = source.secrets.iter().find(|text| text.name == *secret);
                let newest = texts.and_then(|text| text.versions.first());
                newest.ok_or_else(|| format!("the secret {secret} is not set, which asking for keys takes"))?
            }
        };
        object.insert(name, text);
    }
    serde_json::to_vec(&object).map_err(|error| error.to_string())
}
