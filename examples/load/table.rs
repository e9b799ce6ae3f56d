//! The results, as the table for the documentation.

use std::fmt;

use super::run::{Figure, Work};

/// A line of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// The measurement; `None` for a value that is not a rate.
    pub(crate) measured: Option<(Work, usize)>,
    value: String,
    times: String,
    /// The upper bound, measured alternately with it.
    against: String,
    share: String,
    /// The processor time of the server per operation, and its ratio to that of the bound.
    processor: String,
    goal: String,
    /// The rate of PyKMIP's server, and the ratio of this server's rate to it.
    pub(crate) pykmip: Option<(f64, f64)>,
}

impl Row {
    pub(crate) fn plain(what: &str, work: Work, connections: usize, figure: Figure) -> Self {
        let Figure { rate, median, p99, max, .. } = figure;
        Self {
            what: what.to_owned(),
            measured: Some((work, connections)),
            value: format!("{rate:.0}/s"),
            times: format!("{median:.1?} · {p99:.1?} · {max:.1?}"),
            ..Self::default()
        }
    }

    /// Adds the upper bound.
    pub(crate) fn against(self, against: String, share: String, goal: String) -> Self {
        Self { against, share, goal, ..self }
    }

    /// Adds the processor time of client and server, which is independent of other processes.
    pub(crate) fn processor(self, figure: Figure, bound: Figure) -> Self {
        let share = bound.both.as_secs_f64() / figure.both.as_secs_f64();
        Self { processor: format!("{:.1?} · {share:.2}", figure.server), ..self }
    }

    /// Returns a row with the ratio to an upper bound.
    pub(crate) fn share(
        what: &str,
        work: Work,
        connections: usize,
        figure: Figure,
        against: String,
        share: f64,
        goal: f64,
    ) -> Self {
        let goal = format!("at least {goal}");
        Self::plain(what, work, connections, figure).against(against, format!("{share:.2}"), goal)
    }

    /// Returns a row with a multiple of another figure.
    pub(crate) fn times(
        what: &str,
        work: Work,
        connections: usize,
        figure: Figure,
        against: String,
        share: f64,
        goal: Option<f64>,
    ) -> Self {
        let goal = goal.map_or(String::new(), |goal| format!("at least {goal}"));
        Self::plain(what, work, connections, figure).against(against, ratio(share), goal)
    }
}

pub(crate) fn ratio(value: f64) -> String {
    format!("{value:.2} times")
}

/// All lines, and the measurements that failed.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn row(&mut self, row: Row) {
        eprintln!("{}: {} {}", row.what, row.value, row.share);
        self.rows.push(row);
    }

    pub(crate) fn value(&mut self, what: &str, value: String, goal: &str) {
        self.row(Row { what: what.to_owned(), value, goal: goal.to_owned(), ..Row::default() });
    }

    pub(crate) fn note(&mut self, note: String) {
        eprintln!("{note}");
        self.notes.push(note);
    }

    pub(crate) fn measured(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beside = self.rows.iter().any(|row| row.pykmip.is_some());
        let (head, line) = if beside { (" PyKMIP | Ratio |", "---|---|") } else { ("", "") };
        writeln!(
            f,
            "| What | Connections | Figure | Median · p99 · longest | Measured against | Share | Goal | CPU · share by it |{head}"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|{line}")?;
        for row in &self.rows {
            let connections = row.measured.map_or(String::new(), |(_, count)| count.to_string());
            let Row { what, value, times, against, share, goal, processor, .. } = row;
            write!(
                f,
                "| {what} | {connections} | {value} | {times} | {against} | {share} | {goal} | {processor} |"
            )?;
            match row.pykmip {
                Some((rate, ratio)) => writeln!(f, " {rate:.1}/s | {ratio:.0} |")?,
                None if beside => writeln!(f, " | |")?,
                None => writeln!(f)?,
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "\n{note}"))
    }
}
