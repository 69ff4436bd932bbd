//! Medians, ratios, and whether they are what they should be.

use std::fmt;

/// Figures of several rounds.
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn new(mut figures: Vec<f64>) -> Figures {
        figures.sort_unstable_by(f64::total_cmp);
        Figures(figures)
    }

    /// Round by round, so that what else the machine did in a round hits both.
    pub fn ratios(these: &[f64], those: &[f64]) -> Figures {
        Figures::new(these.iter().zip(those).map(|(this, that)| this / that).collect())
    }

    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

/// `0.98 x (0.91 .. 1.07)`
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.0[0], self.0[self.0.len() - 1]);
        write!(f, "{:.2} x ({least:.2} .. {most:.2})", self.median())
    }
}

pub fn median(figures: &[f64]) -> f64 {
    Figures::new(figures.to_vec()).median()
}

/// What a ratio should be.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    MoreThan(f64),
    AtMost(f64),
    /// It is only told.
    None,
}

impl Goal {
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Goal::AtLeast(least) => figure >= least,
            Goal::MoreThan(bound) => figure > bound,
            Goal::AtMost(most) => figure <= most,
            Goal::None => true,
        }
    }

    /// `ok: at least 0.9`
    pub fn verdict(self, figure: f64) -> String {
        let word = if self.is_met(figure) { "ok" } else { "MISSED" };
        match self {
            Goal::AtLeast(least) => format!("{word}: at least {least}"),
            Goal::MoreThan(bound) => format!("{word}: more than {bound}"),
            Goal::AtMost(most) => format!("{word}: at most {most}"),
            Goal::None => String::new(),
        }
    }
}
