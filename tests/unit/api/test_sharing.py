"""Places are shared by client: whoever comes with less gets one, root and tokens always."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqbal.api.backend import ApiError, Caller
from irqbal.api.http.admission import SHARE_OF_TOKEN, ConnectionLimit, client_of
from irqbal.api.http.peer import Peer
from irqbal.api.sharing import FairTurns, Requester, requester
from irqbal.api.subscribers import Subscribers

ROOT = Requester(0, True)


class FakeStream:
    """A connection that can be closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def _user(uid: int) -> Peer:
    return Peer("unix", False, uid)


def test_clients_are_users_networks_and_all_of_loopback() -> None:
    peers = {
        "127.0.0.1:7": "loopback",
        "::1:7": "loopback",
        "192.0.2.7:9": "192.0.2.7",
        "2001:db8:1:2:3::4:9": "2001:db8:1:2::/64",
        "2001:db8:1:2:aaaa::1:9": "2001:db8:1:2::/64",
        "::ffff:192.0.2.7:9": "192.0.2.7",
        "fe80::1%eth0:9": "fe80::/64",
    }
    for address, key in peers.items():
        loopback = key == "loopback"
        assert client_of(Peer(address, loopback)) == Requester(key, False), address
    assert client_of(_user(0)).reserved and not client_of(_user(1001)).reserved
    token = client_of(Peer("127.0.0.1:7", True), Caller("token ci", "127.0.0.1:7"))
    assert token == Requester("token ci", True)


def test_those_who_never_asked_go_first_and_then_the_idle() -> None:
    limit = ConnectionLimit(4)
    silent, idle, busy = ([FakeStream() for _ in range(2)] for _ in range(3))
    for stream in (*idle, *silent):
        assert limit.enter(stream, _user(1001))
    for stream in idle:
        limit.admitted(stream, client_of(_user(1001)))
        limit.answered(stream)
    for number, stream in enumerate(busy):
        assert limit.enter(stream, _user(1002)), number
        limit.admitted(stream, client_of(_user(1002)))
    assert [one.closed for one in (*silent, *idle)] == [True, True, False, False]
    third = FakeStream()
    assert limit.enter(third, _user(1003)), "a third one gets a place of those who have two"
    assert idle[0].closed and not idle[1].closed
    assert limit.enter(FakeStream(), _user(0)) and not busy[0].closed, "root's do not count"


def test_one_whose_requests_are_all_being_answered_gets_no_further_connection() -> None:
    limit = ConnectionLimit(3)
    mine = [FakeStream() for _ in range(3)]
    for stream in mine:
        assert limit.enter(stream, _user(1001))
        limit.admitted(stream, client_of(_user(1001)))
    assert not limit.enter(FakeStream(), _user(1001))
    other = FakeStream()
    assert limit.enter(other, _user(1002)) and sum(one.closed for one in mine) == 1


def test_a_connection_that_brought_a_token_is_no_longer_its_addresss() -> None:
    limit = ConnectionLimit(2)
    holder, loopback = FakeStream(), Peer("127.0.0.1:7", True)
    assert limit.enter(holder, loopback)
    limit.admitted(holder, Requester("token ci", True))
    limit.answered(holder)
    crowd = [FakeStream() for _ in range(20)]
    assert all(limit.enter(stream, loopback) for stream in crowd)
    assert not holder.closed and sum(not one.closed for one in crowd) == 2
    for stream in (holder, *crowd, *crowd):
        limit.leave(stream)
    assert all(limit.enter(FakeStream(), _user(7)) for _ in range(2))


def test_the_holder_of_a_token_has_a_share_besides_and_then_counts_like_others() -> None:
    limit = ConnectionLimit(8)
    loopback, holder = Peer("127.0.0.1:7", True), Requester("token ci", True)
    for _ in range(2):
        # Those that left make room for others of his.
        streams = [FakeStream() for _ in range(40)]
        for stream in streams:
            assert limit.enter(stream, loopback)
            limit.admitted(stream, holder)
            limit.answered(stream)
        assert sum(not one.closed for one in streams) == 8 + 8 // SHARE_OF_TOKEN
        for stream in streams:
            limit.leave(stream)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=120))
