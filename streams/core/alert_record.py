"""The record that tells of an alert episode: every number and word that it needs to explain itself."""

from typing import TYPE_CHECKING, Any

from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.alert_states import ENDED, HELD_OPEN_US, Event, State
from streamgauge.streams.core.related import finite, time_or_none
from streamgauge.streams.core.summary import duration_in_words, summarise

if TYPE_CHECKING:
    from streamgauge.streams.core.episode import Episode


def record_of(
    episode: "Episode",
    model: str,
    now_us: int,
    event: Event,
    *,
    actor: str | None,
    note: str | None,
    ending: str,
    because: str | None,
) -> dict[str, Any]:
    """The contract's JSON form of the alert as it stands after `event`, with who did what, and how it ended.

    `because` is the alert that tells of it from now on.
    """
    finding = episode.finding
    since_us = episode.opened_us if episode.onset_us is None else episode.onset_us
    known = episode.onset_low_us is not None and episode.onset_high_us is not None
    doubt_us = (episode.onset_low_us or 0, episode.onset_high_us or 0) if known else None
    return {
        "alert_id": episode.alert_id,
        "fingerprint": episode.fingerprint,
        "episode": episode.number,
        "sequence": episode.sequence,
        "state": episode.state,
        "severity": episode.severity,
        "model": model,
        "version": episode.version,
        "monitor": episode.monitor,
        "metric": finding.metric,
        "segment": dict(episode.segment),
        "value": finite(finding.value),
        "low": finite(finding.low),
        "high": finite(finding.high),
        "baseline": finite(finding.baseline),
        "compared_with": finding.compared_with,
        "limit": finite(finding.limit),
        "evidence": finite(finding.evidence),
        "evidence_threshold": finite(finding.evidence_threshold),
        "budgeted": episode.monitor in EVIDENCE,
        "n": finding.n,
        "onset": time_or_none(episode.onset_us),
        "onset_low": time_or_none(episode.onset_low_us),
        "onset_high": time_or_none(episode.onset_high_us),
        "opened_at": time_or_none(episode.opened_us),
        "time": format_time(now_us),
        "contributors": [
            {
                "feature": c.feature,
                "group": c.group,
                "share": finite(c.share),
                "direction": c.direction,
                "size": finite(c.size),
                "bins": episode.attribution.bins_of(c.feature),
            }
            for c in finding.contributors
        ],
        **episode.attribution.record(),
        "related": [related.record() for related in episode.related.values()],
        "because": because,
        "offsets": [offsets.record() for offsets in finding.offsets],
        "definition_id": episode.definition_id,
        "baseline_id": episode.baseline_id,
        "software": episode.software,
        "actor": actor,
        "note": note,
        "summary": summarise(
            model,
            episode.version,
            finding,
            since_us,
            now_us,
            ending,
            doubt_us=doubt_us,
            related=[related.finding for related in episode.related.values()],
            attribution=episode.attribution,
            remarks=_remarks(episode),
        ),
        "runbook_url": episode.runbook_url,
        "reason": event.value,
        "route": episode.routes.get(episode.severity),
        "flapping": episode.flapping,
        "holds_back": list(finding.holds_back),
    }


def _remarks(episode: "Episode") -> list[str]:
    if State(episode.state) in ENDED:
        return []
    remarks = []
    if episode.finding.holds_back:
        remarks.append(f"until they come no alert opens of {', '.join(episode.finding.holds_back)}")
    if episode.flapping:
        remarks.append(f"it flaps: held open until it has been quiet for {duration_in_words(HELD_OPEN_US)}")
    return remarks
