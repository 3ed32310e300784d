"""Which requests come from another site's page."""

from __future__ import annotations

from typing import Any

import pytest

from irqbal.api.backend import ApiError
from irqbal.api.http.site_check import SiteCheck, SiteHeaders

US = "irq.example:8080"


def is_refused(writes: bool = False, **headers: Any) -> bool:
    sent = SiteHeaders(**{"host": US, "origin": None, "fetch_site": None, **headers})
    try:
        SiteCheck(()).check_origin(sent, writes)
    except ApiError as error:
        assert error.status == 403
        return True
    return False


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize(
    ("scheme", "origin", "refused"),
    [
        ("http", f"http://{US}", False),
        ("https", f"https://{US}", False),
        ("http", f"https://{US}", False),  # a proxy in front of us has the certificate
        ("https", f"http://{US}", True),
        ("http", f"ftp://{US}", True),
        ("http", US, True),
        ("https", "https://other.example:8080", True),
        ("http", "null", True),
    ],
)
def test_an_origin_is_ours_by_scheme_host_and_port(
    scheme: str, origin: str, refused: bool, writes: bool
) -> None:
    assert is_refused(writes, origin=origin, scheme=scheme) == refused


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_page_may_send_its_visitors_here_and_read_nothing(site: str) -> None:
    link: dict[str, Any] = {"fetch_mode": "navigate", "fetch_dest": "document"}
    assert not is_refused(fetch_site=site, **link)
    assert is_refused(True, fetch_site=site, **link)
    for mode, dest in (("cors", "empty"), ("no-cors", "image"), ("navigate", "iframe")):
        assert is_refused(fetch_site=site, fetch_mode=mode, fetch_dest=dest)
    assert is_refused(fetch_site=site)
    for own in ("same-origin", "none"):
        assert not is_refused(True, fetch_site=own, fetch_mode="cors", fetch_dest="empty")
