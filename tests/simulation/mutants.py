"""The planted bugs: mistakes that the storage protocol was found to invite, each as a change of the source.

A test fails when the text to be changed is not there exactly once, so that a bug cannot quietly stop being planted.
One file, though a long one: it is one list.
"""

from __future__ import annotations

from dataclasses import dataclass

CLAIM, COMPLETE, FENCE = "hub/life/claim.py", "hub/life/complete.py", "hub/life/fence.py"
CREATE, DEBTS, CANCEL = "hub/life/create.py", "hub/life/debts.py", "hub/life/cancel.py"
REDELIVER, RENEW, CONTEXT = "hub/life/redeliver.py", "hub/life/renew.py", "hub/life/context.py"
LIFECYCLE, HINTS, SLOTS = "hub/rules/lifecycle.py", "hub/rules/hints.py", "hub/limits/slots.py"
RELEASE = "hub/life/release.py"
RELEASES = "hub/audit/releases.py"
ALERTS, ALERT_RULES = "hub/life/alerts.py", "hub/rules/alerts.py"
SCHEDULES = "hub/sources/schedules.py"
RECONCILE, RETENTION = "hub/upkeep/reconcile.py", "hub/upkeep/retention.py"
POLL, ORDERS = "hub/dispatch/poll.py", "hub/dispatch/orders.py"
STARTS, RERUN, LANES = "hub/limits/start_rate.py", "hub/life/rerun.py", "hub/dispatch/lanes.py"
EVENTS, INDEX, LIMITS = "hub/storage/events.py", "hub/storage/partition_index.py", "hub/storage/limits.py"
QUEUES, RECEIVE, AGENT = (
    "hub/storage/embedded/queues.py",
    "hub/dispatch/receive_loop.py",
    "agent/nexomatic_agent/task.py",
)


