//! What somebody needs of an office: services and quantities, and what that means in units.

use std::fmt;
use std::str::FromStr;

use super::calendar::UNIT_MINUTES;
use super::catalogue::{Catalogue, Office, ServiceIndex};
use super::cells::CounterSet;

/// Most different services in one visit.
pub const NEED_SERVICES_MAX: usize = 6;
/// Longest visit, in units.
pub const NEED_UNITS_MAX: u8 = 120;

/// Services by their stable numbers, with quantities, in the order asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Services {
    len: u8,
    numbers: [u16; NEED_SERVICES_MAX],
    quantities: [u8; NEED_SERVICES_MAX],
}

impl Services {
    /// None when there are more than [`NEED_SERVICES_MAX`].
    pub fn collect(items: impl IntoIterator<Item = (u16, u8)>) -> Option<Services> {
        let mut services = Services::default();
        for (number, quantity) in items {
            let position = usize::from(services.len);
            *services.numbers.get_mut(position)? = number;
            *services.quantities.get_mut(position)? = quantity;
            services.len += 1;
        }
        Some(services)
    }

    /// Service numbers and quantities.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u8)> {
        let len = usize::from(self.len);
        self.numbers
            .iter()
            .copied()
            .zip(self.quantities.iter().copied())
            .take(len)
    }
}

/// `number:quantity`, comma separated: how records and tables keep it.
impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (number, quantity)) in self.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            write!(f, "{comma}{number}:{quantity}")?;
        }
        Ok(())
    }
}

/// The opposite of the above; refuses what is not of that form.
impl FromStr for Services {
    type Err = MalformedServices;

    fn from_str(text: &str) -> Result<Services, MalformedServices> {
        let items = text.split(',').filter(|item| !item.is_empty());
        let item = |item: &str| {
            let (number, quantity) = item.split_once(':')?;
            Some((number.parse().ok()?, quantity.parse().ok()?))
        };
        let items: Option<Vec<(u16, u8)>> = items.map(item).collect();
        items.and_then(Services::collect).ok_or(MalformedServices)
    }
}

/// The text is not services with quantities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedServices;

/// A need as one office sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Need {
    pub services: Services,
    /// Consecutive units on one counter.
    pub units: u8,
    /// Counters that serve all of the services.
    pub counters: CounterSet,
}

/// Why services and quantities are not a need that this office can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedRefusal {
    /// No service was named.
    Empty,
    /// More than [`NEED_SERVICES_MAX`] services.
    TooMany,
    /// A service was named twice.
    Repeated(ServiceIndex),
    /// The office does not offer this service.
    NotOffered(ServiceIndex),
    /// The quantity is 0.
    QuantityZero(ServiceIndex),
    QuantityTooLarge {
        service: ServiceIndex,
        quantity_max: u8,
    },
    NotCombinable(ServiceIndex, ServiceIndex),
    /// No single counter serves all of them.
    NoCounter,
    /// The visit would be longer than [`NEED_UNITS_MAX`] units.
    TooLong,
}

/// What the services and quantities mean at this office.
pub fn need(
    catalogue: &Catalogue,
    office: &Office,
    asked: &[(ServiceIndex, u8)],
) -> Result<Need, NeedRefusal> {
    if asked.is_empty() {
        return Err(NeedRefusal::Empty);
    }
    if asked.len() > NEED_SERVICES_MAX {
        return Err(NeedRefusal::TooMany);
    }
    let mut minutes = 0u32;
    let mut counters = CounterSet::ALL;
    for (position, &(service, quantity)) in asked.iter().enumerate() {
        for &(earlier, _) in &asked[..position] {
            if earlier == service {
                return Err(NeedRefusal::Repeated(service));
            }
            if !catalogue.service(service).combines_with.contains(&earlier) {
                return Err(NeedRefusal::NotCombinable(earlier, service));
            }
        }
        let offer = office
            .offer(service)
            .ok_or(NeedRefusal::NotOffered(service))?;
        if quantity == 0 {
            return Err(NeedRefusal::QuantityZero(service));
        }
        if quantity > offer.quantity_max {
            let quantity_max = offer.quantity_max;
            return Err(NeedRefusal::QuantityTooLarge {
                service,
                quantity_max,
            });
        }
        minutes += u32::from(offer.minutes) * u32::from(quantity);
        counters = counters.and(offer.counters);
    }
    if counters.is_empty() {
        return Err(NeedRefusal::NoCounter);
    }
    let steps = minutes.div_ceil(u32::from(office.unit_minutes)).max(1);
    let units = steps * u32::from(office.unit_minutes / UNIT_MINUTES);
    let units = u8::try_from(units)
        .ok()
        .filter(|units| *units <= NEED_UNITS_MAX);
    let numbers = asked
        .iter()
        .map(|&(index, quantity)| (catalogue.service(index).number, quantity));
    let services = Services::collect(numbers).ok_or(NeedRefusal::TooMany)?;
    Ok(Need {
        services,
        units: units.ok_or(NeedRefusal::TooLong)?,
        counters,
    })
}
