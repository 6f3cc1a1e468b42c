"""One meeting over two servers that share a Redis and a PostgreSQL, with a page at each: getting in by a host's word,
muting, talking, and staying out at both once removed.
"""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect
from tests.browser.conftest import NewPerson
from tests.browser.test_chat import chat, menu, reads, says
from tests.browser.test_waiting_room import as_host, heading, knock, make
from tests.support.postgres import Postgres
from tests.support.redis import PrivateRedis
from tests.support.several import several

SAME_BROWSER = "localStorage.setItem('sfu.browser', '0123456789abcdef0123456789abcdef')"
"""Behind one address, as servers of a deployment are, a browser calls itself the same at all of them; here each server
is an origin of its own.
"""


async def test_a_host_at_one_server_keeps_order_among_those_who_came_by_another(
    new_person: NewPerson, redis: PrivateRedis, postgres: Postgres, tmp_path: Path
) -> None:
    async with several(redis, postgres, tmp_path) as deployment:
        one, other = await deployment.pair()
        made = await make(one, access="waiting_room")
        host, ann = await new_person("Hannah"), await new_person("Ann", script=SAME_BROWSER)
        await as_host(host, made)
        link = made["join_url"].replace(one.url, other.url)
        assert link.startswith(other.url)
        await knock(ann, link)
        await expect(heading(ann, "Waiting for the host to let you in")).to_be_visible()
        await host.page.locator(".door-banner").get_by_role("button", name="Admit").click()
        await ann.connected()
        await ann.sees(host, fps=1)
        await host.sees(ann, fps=1)

        await menu(host, "Ann", "Mute")
        await expect(ann.page.get_by_role("button", name="Unmute")).to_be_visible()
        for person in (host, ann):
            await person.press("chat")
            await expect(chat(person)).to_be_visible()
        await says(ann, "Hello from the other server")
        await reads(host, "Hello from the other server")
        await says(host, "Good to have you")
        await reads(ann, "Hello from the other server", "Good to have you")

        await menu(host, "Ann", "Remove")
        await host.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(heading(ann, "You were removed from the meeting")).to_be_visible()
        for way_in in (link, made["join_url"]):
            await ann.page.goto("about:blank")
            await knock(ann, way_in)
            await expect(heading(ann, "You were removed from the meeting")).to_be_visible()
