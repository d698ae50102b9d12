//! The HTTP API as a page, made of its `OpenAPI` document.

use askama::Template;
use serde_json::Value;

use super::Frame;

/// How deep an example may nest, in case a schema contains itself.
const DEPTH: usize = 6;

#[derive(Template, Debug)]
#[template(path = "reference.html")]
pub struct Reference<'a> {
    pub frame: Frame<'a>,
    groups: Vec<Group>,
}

/// The operations of one tag.
#[derive(Debug)]
struct Group {
    name: String,
    description: String,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    summary: String,
    /// What the request has to carry.
    credentials: String,
    parameters: Vec<(String, String)>,
    /// An example of the request's body.
    body: Option<String>,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    status: String,
    description: String,
    example: Option<String>,
}

impl<'a> Reference<'a> {
    #[must_use]
    pub fn new(frame: Frame<'a>, document: &Value) -> Self {
        let tags = document["tags"].as_array().into_iter().flatten();
        let groups = tags.map(|tag| Group {
            name: text(&tag["name"]),
            description: text(&tag["description"]),
            operations: operations(document, &tag["name"]),
        });
        Self { frame, groups: groups.collect() }
    }
}

/// The operations that have this tag, in the order of their paths.
fn operations(document: &Value, tag: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(move |method| (path, method))
        })
        .filter(|(_, (_, operation))| operation["tags"].as_array().is_some_and(|tags| tags.contains(tag)))
        .map(|(path, (method, operation))| Operation {
            method: method.to_ascii_uppercase(),
            path: path.clone(),
            summary: text(&operation["summary"]),
            credentials: credentials(operation),
            parameters: parameters(operation),
            body: operation["requestBody"]["content"]
                .as_object()
                .and_then(|content| content.values().next())
                .and_then(|content| example(document, &content["schema"], DEPTH))
                .map(|value| pretty(&value)),
            answers: answers(document, operation),
        })
        .collect()
}

fn credentials(operation: &Value) -> String {
    let schemes = operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let names = schemes.flatten().map(|(name, scopes)| {
        let scopes: Vec<_> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let name = name.replace('_', " ");
        if scopes.is_empty() { name } else { format!("{name} with {}", scopes.join(" and ")) }
    });
    names.collect::<Vec<_>>().join(" or ")
}

fn parameters(operation: &Value) -> Vec<(String, String)> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.map(|parameter| (text(&parameter["name"]), text(&parameter["description"]))).collect()
}

fn answers(document: &Value, operation: &Value) -> Vec<Answer> {
    let responses = operation["responses"].as_object().into_iter().flatten();
    responses
        // What these look like is the same for all operations, and is said once.
        .filter(|(status, _)| !status.ends_with("XX"))
        .map(|(status, response)| Answer {
            status: status.clone(),
            description: text(&response["description"]),
            example: response["content"]
                .as_object()
                .and_then(|content| content.values().next())
                .and_then(|content| example(document, &content["schema"], DEPTH))
                .map(|value| pretty(&value)),
        })
        .collect()
}

/// A value of this schema, made of the examples in it.
fn example(document: &Value, schema: &Value, depth: usize) -> Option<Value> {
    if depth == 0 {
        return None;
    }
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return Some(example.clone());
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.trim_start_matches('#'))?;
        return example(document, found, depth - 1);
    }
    for list in ["oneOf", "anyOf", "allOf"] {
        let mut of = schema[list].as_array().into_iter().flatten();
        if let Some(value) = of.find_map(|schema| example(document, schema, depth - 1)) {
            return Some(value);
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        let values = properties.iter().filter_map(|(name, schema)| {
            example(document, schema, depth - 1).map(|value| (name.clone(), value))
        });
        return Some(Value::Object(values.collect()));
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0).and_then(Value::as_str));
    match kind? {
        "array" => Some(Value::Array(example(document, &schema["items"], depth - 1).into_iter().collect())),
        "boolean" => Some(Value::Bool(true)),
        "string" if schema["format"] == "uuid" => Some("01a21c98-2fc5-76de-97d9-5ae26925ff6f".into()),
        "string" => schema["enum"].get(0).cloned(),
        _ => None,
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
