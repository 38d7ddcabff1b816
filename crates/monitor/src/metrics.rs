//! Every metric that a file may name: those of our telemetry, those that a contract renames, those of
//! Prometheus, and those that rules record.

/// A metric by its name, and whether it is a histogram.
pub(crate) const METRICS: &[(&str, bool)] = &[
    // Of Prometheus.
    ("up", false),
    ("ALERTS", false),
    // Of the process.
    ("process_cpu_seconds_total", false),
    ("process_resident_memory_bytes", false),
    ("process_virtual_memory_bytes", false),
    ("process_open_fds", false),
    ("process_max_fds", false),
    ("process_start_time_seconds", false),
    ("process_threads", false),
    ("process_io_read_bytes_total", false),
    ("process_io_written_bytes_total", false),
    ("process_network_receive_bytes_total", false),
    ("process_network_transmit_bytes_total", false),
    ("process_heap_live_bytes", false),
    ("process_heap_allocated_bytes_total", false),
    ("process_heap_allocations_total", false),
    // Of the runtime.
    ("tokio_workers", false),
    ("tokio_alive_tasks", false),
    ("tokio_global_queue_depth", false),
    ("tokio_worker_busy_seconds_total", false),
    ("tokio_worker_parks_total", false),
    // Of pools and databases.
    ("pool_connections", false),
    ("pool_wait_seconds", true),
    ("pool_waiting", false),
    ("db_operations_total", false),
    ("db_operation_duration_seconds", true),
    ("db_size_bytes", false),
    ("db_connections", false),
    ("db_connection_wait_seconds", true),
    // Of functions.
    ("operation_duration_seconds", true),
    ("component_memory_bytes", false),
    ("accuracy_score", false),
    ("operation_errors_total", false),
    // Of queues.
    ("queue_length", false),
    ("queue_capacity", false),
    ("queue_jobs_total", false),
    ("queue_wait_seconds", true),
    ("workers_active", false),
    ("workers", false),
    // Of First Organism.
    ("first_organism_runs_total", false),
    ("first_organism_info", false),
    ("first_organism_latency_seconds", true),
];
