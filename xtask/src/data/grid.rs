//! A power grid of pandapower as a network of oscillators.
//!
//! The coupling of buses `i` and `j` is the susceptance of the branches between them in units of the grid's base power, all
//! voltages at their rated values. A branch of impedance `r + ix` has `b = x / (r^2 + x^2)`, negative where a series
//! capacitor outweighs the line.
//! A line's impedance is in ohms, whose unit is `V^2 / S` of its first bus. A transformer's short-circuit voltage `vk` and its
//! real part `vkr` are in percent of its own rated power and lower voltage: `z = vk / 100 S / S_t (V_t / V)^2`,
//! `x^2 = z^2 - r^2`; its ratio to the rated one divides `b`. Phase shifts of transformers are left out: their lag would not
//! be symmetric.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::network::graph::{Edge, Network};

/// A table: what pandas writes in its orientation `split`.
#[derive(Deserialize)]
struct Table {
    columns: Vec<String>,
    index: Vec<i64>,
    data: Vec<Vec<Value>>,
}

/// A row of a table by the names of its columns.
struct Row<'a> {
    table: &'a str,
    number: usize,
    columns: &'a [String],
    values: &'a [Value],
}

impl Row<'_> {
    fn value(&self, column: &str) -> Result<&Value, String> {
        let at = self.columns.iter().position(|name| name == column);
        let found = at.and_then(|at| self.values.get(at));
        found.ok_or_else(|| format!("row {} of {} has no {column}", self.number, self.table))
    }

    /// A number, if there is one.
    fn maybe(&self, column: &str) -> Result<Option<f64>, String> {
        Ok(self.value(column)?.as_f64())
    }

    fn number(&self, column: &str) -> Result<f64, String> {
        self.maybe(column)?.ok_or_else(|| format!("row {} of {}: {column} is no number", self.number, self.table))
    }

    fn in_service(&self) -> Result<bool, String> {
        Ok(self.value("in_service")?.as_bool() == Some(true))
    }
}

/// The tables of a case.
struct Case(Map<String, Value>);

impl Case {
    /// Calls `each` with the rows in service of a table, which are numbered as pandapower does.
    fn each(&self, name: &str, mut each: impl FnMut(i64, &Row) -> Result<(), String>) -> Result<(), String> {
        let text = self.0.get(name).and_then(|table| table.get("_object")).and_then(Value::as_str);
        let text = text.ok_or_else(|| format!("the case has no table {name}"))?;
        let table: Table = serde_json::from_str(text).map_err(|why| format!("table {name}: {why}"))?;
        for (number, (index, values)) in table.index.iter().zip(&table.data).enumerate() {
            let row = Row { table: name, number, columns: &table.columns, values };
            if row.in_service()? {
                each(*index, &row)?;
            }
        }
        Ok(())
    }
}

/// A bus.
struct Bus {
    /// Its number in the case.
    index: i64,
    /// Rated voltage in kV.
    voltage: f64,
    /// Power fed in, in MW.
    power: f64,
    generator: bool,
}

