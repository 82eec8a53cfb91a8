//! `doctor`: what a newcomer trips over on this machine, and what to do about it.
//!
//! - [`machine`] is folders, containment, limits and the clock; [`devices`] cameras, gamepads, ports, buses and the display.
//! - [`graphs`] is what given graph files need: their programs, ports, peers and keys; [`named`] the devices that their nodes name.
//! - [`rights`] is why a device may not be used, and what mends that.
//!
//! It never changes anything.

use std::{fmt, path::PathBuf};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{
    cli::ColorArg,
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
};

mod devices;
mod graphs;
mod machine;
mod named;
mod rights;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Not there or not to be used; whether that is wrong depends on what one wants.
    Note,
    /// Works, but not as well as it could.
    Warn,
    /// Will not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    what: String,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(rename = "do")]
    mend: Option<String>,
}

impl Finding {
    fn new(what: impl fmt::Display, state: State, found: impl fmt::Display) -> Finding {
        Finding { what: what.to_string(), state, found: found.to_string(), mend: None }
    }

    fn ok(what: impl fmt::Display, found: impl fmt::Display) -> Finding {
        Finding::new(what, State::Ok, found)
    }

    fn mend(self, mend: impl fmt::Display) -> Finding {
        Finding { mend: Some(mend.to_string()), ..self }
    }
}

/// `doctor`.
///
/// # Errors
/// When something will not work; then all of it was printed.
pub(crate) fn doctor(files: &[PathBuf], json: bool, color: &ColorArg) -> Result<(), Failure> {
    let mut findings = machine::findings();
    findings.extend(devices::findings());
    findings.extend(graphs::findings(files));
    if json {
        findings.iter().try_for_each(print_json)?;
    } else {
        print(&text(&findings, color.is_on(&std::io::stdout())))?;
    }
    let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
    match bad {
        0 => Ok(()),
        1 => Err(Failure::new(code::OTHER, "one thing will not work; what to do stands beside it")),
        _ => Err(Failure::new(code::OTHER, format!("{bad} things will not work; what to do stands beside them"))),
    }
}

fn text(findings: &[Finding], color: bool) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for Finding { what, state, found, mend } in findings {
        let (word, style) = match state {
            State::Ok => ("ok", AnsiColor::Green.on_default()),
            State::Note => ("note", Style::new().dimmed()),
            State::Warn => ("warn", AnsiColor::Yellow.on_default()),
            State::Bad => ("BAD", AnsiColor::Red.on_default().bold()),
        };
        let style = if color { style } else { Style::new() };
        out += &format!("{style}{word:4}{style:#}  {what:width$}  {}\n", crate::words::escape(found));
        for line in mend.iter().flat_map(|mend| mend.lines()) {
            out += &format!("      {:width$}  → {line}\n", "");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mend_stands_under_its_finding() {
        let findings =
            [Finding::ok("clock", "right"), Finding::new("camera", State::Bad, "not yours").mend("join video\nlog in")];
        assert_eq!(
            text(&findings, false),
            "ok    clock   right\nBAD   camera  not yours\n              → join video\n              → log in\n"
        );
    }
}