@dataclass(frozen=True)
class Patch:
    """One change of one file. `old` is in it exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """One planted bug."""

    name: str
    what: str
    patches: tuple[Patch, ...]


def _mutant(name: str, what: str, *patches: tuple[str, str, str]) -> Mutant:
    return Mutant(name, what, tuple(Patch(*patch) for patch in patches))


MUTANTS: tuple[Mutant, ...] = (
    _mutant(
        "01",
        "the claimer takes a 412 after its own write for a lost race",
        (CLAIM, "return await self._won_after_all(claimed, LostRace())", "raise LostRace from None"),
    ),
    _mutant(
        "02",
        "a lease is compared by ETag instead of claim id",
        (FENCE, "if not holds(stored.event, lease.claim_id):", "if stored.etag != lease.etag:"),
    ),
    _mutant(
        "03",
        "a repeated report is recognised only on final rows",
        (
            FENCE,
            "if attempt is not None and attempt.outcome in REPORTED:",
            "if attempt is not None and attempt.outcome in REPORTED and stored.event.state.final:",
        ),
    ),
    _mutant(
        "04",
        "a message whose row is missing is deleted at once",
        (REDELIVER, "if age > self._life.terms.orphan_seconds:", "if age >= 0:"),
    ),
    _mutant(
        "05",
        "a row that is there already excuses the put of its message",
        (
            CREATE,
            "inserted, *_ = await together(self._insert(event), self._put_hint(event), registering)",
            "inserted = await self._insert(event)\n"
            "        if not inserted:\n"
            "            registering.close()\n"
            "            return False\n"
            "        await together(self._put_hint(event), registering)",
        ),
    ),
    _mutant(
        "06",
        "a hint that meets a live lease is deleted",
        (REDELIVER, "await self._hide(delivery, (expires - now).total_seconds())", "await self._delete(delivery)"),
    ),
    _mutant(
        "07",
        "the message is deleted before the follow-on exists, and reconcile does not look at final rows",
        (
            COMPLETE,
            "            debt = debt_from(lease.holding, written.changes)\n",
            "            debt = debt_from(lease.holding, written.changes)\n"
            "            if state.final:\n"
            "                await self._delete_hint(lease)\n",
        ),
        (
            RECONCILE,
            "            return await self._settle(stored, walk)\n",
            "            return True\n",
        ),
    ),
    _mutant(
        "08",
        "the debt is cleared after the follow-on's row and before its message",
        (DEBTS, "await self._creator.create(\n            NewEvent(", "new = (\n            NewEvent("),
        (
            DEBTS,
            "return await self._clear(debt, {}, etag)",
            "event = await self._creator._event(debt.owes, new)\n"
            "        await self._creator._insert(event)\n"
            "        await self._clear(debt, {}, etag)\n"
            "        return await self._creator._store(event)",
        ),
    ),
    _mutant(
        "09",
        "the follow-on is created before its parent's final write",
        (
            COMPLETE,
            "        written = await fence.write(self._life.events, lease, make, log_tail=log_tail)",
            "        early = debt_from(lease.holding, make(lease.holding))\n"
            "        if early is not None:\n"
            "            await self._debts.pay(early, lease.etag)\n"
            "        written = await fence.write(self._life.events, lease, make, log_tail=log_tail)",
        ),
    ),
    _mutant(
        "10",
        "the follow-on's id is made from the time of its creation",
        (
            DEBTS,
            "                id=debt.owes,\n",
            "                id=__import__('hub.rules.ids').rules.ids.derived(\n"
            "                    self._life.clock.now(), debt.event_id, shard=debt.owes[-1]\n"
            "                ),\n",
        ),
    ),
    _mutant(
        "11",
        "a repeated report creates the follow-on although nothing is owed",
        (
            COMPLETE,
            "await self._debts.settle(written.stored)",
            "owed = {'owes': event.follow_on, 'owes_event_type': lease.holding.edges.after(event.state)}\n"
            "            again = event.model_copy(update=owed if state.final else {})\n"
            "            await self._debts.settle(type(written.stored)(again, written.stored.etag))",
        ),
    ),
    _mutant(
        "12",
        "a repeated report is answered without paying what is owed",
        (COMPLETE, "            await self._debts.settle(written.stored)\n", ""),
    ),
    _mutant(
        "13a",
        "reconcile looks at open events only, not at final ones that owe",
        (
            RECONCILE,
            "            return await self._settle(stored, walk)\n",
            "            return True\n",
        ),
    ),
    _mutant(
        "13b",
        "a queue time-out needs a sink that polls",
        (RECONCILE, "if overdue(event, walk.snapshot, walk.now):", "if False:"),
    ),
    _mutant(
        "13c",
        "the end of an event that is lost for good needs a sink that polls",
        (RECONCILE, "    held = lifecycle.holding(event)\n", "    return None\n    held = lifecycle.holding(event)\n"),
    ),
    _mutant(
        "14",
        "a cancel gives up on the first 412",
        (
            CANCEL,
            "except (Changed, Missing):\n                continue",
            "except (Changed, Missing):\n                raise Rejected",
        ),
    ),
    _mutant(
        "15",
        "the row is replaced by what a move writes, unread",
        (EVENTS, "return await self._tables.merge(EVENTS,", "return await self._tables.replace(EVENTS,"),
    ),
    _mutant(
        "16",
        "a claim ignores not_before",
        (REDELIVER, "check_due(self._life, event)", "pass"),
    ),
    _mutant(
        "17a",
        "a hand-back shows the message and leaves the row leased",
        (
            COMPLETE,
            "        written = await fence.write(self._life.events, lease, make)\n",
            "        written = Written(make(lease.holding), lease.etag)\n",
        ),
    ),
    _mutant(
        "17b",
        "a hand-back gives up on a stale receipt",
        (COMPLETE, "            if not fresh:\n                return\n", "            return\n"),
    ),
    _mutant(
        "18",
        "a stalled renewal moves lease_until back",
        (LIFECYCLE, "max(held.lease_until, lease_until)", "lease_until"),
    ),
    _mutant(
        "19",
        "a lease is taken over without the margin for clocks",
        (CONTEXT, "return timedelta(seconds=self.terms.clock_margin_seconds)", "return timedelta(0)"),
    ),
    _mutant(
        "20",
        "an expired lease is taken over at first sight",
        (REDELIVER, "if delivery.hint.seen_claim != held.claim_id:", "if False:"),
    ),
    _mutant(
        "21a",
        "the slot is taken after the row",
        (
            CLAIM,
            "        permit = await self._permits.take(plan.event_type, claim.claim_id, now=now, until=until)\n",
            "",
        ),
        (
            CLAIM,
            "        except LostRace:\n            await self._permits.give_back(permit)\n",
            "        except LostRace:\n",
        ),
        (
            CLAIM,
            "        receipt = await self._hide(queue, message, plan.run.lease_seconds)\n",
            "        permit = await self._permits.take(plan.event_type, claim.claim_id, now=now, until=until)\n"
            "        receipt = await self._hide(queue, message, plan.run.lease_seconds)\n",
        ),
    ),
    _mutant(
        "21b",
        "the time is read again between slot and row",
        (
            CLAIM,
            "        claimed = lifecycle.claim(stored.event, claim)\n",
            "        later = self._life.now() + timedelta(seconds=plan.run.lease_seconds)\n"
            "        claim = __import__('dataclasses').replace(claim, lease_until=later)\n"
            "        claimed = lifecycle.claim(stored.event, claim)\n",
        ),
    ),
    _mutant(
        "22a",
        "a slot is released without comparing the claim id",
        (
            SLOTS,
            'while row is not None and row.values["claim_id"] == claim_id:',
            "while row is not None:",
        ),
    ),
    _mutant(
        "22b",
        "a slot never expires",
        (SLOTS, 'return now < codec.time_of_text(str(row.values["lease_until"])) + self._margin', "return True"),
    ),
    _mutant(
        "23",
        "a renewal ignores that its slot is another's",
        (SLOTS, 'raise Superseded("the slot this attempt held is another\'s now")', "return"),
    ),
    _mutant(
        "24",
        "a message is updated without a visibility, and so visible at once",
        (
            QUEUES,
            "await self._times(limits.hidden_for(hidden_seconds))\n        address",
            "await self._times(0.0)\n        address",
        ),
    ),
    _mutant(
        "25a",
        "messages expire after the service's default of seven days",
        (
            QUEUES,
            '" WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?",\n            (queue, now, count),',
            '" WHERE queue = ? AND visible_at <= ? AND inserted_at > ? ORDER BY visible_at, id LIMIT ?",\n'
            "            (queue, now, now - 7 * 86_400 * _MICROSECONDS, count),",
        ),
    ),
    _mutant(
        "25b",
        "a message is hidden for longer than the seven days that the service takes",
        (
            LIMITS,
            "    return max(least, min(seconds, MAX_HIDDEN_SECONDS))",
            "    if seconds > 7 * 86_400:\n"
            "        raise LimitExceeded('the service refuses it')\n"
            "    return max(least, seconds)",
        ),
    ),
    _mutant(
        "26a",
        "a stale receipt at the deletion of a message reaches the sink",
        (COMPLETE, "        with suppress(StaleReceipt):\n", "        if True:\n"),
    ),
    _mutant(
        "26b",
        "a stale receipt at a renewal reaches the sink as a lost lease",
        (
            RENEW,
            "        with suppress(StaleReceipt):\n            return await self._life.queues.update(",
            "        try:\n            return await self._life.queues.update(",
        ),
        (
            RENEW,
            "        return lease.receipt\n",
            "        except StaleReceipt:\n            raise Superseded from None\n",
        ),
    ),
    _mutant(
        "27",
        "a fresh hint is put each hour",
        (HINTS, "timedelta(hours=2 ** min(hints, 20))", "timedelta(hours=1 + event.hints)"),
    ),
    _mutant(
        "28",
        "losses are counted by how often the message was received",
        (
            REDELIVER,
            "changes = lifecycle.lose(held,",
            "held = __import__('dataclasses').replace(held, lost=delivery.message.dequeue_count - 1)\n"
            "        changes = lifecycle.lose(held,",
        ),
    ),
    _mutant(
        "29",
        "work that must never start twice starts before its claim is confirmed",
        (AGENT, "return not (self.confirm or self.secrets)", "return not self.secrets"),
    ),
    _mutant(
        "30",
        "more messages are received than there are free slots, and kept",
        (
            RECEIVE,
            "wanted = min(MOST_AT_ONCE, sum(poll.free for poll in self._polls) - self._kept)",
            "wanted = MOST_AT_ONCE",
        ),
        (
            RECEIVE,
            "await self._queues.update(queue, message.id, message.receipt, hidden_seconds=0)",
            "return",
        ),
    ),
    _mutant(
        "31",
        "a renewal is accepted after the run time-out",
        (RENEW, "if now >= lease.holding.run_until:", "if False:"),
    ),
    _mutant(
        "32",
        "retention removes a final row that still owes",
        (RETENTION, "if event.settled and event.finished_at else None", "if event.finished_at else None"),
    ),
    _mutant(
        "33",
        "the mark of reconcile is not moved back when an older event is inserted",
        (INDEX, "hour=min(mark.hour, partition.hour)", "hour=mark.hour"),
    ),
    _mutant(
        "34a",
        "secrets are released for a signed token, whoever holds the event now",
        (FENCE, "if attempt is None or not holds(event, claim_id):", "if attempt is None:"),
    ),
    _mutant(
        "34b",
        "secrets are released under a lease that has run out",
        (FENCE, "return until is not None and now < until + margin", "return True"),
    ),
    _mutant(
        "34c",
        "secrets are given out of which the audit does not say so",
        (RELEASE, "            await self._audit.record(who, event.id, given)\n", ""),
    ),
    _mutant(
        "34d",
        "a release whose record storage did not confirm is forgotten, whether it is there or not",
        (
            "hub/audit/releases.py",
            "            await self._settle()\n            for",
            "            self._due = None\n            for",
        ),
    ),
    _mutant(
        "35a",
        "work starts without its secrets",
        (AGENT, "return not (self.confirm or self.secrets)", "return not self.confirm"),
    ),
    _mutant(
        "35b",
        "the journal says that work was started while it still waits for its secrets",
        (AGENT, "return [WriteJournal(started=self._may_start)]", "return [WriteJournal(started=not self.confirm)]"),
    ),
    _mutant(
        "36a",
        "an hour is still called settled when an older event is inserted into it",
        (INDEX, "        await self._tables.put(PARTITIONS, _INDEX, partition.newest_first, ", "        _ = ("),
    ),
    _mutant(
        "36b",
        "an hour is called settled whatever was inserted since it was looked through",
        (
            INDEX,
            "replace(PARTITIONS, _INDEX, partition.newest_first, values, indexed.etag)",
            'replace(PARTITIONS, _INDEX, partition.newest_first, values, "*")',
        ),
    ),
    _mutant(
        "37",
        "each hub counts the starts of a minute by itself",
        (STARTS, 'f"event-type:{event_type.casefold()}"', 'f"event-type:{event_type.casefold()}:{id(self)}"'),
    ),
    _mutant(
        "38",
        "a rerun asked for again under its key is made again",
        (RERUN, "before = asked_before(stored.event, digest, now)", "before = None"),
    ),
    _mutant(
        "39",
        "the overflow is never looked at",
        (
            LANES,
            "return (self.overflow, self.main) if self._overflow_first else (self.main, self.overflow)",
            "return (self.main,)",
        ),
        (LANES, "return (self.overflow,)", "return (self.main,)"),
    ),
    _mutant(
        "40a",
        "an alert is remembered as made before it is",
        (
            ALERTS,
            "        await self._creator.create(",
            "        self._remember(alert_id)\n        await self._creator.create(",
        ),
    ),
    _mutant(
        "40b",
        "each failure has an alert of its own",
        (ALERT_RULES, "return at.replace(second=0, microsecond=0)", "return at"),
    ),
    _mutant(
        "40c",
        "who ends an event that nobody has claimed tells nobody",
        (RECONCILE, "message, walk.now, alert)", "message, walk.now)"),
    ),
    _mutant(
        "40d",
        "alerts trigger alerts",
        (ALERT_RULES, "if silent or told is None:", "if told is None:"),
    ),
    _mutant(
        "40e",
        "a failure names its alert and does not owe it",
        (LIFECYCLE, "        if alert.owed:\n", "        if False:\n"),
    ),
    _mutant(
        "41a",
        "how far a schedule has come is noted before its events are made",
        (
            SCHEDULES,
            "                await together(*self._events(due",
            "                reached[due.name] = Progress(due.definition, tick)\n"
            "                await together(*self._events(due",
        ),
    ),
    _mutant(
        "41b",
        "a tick's event has an id that does not follow from the tick",
        (SCHEDULES, "id=event_id(due.source.name, Progress(due.definition, tick), event_type.name)", "id=None"),
    ),
    _mutant(
        "41c",
        "what is in hand is handed out before its time",
        (REDELIVER, "check_due(self._life, event)", "event.schedule or check_due(self._life, event)"),
    ),
    _mutant(
        "42",
        "a sink is told a command by a copy that may be older than what it has heard",
        (POLL, "return snapshot if due is None else await self._newest()", "return snapshot"),
    ),
    _mutant(
        "43",
        "a command that comes late undoes the one that came after it",
        (ORDERS, "            commanding.check_not_overtaken(sink.name, order_id, there)\n", ""),
    ),
)
