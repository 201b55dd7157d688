//! A bump allocator: a plugin lives for one delivery, and what it allocates dies with it.
//!
//! Against the default allocator it spares the code, the bookkeeping, and above all the memory pages that are touched:
//! page faults are most of what a fresh instance costs.
#![allow(unsafe_code)]

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32,
    cell::Cell,
    ptr,
};

/// Free memory begins at `next` and ends at `end`; both 0 before the first allocation.
struct Bump {
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: a component's instance has one thread.
unsafe impl Sync for Bump {}

#[global_allocator]
static HEAP: Bump = Bump { next: Cell::new(0), end: Cell::new(0) };

const PAGE: usize = 64 << 10;

unsafe extern "C" {
    /// Where the linker's own data and stack end.
    static __heap_base: u8;
}

impl Bump {
    fn take(&self, size: usize, align: usize) -> Option<usize> {
        if self.end.get() == 0 {
            self.next.set(&raw const __heap_base as usize);
            self.end.set(wasm32::memory_size::<0>() * PAGE);
        }
        let start = self.next.get().checked_next_multiple_of(align)?;
        self.reach(start.checked_add(size)?)?;
        Some(start)
    }

    /// Makes `next` the new start of free memory, of which there is more where needed.
    fn reach(&self, next: usize) -> Option<()> {
        if next > self.end.get() {
            let pages = (next - self.end.get()).div_ceil(PAGE);
            if wasm32::memory_grow::<0>(pages) == usize::MAX {
                return None;
            }
            self.end.set(self.end.get() + pages * PAGE);
        }
        self.next.set(next);
        Some(())
    }

    fn is_last(&self, pointer: *mut u8, layout: Layout) -> bool {
        pointer as usize + layout.size() == self.next.get()
    }
}

// SAFETY: every allocation lies between the heap's base and the memory's end, aligned, and overlaps no other: `next` goes
// back only over the last one.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size(), layout.align()).map_or(ptr::null_mut(), |start| start as *mut u8)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if self.is_last(pointer, layout) {
            self.next.set(pointer as usize);
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // A buffer that grows is most often the last one made: it grows where it is.
        if self.is_last(pointer, layout) {
            return match (pointer as usize).checked_add(size).and_then(|next| self.reach(next)) {
                Some(()) => pointer,
                None => ptr::null_mut(),
            };
        }
        if size <= layout.size() {
            return pointer;
        }
        let Some(new) = self.take(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: both hold at least `layout.size()` bytes and do not overlap.
        unsafe { ptr::copy_nonoverlapping(pointer, new as *mut u8, layout.size()) };
        new as *mut u8
    }
}