/// The network, and a line about what was done.
pub fn convert(bytes: &[u8]) -> Result<(Network, String), String> {
    let mut all: Value = serde_json::from_slice(bytes).map_err(|why| format!("the case: {why}"))?;
    let Some(Value::Object(tables)) = all.get_mut("_object").map(Value::take) else {
        return Err("the case has no tables".into());
    };
    let case = Case(tables);
    let base = case.0.get("sn_mva").and_then(Value::as_f64).filter(|base| *base > 0.0);
    let base = base.ok_or("the case has no base power sn_mva")?;
    let mut buses = vec![];
    case.each("bus", |index, row| {
        buses.push(Bus { index, voltage: row.number("vn_kv")?, power: 0.0, generator: false });
        Ok(())
    })?;
    buses.sort_by_key(|bus| bus.index);
    let known: HashMap<i64, usize> = buses.iter().enumerate().map(|(at, bus)| (bus.index, at)).collect();
    let place = |row: &Row, column: &str| {
        let index = row.number(column)?;
        known
            .get(&(index as i64))
            .copied()
            .ok_or_else(|| format!("row {} of {}: there is no bus {index}", row.number, row.table))
    };
    for (name, sign, scaled) in [("gen", 1.0, true), ("sgen", 1.0, true), ("load", -1.0, true), ("shunt", -1.0, false)]
    {
        case.each(name, |_, row| {
            let bus = &mut buses[place(row, "bus")?];
            let scale = if scaled { row.number("scaling")? } else { row.number("step")? };
            bus.power += sign * scale * row.number("p_mw")?;
            bus.generator |= name == "gen";
            Ok(())
        })?;
    }
    // The bus that balances a load flow takes what is left: here lines lose nothing.
    let mut balancing = vec![];
    case.each("ext_grid", |_, row| {
        balancing.push(place(row, "bus")?);
        Ok(())
    })?;
    let left = buses.iter().map(|bus| bus.power).sum::<f64>();
    for at in &balancing {
        buses[*at].power -= left / balancing.len() as f64;
        buses[*at].generator = true;
    }
    let mut branches: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    let mut add = |a: usize, b: usize, susceptance: f64, row: &Row| {
        if a == b || !susceptance.is_finite() {
            return Err(format!(
                "row {} of {} has a susceptance of {susceptance} between buses {a} and {b}",
                row.number, row.table
            ));
        }
        *branches.entry((a.min(b), a.max(b))).or_default() += susceptance;
        Ok(())
    };
    let (mut lines, mut transformers, mut shifted) = (0, 0, 0);
    case.each("line", |_, row| {
        let (a, b) = (place(row, "from_bus")?, place(row, "to_bus")?);
        let ohms = buses[a].voltage.powi(2) / base;
        let long = row.number("length_km")? / row.number("parallel")? / ohms;
        let (r, x) = (row.number("r_ohm_per_km")? * long, row.number("x_ohm_per_km")? * long);
        lines += 1;
        add(a, b, susceptance(r, x), row)
    })?;
    case.each("trafo", |_, row| {
        let (high, low) = (place(row, "hv_bus")?, place(row, "lv_bus")?);
        let [v_high, v_low] =
            [row.number("vn_hv_kv")? / buses[high].voltage, row.number("vn_lv_kv")? / buses[low].voltage];
        let unit = base / row.number("sn_mva")? / row.number("parallel")? * v_low.powi(2) / 100.0;
        let (z, r) = (row.number("vk_percent")? * unit, row.number("vkr_percent")? * unit);
        let x = (z * z - r * r).sqrt();
        let steps = row.maybe("tap_pos")?.unwrap_or(0.0) - row.maybe("tap_neutral")?.unwrap_or(0.0);
        let tap = 1.0 + steps * row.maybe("tap_step_percent")?.unwrap_or(0.0) / 100.0;
        let ratio = match row.value("tap_side")?.as_str() {
            Some("lv") => v_high / (v_low * tap),
            _ => v_high * tap / v_low,
        };
        transformers += 1;
        shifted += usize::from(row.number("shift_degree")? != 0.0);
        add(high, low, susceptance(r, x) / ratio, row)
    })?;
    for name in ["trafo3w", "impedance"] {
        case.each(name, |_, row| Err(format!("row {} of {name}: such branches are not converted", row.number)))?;
    }
    let negative = branches.values().filter(|b| **b < 0.0).count();
    let edges: Vec<Edge> = branches
        .iter()
        .flat_map(|((a, b), s)| [(*a, *b, *s), (*b, *a, *s)])
        .map(|(receiver, sender, s)| Edge { receiver, sender, weight: s as f32 })
        .collect();
    let mut network = Network::from_edges(buses.len(), &edges)?;
    network.power = Some(buses.iter().map(|bus| (bus.power / base) as f32).collect());
    network.generators = Some(buses.iter().map(|bus| bus.generator).collect());
    network.names = Some(buses.iter().map(|bus| bus.index.to_string()).collect());
    let generators = buses.iter().filter(|bus| bus.generator).count();
    let pairs = branches.len();
    let notes = format!(
        "{lines} lines and {transformers} transformers join {pairs} pairs of buses, {negative} of them with a negative \
         susceptance; {generators} buses have generators; the balancing bus takes {:.1} MW; {shifted} phase shifts are left out",
        -left
    );
    Ok((network, notes))
}

