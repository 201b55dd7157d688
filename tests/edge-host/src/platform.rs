//! The key-value store and the variables, under Spin's names and under those of wasmtime's crates.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use wasmtime::{
    Result,
    component::{HasSelf, Linker, Resource},
};

use crate::state::State;

mod spin {
    wasmtime::component::bindgen!({
        inline: "
            package hookgate:edge-host;
            world spin {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:config/store@0.2.0-draft-2024-09-27;
            }
        ",
        path: ["../../edge/wit/deps/keyvalue", "../../edge/wit/deps/config"],
        imports: { default: trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
    });
}

use spin::wasi::{
    config::store as variables,
    keyvalue::store::{self as key_value, Error},
};

/// A key-value store in memory. Cheap to clone, and then the same.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    values: BTreeMap<String, Vec<u8>>,
    fault: Option<Fault>,
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is none.
    Missing,
    /// It answers nothing that is asked.
    Reading,
    /// It keeps nothing.
    Writing,
}

impl Store {
    /// Has it fail from now on, or not any more.
    pub fn fail(&self, fault: Option<Fault>) {
        self.kept(|kept| kept.fault = fault);
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        self.kept(|kept| kept.values.len())
    }

    fn kept<R>(&self, with: impl FnOnce(&mut Kept) -> R) -> R {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn unless(&self, fault: Fault) -> Result<(), Error> {
        if self.kept(|kept| kept.fault) == Some(fault) {
            Err(Error::Other("it fails, as the test wants".to_owned()))
        } else {
            Ok(())
        }
    }
}

/// What a component has opened.
pub struct Bucket;

/// Adds all of it.
pub fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    key_value::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    variables::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wasmtime_wasi_config::add_to_linker(linker, State::config)?;
    wasmtime_wasi_keyvalue::add_to_linker(linker, State::key_value)?;
    Ok(())
}

impl variables::Host for State {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, variables::Error>> {
        self.note("variables.get");
        Ok(Ok(self.options.variables.get(&key).cloned()))
    }

    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, variables::Error>> {
        self.note("variables.get-all");
        Ok(Ok(self.options.variables.clone().into_iter().collect()))
    }
}

impl key_value::Host for State {
    fn open(&mut self, identifier: String) -> Result<Result<Resource<Bucket>, Error>> {
        self.note("store.open");
        let is_there = identifier == "default" && self.options.store.unless(Fault::Missing).is_ok();
        if is_there { Ok(Ok(self.table.push(Bucket)?)) } else { Ok(Err(Error::NoSuchStore)) }
    }
}

impl key_value::HostBucket for State {
    fn get(&mut self, _: Resource<Bucket>, key: String) -> Result<Result<Option<Vec<u8>>, Error>> {
        self.note("store.get");
        let store = &self.options.store;
        Ok(store.unless(Fault::Reading).map(|()| store.kept(|kept| kept.values.get(&key).cloned())))
    }

    fn set(&mut self, _: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<Result<(), Error>> {
        self.note("store.set");
        let store = &self.options.store;
        Ok(store.unless(Fault::Writing).map(|()| drop(store.kept(|kept| kept.values.insert(key, value)))))
    }

    fn delete(&mut self, _: Resource<Bucket>, key: String) -> Result<Result<(), Error>> {
        self.note("store.delete");
        let store = &self.options.store;
        Ok(store.unless(Fault::Writing).map(|()| drop(store.kept(|kept| kept.values.remove(&key)))))
    }

    fn exists(&mut self, _: Resource<Bucket>, key: String) -> Result<Result<bool, Error>> {
        self.note("store.exists");
        let store = &self.options.store;
        Ok(store.unless(Fault::Reading).map(|()| store.kept(|kept| kept.values.contains_key(&key))))
    }

    fn list_keys(&mut self, _: Resource<Bucket>, _: Option<String>) -> Result<Result<key_value::KeyResponse, Error>> {
        self.note("store.list-keys");
        let store = &self.options.store;
        let keys = || store.kept(|kept| kept.values.keys().cloned().collect());
        Ok(store.unless(Fault::Reading).map(|()| key_value::KeyResponse { keys: keys(), cursor: None }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}
