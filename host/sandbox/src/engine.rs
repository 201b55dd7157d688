//! The wasmtime engine: how components are compiled, where their memory comes from, and what stops a call that does not
//! end.

use std::{num::NonZeroUsize, time::Duration};

use hookgate_model::limits;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails,
};

/// What a call of a plugin may take; the same for all.
#[derive(Clone, Copy, Debug)]
pub struct SandboxLimits {
    /// Calls at once.
    pub concurrency: u32,
    /// Bytes of linear memory for one call, all memories of the component together.
    pub memory_bytes: usize,
    /// Computing time of one call, what the host does for it included; looked at with each [`crate::ticker::TICK`].
    pub time: Duration,
}

/// Makes the engine. Its epoch is moved on by a [`crate::ticker::Ticker`].
///
/// The settings are those that measured best for a fresh instance a delivery; `docs/benchmarks.md` has the figures.
pub fn engine(limits: &SandboxLimits) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    // The world is synchronous: no state for concurrent guests in each store.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    // Plugins are compiled beside deliveries, too, and must not take every processor from them. At the start several are
    // compiled at once.
    config.parallel_compilation(false);
    // A trap is reported by its reason; walking the stack of a stranger's code does not help an operator.
    config.wasm_backtrace_max_frames(NonZeroUsize::new(16));
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.memory_init_cow(true);
    config.max_wasm_stack(limits::PLUGIN_STACK_BYTES_MAX);
    config.async_stack_size(limits::PLUGIN_STACK_BYTES_MAX + 256 * 1024);
    // Same inputs, same outputs, on every machine.
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    Engine::new(&config)
}

fn pool(limits: &SandboxLimits) -> PoolingAllocationConfig {
    let calls = limits.concurrency;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls);
    pool.total_core_instances(calls * limits::PLUGIN_CORE_INSTANCES_MAX);
    pool.total_memories(calls * limits::PLUGIN_MEMORIES_MAX);
    // A slot remembers the plugin that it was used for, and is cheap for no other. As many of them may be kept so as there
    // are: with fewer, fifty plugins take each other's (docs/benchmarks.md).
    pool.max_unused_warm_slots(calls * limits::PLUGIN_MEMORIES_MAX);
    pool.total_tables(calls * limits::PLUGIN_TABLES_MAX);
    pool.total_stacks(calls);
    pool.max_core_instances_per_component(limits::PLUGIN_CORE_INSTANCES_MAX);
    pool.max_memories_per_component(limits::PLUGIN_MEMORIES_MAX);
    pool.max_tables_per_component(limits::PLUGIN_TABLES_MAX);
    pool.max_memory_size(limits.memory_bytes);
    pool.table_elements(limits::PLUGIN_TABLE_ELEMENTS_MAX);
    pool.max_component_instance_size(limits::PLUGIN_INSTANCE_BYTES_MAX);
    pool.max_core_instance_size(limits::PLUGIN_INSTANCE_BYTES_MAX);
    // Memory that a call has touched is wiped and kept, up to this much; beyond it goes back to the kernel. With
    // PAGEMAP_SCAN (Linux 6.7) only pages that were really written are wiped.
    pool.linear_memory_keep_resident(limits::PLUGIN_RESIDENT_BYTES_MAX);
    pool.table_keep_resident(64 * 1024);
    pool.pagemap_scan(Enabled::Auto);
    pool
}
