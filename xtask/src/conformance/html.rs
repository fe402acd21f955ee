//! The conformance report as one page without links to anything.

use std::fmt::Write;

use kuramoto::conformance::{Outcome, Report, Row};

use super::Group;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #223; }
table { border-collapse: collapse; width: 100%; margin: 1em 0; }
th, td { text-align: left; padding: .25em .6em; border-bottom: 1px solid #dde; vertical-align: top; }
th { border-bottom: 2px solid #99a; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.fail { background: #fdd; } .skip { color: #778; }
summary { cursor: pointer; }
@media (prefers-color-scheme: dark) {
  body { background: #181a20; color: #dde; } th, td { border-color: #334; } .fail { background: #522; }
}
";

/// The page.
pub(super) fn page(report: &Report, groups: &[Group]) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Conformance of {adapter}</title>\n\
         <style>{STYLE}</style>\n<h1>Conformance</h1>\n<p>{adapter}, {driver}</p>\n\
         <p><strong>{} passed, {} failed, {} skipped.</strong>\n\
         A ratio is the largest error over what is allowed: up to 1 passes. The calibrated ratio uses the tighter bound \
         of nearest rounding, which software drivers meet.</p>\n",
        report.passed(),
        report.failed(),
        report.skipped(),
        adapter = escape(&report.adapter),
        driver = escape(&report.driver),
    );
    let failed: Vec<&Row> = report.rows.iter().filter(|row| row.outcome == Outcome::Fail).collect();
    if !failed.is_empty() {
        page.push_str("<h2>Failures</h2>\n");
        rows(&mut page, &failed);
    }
    page.push_str(
        "<h2>All ops</h2>\n<table>\n<tr><th>op<th>variant<th>dtype<th class=n>rows<th class=n>worst ratio\
         <th class=n>worst calibrated<th class=n>skipped<th class=n>failed</tr>\n",
    );
    for group in groups {
        let failed = group.count(Outcome::Fail);
        let _ = writeln!(
            page,
            "<tr{}><td>{}<td>{}<td>{}<td class=n>{}<td class=n>{:.3}<td class=n>{:.3}<td class=n>{}<td class=n>{failed}</tr>",
            if failed > 0 { " class=fail" } else { "" },
            escape(group.op),
            escape(group.variant),
            group.dtype,
            group.rows.len(),
            group.worst(|row| row.ratio),
            group.worst(|row| row.calibrated),
            group.count(Outcome::Skip),
        );
    }
    page.push_str("</table>\n<h2>All rows</h2>\n");
    for group in groups {
        let _ = writeln!(
            page,
            "<details><summary>{} / {} / {}: {} rows</summary>",
            escape(group.op),
            escape(group.variant),
            group.dtype,
            group.rows.len()
        );
        rows(&mut page, &group.rows);
        page.push_str("</details>\n");
    }
    page.push_str("</html>\n");
    page
}

fn rows(page: &mut String, rows: &[&Row]) {
    page.push_str(
        "<table>\n<tr><th>op<th>dtype<th>case<th>what<th class=n>ratio<th class=n>calibrated<th>result</tr>\n",
    );
    for row in rows {
        let (class, result) = match row.outcome {
            Outcome::Pass => ("", "pass"),
            Outcome::Fail => (" class=fail", "FAIL"),
            Outcome::Skip => (" class=skip", "skipped"),
        };
        let reason = if row.reason.is_empty() { String::new() } else { format!(": {}", escape(&row.reason)) };
        let _ = writeln!(
            page,
            "<tr{class}><td>{} / {}<td>{}<td>{}<td>{}<td class=n>{:.3}<td class=n>{:.3}<td>{result}{reason}</tr>",
            escape(row.op),
            escape(row.variant),
            row.dtype,
            escape(&row.case),
            escape(&row.what),
            row.ratio,
            row.calibrated
        );
    }
    page.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
