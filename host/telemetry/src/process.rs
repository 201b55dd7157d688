//! Figures of this process from the operating system, under the names that Prometheus' own client libraries give it
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::{
    handles::{counter, gauge},
    measures as measure,
};

/// Brings the figures up to date. Figures that the operating system does not provide stay as they are.
pub(super) fn update() {
    let (Ok(pid), Ok(mut system)) = (sysinfo::get_current_pid(), System::new()) else { return };
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
    let Some(process) = system.process(pid) else { return };
    counter(&measure::PROCESS_CPU_SECONDS, &[]).absolute(process.accumulated_cpu_time() / 1000);
    let set = |measure, value: u64| gauge(measure, &[]).set(value as f64);
    set(&measure::PROCESS_START_TIME, process.start_time());
    set(&measure::PROCESS_RESIDENT_MEMORY, process.memory());
    set(&measure::PROCESS_VIRTUAL_MEMORY, process.virtual_memory());
    if let Some(open) = process.open_files() {
        set(&measure::PROCESS_OPEN_FDS, open as u64);
    }
    if let Some(limit) = process.open_files_limit() {
        set(&measure::PROCESS_MAX_FDS, limit as u64);
    }
}