def test_whatever_comes_and_goes_the_places_are_bounded_and_the_least_get_in(
    steps: list[tuple[int, int]],
) -> None:
    limit = ConnectionLimit(6)
    open_now: list[tuple[FakeStream, int]] = []
    for uid, action in steps:
        open_now = [one for one in open_now if not one[0].closed]
        if action == 0 and open_now:
            stream, _ = open_now.pop(uid % len(open_now))
            limit.leave(stream)
            continue
        counts = Counter(one for _, one in open_now)
        stream = FakeStream()
        entered = limit.enter(stream, _user(uid))
        if entered:
            open_now.append((stream, uid))
            if action > 1:
                limit.admitted(stream, client_of(_user(uid)))
        else:
            assert counts[uid] + 1 >= max(counts.values())
        assert sum(not one.closed for one, _ in open_now) <= 6


def test_the_client_with_most_listeners_loses_one_to_another() -> None:
    async def run() -> None:
        subscribers = Subscribers()
        requester.set(Requester("loopback", False))
        crowd = [subscribers.subscribe() for _ in range(Subscribers.MOST)]
        with pytest.raises(ApiError):
            subscribers.subscribe()
        requester.set(Requester(1001, False))
        mine = [subscribers.subscribe() for _ in range(Subscribers.MOST // 2)]
        with pytest.raises(ApiError):
            subscribers.subscribe()
        assert await crowd[0].next() is None, "the oldest went first"
        requester.set(ROOT)
        for _ in range(Subscribers.RESERVED):
            subscribers.subscribe()
        assert len(subscribers) == Subscribers.MOST + Subscribers.RESERVED
        assert len(mine) == Subscribers.MOST // 2
        subscribers.close()

    asyncio.run(run())


def test_turns_go_round_and_root_comes_next() -> None:
    order: list[Hashable] = []

    async def work(turns: FairTurns, who: Requester) -> None:
        requester.set(who)
        async with turns:
            order.append(who.key)
            await asyncio.sleep(0.001)

    async def run() -> None:
        turns = FairTurns(1, 100, lambda: ApiError(503, "busy", "busy"))
        crowd = [Requester("a", False)] * 8 + [Requester("b", False)] * 2 + [Requester("c", False)]
        tasks = [asyncio.create_task(work(turns, who)) for who in crowd]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(work(turns, ROOT)) for _ in range(2)]
        await asyncio.gather(*tasks)
        assert turns.waiting == 0

    asyncio.run(run())
    assert order[:2] == ["a", 0], "root has a place of its own"
    assert 0 in order[2:5], "which the next of root's gets"
    others = [key for key in order if key != 0]
    assert others[:5] in (["a", "b", "c", "a", "b"], ["a", "a", "b", "c", "a"])


def test_one_with_a_token_does_not_take_all_the_turns() -> None:
    done: Counter[Hashable] = Counter()

    async def work(turns: FairTurns, who: Requester) -> None:
        requester.set(who)
        for _ in range(30):
            async with turns:
                done[who.key] += 1
                await asyncio.sleep(0.001)

    async def run() -> None:
        turns = FairTurns(2, 32, lambda: ApiError(503, "busy", "busy"))
        holder, other = Requester("token ci", True), Requester("loopback", False)
        holders = [asyncio.create_task(work(turns, holder)) for _ in range(8)]
        await asyncio.wait_for(asyncio.create_task(work(turns, other)), 30)
        assert done["token ci"] < 8 * 30, "it had to wait for none of them"
        for task in holders:
            task.cancel()

    asyncio.run(run())


def test_who_waits_most_is_refused_for_another() -> None:
    refused: list[Hashable] = []

    async def work(turns: FairTurns, who: Requester) -> None:
        requester.set(who)
        try:
            async with turns:
                await asyncio.sleep(0.001)
        except ApiError:
            refused.append(who.key)

    async def run() -> None:
        turns = FairTurns(1, 4, lambda: ApiError(503, "busy", "busy"))
        crowd = [Requester("a", False)] * 9 + [Requester("b", False), Requester("c", False)]
        tasks = [asyncio.create_task(work(turns, who)) for who in crowd]
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert set(refused) == {"a"} and len(refused) == 6


def test_one_who_leaves_while_waiting_keeps_nobody_from_a_turn() -> None:
    async def run() -> None:
        turns = FairTurns(1, 10, lambda: ApiError(503, "busy", "busy"))
        requester.set(Requester("a", False))
        await turns.__aenter__()
        waiting = [asyncio.create_task(turns.__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        await turns.__aexit__()
        # Given and cancelled in the same moment.
        waiting[1].cancel()
        await asyncio.wait_for(waiting[2], 5)
        await turns.__aexit__()
        assert turns.waiting == 0
        await asyncio.wait_for(turns.__aenter__(), 5)

    asyncio.run(run())
