"""The official Python SDK as a client, in both eras."""

import asyncio
import json
import os
import signal
import sys
import threading
import traceback
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import Client, MCPError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

URL = os.environ["TEST_URL"]
TOKEN = os.environ["CLIENT_TOKEN"]
CONFIG = Path(os.environ["TEST_FOLDER"], "config.yaml")
DENIAL = "mcp-universal-server/denial"

passed = failed = 0


async def check(name, body):
    """Runs one check, says how it went, and goes on either way."""
    global passed, failed
    try:
        await asyncio.wait_for(body(), 60)
        passed += 1
        print(f"ok      {name}", flush=True)
    except Exception:
        failed += 1
        print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)


@asynccontextmanager
async def connected(mode, token=TOKEN, **more):
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {token}"})
    async with http, Client(streamable_http_client(URL, http_client=http), mode=mode, **more) as client:
        yield client


@asynccontextmanager
async def granted(tool):
    """Grants one more tool, and takes it back in the end."""
    before = CONFIG.read_text()
    replace(before.replace('["core.sum"]', f'["core.sum", "{tool}"]'))
    try:
        yield
    finally:
        replace(before)


def replace(text):
    fresh = CONFIG.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(CONFIG)


async def names(client):
    # A cached answer would not show what the server says.
    return [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]


async def speak(mode, version):
    async def connects():
        async with connected(mode) as client:
            assert client.protocol_version == version, client.protocol_version
            assert client.server_info.name == "mcp-universal-server", client.server_info

    async def lists():
        async with connected(mode) as client:
            assert await names(client) == ["core.sum"]

    async def calls():
        async with connected(mode) as client:
            result = await client.call_tool("core.sum", {"a": 2, "b": 3})
            assert (result.is_error, [it.text for it in result.content]) == (False, ["5"]), result

    async def is_denied():
        async with connected(mode) as client:
            result = await client.call_tool("core.echo", {"text": "hello"})
            [reason] = result.meta[DENIAL]["reasons"]
            assert result.is_error and reason["message"] in result.content[0].text, result
            assert reason["message"] == "agent `client` is not granted tool `core.echo`", reason

    async def is_told_what_is_unknown():
        async with connected(mode) as client:
            try:
                result = await client.call_tool("core.nothing", {})
            except MCPError as error:
                assert error.code == -32602, error
            else:
                raise AssertionError(result)

    async def has_a_prompt():
        async with connected(mode) as client:
            prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
            assert prompts == ["review_pr", "tool_usage"], prompts
            prompt = await client.get_prompt("review_pr", {"diff": "+ one line"})
            assert "+ one line" in prompt.messages[0].content.text, prompt

    async def reads_a_resource():
        async with connected(mode) as client:
            uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
            assert uris == ["about://policies", "about://server"], uris
            read = await client.read_resource("about://policies")
            assert json.loads(read.contents[0].text)["agent"] == "client", read

    async def hears_of_a_change():
        told = asyncio.Event()

        async def listen(client, listening):
            async with client.listen(tools_list_changed=True) as changes:
                listening.set()
                async for _ in changes:
                    told.set()

        async def hear(message):
            if getattr(message, "method", None) == "notifications/tools/list_changed":
                told.set()

        async with connected(mode, message_handler=hear) as client, asyncio.TaskGroup() as tasks:
            assert await names(client) == ["core.sum"]
            listener = None
            if mode != "legacy":
                listening = asyncio.Event()
                listener = tasks.create_task(listen(client, listening))
                await listening.wait()
            async with granted("core.echo"):
                await told.wait()
                assert await names(client) == ["core.echo", "core.sum"]
                result = await client.call_tool("core.echo", {"text": "new"})
                assert result.content[0].text == "new", result
                told.clear()
            await told.wait()
            assert await names(client) == ["core.sum"]
            if listener:
                listener.cancel()

    async def takes_what_a_tool_with_an_output_schema_answers_fails_and_is_denied_with():
        async with connected(mode) as client:
            async with granted("*"):
                while "test_structured" not in await names(client):
                    await asyncio.sleep(0.02)
                result = await client.call_tool("test_structured", {"a": 2, "b": 3})
                assert result.structured_content == {"total": 5}, result
                assert (await client.call_tool("test_structured", {"a": 2})).is_error
                assert (await client.call_tool("test_broken_structured", {})).is_error
            # The client still knows the schema, and holds a denial against it.
            while not (result := await client.call_tool("test_structured", {"a": 2, "b": 3})).is_error:
                await asyncio.sleep(0.02)
            assert result.meta[DENIAL]["reasons"] and result.structured_content is None, result

    async def needs_a_token():
        try:
            async with connected(mode, token="wrong"):
                raise AssertionError("connected with a wrong token")
        except* MCPError:
            pass

    checks = [connects, lists, calls, is_denied, is_told_what_is_unknown, has_a_prompt, reads_a_resource]
    checks += [
        hears_of_a_change,
        takes_what_a_tool_with_an_output_schema_answers_fails_and_is_denied_with,
        needs_a_token,
    ]
    for body in checks:
        await check(f"{version}: {body.__name__.replace('_', ' ')}", body)


def end_with_the_runner():
    """The runner holds the other end: where it is gone, this process goes too."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


async def main():
    await speak("legacy", "2025-11-25")
    await speak("auto", "2026-07-28")


threading.Thread(target=end_with_the_runner, daemon=True).start()
asyncio.run(main())
print(f"{passed} passed, {failed} failed", flush=True)
os._exit(0 if failed == 0 and passed else 1)
