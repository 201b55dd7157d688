//! What one instance stands on.

use std::{sync::Arc, time::Duration};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_keyvalue::{WasiKeyValue, WasiKeyValueCtx, WasiKeyValueCtxBuilder};

use crate::{Options, outgoing::Outgoing};

/// One instance's.
pub struct State {
    pub table: ResourceTable,
    pub options: Arc<Options>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    variables: WasiConfigVariables,
    key_value: WasiKeyValueCtx,
}

impl State {
    pub fn new(options: &Arc<Options>) -> State {
        let mut wasi = WasiCtx::builder();
        match &options.log {
            Some(log) => wasi.stderr(log.clone()),
            None => wasi.inherit_stderr(),
        };
        if let Some(now) = options.now {
            wasi.wall_clock(Stopped(Duration::from_millis(now)));
        }
        State {
            table: ResourceTable::new(),
            options: options.clone(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outgoing: Outgoing::new(options.documents.clone()),
            variables: options.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            key_value: WasiKeyValueCtxBuilder::new().build(),
        }
    }

    /// Notes a call, where calls are noted.
    pub fn note(&self, call: &'static str) {
        if let Some(calls) = &self.options.calls {
            calls.note(call);
        }
    }

    /// As `wasmtime-wasi-config` has variables.
    pub fn config(&mut self) -> WasiConfig<'_> {
        WasiConfig::new(&self.variables)
    }

    /// As `wasmtime-wasi-keyvalue` has a store: it lives as long as the instance.
    pub fn key_value(&mut self) -> WasiKeyValue<'_> {
        WasiKeyValue::new(&self.key_value, &mut self.table)
    }
}

/// A clock that always says the same.
struct Stopped(Duration);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}
