//! Threads that never rest, as another build on the same machine would not.

use std::{
    hint::{black_box, spin_loop},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Threads that end when this is dropped.
pub(super) struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    pub(super) fn start(threads: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads).map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut state = 1_u64;
                while !stop.load(Ordering::Relaxed) {
                    // Arithmetic, and not only waiting: a core that waits is faster for the others.
                    for _ in 0..1_000 {
                        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005));
                    }
                    spin_loop();
                }
            })
        });
        Self { threads: threads.collect(), stop }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
