//! The limits of the gate. None has a default, and zero is not a limit.

use super::Rate;
use core::fmt;

/// What the gate holds orders against. All given explicitly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest quantity of one order.
    pub max_qty: u64,
    /// Largest |price| × quantity of one order, in 1e-9 of the quote currency (18 billion fit).
    pub max_notional: u64,
    /// Largest |position| per instrument with all open orders of one side filled.
    pub max_position: u64,
    /// Most orders open at one time, requests on their way counted.
    pub max_open_orders: u32,
    /// Farthest from the reference, basis points.
    pub collar_bp: u32,
    /// Oldest event that may cause an order: sent to arrival, TSC ticks; in lock-step every event
    /// is of age 0.
    pub max_age: u64,
    /// New orders, in the unit of [`super::Now::time`].
    pub rate_new: Rate,
    /// Replacements.
    pub rate_replace: Rate,
    /// Both together; cancels charge it and are never refused.
    pub rate_total: Rate,
}

impl Limits {
    /// # Errors
    /// The first limit that is zero.
    pub fn check(&self) -> Result<(), LimitError> {
        let rates = [self.rate_new, self.rate_replace, self.rate_total];
        let [has_new, has_replace, has_total] = rates.map(|rate| rate.interval() > 0);
        for (is_given, name) in [
            (self.max_qty > 0, "max_qty"),
            (self.max_notional > 0, "max_notional"),
            (self.max_position > 0, "max_position"),
            (self.max_open_orders > 0, "max_open_orders"),
            (self.collar_bp > 0, "collar_bp"),
            (self.max_age > 0, "max_age"),
            (has_new, "rate_new"),
            (has_replace, "rate_replace"),
            (has_total, "rate_total"),
        ] {
            if !is_given {
                return Err(LimitError(name));
            }
        }
        Ok(())
    }
}

/// A limit that is zero, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError(pub &'static str);

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "risk limit {} is zero; it has no default, any value above 0 would do", self.0)
    }
}

impl core::error::Error for LimitError {}
