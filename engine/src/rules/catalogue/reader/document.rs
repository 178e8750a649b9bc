//! Texts as values that know their line.

use std::collections::BTreeMap;

use toml::de::{DeArray, DeTable, DeValue};

use super::{ConfigError, Report};

/// The keys of a table.
pub type Table = BTreeMap<String, Entry>;

/// A value and where it stands.
#[derive(Debug)]
pub struct Entry {
    /// Counted from 1; the environment has no lines.
    pub line: Option<usize>,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    /// A date or time, written without quotes.
    Moment(String),
    List(Vec<Entry>),
    Table(Table),
    /// A number with a fraction, or beyond 64 bits.
    Number,
    /// A value from the environment, which has no types: a text that may be a number or a flag.
    Untyped(String),
}

impl Value {
    /// What it is, for error messages.
    pub fn article(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Untyped(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Flag(_) => "a flag",
            Value::Moment(_) => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Number => "a number with a fraction or out of range",
        }
    }
}

/// A text that was read, or the environment.
#[derive(Debug)]
pub struct Document {
    pub name: String,
    pub table: Table,
    style: Style,
}

/// How keys are written.
#[derive(Debug)]
enum Style {
    /// `server.listen`
    Toml,
    /// `MORGENRUH_SERVER_LISTEN`
    Environment { prefix: &'static str },
}

impl Document {
    /// Reads a TOML text; `None` if it is not TOML, with every mistake reported.
    pub fn parse(name: &str, text: &str, report: &Report) -> Option<Document> {
        let lines = Lines::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            report.add(ConfigError {
                file: name.to_owned(),
                line: error.span().map(|span| lines.line_of(span.start)),
                key: String::new(),
                reason: format!("not TOML: {}", error.message()),
                nearest: None,
            });
        }
        let table = lines.table(table.get_ref());
        errors.is_empty().then(|| Document {
            name: name.to_owned(),
            table,
            style: Style::Toml,
        })
    }

    /// The environment as a document of sections: `sections[section][key] = value`.
    pub fn environment(
        prefix: &'static str,
        sections: BTreeMap<String, BTreeMap<String, String>>,
    ) -> Document {
        let entry = |value| Entry { line: None, value };
        let untyped = |(key, text)| (key, entry(Value::Untyped(text)));
        let section = |(key, keys): (String, BTreeMap<String, String>)| {
            (
                key,
                entry(Value::Table(keys.into_iter().map(untyped).collect())),
            )
        };
        let table = sections.into_iter().map(section).collect();
        Document {
            name: "environment".to_owned(),
            table,
            style: Style::Environment { prefix },
        }
    }

    /// How `key` below the section `path` is called here.
    pub(super) fn key_path(&self, path: &str, key: &str) -> String {
        match &self.style {
            Style::Toml if path.is_empty() => key.to_owned(),
            Style::Toml => format!("{path}.{key}"),
            Style::Environment { prefix } if path.is_empty() => {
                format!("{prefix}{}", key.to_uppercase())
            }
            Style::Environment { .. } => format!("{path}_{}", key.to_uppercase()),
        }
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(
            std::iter::once(0)
                .chain(breaks.map(|(offset, _)| offset + 1))
                .collect(),
        )
    }

    fn line_of(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let entry = |value: &toml::Spanned<DeValue<'_>>, start| Entry {
            line: Some(self.line_of(start)),
            value: self.value(value.get_ref()),
        };
        table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), entry(value, key.span().start)))
            .collect()
    }

    fn list(&self, list: &DeArray<'_>) -> Vec<Entry> {
        list.iter()
            .map(|value| Entry {
                line: Some(self.line_of(value.span().start)),
                value: self.value(value.get_ref()),
            })
            .collect()
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Number, Value::Integer),
            DeValue::Float(_) => Value::Number,
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
            DeValue::Array(list) => Value::List(self.list(list)),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}
