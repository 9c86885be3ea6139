//! Every kind of result.

use rmcp::model::ReadResourceRequestParams;
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER,
    client::{Client, ERAS, only_text},
    conformance,
};

async fn call(client: &Client, tool: &str, arguments: Value) -> Value {
    serde_json::to_value(client.call(tool, arguments).await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_kind_of_content_arrives() {
    let (server, _plugins) = conformance::server("");
    let resource = json!({ "uri": "test://embedded-resource", "mimeType": "text/plain", "text": "This is an embedded resource content." });
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let image = call(&laptop, "test_image_content", json!({})).await;
        assert_eq!(image["content"][0]["mimeType"], "image/png", "{era:?}");
        assert!(image["content"][0]["data"].as_str().unwrap().starts_with("iVBORw0KGgo"), "{image}");
        let audio = call(&laptop, "test_audio_content", json!({})).await;
        assert!(audio["content"][0]["data"].as_str().unwrap().starts_with("UklGR"), "{audio}");
        let embedded = call(&laptop, "test_embedded_resource", json!({})).await;
        assert_eq!(embedded["content"], json!([{ "type": "resource", "resource": resource }]));
        let mixed = call(&laptop, "test_multiple_content_types", json!({})).await;
        let kinds: Vec<_> =
            mixed["content"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
        assert_eq!(kinds, ["text", "image", "resource"]);
    }
}

#[tokio::test]
async fn a_structured_result_has_a_schema_and_the_same_in_text() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let tools = laptop.0.list_all_tools().await.unwrap();
        let tool = tools.into_iter().find(|tool| tool.name == "test_structured").unwrap();
        let schema = Value::Object((*tool.output_schema.unwrap()).clone());
        assert_eq!(schema["properties"]["total"]["type"], "integer", "{era:?}");
        let result = laptop.call("test_structured", json!({ "a": 2, "b": 3 })).await.unwrap();
        assert_eq!(result.structured_content, Some(json!({ "total": 5 })));
        assert_eq!(only_text(&result), "{\"total\":5}");

        let broken = laptop.call("test_broken_structured", json!({})).await.unwrap();
        assert_eq!((broken.is_error, &broken.structured_content), (Some(true), &None));
        assert_eq!(
            only_text(&broken),
            "plugin `conformance` breaks its own output schema: the structured result: `total` is missing"
        );
    }
}

#[tokio::test]
async fn a_result_that_is_too_large_is_refused_with_both_sizes_whatever_its_kind() {
    let (server, _plugins) = conformance::server(", max_response_bytes: 20000");
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        for kind in ["text", "image", "audio", "resource", "blob", "structured"] {
            let fits = laptop.call("test_large", json!({ "kind": kind, "bytes": 5000 })).await.unwrap();
            assert_eq!(fits.is_error, Some(false), "{era:?} {kind}");
            let large = laptop.call("test_large", json!({ "kind": kind, "bytes": 21000 })).await.unwrap();
            assert_eq!(large.is_error, Some(true), "{era:?} {kind}");
            let text = only_text(&large);
            let bytes = text.split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap();
            assert!(bytes > 21_000, "{text}");
            assert!(text.contains("agent `laptop` may receive 20000"), "{text}");
        }
    }
}

#[tokio::test]
async fn resources_may_be_bytes_and_members_of_a_template() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let read = async |uri: &str| {
            let read = laptop.0.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
            serde_json::to_value(read).unwrap()["contents"][0].clone()
        };
        let binary = read("test://static-binary").await;
        assert!(binary["blob"].as_str().unwrap().starts_with("iVBORw0KGgo"), "{era:?} {binary}");
        let member = read("test://template/7/data").await;
        let text: Value = serde_json::from_str(member["text"].as_str().unwrap()).unwrap();
        assert_eq!(text["id"], "7");
    }
}

#[tokio::test]
async fn what_is_listed_keeps_its_looks() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let resources = serde_json::to_value(laptop.0.list_all_resources().await.unwrap()).unwrap();
        let listed =
            resources.as_array().unwrap().iter().find(|it| it["uri"] == "test://static-text").unwrap();
        let expected = json!({
            "uri": "test://static-text",
            "name": "static-text",
            "title": "Static Text Resource",
            "description": "A static text resource for testing",
            "mimeType": "text/plain",
            "size": 48,
            "icons": [{ "src": "https://example.com/text.png", "sizes": ["48x48"] }],
            "annotations": { "audience": ["user", "assistant"], "priority": 0.5, "lastModified": "2026-07-28T00:00:00Z" },
            "_meta": { "example.com/kind": "text" },
        });
        assert_eq!(*listed, expected, "{era:?}");
    }
}

#[tokio::test]
async fn arguments_are_completed_for_those_who_may_use_them() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let words =
            laptop.0.complete_prompt_simple("test_prompt_with_arguments", "arg1", "par").await.unwrap();
        assert_eq!(words, ["paris", "park", "party"], "{era:?}");
        let many =
            laptop.0.complete_resource_argument("test://template/{id}/data", "id", "", None).await.unwrap();
        assert_eq!((many.values.len(), many.total, many.has_more), (100, Some(150), Some(true)));

        let reviewer = Client::connect(&server, REVIEWER, era).await;
        for error in [
            reviewer.0.complete_prompt_simple("test_prompt_with_arguments", "arg1", "par").await.unwrap_err(),
            reviewer.0.complete_resource_simple("test://template/{id}/data", "id", "").await.unwrap_err(),
        ] {
            assert!(error.to_string().contains("agent `reviewer` is not granted"), "{error}");
        }
    }
}
