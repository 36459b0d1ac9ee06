"""Where each planted bug shows."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.faults import Fault, Strike
from tests.simulation.witness import Struck, Swept, Witness

LOST, FAIL, DUPLICATE, SLOW, SLOW_AFTER = Fault.LOST, Fault.FAIL, Fault.DUPLICATE, Fault.SLOW, Fault.SLOW_AFTER
KILLED, KILLED_AFTER, GONE, GONE_AFTER = Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.GONE_BEFORE, Fault.GONE_AFTER

HUB_DIES_AT_THE_END = Strike("table.merge events", 1, KILLED_AFTER)
AGENT_DIES_AT_THE_END = Strike("SendReport", 1, GONE_AFTER)

WITNESSES: Mapping[str, tuple[Witness, ...]] = {
    "01": (Swept("one", "table.replace events", (DUPLICATE,)),),
    "02": (Swept("long", "renew", (LOST,)),),
    "03": (Swept("retried", "result", (LOST,)),),
    "04": (Swept("one", "table.insert events", (SLOW,), seconds=12),),
    "05": (Swept("one", "table.insert events", (KILLED_AFTER,), seeds=range(1, 4)),),
    "06": (Struck("long", (1, 2), (Strike("renew", 1, FAIL, 12), Strike("WriteSpool", 1, GONE))),),
    "07": (Struck("lonely_chain", (1,), (Strike("queue.delete", 1, KILLED_AFTER), AGENT_DIES_AT_THE_END)),),
    "08": (Swept("chain", "table.merge events", (KILLED_AFTER,)),),
    "09": (Struck("chain"),),
    "10": (Struck("chain"),),
    "11": (
        Struck(
            "forgotten_by_halves",
            (1,),
            (
                Strike("result", 1, LOST),
                Strike("table.transact events", 2, FAIL),  # of the parent, after the follow-on has gone
                Strike("table.transact events", 3, FAIL),
            ),
        ),
    ),
    "12": (Swept("chain", "table.insert events", (FAIL,)),),
    "13a": (Struck("lonely_chain", (1,), (HUB_DIES_AT_THE_END, AGENT_DIES_AT_THE_END)),),
    "13b": (Struck("too_late"),),
    "13c": (Struck("once_alone", (1,), (Strike("WriteSpool", 1, GONE),)),),
    "14": (Swept("cancelled", "table.merge events", (DUPLICATE,)),),
    "15": (Struck("one"),),
    "16": (Swept("retried", "queue.put", (DUPLICATE,)),),
    "17a": (Swept("one", "StartChild", (KILLED_AFTER,)),),
    "17b": (Struck("long_alone", (1, 2), (Strike("renew", 1, FAIL, 12), Strike("WriteSpool", 1, KILLED))),),
    "18": (Swept("long", "renew", (DUPLICATE,), seeds=range(1, 6)),),
    "19": (Swept("short_lease", "SendRenewal", (GONE,), seeds=range(1, 6)),),
    "20": (Struck("outage", range(1, 5)),),
    "21a": (Struck("slotted", range(1, 4)),),
    "21b": (
        Struck(
            "slotted_later", (1, 2), (Strike("table.insert slots", 1, SLOW_AFTER, 12), Strike("WriteJournal", 1, GONE))
        ),
    ),
    "22a": (Struck("three_slotted", range(1, 9), (Strike("result", 1, LOST, 14),)),),
    "22b": (Swept("slotted", "table.insert slots", (KILLED_AFTER,)),),
    "23": (Struck("slotted_stall", range(1, 13)),),
    "24": (Struck("too_long"), Struck("slotted")),
    "25a": (Struck("away_for_weeks"),),
    "25b": (Struck("in_ten_days"),),
    "26a": (Swept("one", "result", (LOST,)),),
    "26b": (Struck("long", (1, 2), (Strike("renew", 1, FAIL, 12),)),),
    "27": (Struck("away_for_a_day"),),
    "28": (Swept("one", "WriteJournal", (GONE,)),),
    "29": (Swept("once", "StartChild", (GONE_AFTER, KILLED_AFTER)),),
    "30": (Struck("shared_out", range(1, 7)),),
    "31": (Struck("stubborn"),),
    "32": (
        Struck("forgotten", (1,), (HUB_DIES_AT_THE_END, AGENT_DIES_AT_THE_END, Strike("table.insert events", 2, FAIL))),
    ),
    "33": (Struck("too_late_and_old"),),
    "34a": (Struck("secret_stall"),),
    "34b": (Struck("secret_stall_alone"),),
    "34c": (Struck("secret"),),
    "34d": (Swept("secret", "table.insert releases", (LOST,), seeds=range(1, 9)),),
    "35a": (Struck("secret"),),
    "35b": (Swept("secret", "FetchSecrets", (KILLED_AFTER,)),),
    "36a": (Struck("too_late_and_among_settled"),),
    "36b": (Swept("too_late_and_among_settled", "table.replace partitions", (Fault.LATE,), seconds=100.0),),
    "37": (Struck("rated", (1, 2)),),
    "38": (Swept("rerun", "rerun", (LOST,)),),
    "39": (Struck("flood"),),
    "40a": (Swept("alerted", "table.insert events", (FAIL, KILLED)),),
    "40b": (Struck("alerted"),),
    "40c": (Struck("alerted_late"),),
    "40d": (Struck("alerted_late"),),
    "40e": (Struck("alerted_alone"),),
    "41a": (Swept("tick", "table.insert events", (FAIL,)),),
    "41b": (Swept("tick", "table.insert events", (LOST,)),),
    "41c": (Struck("tick"),),
    "42": (Struck("commanded", range(1, 9)),),
    "43": (Swept("commanded", "command", (Fault.LATE,), seconds=12.0),),
}
