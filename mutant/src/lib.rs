//! Guards that a test can take out, to show that it notices.
//!
//! A proof that never failed proves little. Where the code has a guard that money depends on, it asks
//! [`mutant!`] whether the guard is taken out. In a release build it never is: the question is a
//! constant there, and costs nothing.

#[cfg(debug_assertions)]
use std::cell::Cell;

#[cfg(debug_assertions)]
thread_local! {
    static MUTANT: Cell<&'static str> = const { Cell::new("") };
}

/// Whether this guard is taken out.
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::is($name)
    };
}

/// Takes one guard out on this thread, until another one is named; "" takes none out.
#[cfg(debug_assertions)]
pub fn choose(name: &'static str) {
    MUTANT.set(name);
}

/// Whether this guard is taken out.
#[cfg(debug_assertions)]
#[must_use]
pub fn is(name: &str) -> bool {
    MUTANT.get() == name
}

/// Whether this guard is taken out: never, in a build that is shipped.
#[cfg(not(debug_assertions))]
#[must_use]
pub const fn is(_name: &str) -> bool {
    false
}
