//! The parts of an export that matter here. Descriptions, links and fees are left behind.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: String,
    /// Several keys are separated by commas.
    leika: Option<String>,
    #[serde(rename = "maxQuantity")]
    pub(super) quantity_max: Option<u32>,
    #[serde(rename = "duration")]
    pub(super) minutes: Option<u32>,
    /// Ids as numbers or texts, in a list or as the values of a table.
    #[serde(default)]
    combinable: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Location {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "organizationUnit")]
    unit: Option<String>,
    organization: Option<String>,
    public: Option<bool>,
    #[serde(default)]
    pub(super) address: Address,
    #[serde(rename = "slotTimeInMinutes")]
    pub(super) grid_minutes: Option<u32>,
    #[serde(default)]
    pub(super) services: Vec<Offer>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Address {
    street: Option<String>,
    house_number: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) city: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Offer {
    pub(super) service: String,
    #[serde(rename = "duration")]
    pub(super) minutes: Option<u32>,
    #[serde(rename = "maxQuantity")]
    pub(super) quantity_max: Option<u32>,
    public: Option<bool>,
}

impl Service {
    pub(super) fn leika(&self) -> impl Iterator<Item = &str> {
        let keys = self.leika.as_deref().unwrap_or_default().split(',');
        keys.map(str::trim).filter(|key| !key.is_empty())
    }

    /// Ids of the services that share a visit with this one, which is not among them.
    pub(super) fn combinable(&self) -> BTreeSet<String> {
        let ids: Vec<&Value> = match &self.combinable {
            Value::Array(ids) => ids.iter().collect(),
            Value::Object(ids) => ids.values().collect(),
            _ => Vec::new(),
        };
        let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        ids.into_iter()
            .map(text)
            .filter(|id| *id != self.id)
            .collect()
    }
}

impl Location {
    pub(super) fn is_public(&self) -> bool {
        self.public != Some(false)
    }

    /// The authority behind the place, as finely as the export tells.
    pub(super) fn department(&self) -> Option<&str> {
        let named = |name: &&str| !name.trim().is_empty();
        let unit = self.unit.as_deref().filter(named);
        unit.or_else(|| self.organization()).map(str::trim)
    }

    pub(super) fn organization(&self) -> Option<&str> {
        self.organization
            .as_deref()
            .filter(|name| !name.trim().is_empty())
    }
}

impl Address {
    /// On one line, as far as it is known.
    pub(super) fn line(&self) -> String {
        let pair = |left: &Option<String>, right: &Option<String>| {
            let parts = [left.as_deref(), right.as_deref()];
            let parts: Vec<&str> = parts
                .into_iter()
                .flatten()
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect();
            parts.join(" ")
        };
        let parts = [
            pair(&self.street, &self.house_number),
            pair(&self.postal_code, &self.city),
        ];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Offer {
    pub(super) fn is_public(&self) -> bool {
        self.public != Some(false)
    }
}

pub(super) fn services(text: &str) -> Result<Vec<Service>, String> {
    parse(text).map_err(|error| format!("the services are no DLDB export: {error}"))
}

pub(super) fn locations(text: &str) -> Result<Vec<Location>, String> {
    parse(text).map_err(|error| format!("the locations are no DLDB export: {error}"))
}

/// An export is a list, or a table with the list under `data`.
fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> serde_json::Result<Vec<T>> {
    let mut export: Value = serde_json::from_str(text)?;
    let list = export.get_mut("data").map(Value::take).unwrap_or(export);
    serde_json::from_value(list)
}
