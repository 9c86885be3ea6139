//! The way to one member of the audience.

use rmcp::{
    RoleServer,
    model::ResourceUpdatedNotificationParam,
    service::{Peer, SubscriptionSink},
};
use tokio_util::sync::CancellationToken;

use super::Changed;

/// A session's client, or a stream that one listens on.
#[derive(Clone)]
pub(super) enum Line {
    Session(Peer<RoleServer>),
    Stream { sink: SubscriptionSink, ended: CancellationToken },
}

/// What a member is told.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// Lists are different.
    Lists(Changed),
    /// A resource is.
    Resource(String),
}

impl Line {
    /// Who does not take it in time, or has gone, learns it when it looks.
    pub(super) async fn tell(self, news: News) {
        match (news, self) {
            (News::Lists(changed), line) => tell_lists(line, changed).await,
            (News::Resource(uri), Self::Session(peer)) => {
                let _ = peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await;
            }
            (News::Resource(uri), Self::Stream { sink, .. }) => {
                let _ = sink.notify_resource_updated(uri).await;
            }
        }
    }
}

async fn tell_lists(line: Line, changed: Changed) {
    match line {
        Line::Session(peer) => {
            if changed.tools {
                let _ = peer.notify_tool_list_changed().await;
            }
            if changed.resources {
                let _ = peer.notify_resource_list_changed().await;
            }
            if changed.prompts {
                let _ = peer.notify_prompt_list_changed().await;
            }
        }
        // The sink drops what the client did not ask for.
        Line::Stream { sink, .. } => {
            if changed.tools {
                let _ = sink.notify_tool_list_changed().await;
            }
            if changed.resources {
                let _ = sink.notify_resource_list_changed().await;
            }
            if changed.prompts {
                let _ = sink.notify_prompt_list_changed().await;
            }
        }
    }
}
