//! What launch says of its nodes.
//! It never decides whether to say it.

use crate::{
    logs::Level,
    supervisor::{Because, End, Exit, Report},
    words::span,
};

/// A report as a sentence, and how much it matters.
pub(crate) fn sentence(node: &str, report: &Report) -> (Level, String) {
    match report {
        Report::Started { pid, starts } => {
            (Level::Debug, format!("{node} is process {pid}, its start number {starts}"))
        }
        Report::Ready { after } => (Level::Debug, format!("{node} is ready after {}", span(*after))),
        Report::NotReady { after } => {
            (Level::Warn, format!("{node} said nothing within {} of its start and is stopped", span(*after)))
        }
        Report::Hung { silent } => {
            (Level::Warn, format!("{node} hangs: its work loop has been silent for {}; it is stopped", span(*silent)))
        }
        Report::Killed { after } => (Level::Warn, format!("{node} did not end within {} and is killed", span(*after))),
        Report::Lost => {
            (Level::Error, format!("{node} was killed and is still there: it waits in the kernel for a device"))
        }
        Report::Ended { end: End { exit: Exit::NotStarted(why) | Exit::NotYet(why), .. }, again, .. } => {
            (Level::Warn, format!("{node} cannot be started: {why}; tried again {}", when(*again)))
        }
        // That it hangs or was not ready was said when it was asked to end.
        Report::Ended {
            end: End { exit, because: Some(Because::Hung(_) | Because::NotReady(_)), .. },
            lived,
            again,
        } => (Level::Warn, format!("{node} ended ({exit}) after {}; started again {}", span(*lived), when(*again))),
        Report::Ended { end, lived, again } => {
            (Level::Warn, format!("{node} ended ({end}) after {}; started again {}", span(*lived), when(*again)))
        }
        Report::ForksRefused { most } => {
            let limit = most
                .map_or_else(|| "its limit of processes".to_owned(), |most| format!("its limit of {most} processes"));
            (Level::Warn, format!("{node} met {limit} and cannot start more; said once, `launch ps {node}` counts on"))
        }
        Report::Stopped => (Level::Info, format!("{node} is stopped")),
        Report::Removed => (Level::Info, format!("{node} is removed")),
        Report::Done => (Level::Info, format!("{node} is done")),
        Report::Failed { why } => (Level::Error, format!("{node} is given up: {why}")),
    }
}

fn when(again: std::time::Duration) -> String {
    if again.is_zero() { "at once".to_owned() } else { format!("in {}", span(again)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_end_is_told_with_its_cause_and_what_follows() {
        let report = |exit, again| Report::Ended {
            end: End::by_itself(exit),
            lived: Duration::from_millis(3210),
            again: Duration::from_millis(again),
        };
        let says = |report| sentence("camera", &report).1;
        assert_eq!(says(report(Exit::Signal(9), 0)), "camera ended (SIGKILL) after 3.2s; started again at once");
        assert_eq!(says(report(Exit::Code(1), 100)), "camera ended (exit code 1) after 3.2s; started again in 100ms");
        assert_eq!(
            says(report(Exit::NotStarted("no such file".into()), 0)),
            "camera cannot be started: no such file; tried again at once"
        );
        assert_eq!(
            says(report(Exit::OutOfMemory(Some(64 << 20)), 0)),
            "camera ended (out of memory: its limit is 64 MiB) after 3.2s; started again at once"
        );
    }
}
