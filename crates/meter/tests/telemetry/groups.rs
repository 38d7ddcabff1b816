//! Pools, databases, queues and functions.

use std::{
    future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use perf_passport_meter::{
    telemetry::{
        DatabaseMetrics, FunctionMetrics, PoolConnections, PoolMetrics, QueueMetrics, Registry,
    },
    units::{Bytes, Count, Nanos},
};
use tokio::runtime;

use super::{Hand, sample, samples};

fn registry() -> (Registry, Hand) {
    let hand = Hand::default();
    (Registry::with_clock(Arc::new(hand.clone())), hand)
}

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready"),
    }
}

#[test]
fn a_pool_shows_who_waits_and_for_how_long() {
    let (registry, hand) = registry();
    let database = DatabaseMetrics::new(&registry, "main").unwrap();
    let pool = PoolMetrics::new(&registry, "p").unwrap().of_database(&database);
    let [idle, used, max] = [1, 2, 8].map(Count::new);
    pool.on_scrape(move || PoolConnections { idle, used, max });
    let waiting = |registry: &Registry| sample(registry, "pool_waiting", "{pool=\"p\"}").unwrap();

    let mut cancelled = Box::pin(pool.acquire(future::pending::<()>()));
    assert_eq!(waiting(&registry), "0", "nobody waits before the first poll");
    assert!(cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(waiting(&registry), "1");
    hand.put(Duration::from_millis(20));
    drop(cancelled);
    assert_eq!(waiting(&registry), "0");
    assert_eq!(ready(pool.acquire(future::ready(Err::<(), _>("timeout")))), Err("timeout"));
    let timer = pool.timer();
    hand.put(Duration::from_millis(25));
    drop(timer);

    for (name, labels) in [
        ("pool_wait_seconds", "{pool=\"p\"}"),
        ("db_connection_wait_seconds", "{database=\"main\"}"),
    ] {
        assert_eq!(sample(&registry, &format!("{name}_count"), labels).unwrap(), "3", "{name}");
        assert_eq!(sample(&registry, &format!("{name}_sum"), labels).unwrap(), "0.025", "{name}");
    }
    let connections = samples(&registry, "pool_connections");
    assert_eq!(
        connections,
        [
            "{pool=\"p\",state=\"idle\"} 1",
            "{pool=\"p\",state=\"max\"} 8",
            "{pool=\"p\",state=\"used\"} 2"
        ]
    );
}

#[test]
fn an_operation_on_a_table_counts_by_its_outcome() {
    let (registry, hand) = registry();
    let database = DatabaseMetrics::new(&registry, "main").unwrap();
    assert_eq!(database.operation("select", "users").done(Ok::<_, ()>(7)), Ok(7));
    assert_eq!(database.operation("select", "users").done(Err::<(), _>("no")), Err("no"));
    let operation = database.operation("insert", "users");
    hand.put(Duration::from_millis(3));
    drop(operation);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _operation = database.operation("insert", "users");
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    database.set_size(Bytes::new(4096));
    database.set_connections(Count::new(3));
    assert_eq!(
        samples(&registry, "db_operations_total"),
        [
            "{operation=\"insert\",table=\"users\",outcome=\"aborted\"} 1",
            "{operation=\"insert\",table=\"users\",outcome=\"error\"} 1",
            "{operation=\"select\",table=\"users\",outcome=\"error\"} 1",
            "{operation=\"select\",table=\"users\",outcome=\"ok\"} 1",
        ]
    );
    assert_eq!(
        samples(&registry, "db_operation_duration_seconds_sum"),
        [
            "{operation=\"insert\",table=\"users\"} 0.003",
            "{operation=\"select\",table=\"users\"} 0"
        ]
    );
    assert_eq!(samples(&registry, "db_size_bytes"), ["{database=\"main\"} 4096"]);
    assert_eq!(samples(&registry, "db_connections"), ["{database=\"main\"} 3"]);
}

#[test]
fn a_job_counts_once_wherever_it_ends() {
    let (registry, hand) = registry();
    let queue = QueueMetrics::new(&registry, "q", Count::new(3)).unwrap();
    queue.set_workers(Count::new(2));
    let jobs: Vec<_> = (0..4).map(|_| queue.enqueued()).collect();
    queue.rejected();
    assert_eq!((queue.length(), queue.active_workers()), (Count::new(4), Count::ZERO));
    hand.put(Duration::from_millis(40));
    let mut jobs = jobs.into_iter();
    let [first, second, third] = [(); 3].map(|()| jobs.next().unwrap().started());
    assert_eq!((queue.length(), queue.active_workers()), (Count::new(1), Count::new(3)));
    first.done();
    second.failed();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _running = third;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    drop(jobs);
    assert_eq!((queue.length(), queue.active_workers()), (Count::ZERO, Count::ZERO));
    assert_eq!(
        samples(&registry, "queue_jobs_total"),
        [
            "{queue=\"q\",outcome=\"done\"} 1",
            "{queue=\"q\",outcome=\"dropped\"} 1",
            "{queue=\"q\",outcome=\"failed\"} 2",
            "{queue=\"q\",outcome=\"lost\"} 0",
            "{queue=\"q\",outcome=\"rejected\"} 1"
        ]
    );
    assert_eq!(samples(&registry, "queue_wait_seconds_sum"), ["{queue=\"q\"} 0.12"]);
    assert_eq!(samples(&registry, "queue_wait_seconds_count"), ["{queue=\"q\"} 3"]);
    for (name, figure) in
        [("queue_capacity", 3), ("workers", 2), ("queue_length", 0), ("workers_active", 0)]
    {
        assert_eq!(samples(&registry, name), [format!("{{queue=\"q\"}} {figure}")]);
    }
}

/// A queue in a database has no guards, and its jobs stay there until they are done.
#[test]
fn a_queue_that_is_elsewhere_tells_its_length_and_keeps_its_jobs() {
    let (registry, _) = registry();
    let queue = QueueMetrics::new(&registry, "q", Count::new(3)).unwrap();
    queue.set_length(Some(Count::new(2)));
    assert_eq!(samples(&registry, "queue_length"), ["{queue=\"q\"} 2"]);
    queue.set_length(None);
    assert!(samples(&registry, "queue_length").is_empty());
    queue.started(Some(Nanos::new(1_000_000))).kept().done();
    queue.started(None).kept().failed();
    drop(queue.started(None).kept());
    assert_eq!(queue.active_workers(), Count::ZERO);
    let jobs = samples(&registry, "queue_jobs_total");
    for outcome in ["done", "failed", "lost"] {
        assert!(jobs.contains(&format!("{{queue=\"q\",outcome=\"{outcome}\"}} 1")), "{jobs:?}");
    }
    assert_eq!(samples(&registry, "queue_wait_seconds_sum"), ["{queue=\"q\"} 0.001"]);
    assert_eq!(samples(&registry, "queue_wait_seconds_count"), ["{queue=\"q\"} 1"]);
}

#[test]
fn functions_have_time_errors_memory_and_accuracy() {
    let (registry, hand) = registry();
    let functions = FunctionMetrics::new(&registry).unwrap();
    let kind = |_: &&str| "bad";
    let work = || {
        hand.put(Duration::from_millis(9));
        Err::<(), _>("no")
    };
    assert_eq!(functions.call("f", "small", kind, work), Err("no"));
    assert_eq!(functions.call("f", "small", kind, || Ok(7)), Ok(7));
    let panics =
        || functions.call("f", "small", kind, || -> Result<(), &str> { panic!("on purpose") });
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());

    let done = functions.call_async("g", "large", kind, future::ready(Ok(7)));
    assert_eq!(ready(done), Ok(7));
    assert_eq!(
        ready(functions.call_async("g", "large", kind, future::ready(Err::<(), _>("no")))),
        Err("no")
    );
    let waits = future::pending::<Result<(), &str>>();
    let mut cancelled = Box::pin(functions.call_async("g", "large", kind, waits));
    assert!(cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(cancelled);
    functions.timer("h", "small").failed("odd");
    drop(functions.timer("h", "small"));
    functions.set_memory("store", Bytes::new(1024));
    functions.set_accuracy("parser", 0.97);

    assert_eq!(
        samples(&registry, "operation_errors_total"),
        [
            "{operation=\"f\",error=\"bad\"} 1",
            "{operation=\"f\",error=\"panic\"} 1",
            "{operation=\"g\",error=\"aborted\"} 1",
            "{operation=\"g\",error=\"bad\"} 1",
            "{operation=\"h\",error=\"odd\"} 1"
        ]
    );
    assert_eq!(
        samples(&registry, "operation_duration_seconds_count"),
        [
            "{operation=\"f\",size=\"small\"} 3",
            "{operation=\"g\",size=\"large\"} 3",
            "{operation=\"h\",size=\"small\"} 2"
        ]
    );
    let labels = "{operation=\"f\",size=\"small\"}";
    assert_eq!(sample(&registry, "operation_duration_seconds_sum", labels).unwrap(), "0.009");
    assert_eq!(samples(&registry, "component_memory_bytes"), ["{component=\"store\"} 1024"]);
    assert_eq!(samples(&registry, "accuracy_score"), ["{test=\"parser\"} 0.97"]);
}

#[test]
fn jobs_and_operations_of_many_threads_are_all_counted() {
    let (registry, _) = registry();
    let queue = QueueMetrics::new(&registry, "q", Count::new(1000)).unwrap();
    let database = DatabaseMetrics::new(&registry, "main").unwrap();
    let runtime = runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (queue, database) = (queue.clone(), database.clone());
                tokio::spawn(async move {
                    let queued = queue.enqueued();
                    tokio::task::yield_now().await;
                    let running = queued.started();
                    database.operation("select", "t").ok();
                    running.done();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let done = sample(&registry, "queue_jobs_total", "{queue=\"q\",outcome=\"done\"}");
    assert_eq!(done.unwrap(), "200");
    assert_eq!(queue.length(), Count::ZERO);
    let labels = "{operation=\"select\",table=\"t\",outcome=\"ok\"}";
    assert_eq!(sample(&registry, "db_operations_total", labels).unwrap(), "200");
}
