"""`streamgauge alerts`: follow alerts, list those that are open, and say what is to become of them."""

import argparse

from streamgauge.cli import alert_orders
from streamgauge.cli.watching import (
    add_following,
    add_verb,
    clock,
    connection_of,
    follow,
    show,
    start_of,
)
from streamgauge.clients.alerts import AlertSubscription, latest_alerts
from streamgauge.clients.events import Alert


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `alerts`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_following(
        add_verb(
            verbs, "watch", "follow alerts as they open, change and resolve",
            "streamgauge alerts watch --model credit", watch,
        )
    )  # fmt: skip
    listing = add_verb(
        verbs, "list", "list the alerts that are open", "streamgauge alerts list --all --json", list_open
    )
    listing.add_argument("--all", action="store_true", help="also those that are over")
    alert_orders.configure(verbs)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    code: int = args.run_verb(args)
    return code


def watch(args: argparse.Namespace) -> int:
    """Follow alerts."""
    with AlertSubscription(connection_of(args), start=start_of(args), model=args.model) as alerts:
        return follow(alerts, args, line)


def list_open(args: argparse.Namespace) -> int:
    """The last step of every episode, the most severe first."""
    order = {"critical": 0, "warning": 1}
    found = [alert for alert in latest_alerts(connection_of(args), args.model) if args.all or alert.is_open]
    found.sort(key=lambda alert: (order.get(alert.severity, 2), alert.opened_at))
    show(found, args.json, line)
    if not found and not args.json:
        print("no alerts" if args.all else "no open alerts")
    return 0


def line(alert: Alert) -> str:
    """An alert as people read it."""
    state = f"{alert.state:<12} {alert.severity:<8}"
    return f"{clock(alert.time)}  {state} {alert.monitor}: {alert.summary}  ({alert.alert_id})"
