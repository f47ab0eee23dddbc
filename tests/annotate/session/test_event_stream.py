"""Server-sent events: in order, resumed, bounded."""

import asyncio
import json
import threading

from gazekit.annotate.session.event_stream import EventStream


async def take(follower, n):
    found = []
    async for text in follower:
        fields = dict(line.partition(": ")[::2] for line in text.strip().splitlines())
        found.append(fields)
        if len(found) == n:
            break
    await follower.aclose()
    return found


def test_events_come_in_order_from_any_thread():
    async def run():
        stream = EventStream()
        task = asyncio.create_task(take(stream.follow(), 101))
        await asyncio.sleep(0)
        thread = threading.Thread(target=lambda: [stream.publish("frame", {"frame": i}) for i in range(100)])
        thread.start()
        found = await asyncio.wait_for(task, 10)
        thread.join()
        assert not stream._followers  # a connection that ended is forgotten
        return found

    first, *events = asyncio.run(run())
    assert first["retry"] == "1000"
    assert [json.loads(e["data"])["frame"] for e in events] == [*range(100)]
    ids = [int(e["id"]) for e in (first, *events)]
    assert ids == [*range(ids[0], ids[0] + 101)]


def test_a_page_resumes_after_the_last_event_it_saw():
    stream = EventStream()
    ids = [stream.publish("frame", {"frame": i}) for i in range(10)]
    assert [json.loads(text)["frame"] for _, _, text in stream.since(ids[3])] == [4, 5, 6, 7, 8, 9]
    assert stream.since(ids[-1]) == []
    first, *events = asyncio.run(take(stream.follow(ids[7]), 3))
    assert int(first["id"]) == ids[7]
    assert [int(e["id"]) for e in events] == ids[8:]


def test_what_cannot_be_resumed_is_read_anew():
    stream = EventStream(keep=4)
    before = stream.last_id
    ids = [stream.publish("frame", {"frame": i}) for i in range(10)]
    assert stream.since(before) == [(ids[-1], "reset", "{}")]
    assert stream.since(ids[4]) == [(ids[-1], "reset", "{}")]
    assert len(stream.since(ids[5])) == 4
    assert stream.since(ids[-1] + 5)[0][1] == "reset"  # a number that was never given
    earlier = stream.last_id
    assert EventStream().last_id > earlier  # after a restart
    assert EventStream().since(earlier)[0][1] == "reset"


def test_closing_ends_all_connections():
    async def run():
        stream = EventStream()
        tasks = [asyncio.create_task(take(stream.follow(), 99)) for _ in range(3)]
        await asyncio.sleep(0.01)
        stream.close()
        return await asyncio.wait_for(asyncio.gather(*tasks), 5)

    assert [len(found) for found in asyncio.run(run())] == [1, 1, 1]
