"""The hosts: turns, rests, and how many are remembered."""

from goldpan.fetch.client import FetchOptions, Request
from goldpan.fetch.hosts import HOSTS_KEPT, Host, Hosts
from goldpan.fetch.job import Job
from goldpan.fetch.timers import Timers
from goldpan.fetch.urls import parse_url


def job(name: str, number: int) -> Job:
    url = f"http://{name}/{number}"
    return Job(Request(number, url), parse_url(url), lambda: None)  # type: ignore[arg-type,return-value]


def with_jobs(hosts: Hosts, name: str, jobs: int) -> Host:
    host = hosts.of(name)
    host.addresses = ("192.0.2.1",)
    host.queue.extend(job(name, number) for number in range(jobs))
    hosts.wake(host, 0.0)
    return host


def turns(hosts: Hosts, now: float = 0.0) -> list[str]:
    found = []
    while turn := hosts.next(now):
        found.append(f"{turn[0].name}{turn[1].request.key}")
    return found


def test_each_has_its_turn_in_order() -> None:
    hosts = Hosts(FetchOptions(per_host=2), Timers())
    for name, jobs in (("a", 5), ("b", 1), ("c", 3)):
        with_jobs(hosts, name, jobs)
    assert turns(hosts) == ["a0", "b0", "c0", "a1", "c1"]
    host = hosts.of("a")
    host.active -= 1
    hosts.wake(host, 0.0)
    assert turns(hosts) == ["a2"]


def test_a_host_without_addresses_has_no_turn() -> None:
    hosts = Hosts(FetchOptions(), Timers())
    hosts.of("a").queue.append(job("a", 0))
    hosts.wake(hosts.of("a"), 0.0)
    assert turns(hosts) == []


def test_a_rest_ends_by_the_timer() -> None:
    timers = Timers()
    hosts = Hosts(FetchOptions(per_host=9), timers)
    host = hosts.of("a")
    host.gap = 2.0
    with_jobs(hosts, "a", 3)
    assert turns(hosts) == ["a0"]
    assert timers.next() == 2.0
    timers.run(1.9)
    assert turns(hosts, 1.9) == []
    timers.run(2.0)
    assert turns(hosts, 2.0) == ["a1"]


def test_pinned_addresses() -> None:
    host = Hosts(FetchOptions(), Timers()).of("name.example")
    host.addresses = ("192.0.2.1", "2001:db8::1")
    assert host.pinned(443) == "name.example:443:192.0.2.1,[2001:db8::1]"
    host.addresses = ()
    assert host.pinned(80) is None
    hosts = Hosts(FetchOptions(), Timers())
    assert [hosts.of(name).is_address for name in ("127.0.0.1", "::1", "a.b1", "3com.com")] == [
        True,
        True,
        False,
        False,
    ]


def test_few_are_remembered() -> None:
    hosts = Hosts(FetchOptions(), Timers())
    with_jobs(hosts, "busy", 1)
    for number in range(3 * HOSTS_KEPT):
        hosts.of(f"host{number}")
        assert len(hosts.reports()) <= HOSTS_KEPT if number % 1000 == 0 else True
    assert hosts.of("busy").queue
    assert hosts.of(f"host{3 * HOSTS_KEPT - 1}").name in {report.name for report in hosts.reports()}
