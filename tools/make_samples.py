"""Writes the largest example, of `tickets.create`: made-up, with the mistakes that people make.

python tools/make_samples.py
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "zendesk_support" / "tickets.create.csv"
ROWS = 300
SEED = 20_261_122

TOPICS = ("Invoice", "Login", "Delivery", "Refund", "Password", "Camera", "Contract", "Street")
PRIORITIES = ("low", "normal", "high", "urgent")


def ticket_rows(count: int, seed: int) -> list[list[str]]:
    """Rows of the profile new-tickets: good ones, some that are rejected, some that fail."""
    chance = random.Random(seed)
    rows = []
    for number in range(1, count + 1):
        topic = chance.choice(TOPICS)
        person = f"person{chance.randrange(60)}"
        rows.append(
            [
                f"{topic} question {number}",
                f"Hello,\nI have a question about my {topic.lower()}.\nThank you, {person}",
                f"ref-{number:05d}",
                f"{person}@example.com",
                person.title(),
                chance.choice(PRIORITIES),
                "|".join(chance.sample(["web", "vip", "de", "imported"], 2)),
                "2027-01-15T09:00:00Z" if number % 4 == 0 else "",
            ]
        )
    rows[16][5] = "asap"  # no such priority
    rows[41][5] = ""
    rows[52][3] = "person7 at example.com"  # no address
    rows[133][3] = "nobody@"
    rows[98][3] = rows[98][3].replace(".com", ".invalid")  # looks well; only the vendor can tell
    rows[259][3] = rows[259][3].replace(".com", ".invalid")
    rows[63][1] = ""  # a ticket needs a text
    rows[87][7] = "15.01.2027"  # not ISO 8601
    rows[120][2] = rows[119][2]  # the same reference twice
    rows[150][2] = rows[10][2]
    rows[171] = rows[171][:3]  # cells are missing
    rows[203][0] = '=HYPERLINK("http://example.com","click")'  # good, and not to be run
    rows[222][1] = "   "
    rows[240][7] = "2027-02-30T10:00:00Z"  # no such day
    rows[266][5] = "Urgent"  # good: capital letters do not count
    rows[281][0] = "Größe, 尺寸 & \U0001f4e6"  # good: any character is
    return rows


def main() -> None:
    header = ["Subject", "Body", "Ref", "Requester", "Name", "Priority", "Tags", "Due"]
    with EXAMPLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(ticket_rows(ROWS, SEED))
    print(f"{EXAMPLE}: {ROWS} rows")


if __name__ == "__main__":
    main()
