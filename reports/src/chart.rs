//! Charts: data first, one drawing made of it. The SVG has no styles of its own: classes only, so that light, dark and
//! print use the page's colours, and every chart stands beside a table of its data.

use serde::{Deserialize, Serialize};

use crate::format;

/// A chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// The anchor; unique in the report.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// What a person who cannot see it should know.
    pub description: String,
    /// The data.
    pub data: Data,
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum Data {
    /// One bar a row, from zero.
    Bars {
        /// In order.
        rows: Vec<Bar>,
    },
    /// One bar a row, cut into parts that add up.
    Stacked {
        /// The names of the parts, in order.
        parts: Vec<String>,
        /// In order.
        rows: Vec<Stack>,
    },
    /// One small column chart a panel, all on one scale of their own.
    Multiples {
        /// In order.
        panels: Vec<Panel>,
    },
    /// One dot a value on a line from zero, with the objective as a mark.
    Dots {
        /// In order.
        rows: Vec<Strip>,
        /// The text at the right end of the axis.
        axis_end: String,
    },
}

/// A bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// What it is.
    pub label: String,
    /// Its length.
    pub value: i64,
    /// Its value in words.
    pub text: String,
}

/// A bar of parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// What it is.
    pub label: String,
    /// The lengths, one for each name; zero where there is none.
    pub values: Vec<i64>,
    /// The whole in words.
    pub text: String,
}

/// A small column chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panel {
    /// What it is.
    pub label: String,
    /// The columns, in order of time.
    pub values: Vec<i64>,
    /// The last one in words.
    pub last: String,
    /// The first and last label of the axis.
    pub axis: [String; 2],
}

/// A line of dots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strip {
    /// What it is.
    pub label: String,
    /// Where the dots are.
    pub values: Vec<i64>,
    /// Where the objective is, if there is one.
    pub objective: Option<i64>,
    /// How many dots, in words.
    pub text: String,
}

impl Chart {
    /// The drawing: one `<svg>` element without styles or scripts.
    pub fn svg(&self) -> String {
        let (height, body) = match &self.data {
            Data::Bars { rows } => bars(rows),
            Data::Stacked { parts, rows } => stacked(parts, rows),
            Data::Multiples { panels } => multiples(panels),
            Data::Dots { rows, axis_end } => dots(rows, axis_end),
        };
        // Rows can be read when they are drawn small with larger letters; panels side by side cannot.
        let class = match &self.data {
            Data::Multiples { .. } => "chart chart-multiples",
            _ => "chart",
        };
        let (id, title) = (&self.id, escape(&self.title));
        let description = escape(&self.description);
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
             <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-desc\">{description}</desc>\n{body}</svg>"
        )
    }
}

/// Lengths are whole units of the view box, so that no float is printed.
const WIDTH: i64 = 720;
const LABEL: i64 = 190;
const VALUE: i64 = 140;
const ROW: i64 = 34;
const TRACK: i64 = WIDTH - LABEL - VALUE;

fn bars(rows: &[Bar]) -> (i64, String) {
    let most = rows.iter().map(|r| r.value).max().unwrap_or(0).max(1);
    let mut out = String::new();
    for (at, row) in (0..).zip(rows) {
        let y = at * ROW;
        let width = scaled(row.value, most, TRACK).max(i64::from(row.value > 0) * 2);
        out.push_str(&label(0, y + 22, "label", &row.label));
        out.push_str(&rect(LABEL, y + 8, TRACK, 18, "track"));
        out.push_str(&rect(LABEL, y + 8, width, 18, "bar"));
        out.push_str(&label(WIDTH - VALUE + 12, y + 22, "value", &row.text));
    }
    (i64::try_from(rows.len()).unwrap_or(0) * ROW + 4, out)
}

fn stacked(parts: &[String], rows: &[Stack]) -> (i64, String) {
    let most = rows.iter().map(|r| r.values.iter().sum()).max().unwrap_or(0).max(1);
    let mut out = String::new();
    let step = WIDTH / i64::try_from(parts.len().max(1)).unwrap_or(1);
    for (at, part) in (0..).zip(parts) {
        out.push_str(&rect(at * step, 6, 14, 14, &format!("part part-{}", at + 1)));
        out.push_str(&label(at * step + 22, 18, "legend", part));
    }
    for (at, row) in (0..).zip(rows) {
        let y = at * ROW + 34;
        out.push_str(&label(0, y + 22, "label", &row.label));
        let mut before = 0;
        for (n, value) in (1..).zip(&row.values) {
            let (from, to) = (scaled(before, most, TRACK), scaled(before + value, most, TRACK));
            if to > from {
                out.push_str(&rect(LABEL + from, y + 6, to - from, 22, &format!("part part-{n}")));
            }
            before += value;
        }
        out.push_str(&label(WIDTH - VALUE + 12, y + 22, "value", &row.text));
    }
    (i64::try_from(rows.len()).unwrap_or(0) * ROW + 40, out)
}

