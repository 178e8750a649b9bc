//! From the names in a request to what they mean in the catalogue.

use morgenruh_engine::rules::catalogue::{Catalogue, OfficeIndex, ServiceIndex};
use morgenruh_engine::rules::need::{NEED_SERVICES_MAX, Need, NeedRefusal, Services, need};
use morgenruh_wire::ServiceQuantity;

use crate::problem::{ApiError, Kind};
use crate::service_keys::Caller;

/// The office with this id, if the caller sees it.
pub(crate) fn office(
    catalogue: &Catalogue,
    caller: Caller,
    id: &str,
) -> Result<OfficeIndex, ApiError> {
    let found = catalogue
        .office_by_id(id)
        .filter(|index| caller.sees(catalogue.office(*index)));
    found.ok_or_else(|| ApiError::new(Kind::UnknownOffice, "See GET /api/v1/offices.").at("office"))
}

/// All offices that the caller sees.
pub(crate) fn offices(catalogue: &Catalogue, caller: Caller) -> Vec<OfficeIndex> {
    let all = (0u16..).zip(&catalogue.offices);
    all.filter(|(_, office)| caller.sees(office))
        .map(|(index, _)| OfficeIndex(index))
        .collect()
}

/// The services by their ids.
pub(crate) fn services(
    catalogue: &Catalogue,
    asked: &[ServiceQuantity],
) -> Result<Vec<(ServiceIndex, u8)>, ApiError> {
    let known = asked.iter().enumerate().map(|(position, item)| {
        let index = catalogue.service_by_id(&item.id).ok_or_else(|| {
            ApiError::new(Kind::UnknownService, "See GET /api/v1/services.")
                .at(format!("services[{position}].id"))
        })?;
        Ok((index, item.quantity))
    });
    // One more than allowed is enough to be refused.
    known.take(NEED_SERVICES_MAX + 1).collect()
}

/// What the services mean at an office.
pub(crate) fn at_office(
    catalogue: &Catalogue,
    office: OfficeIndex,
    asked: &[(ServiceIndex, u8)],
) -> Result<Need, ApiError> {
    let id = |service: ServiceIndex| &catalogue.service(service).id;
    need(catalogue, catalogue.office(office), asked).map_err(|refusal| {
        let (kind, detail) = match refusal {
            NeedRefusal::Empty => (Kind::ServicesInvalid, "Name at least one service.".into()),
            NeedRefusal::TooMany => (
                Kind::ServicesInvalid,
                format!("Name at most {NEED_SERVICES_MAX} services."),
            ),
            NeedRefusal::Repeated(service) => (
                Kind::ServicesInvalid,
                format!("{} is named twice.", id(service)),
            ),
            NeedRefusal::NotOffered(service) => (
                Kind::ServiceNotOffered,
                format!("{} is not offered there.", id(service)),
            ),
            NeedRefusal::QuantityZero(service) => (
                Kind::QuantityOutOfRange,
                format!("The quantity of {} is 0.", id(service)),
            ),
            NeedRefusal::QuantityTooLarge {
                service,
                quantity_max,
            } => (
                Kind::QuantityOutOfRange,
                format!("At most {quantity_max} of {} at once.", id(service)),
            ),
            NeedRefusal::NotCombinable(first, second) => (
                Kind::NotCombinable,
                format!("{} and {} need a visit each.", id(first), id(second)),
            ),
            NeedRefusal::NoCounter => (
                Kind::NotCombinable,
                "No counter of this office serves all of them.".into(),
            ),
            NeedRefusal::TooLong => (Kind::VisitTooLong, "Book several visits.".into()),
        };
        ApiError::new(kind, detail).at("services")
    })
}

/// What the services mean at each of the named offices, or, where none are named, at every office
/// that can serve them.
pub(crate) fn at_offices<'a>(
    catalogue: &Catalogue,
    caller: Caller,
    named: Option<impl IntoIterator<Item = &'a str>>,
    asked: &[(ServiceIndex, u8)],
) -> Result<Vec<(OfficeIndex, Need)>, ApiError> {
    let with_need = |office| Ok((office, at_office(catalogue, office, asked)?));
    if let Some(named) = named {
        let named = named.into_iter().take(catalogue.offices.len() + 1);
        let named = named.map(|id| office(catalogue, caller, id));
        let mut named = named.collect::<Result<Vec<_>, ApiError>>()?;
        named.sort_unstable();
        named.dedup();
        return named.into_iter().map(with_need).collect();
    }
    let mut refusal = None;
    let mut able = Vec::new();
    for office in offices(catalogue, caller) {
        match with_need(office) {
            Ok(able_office) => able.push(able_office),
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(refusal) if able.is_empty() => Err(refusal),
        _ => Ok(able),
    }
}

/// Services by their ids again.
pub(crate) fn to_wire(catalogue: &Catalogue, services: Services) -> Vec<ServiceQuantity> {
    let item = |(number, quantity)| {
        let id = match catalogue.service_by_number(number) {
            Some(service) => service.id.clone(),
            // Removed from the catalogue since; its bookings stay.
            None => format!("service-{number}"),
        };
        ServiceQuantity { id, quantity }
    };
    services.iter().map(item).collect()
}
