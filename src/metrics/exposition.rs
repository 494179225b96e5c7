//! The text of one scrape: families by name, samples by labels, values escaped by the library.
use prometheus::{
    TextEncoder,
    core::Collector,
    proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

/// What a scrape is told, in the making.
#[derive(Default)]
pub struct Exposition {
    families: Vec<MetricFamily>,
}

/// Samples of one name.
pub struct Family<'a>(&'a mut MetricFamily);

impl Exposition {
    /// A family of numbers that go up and down.
    pub fn gauges(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::GAUGE)
    }
    /// A family of one number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help).sample(&[], value);
    }
    fn family(&mut self, name: &str, help: &str, kind: MetricType) -> Family<'_> {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        self.families.push(family);
        let last = self.families.len() - 1;
        Family(&mut self.families[last])
    }
    /// A family of one number that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        let mut counter = prometheus::proto::Counter::default();
        counter.set_value(value);
        let mut metric = Metric::default();
        metric.set_counter(counter);
        self.family(name, help, MetricType::COUNTER).0.mut_metric().push(metric);
    }
    /// What an instrument has counted.
    pub(super) fn collect(&mut self, instrument: &impl Collector) {
        self.families.extend(instrument.collect());
    }
    /// The text, in the format 0.0.4.
    ///
    /// # Errors
    /// A family that the format does not allow.
    pub fn text(mut self) -> Result<String, prometheus::Error> {
        self.families.retain(|family| !family.get_metric().is_empty());
        self.families.sort_by(|a, b| a.name().cmp(b.name()));
        for family in &mut self.families {
            let labels = |metric: &Metric| -> Vec<String> {
                metric.get_label().iter().map(|label| label.value().to_owned()).collect()
            };
            family.mut_metric().sort_by_cached_key(labels);
        }
        TextEncoder::new().encode_to_string(&self.families)
    }
}

impl Family<'_> {
    /// Adds a number; labels stand in the order of their names.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        debug_assert!(labels.is_sorted_by_key(|(name, _)| *name), "{labels:?}");
        let pair = |(name, value): &(&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        };
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = Metric::from_gauge(gauge);
        metric.set_label(labels.iter().map(pair).collect());
        self.0.mut_metric().push(metric);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{CommandTimes, Ending, OperationTimes, Outcome};
    use std::time::Duration;

    #[test]
    fn labels_and_help_are_escaped() {
        let mut text = Exposition::default();
        text.gauges("b", "two\nlines, one \\").sample(&[("x", "a\"b\\c\nd")], 1.5);
        text.gauges("empty", "not shown");
        text.gauge("a", "first", 2.0);
        assert_eq!(
            text.text().unwrap(),
            "# HELP a first\n# TYPE a gauge\na 2\n\
             # HELP b two\\nlines, one \\\\\n# TYPE b gauge\nb{x=\"a\\\"b\\\\c\\nd\"} 1.5\n"
        );
    }

    #[test]
    fn instruments_are_shown_in_order() {
        let (commands, operations) = (CommandTimes::default(), OperationTimes::default());
        let second = Duration::from_secs(1);
        commands.observe("lvcreate", Outcome::Ok, second);
        commands.observe("gluster", Outcome::TimedOut, second * 400);
        operations.ended("create-volume", Ending::Done, second * 2);
        operations.ended("create-volume", Ending::Stuck, second);
        operations.refused("add-node");
        let mut text = Exposition::default();
        commands.show(&mut text);
        operations.show(&mut text);
        let text = text.text().unwrap();
        for line in [
            "# TYPE brickyard_node_command_duration_seconds histogram",
            "brickyard_node_command_duration_seconds_bucket{outcome=\"ok\",tool=\"lvcreate\",le=\"0.5\"} 0",
            "brickyard_node_command_duration_seconds_bucket{outcome=\"ok\",tool=\"lvcreate\",le=\"1\"} 1",
            "brickyard_node_command_duration_seconds_bucket{outcome=\"timed-out\",tool=\"gluster\",le=\"300\"} 0",
            "brickyard_node_command_duration_seconds_bucket{outcome=\"timed-out\",tool=\"gluster\",le=\"+Inf\"} 1",
            "brickyard_node_command_duration_seconds_sum{outcome=\"timed-out\",tool=\"gluster\"} 400",
            "# TYPE brickyard_operations_total counter",
            "brickyard_operations_total{kind=\"add-node\",outcome=\"refused\"} 1",
            "brickyard_operations_total{kind=\"create-volume\",outcome=\"stuck\"} 1",
            "brickyard_operation_duration_seconds_count{kind=\"create-volume\",outcome=\"done\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("duration_seconds_count{kind=\"create-volume\",outcome=\"stuck\""));
        let samples: Vec<&str> = text.lines().filter(|l| l.contains("_count{")).collect();
        assert!(samples.is_sorted(), "{samples:#?}");
    }
}
