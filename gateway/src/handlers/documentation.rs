//! The API's own documentation, from the same source as the OpenAPI document.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::Value;

use crate::app::AppState;
use crate::extract::Segment;
use crate::problem::{ApiError, Kind};

/// `GET /api/openapi.json`
pub(crate) async fn openapi(State(app): State<AppState>) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ),
    ];
    (headers, app.openapi.clone()).into_response()
}

/// `GET /api/docs`: the same for people, without a script.
pub(crate) async fn page(State(app): State<AppState>) -> Response {
    let cache = HeaderValue::from_static("public, max-age=300");
    (
        [(header::CACHE_CONTROL, cache)],
        Html(app.documentation.clone()),
    )
        .into_response()
}

/// The page for people from the OpenAPI document.
pub(crate) fn render(openapi: &str) -> String {
    let document = serde_json::from_str(openapi).expect("the document is JSON");
    Page::of(&document)
        .render()
        .expect("the template writes to a string")
}

/// `GET /problems/{slug}`: the type of a problem leads to its description.
pub(crate) async fn problem(Segment(slug): Segment) -> Result<Redirect, ApiError> {
    match Kind::ALL.iter().find(|kind| kind.slug() == slug) {
        Some(kind) => Ok(Redirect::to(&format!("/api/docs#problem-{}", kind.slug()))),
        None => Err(ApiError::new(
            Kind::NotFound,
            "There is no such problem type.",
        )),
    }
}

#[derive(Template)]
#[template(path = "documentation.html")]
struct Page {
    title: String,
    description: String,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
    problems: &'static [Kind],
}

struct Group {
    name: String,
    description: String,
    calls: Vec<Call>,
}

struct Call {
    anchor: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    /// Name of the body's schema; empty without one.
    body: String,
    needs_token: bool,
    answers: Vec<Outcome>,
}

struct Parameter {
    name: String,
    place: String,
    required: bool,
    description: String,
}

struct Outcome {
    status: String,
    schema: String,
    description: String,
}

struct Schema {
    name: String,
    description: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    required: bool,
    description: String,
}

impl Page {
    fn of(document: &Value) -> Page {
        let tags = document["tags"].as_array().into_iter().flatten();
        let groups = tags.map(|tag| Group {
            name: text(&tag["name"]),
            description: text(&tag["description"]),
            calls: calls(document, &tag["name"]),
        });
        let schemas = document["components"]["schemas"]
            .as_object()
            .into_iter()
            .flatten();
        Page {
            title: text(&document["info"]["title"]),
            description: text(&document["info"]["description"]),
            groups: groups.collect(),
            schemas: schemas
                .map(|(name, schema)| Schema::of(name, schema))
                .collect(),
            problems: Kind::ALL,
        }
    }
}

fn calls(document: &Value, tag: &Value) -> Vec<Call> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let calls = paths.flat_map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten();
        operations.filter_map(move |(method, operation)| {
            let tagged = operation["tags"].as_array()?.contains(tag);
            tagged.then(|| Call::of(method, path, operation))
        })
    });
    calls.collect()
}

impl Call {
    fn of(method: &str, path: &str, operation: &Value) -> Call {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let answers = operation["responses"].as_object().into_iter().flatten();
        Call {
            anchor: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            parameters: parameters
                .map(|parameter| Parameter {
                    name: text(&parameter["name"]),
                    place: text(&parameter["in"]),
                    required: parameter["required"] == true,
                    description: text(&parameter["description"]),
                })
                .collect(),
            body: schema_name(&operation["requestBody"]),
            needs_token: operation["security"].is_array(),
            answers: answers
                .map(|(status, answer)| Outcome {
                    status: status.clone(),
                    schema: schema_name(answer),
                    description: text(&answer["description"]),
                })
                .collect(),
        }
    }
}

impl Schema {
    fn of(name: &str, schema: &Value) -> Schema {
        let required = |field: &str| {
            schema["required"]
                .as_array()
                .is_some_and(|names| names.iter().any(|it| it == field))
        };
        let fields = schema["properties"].as_object().into_iter().flatten();
        Schema {
            name: name.to_owned(),
            description: text(&schema["description"]),
            fields: fields
                .map(|(name, field)| Field {
                    name: name.clone(),
                    kind: kind(field),
                    required: required(name),
                    description: text(&field["description"]),
                })
                .collect(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The name of the one schema that a body refers to.
fn schema_name(body: &Value) -> String {
    let content = body["content"]
        .as_object()
        .and_then(|content| content.values().next());
    content
        .map(|content| reference(&content["schema"]))
        .unwrap_or_default()
}

fn reference(schema: &Value) -> String {
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next());
    name.unwrap_or_default().to_owned()
}

/// The type of a field in words: `string`, `Text`, `list of Offer` …
fn kind(field: &Value) -> String {
    let referred = reference(field);
    if !referred.is_empty() {
        return referred;
    }
    if let Some(choices) = field["oneOf"]
        .as_array()
        .or_else(|| field["allOf"].as_array())
    {
        let names = choices.iter().map(kind).filter(|name| name != "null");
        return names.collect::<Vec<_>>().join(" or ");
    }
    let types = match &field["type"] {
        Value::Array(types) => types.iter().map(text).collect(),
        one => vec![text(one)],
    };
    let types = types
        .into_iter()
        .filter(|name| name != "null")
        .map(|name| match &*name {
            "array" => format!("list of {}", kind(&field["items"])),
            _ => name,
        });
    types.collect::<Vec<_>>().join(" or ")
}
