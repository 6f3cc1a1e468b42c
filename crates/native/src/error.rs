//! Every Python exception that this module raises is made here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

/// `ValueError: detail`.
pub fn value_error(detail: impl Into<String>) -> PyErr {
    PyValueError::new_err(detail.into())
}

/// Runs `f`; a panic in it becomes an error text instead of a `PanicException`, which no caller expects because it is
/// not an `Exception`. Used where a library works on bytes that a remote chose.
///
/// What `f` worked on must not be used again after an error.
pub fn contain_panic<T>(what: &str, f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let reason = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        format!("internal error in {what}: {reason}")
    })
}