fn multiples(panels: &[Panel]) -> (i64, String) {
    const PER_ROW: i64 = 4;
    const HEIGHT: i64 = 120;
    let width = (WIDTH - (PER_ROW - 1) * 24) / PER_ROW;
    let mut out = String::new();
    for (at, panel) in (0..).zip(panels) {
        let (x, y) = (at % PER_ROW * (width + 24), at / PER_ROW * (HEIGHT + 16));
        out.push_str(&label(x, y + 16, "label", &panel.label));
        out.push_str(&label_end(x + width, y + 16, "value", &panel.last));
        let most = panel.values.iter().copied().max().unwrap_or(0).max(1);
        let n = i64::try_from(panel.values.len().max(1)).unwrap_or(1);
        let column = width / n;
        for (k, value) in (0..).zip(&panel.values) {
            let tall = scaled(*value, most, 62).max(i64::from(*value > 0) * 2);
            let class = if k == n - 1 { "bar" } else { "bar faded" };
            out.push_str(&rect(x + k * column, y + 92 - tall, column - 3, tall, class));
        }
        out.push_str(&rect(x, y + 92, n * column - 3, 1, "axis"));
        out.push_str(&label(x, y + 110, "tick", &panel.axis[0]));
        out.push_str(&label_end(x + n * column - 3, y + 110, "tick", &panel.axis[1]));
    }
    let rows = (i64::try_from(panels.len()).unwrap_or(0) + PER_ROW - 1) / PER_ROW;
    (rows * (HEIGHT + 16), out)
}

fn dots(rows: &[Strip], axis_end: &str) -> (i64, String) {
    let all = rows.iter().flat_map(|r| r.values.iter().copied().chain(r.objective));
    let most = all.max().unwrap_or(0).max(1);
    let mut out = String::new();
    for (at, row) in (0..).zip(rows) {
        let y = at * ROW + 18;
        out.push_str(&label(0, y + 5, "label", &row.label));
        out.push_str(&rect(LABEL, y, TRACK, 1, "axis"));
        if let Some(objective) = row.objective {
            out.push_str(&rect(
                LABEL + scaled(objective, most, TRACK) - 1,
                y - 11,
                3,
                23,
                "objective",
            ));
        }
        for value in &row.values {
            let x = LABEL + scaled(*value, most, TRACK);
            format::add(
                &mut out,
                format_args!("<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"6\"></circle>\n"),
            );
        }
        out.push_str(&label(WIDTH - VALUE + 18, y + 5, "value", &row.text));
    }
    let foot = i64::try_from(rows.len()).unwrap_or(0) * ROW + 14;
    out.push_str(&label(LABEL, foot, "tick", "0"));
    out.push_str(&label_end(WIDTH - VALUE, foot, "tick", axis_end));
    (foot + 8, out)
}

fn scaled(value: i64, most: i64, length: i64) -> i64 {
    let scaled = i128::from(value.max(0)) * i128::from(length) / i128::from(most);
    i64::try_from(scaled).unwrap_or(length).min(length)
}

fn rect(x: i64, y: i64, width: i64, height: i64, class: &str) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"></rect>\n"
    )
}

fn label(x: i64, y: i64, class: &str, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", escape(text))
}

fn label_end(x: i64, y: i64, class: &str, text: &str) -> String {
    let text = escape(text);
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{text}</text>\n")
}

/// Text as the content of an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(data: Data) -> String {
        Chart { id: "c".into(), title: "A & B".into(), description: "<none>".into(), data }.svg()
    }

    #[test]
    fn a_bar_of_nothing_has_no_length_and_the_longest_fills_the_track() {
        let bar = |value| Bar { label: "x".into(), value, text: value.to_string() };
        let svg = chart(Data::Bars { rows: vec![bar(0), bar(1), bar(400)] });
        assert!(svg.contains("class=\"bar\" x=\"190\" y=\"8\" width=\"0\""));
        assert!(svg.contains("class=\"bar\" x=\"190\" y=\"42\" width=\"2\""));
        assert!(svg.contains(&format!("class=\"bar\" x=\"190\" y=\"76\" width=\"{TRACK}\"")));
        assert!(
            svg.contains("A &amp; B") && svg.contains("&lt;none&gt;") && !svg.contains("style")
        );
    }

    #[test]
    fn parts_meet_without_gap_or_overlap() {
        let row = Stack { label: "i".into(), values: vec![1, 1, 1], text: "3".into() };
        let parts = ["a", "b", "c"].map(str::to_owned).to_vec();
        let svg = chart(Data::Stacked { parts, rows: vec![row] });
        for (x, width) in [(190, 130), (320, 130), (450, 130)] {
            assert!(svg.contains(&format!("x=\"{x}\" y=\"40\" width=\"{width}\"")), "{x}: {svg}");
        }
    }

    #[test]
    fn an_empty_chart_is_still_a_drawing() {
        for data in [
            Data::Bars { rows: vec![] },
            Data::Multiples { panels: vec![] },
            Data::Dots { rows: vec![], axis_end: "1 h".into() },
        ] {
            assert!(chart(data).ends_with("</svg>"));
        }
    }
}
