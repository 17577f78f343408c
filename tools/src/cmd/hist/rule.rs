//! A service level objective as one line: `tick_to_order p99.9 < 2us`.
//!
//! ```text
//! [TAG] QUANTITY OPERATOR LIMIT
//!       p0 … p100, min, mean, max     < or <=     a number with ns, us, ms or s
//! ```
//! Without a tag the rule is for every tag. A percentile is the upper end of its cell, so a value
//! that may be over the limit counts as over.

use super::load::Sum;
use super::unit::Unit;
use std::fmt;
use tickspin_results::table::grouped;

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cmd) struct Rule {
    /// `None`: every tag.
    pub(in crate::cmd) tag: Option<String>,
    pub(in crate::cmd) quantity: Quantity,
    /// The limit itself is allowed.
    pub(super) or_equal: bool,
    pub(in crate::cmd) limit_ns: f64,
    text: String,
}

/// What of a histogram a rule is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cmd) enum Quantity {
    /// 0..=1.
    Quantile(f64),
    Min,
    Mean,
    Max,
}

/// What came of a rule on one tag.
pub(in crate::cmd) struct Finding<'r> {
    pub(in crate::cmd) rule: &'r Rule,
    pub(in crate::cmd) tag: String,
    pub(in crate::cmd) value_ns: f64,
    pub(in crate::cmd) count: u64,
}

impl Quantity {
    /// From its name.
    pub(super) fn named(name: &str) -> Option<Quantity> {
        match name {
            "min" => Some(Quantity::Min),
            "mean" => Some(Quantity::Mean),
            "max" => Some(Quantity::Max),
            name => {
                let digits = name.strip_prefix('p')?;
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                // Shifted as text: 99.9 / 100 is a little more than 0.999.
                let quantile: f64 = format!("{digits}e-2").parse().ok().filter(|_| is_number)?;
                (quantile <= 1.0).then_some(Quantity::Quantile(quantile))
            }
        }
    }

    /// Of values that are there.
    pub(super) fn of(self, values: &hdrhistogram::Histogram<u64>) -> f64 {
        match self {
            Quantity::Quantile(quantile) => values.value_at_quantile(quantile) as f64,
            Quantity::Min => values.min() as f64,
            Quantity::Mean => values.mean(),
            Quantity::Max => values.max() as f64,
        }
    }
}

impl Rule {
    /// Is `value_ns` within the limit?
    pub(super) fn allows(&self, value_ns: f64) -> bool {
        value_ns < self.limit_ns || self.or_equal && value_ns <= self.limit_ns
    }

    /// Does the rule speak of this tag?
    pub(in crate::cmd) fn is_for(&self, tag: &str) -> bool {
        self.tag.as_deref().is_none_or(|wished| wished == tag)
    }

    /// Looks at every tag the rule is for.
    ///
    /// # Errors
    /// No such tag, or a tag without a value: nothing can be said.
    pub(in crate::cmd) fn find<'r>(&'r self, sums: &[Sum]) -> Result<Vec<Finding<'r>>, String> {
        let meant: Vec<&Sum> = sums.iter().filter(|sum| self.is_for(&sum.tag)).collect();
        if meant.is_empty() {
            let known: Vec<&str> = sums.iter().map(Sum::name).collect();
            return Err(format!("{self}: no such tag; there is {}", known.join(", ")));
        }
        let findings = meant.into_iter().map(|sum| match sum.values.is_empty() {
            true => Err(format!("{self}: {} has no values, nothing to check", sum.name())),
            false => Ok(Finding {
                rule: self,
                tag: sum.name().to_owned(),
                value_ns: self.quantity.of(&sum.values),
                count: sum.values.len(),
            }),
        });
        findings.collect()
    }
}

