//! Where a result says which server it comes from.

use rmcp::model::{
    CallToolResult, CompleteResult, CreateTaskResult, GetPromptResult, GetTaskResult, InputRequiredResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
    ReadResourceResult,
};

/// A result with `_meta`.
pub(super) trait Signed {
    fn meta(&mut self) -> &mut Option<MetaObject>;
}

macro_rules! signed {
    ($($result:ident),*) => {
        $(impl Signed for $result {
            fn meta(&mut self) -> &mut Option<MetaObject> {
                &mut self.meta
            }
        })*
    };
}

signed!(
    CallToolResult,
    CompleteResult,
    CreateTaskResult,
    GetPromptResult,
    GetTaskResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourceTemplatesResult,
    ListResourcesResult,
    ListToolsResult,
    ReadResourceResult
);