/// The imaginary part of minus the admittance `1 / (r + ix)`.
fn susceptance(r: f64, x: f64) -> f64 {
    x / (r * r + x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &str, rows: &str) -> Value {
        let columns: Vec<&str> = columns.split(' ').collect();
        let data: Vec<Value> = serde_json::from_str(&format!("[{rows}]")).unwrap();
        let index: Vec<usize> = (0..data.len()).rev().collect();
        let text = serde_json::json!({ "columns": columns, "index": index, "data": data }).to_string();
        serde_json::json!({ "_object": text })
    }

    fn case() -> Value {
        let line = "from_bus to_bus length_km parallel r_ohm_per_km x_ohm_per_km in_service";
        let trafo = "hv_bus lv_bus vn_hv_kv vn_lv_kv sn_mva parallel vk_percent vkr_percent tap_pos tap_neutral \
                     tap_step_percent tap_side shift_degree in_service";
        let power = "bus p_mw scaling in_service";
        serde_json::json!({ "_object": {
            "sn_mva": 100.0,
            // Rows count down: the first is bus 2.
            "bus": table("vn_kv in_service", "[20.0,true],[100.0,true],[100.0,true]"),
            "line": table(line, "[0,1,2.0,1,30.0,40.0,true],[1,0,2.0,2,30.0,40.0,true],[1,0,2.0,2,30.0,40.0,false]"),
            "trafo": table(trafo, "[1,2,110.0,20.0,50.0,1,5.0,3.0,2,0,5.0,\"hv\",0.0,true]"),
            "gen": table(power, "[0,30.0,1.0,true]"), "sgen": table(power, ""), "load": table(power, "[2,80.0,0.5,true]"),
            "shunt": table("bus p_mw step in_service", "[1,1.0,2.0,true]"),
            "ext_grid": table("bus in_service", "[1,true]"),
            "trafo3w": table("in_service", ""), "impedance": table("in_service", ""),
        }})
    }

    #[test]
    fn branches_are_susceptances() {
        let (network, notes) = convert(case().to_string().as_bytes()).unwrap();
        // Lines: 100 ohm are a unit; 0.6 + 0.8i and half of it. Transformer: z = 0.1, r = 0.06, x = 0.08, ratio 1.1 * 1.1.
        let (line, transformer) = (0.8 + 1.6, 8.0 / 1.21);
        let edges: Vec<_> = network.graph.edges().collect();
        assert_eq!(edges, [(0, 1), (1, 0), (1, 2), (2, 1)]);
        for (weight, wanted) in network.weights.iter().zip([line, line, transformer, transformer]) {
            assert!((f64::from(*weight) / wanted - 1.0).abs() < 1e-6, "{weight}, not {wanted}");
        }
        // Bus 1 consumes 2 MW in its shunt and balances 30 - 40 - 2 MW.
        assert_eq!(network.power, Some(vec![0.3, 0.1, -0.4]));
        assert_eq!(network.generators, Some(vec![true, true, false]));
        assert!(notes.starts_with("2 lines and 1 transformers join 2 pairs"), "{notes}");
    }

    #[test]
    fn damage_is_named() {
        let why = |change: fn(&mut Value)| {
            let mut case = case();
            change(&mut case["_object"]);
            convert(case.to_string().as_bytes()).unwrap_err()
        };
        assert_eq!(why(|case| case["bus"] = Value::Null), "the case has no table bus");
        assert_eq!(why(|case| case["sn_mva"] = Value::Null), "the case has no base power sn_mva");
        let far = why(|case| case["ext_grid"] = table("bus in_service", "[7,true]"));
        assert_eq!(far, "row 0 of ext_grid: there is no bus 7");
        let three = why(|case| case["trafo3w"] = table("in_service", "[true]"));
        assert_eq!(three, "row 0 of trafo3w: such branches are not converted");
        assert!(convert(b"{}").unwrap_err().contains("no tables"));
    }
}
