//! A trace for Perfetto or `chrome://tracing`: what the host records on one track, what the device runs on another.

use std::time::Duration;

use kuramoto::Span;
use serde_json::{Value, json};

/// Events of all cases, one after the other: each begins with its recording, which its dispatches follow.
#[derive(Default)]
pub struct Trace {
    events: Vec<Value>,
    /// Microseconds.
    now: f64,
}

const HOST: u32 = 1;
const DEVICE: u32 = 2;

impl Trace {
    /// Appends a run.
    pub fn add(&mut self, name: &str, host: Duration, spans: &[Span]) {
        let took = host.as_secs_f64() * 1e6;
        let args = json!({ "dispatches": spans.len() });
        self.events.push(event(name, "recording", HOST, self.now, took, args));
        let start = self.now + took;
        let mut end = start;
        for span in spans {
            let (at, long) = (start + span.start_nanos / 1e3, span.nanos / 1e3);
            let args = json!({ "bytes": span.bytes, "flops": span.flops, "case": name });
            self.events.push(event(span.kernel, &span.dtype.to_string(), DEVICE, at, long, args));
            end = end.max(at + long);
        }
        self.now = end;
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let named = |tid: u32, name: &str| json!({ "name": "thread_name", "ph": "M", "pid": 1, "tid": tid, "args": { "name": name } });
        let mut events = vec![named(HOST, "host: recording"), named(DEVICE, "device: queue")];
        events.extend(self.events.iter().cloned());
        format!("{}\n", json!({ "displayTimeUnit": "ns", "traceEvents": events }))
    }
}

fn event(name: &str, category: &str, tid: u32, start: f64, took: f64, args: Value) -> Value {
    json!({ "name": name, "cat": category, "ph": "X", "pid": 1, "tid": tid, "ts": start, "dur": took, "args": args })
}

#[cfg(test)]
mod tests {
    use kuramoto::DType;

    use super::*;

    #[test]
    fn runs_follow_each_other_and_dispatches_their_recording() {
        let span = |start_nanos| Span { kernel: "k", dtype: DType::F32, start_nanos, nanos: 500.0, bytes: 8, flops: 1 };
        let mut trace = Trace::default();
        trace.add("first", Duration::from_micros(3), &[span(0.0), span(1000.0)]);
        trace.add("second", Duration::from_micros(2), &[span(0.0)]);
        let value: Value = serde_json::from_str(&trace.text()).unwrap();
        let events = value["traceEvents"].as_array().unwrap();
        let times: Vec<(u64, f64, f64)> = events[2..]
            .iter()
            .map(|e| (e["tid"].as_u64().unwrap(), e["ts"].as_f64().unwrap(), e["dur"].as_f64().unwrap()))
            .collect();
        let wanted = [(1, 0.0, 3.0), (2, 3.0, 0.5), (2, 4.0, 0.5), (1, 4.5, 2.0), (2, 6.5, 0.5)];
        assert_eq!(times, wanted);
    }
}
