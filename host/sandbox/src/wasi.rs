//! WASI 0.2 with nothing granted, for components whose language cannot do without it.
//!
//! No files, environment, arguments or network. The wall clock stands at the time the delivery was received, the
//! monotonic clock at zero, and random bytes are the same in every call: a plugin is a function of its inputs, whatever
//! it was written in. What it prints goes to the log, bounded.

use std::time::Duration;

use hookgate_model::limits;
use rand::{SeedableRng, rngs::StdRng};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView, p2::pipe::MemoryOutputPipe};

use super::call::Call;

/// The state of WASI in one call.
pub struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    output: MemoryOutputPipe,
}

impl Wasi {
    /// For a call on a delivery received at that time (milliseconds since the epoch).
    pub fn new(received_at: u64) -> Self {
        let output = MemoryOutputPipe::new(limits::PLUGIN_LOG_BYTES_MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::PLUGIN_HANDLES_MAX);
        let ctx = WasiCtx::builder()
            .stdout(output.clone())
            .stderr(output.clone())
            .secure_random(StdRng::seed_from_u64(0))
            .insecure_random(StdRng::seed_from_u64(0))
            .insecure_random_seed(0)
            .max_random_size(64 * 1024)
            .wall_clock(Stopped(received_at))
            .monotonic_clock(Stopped(0))
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        Wasi { ctx, table, output }
    }

    /// What the guest printed, at most [`limits::PLUGIN_LOG_BYTES_MAX`] bytes.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.output.contents()).into_owned()
    }
}

/// Adds WASI to a linker. Components that do not import it pay nothing.
pub fn add_to_linker(linker: &mut Linker<Call>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

impl WasiView for Call {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let received_at = self.delivery.received_at();
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(received_at)));
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

/// A clock that stands still, at that many milliseconds.
struct Stopped(u64);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.0
    }
}