impl Finding<'_> {
    pub(in crate::cmd) fn is_ok(&self) -> bool {
        self.rule.allows(self.value_ns)
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { rule, tag, value_ns, count } = self;
        let whose = if rule.tag.is_none() { format!("{tag} ") } else { String::new() };
        let (value, count) = (grouped(value_ns.round() as u64), grouped(*count));
        write!(f, "{whose}{rule}: {value} ns of {count} values")?;
        match self.is_ok() {
            true => Ok(()),
            false => write!(f, ", {}", word(*value_ns, rule.limit_ns, rule.or_equal)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `ok`, or by what factor a value is over its limit.
pub(super) fn word(value_ns: f64, limit_ns: f64, or_equal: bool) -> String {
    if value_ns < limit_ns || or_equal && value_ns <= limit_ns {
        return "ok".to_owned();
    }
    let ratio = value_ns / limit_ns;
    match ratio {
        _ if value_ns == limit_ns => "at the limit".to_owned(),
        ..1.095 => format!("over by {ratio:.3}x"),
        ..9.95 => format!("over by {ratio:.1}x"),
        _ if ratio.is_finite() => format!("over by {}x", grouped(ratio.round() as u64)),
        _ => "over".to_owned(),
    }
}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        const SHAPE: &str = "a rule is like 'tick_to_order p99.9 < 2us'";
        let text = text.trim();
        let Some(at) = text.find('<') else {
            return Err(format!("'{text}' has neither < nor <=; {SHAPE}"));
        };
        let (left, right) = text.split_at(at);
        let (or_equal, right) = match right.strip_prefix("<=") {
            Some(rest) => (true, rest),
            None => (false, &right[1..]),
        };
        let mut words = left.split_whitespace().rev();
        let Some(name) = words.next() else {
            return Err(format!("'{text}' has nothing before its operator; {SHAPE}"));
        };
        let Some(quantity) = Quantity::named(name) else {
            return Err(format!("'{name}' is none of p0 to p100, min, mean, max; {SHAPE}"));
        };
        let tag = words.next().map(str::to_owned);
        if let Some(extra) = words.next() {
            return Err(format!("'{extra}' is one word too many; {SHAPE}"));
        }
        let right = right.trim();
        let end = right.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(right.len());
        let (number, unit) = (&right[..end], right[end..].trim());
        let Ok(limit) = number.parse::<f64>() else {
            return Err(format!("'{right}' is no limit: a number and a unit; {SHAPE}"));
        };
        if unit.is_empty() {
            return Err(format!("'{right}' has no unit: ns, us, ms or s"));
        }
        let Some(known) = Unit::named(unit) else {
            return Err(format!("'{unit}' is no unit: ns, us, ms or s"));
        };
        let operator = if or_equal { "<=" } else { "<" };
        let who = tag.as_deref().map(|tag| format!("{tag} ")).unwrap_or_default();
        let text = format!("{who}{name} {operator} {number}{unit}");
        Ok(Rule { tag, quantity, or_equal, limit_ns: limit * known.ns() as f64, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_however_they_are_spaced() {
        for text in
            ["book p99.9 < 2us", " book  p99.9<2us", "book p99.9 < 2 µs", "book p99.9 < 2000ns"]
        {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.tag.as_deref(), Some("book"), "{text}");
            assert_eq!(rule.quantity, Quantity::Quantile(0.999), "{text}");
            assert_eq!((rule.limit_ns, rule.or_equal), (2_000.0, false), "{text}");
        }
        let rule: Rule = "max <= 1.5ms".parse().unwrap();
        assert_eq!((rule.tag.as_deref(), rule.quantity), (None, Quantity::Max));
        assert!(rule.allows(1_500_000.0) && !rule.allows(1_500_001.0));
        assert_eq!(rule.to_string(), "max <= 1.5ms");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("book p99 2us", "neither <"),
            ("< 2us", "before its operator"),
            ("book q99 < 2us", "'q99'"),
            ("book p101 < 2us", "'p101'"),
            ("book p-1 < 2us", "'p-1'"),
            ("book pinf < 2us", "'pinf'"),
            ("the book p99 < 2us", "'the'"),
            ("book p99 < 2", "no unit"),
            ("book p99 < 2 years", "'years'"),
            ("book p99 < us", "no limit"),
            ("book p99 <", "no limit"),
            ("", "neither <"),
        ] {
            let error = text.parse::<Rule>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn the_words_say_by_how_much() {
        for (value, text) in [
            (999.0, "ok"),
            (1_000.0, "at the limit"),
            (1_001.0, "over by 1.001x"),
            (1_300.0, "over by 1.3x"),
            (9_960.0, "over by 10x"),
            (1_234_567.0, "over by 1,235x"),
        ] {
            assert_eq!(word(value, 1_000.0, false), text);
        }
        assert_eq!(word(1_000.0, 1_000.0, true), "ok");
        assert_eq!(word(1.0, 0.0, false), "over");
    }
}
