//! The bundled plugin `files`: what is below the folders that an agent is granted.
//! What may be read, and how much of it, the host decides.

use plugin_api::{
    FileEncoding, FileList, FileMatches, FileRoot, Files, ListFiles, ReadFile, SearchFiles, prelude::*,
};

/// The plugin's definition.
pub fn plugin() -> Plugin {
    Plugin::new("files", env!("CARGO_PKG_VERSION"))
        .title("Files")
        .description("Lists, reads and searches files below the folders that an agent is granted.")
        .tool(
            read_only(Tool::new(
                "fs.list",
                "Lists a folder below one of your file roots: names, kinds, sizes and times. Without a \
             root, it names the roots that you may read. Symbolic links are listed and not followed.",
                list,
            ))
            .title("List files"),
        )
        .tool(
            read_only(Tool::new(
                "fs.read",
                "Reads a file below one of your file roots, or a part of it. Answers the text itself; \
             if there is more, a second block says at which offset to go on.",
                read,
            ))
            .title("Read a file"),
        )
        .tool(
            read_only(Tool::new(
                "fs.search",
                "Finds files below one of your file roots by their names (`name`), lines of files by \
             what they hold (`text`), or both. Says what it left out, and why it ended early if it did.",
                search,
            ))
            .title("Search files"),
        )
}

plugin_api::export!(plugin);

fn read_only(tool: Tool) -> Tool {
    tool.needs(Capability::FsRead).read_only(true).idempotent(true).open_world(false)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// The root, by name. Leave it out to learn which there are.
    root: Option<String>,
    /// The folder, from the root, as in `guides/install`. The root itself unless given.
    #[serde(default)]
    path: String,
    /// Only entries whose names come after this one: the last name of the page before.
    after: Option<String>,
    /// How many entries, at most 1000. 200 unless given.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

/// A page of a folder, or the roots.
#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    /// The roots that can be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roots: Vec<FileRoot>,
    #[serde(flatten)]
    list: FileList,
}

fn list(call: &Call, input: List) -> Result<Json<Listed>, CallError> {
    let List { root, path, after, limit } = input;
    let files: Files<'_> = call.files();
    let Some(root) = root else {
        return Ok(Json(Listed { roots: files.roots()?, list: FileList::default() }));
    };
    let list = files.list(&ListFiles { root, path, after, limit })?;
    Ok(Json(Listed { roots: Vec::new(), list }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// The root, by name.
    root: String,
    /// The file, from the root, as in `guides/install.md`.
    path: String,
    /// The byte to start at. The first unless given.
    #[serde(default)]
    offset: u64,
    /// How many bytes, at most. As many as the server allows unless given.
    #[schemars(range(min = 1))]
    length: Option<u64>,
    /// `text` for UTF-8, or `base64` for any file. `text` unless given.
    #[serde(default)]
    encoding: FileEncoding,
}

fn read(call: &Call, input: Read) -> Result<Vec<Content>, CallError> {
    let Read { root, path, offset, length, encoding } = input;
    let part = call.files().read(&ReadFile { root, path, offset, length, encoding })?;
    let mut content = vec![Content::text(&part.content)];
    let end = part.offset.saturating_add(part.length);
    match part.next() {
        Some(next) => content.push(Content::text(format!(
            "[bytes {offset} to {end} of {}; go on with offset {next}]",
            part.size
        ))),
        None if offset > 0 => content.push(Content::text(format!("[bytes {offset} to {end}, the end]"))),
        None => {}
    }
    Ok(content)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// The root, by name.
    root: String,
    /// The folder to search below, from the root. All of it unless given.
    #[serde(default)]
    path: String,
    /// What a line has to hold.
    text: Option<String>,
    /// Whether `text` is a regular expression.
    #[serde(default)]
    regex: bool,
    /// Whether upper and lower case are the same in `text`.
    #[serde(default)]
    ignore_case: bool,
    /// What a file's name has to be like, as in `*.md`; `*`, `?` and `[…]` stand for others.
    name: Option<String>,
    /// How many matches, at most 1000. 100 unless given.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

fn search(call: &Call, input: Search) -> Result<Json<FileMatches>, CallError> {
    let Search { root, path, text, regex, ignore_case, name, limit } = input;
    let search = SearchFiles { root, path, text, regex, ignore_case, name, limit };
    Ok(Json(call.files().search(&search)?))
}

#[cfg(test)]
mod tests {
    use plugin_api::{ErrorCode, OpError, testing::Harness};
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_root_a_list_names_the_roots() {
        let roots = json!([{ "name": "docs" }]);
        let harness = Harness::new(plugin()).file("docs", "a.md", "");
        let listed = harness.call_tool("fs.list", json!({})).unwrap();
        assert_eq!(listed.structured, Some(json!({ "roots": roots, "entries": [], "more": false })));
    }

    #[test]
    fn what_is_asked_for_is_what_the_host_is_asked_for() {
        let list = json!({ "entries": [{ "name": "a.md", "kind": "file", "bytes": 3 }], "more": true });
        let matches = json!({ "matches": [], "files": 4, "skipped": { "binary": 1 }, "stopped": "entries" });
        let harness = Harness::new(plugin())
            .serve("files/list", Ok(list.clone()))
            .serve("files/search", Ok(matches.clone()));
        let page = json!({ "root": "docs", "path": "guides", "after": "a", "limit": 1 });
        assert_eq!(harness.call_tool("fs.list", page.clone()).unwrap().structured, Some(list));
        let search = json!({ "root": "docs", "path": "", "text": "x+", "regex": true, "ignore_case": true, "name": "*.md", "limit": 9 });
        assert_eq!(harness.call_tool("fs.search", search.clone()).unwrap().structured, Some(matches));
        assert_eq!(harness.asked(), [("files/list".to_owned(), page), ("files/search".to_owned(), search)]);
    }

    #[test]
    fn a_part_of_a_file_says_where_the_next_one_starts() {
        let harness = Harness::new(plugin()).file("docs", "a", "some text");
        for (offset, length, blocks) in [
            (0, 9, vec!["some text"]),
            (0, 4, vec!["some", "[bytes 0 to 4 of 9; go on with offset 4]"]),
            (5, 9, vec!["text", "[bytes 5 to 9, the end]"]),
        ] {
            let arguments = json!({ "root": "docs", "path": "a", "offset": offset, "length": length });
            let blocks: Vec<_> = blocks.into_iter().map(Content::text).collect();
            assert_eq!(harness.call_tool("fs.read", arguments).unwrap().content, blocks);
        }
    }

    #[test]
    fn a_refusal_of_the_host_is_passed_on() {
        let refusal = OpError::new(ErrorCode::Denied, "agent `x` is not granted file root `docs`");
        let harness = Harness::new(plugin()).serve("files/read", Err(refusal.clone()));
        assert_eq!(harness.call_tool("fs.read", json!({ "root": "docs", "path": "a" })), Err(refusal));
    }

    #[test]
    fn every_tool_needs_the_capability_and_writes_nothing() {
        for tool in plugin().manifest().unwrap().tools {
            assert_eq!(tool.capabilities, [Capability::FsRead].into(), "{}", tool.name);
            assert_eq!((tool.annotations.read_only, tool.inline), (Some(true), false), "{}", tool.name);
        }
    }
}
