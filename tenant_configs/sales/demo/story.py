"""The demonstration story of the pack `sales`: eighteen months of a hardware seller, told in steps.

`story(seed, today)` gives the same steps for the same arguments (and version of Faker). Steps come in time order.
Each is one set-based write: all rows of a step have the same fields; rows of a create carry `_key`, by which later
rows refer to them (`Ref`); a move between stages is an update with `stage`, and `_reason` where the process asks
for one. Nothing is written that the declared criteria of the process would refuse at that moment.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from faker import Faker

ZONE = ZoneInfo("Asia/Shanghai")
DAYS = 548
ACCOUNTS = 800
OPPORTUNITIES = 6_000
PEOPLE = 60
STEP_ROWS = 1_000
CENT = Decimal("0.01")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands for the id of the record that was created with this `_key`."""

    key: str


@dataclass(frozen=True, slots=True)
class Step:
    """One write of `rows` of one object at the instant `at` (UTC); `operation` is create or update."""

    at: datetime
    object: str
    operation: str
    rows: list[Row]


CATALOGUE: Mapping[str, Any] = json.loads((Path(__file__).parent / "catalogue.json").read_text("utf-8"))
TEAMS: Sequence[tuple[str, str, str | None, str]] = CATALOGUE["teams"]
"""Code, name, region and city of each team; the first one is the head office."""
PRODUCTS: Sequence[tuple[str, str, str, int, int]] = CATALOGUE["products"]
"""Code, name, line, list price and cost."""
INDUSTRIES, SOURCES, TYPES = CATALOGUE["industries"], CATALOGUE["sources"], CATALOGUE["types"]
"""Weight of each industry, source and kind of business, and how much more often than usual it loses deals."""
SIZES = CATALOGUE["sizes"]
"""Weight of each company size, and how much it multiplies the quantities bought."""
TEXTS, REASONS, LOSS_REASONS = CATALOGUE["texts"], CATALOGUE["reasons"], CATALOGUE["loss_reasons"]
MANAGERS = range(3, 3 + len(TEAMS) - 1)
"""Users 0 to 2 are the director and sales operations, then comes one manager a sales team, then the sellers."""

STAGES = ("qualify", "needs", "solution", "proposal", "negotiation")
LOSS = {"qualify": 0.24, "needs": 0.19, "solution": 0.16, "proposal": 0.16, "negotiation": 0.11}
DWELL = {"qualify": (1, 12, 4), "needs": (2, 20, 8), "solution": (2, 20, 9), "proposal": (2, 15, 6),
         "negotiation": (2, 22, 8)}  # fmt: skip
"""Working days in each stage: least, most, most frequent."""
CHATTER = {"qualify": 0.35, "needs": 0.9, "solution": 0.5, "proposal": 0.8, "negotiation": 0.9}
"""Chance of one more activity in each stage, beside those that the process asks for."""

SLOTS = {
    "accounts": (8, 30), "contacts": (8, 40), "open": (9, 10), "activities": (17, 40), "lines": (17, 45),
    "back": (17, 50), "needs": (17, 55), "solution": (18, 0), "skip": (18, 5), "proposal": (18, 10),
    "negotiation": (18, 15), "won": (18, 20), "lost": (18, 25), "reopen": (18, 30), "customers": (18, 40),
    "tasks": (18, 50), "tasks_done": (18, 55),
}  # fmt: skip
WEEKDAYS = {"needs": (0, 3), "solution": (1, 4), "skip": (1,), "proposal": (0, 2), "negotiation": (1, 3),
            "won": (1, 4), "lost": (2, 4), "back": (0,), "reopen": (2,), "customers": (4,), "tasks": (0,),
            "tasks_done": (3,)}  # fmt: skip
"""The weekdays (Monday is 0) on which such moves are made: few, so that a step holds many rows."""


@dataclass(slots=True)
class Account:
    """What the story has to remember of an account."""

    key: str
    owner: int
    region: str
    industry: str
    size: str
    level: str
    language: str
    short: str
    contacts: list[str]
    customer: bool


@dataclass(slots=True)
class Deal:
    """An opportunity on its way; `planned` is its planned close, `lines` are (product index, quantity, price, discount)."""

    key: str
    account: Account
    type: str
    risk: float
    lines: list[tuple[int, int, Decimal, Decimal]]
    total: Decimal
    planned: date
    lined: bool = False
    tasked: bool = False
    reopened: bool = False


@dataclass
class Story:
    """The writer: a calendar of working days, and the rows of each step by instant, object, operation and fields."""

    rng: random.Random
    today: date
    scale: float
    days: list[date] = field(init=False)
    rows: dict[tuple[datetime, str, str, str, int], list[Row]] = field(default_factory=lambda: defaultdict(list))
    accounts: list[Account] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    activities: int = 0

    def __post_init__(self) -> None:
        every = (self.today - timedelta(days=n) for n in range(DAYS, 0, -1))
        self.days = [day for day in every if day.weekday() < 5]
        self.zh, self.en = Faker("zh_CN"), Faker("en_US")
        self.zh.seed_instance(self.rng.randrange(2**32))
        self.en.seed_instance(self.rng.randrange(2**32))

    # -- the calendar and the notebook

    def at(self, day: int, slot: str) -> datetime:
        """The instant of a slot of the working day with this index."""
        return datetime.combine(self.days[day], time(*SLOTS[slot]), ZONE).astimezone(UTC)

    def on(self, day: int, kind: str) -> int:
        """The first working day from `day` on which such moves are made (maybe beyond the end of the story)."""
        while day < len(self.days) and self.days[day].weekday() not in WEEKDAYS[kind]:
            day += 1
        return day

    def note(self, day: int, slot: str, object_: str, operation: str, row: Row, order: int = 0) -> None:
        self.rows[self.at(day, slot), object_, operation, slot, order].append(row)

    def steps(self) -> Iterator[Step]:
        for (at, object_, operation, _, _), rows in sorted(
            self.rows.items(), key=lambda item: (item[0][0], item[0][4])
        ):
            for start in range(0, len(rows), STEP_ROWS):
                yield Step(at, object_, operation, rows[start : start + STEP_ROWS])

    def pick(self, table: Mapping[str, tuple[int, float]]) -> str:
        return self.rng.choices(list(table), [weight for weight, _ in table.values()])[0]

    # -- the organisation and the catalogue

    def organisation(self) -> None:
        start = 0
        for number, (code, name, region, _) in enumerate(TEAMS):
            parent = Ref("team:0") if number else None
            row = {"_key": f"team:{number}", "code": code, "name": name, "region": region, "parent": parent}
            self.note(start, "accounts", "team", "create", row, 0 if number == 0 else 1)
        for number in range(PEOPLE):
            self.note(start, "accounts", "user", "create", self.person(number), 2 + wave(number))
        for number in range(len(TEAMS)):
            row = {"_key": f"team:{number}", "manager": Ref(f"user:{number - 1 + MANAGERS.start if number else 0}")}
            self.note(start, "accounts", "team", "update", row, 6)
        for code, name in CATALOGUE["lines"].items():
            self.note(
                start, "accounts", "product_line", "create", {"_key": f"line:{code}", "code": code, "name": name}, 7
            )
        for number, (code, name, line, price, cost) in enumerate(PRODUCTS):
            product: Row = {"_key": f"product:{number}", "code": code, "name": name, "line": Ref(f"line:{line}"),
                             "unit": "套", "list_price": price, "cost": cost}  # fmt: skip
            self.note(start, "accounts", "product", "create", product, 8)

    def person(self, number: int) -> Row:
        english = number % 10 == 9
        title = ("销售总监", "销售运营", "销售经理", "客户经理")[wave(number)]
        above = (None, Ref("user:0"), Ref("user:0"), Ref(f"user:{team_of(number) - 1 + MANAGERS.start}"))[wave(number)]
        hired = self.days[0] - timedelta(days=self.rng.randint(30, 2_400))
        login = {key: name for name, _, key in logins()}.get(f"user:{number}", f"p{number:02d}@huachuang.example")
        return {"_key": f"user:{number}", "name": self.en.name() if english else self.zh.name(), "email": login,
                "title": title, "team": Ref(f"team:{team_of(number)}"), "manager": above, "hired_on": hired.isoformat(),
                "phone": self.mobile(), "language": "en" if english else "zh-CN"}  # fmt: skip

    def mobile(self) -> str:
        return f"1{self.rng.choice((38, 39, 50, 58, 86, 88))}{self.rng.randrange(10**8):08d}"

    # -- accounts and their people

    def open_account(self, day: int, number: int) -> None:
        rng = self.rng
        owner = rng.randrange(MANAGERS.stop, PEOPLE)
        _, _, region, city = TEAMS[team_of(owner)]
        language = "en" if rng.random() < 0.12 else "zh"
        name = self.company(language, city)
        size = self.pick(SIZES)
        level = rng.choices("abc", {"large": (5, 4, 1), "medium": (2, 5, 3)}.get(size, (0, 4, 6)))[0]
        account = Account(f"account:{number}", owner, str(region), self.pick(INDUSTRIES), size, level, language,
                          name.removesuffix("有限公司")[:24], [], rng.random() < 0.2)  # fmt: skip
        revenue = round(rng.uniform(0.5, 4) * {"micro": 8e6, "small": 6e7, "medium": 5e8, "large": 4e9}[size], -4)
        self.note(day, "accounts", "account", "create", {
            "_key": account.key, "name": name, "type": "customer" if account.customer else "prospect",
            "industry": account.industry, "region": region, "city": city, "size": size, "level": level,
            "annual_revenue": revenue, "credit_limit": 20_000_000 if level == "a" and rng.random() < 0.5 else None,
            "website": f"https://www.c{number:04d}.example", "phone": f"0{rng.randint(10, 999)}-{rng.randrange(10**8):08d}",
            "owner": Ref(f"user:{owner}"),
        }, 9)  # fmt: skip
        for place in range(rng.choice((1, 1, 2))):
            self.add_contact(day, account, place)
        self.accounts.append(account)

    def company(self, language: str, city: str) -> str:
        """A name that no other account has."""
        while True:
            name = self.en.company() if language == "en" else city.removesuffix("市") + self.zh.company()
            if name not in self.taken:
                self.taken.add(name)
                return name

    def add_contact(self, day: int, account: Account, place: int) -> None:
        key = f"contact:{account.key.split(':')[1]}.{place}"
        account.contacts.append(key)
        role = self.rng.choice(
            ("decision", "decision", "influencer") if place == 0 else ("champion", "user", "purchasing")
        )
        english = account.language == "en"
        title = {"decision": ("CIO", "信息总监"), "influencer": ("Architect", "技术主管"), "champion": ("Team lead", "项目经理"),
                 "user": ("Engineer", "工程师"), "purchasing": ("Buyer", "采购经理")}[role]  # fmt: skip
        self.note(day, "contacts", "contact", "create", {
            "_key": key, "account": Ref(account.key), "name": self.en.name() if english else self.zh.name(), "role": role,
            "job_title": title[0] if english else title[1], "mobile": self.mobile(),
            "email": f"{key.split(':')[1].replace('.', '-')}@customer.example", "owner": Ref(f"user:{account.owner}"),
        })  # fmt: skip

    # -- a deal from its first day to its last

    def open_deal(self, day: int, number: int) -> None:
        rng = self.rng
        account = rng.choices(self.accounts, [{"a": 5, "b": 3, "c": 2}[a.level] for a in self.accounts])[0]
        type_ = self.pick(TYPES) if account.customer else "new"
        source = self.pick(SOURCES)
        skill = 0.8 + (account.owner * 37 % 11) / 25
        risk = INDUSTRIES[account.industry][1] * SOURCES[source][1] * TYPES[type_][1] * skill
        lines = self.basket(account)
        total = sum((line_amount(*line) for line in lines), Decimal(0))
        deal = Deal(f"opportunity:{number}", account, type_, risk, lines, total,
                    self.days[day] + timedelta(days=rng.randint(40, 120)))  # fmt: skip
        guess = max(1_000, round(float(total) * rng.uniform(0.7, 1.3), -3))
        self.note(day, "open", "opportunity", "create", {
            "_key": deal.key, "name": f"{account.short} {PRODUCTS[lines[0][0]][1]}", "account": Ref(account.key),
            "contact": Ref(account.contacts[0]), "type": type_, "source": source, "amount": guess,
            "planned_close": deal.planned.isoformat(), "owner": Ref(f"user:{account.owner}"),
        })  # fmt: skip
        self.walk(deal, day, "qualify")

    def basket(self, account: Account) -> list[tuple[int, int, Decimal, Decimal]]:
        rng = self.rng
        lines = []
        for product in rng.sample(range(len(PRODUCTS)), rng.choice((1, 2, 2, 3))):
            list_price = PRODUCTS[product][3]
            most = max(1, int(SIZES[account.size][1] * 180_000 / list_price))
            price = Decimal(list_price) * rng.choice((100, 100, 98, 95)) / 100
            discount = Decimal(rng.choice((0, 0, 3, 5, 8, 10, 15))) / 100
            lines.append((product, rng.randint(1, min(most, 120)), price.quantize(CENT), discount))
        return lines

    def walk(self, deal: Deal, day: int, stage: str) -> None:
        """Leads a deal through its stages from the day it entered `stage` until it is closed or the story ends."""
        rng = self.rng
        while True:
            stays = round(rng.triangular(*DWELL[stage])) + (200 if rng.random() < 0.03 else 0)
            lost = rng.random() < min(0.6, LOSS[stage] * deal.risk)
            target = "lost" if lost else (*STAGES, "won")[STAGES.index(stage) + 1]
            slot = target
            if stage == "qualify" and target == "needs" and deal.type == "renew" and rng.random() < 0.4:
                slot, target = "skip", "solution"
            if stage == "proposal" and target == "negotiation" and rng.random() < 0.05:
                slot, target = "back", "solution"
            leave = self.on(day + max(1, stays), slot)
            self.talk(deal, stage, day, min(leave, len(self.days) - 1, day + 25))
            if leave >= len(self.days):
                return
            self.move(deal, leave, target, slot)
            if target == "lost" and not deal.reopened and rng.random() < 0.03:
                again = self.on(leave + rng.randint(5, 40), "reopen")
                if again >= len(self.days):
                    return
                deal.reopened, target, leave = True, "qualify", again
                self.move(deal, leave, target, "reopen")
            if target in ("won", "lost"):
                return
            day, stage = leave, target

    def talk(self, deal: Deal, stage: str, first: int, last: int) -> None:
        """The activities of one stage: those that the next stage asks for, and some more."""
        text = TEXTS[deal.account.language]
        if stage == "qualify":
            self.log(
                deal,
                self.rng.randint(first, last),
                self.rng.choice(("call", "visit", "meeting")),
                "effective",
                text["call"],
            )
        if stage == "solution":
            self.log(deal, self.rng.randint(first, last), "demo", "effective", text["demo"])
        if self.rng.random() < CHATTER[stage]:
            result = self.rng.choices(("effective", "no_answer", "postponed"), (7, 2, 1))[0]
            kind = self.rng.choice(("call", "call", "mail", "wechat", "visit", "meeting"))
            self.log(deal, self.rng.randint(first, last), kind, result, text["talk"])

    def log(self, deal: Deal, day: int, kind: str, result: str, subjects: Sequence[str]) -> None:
        rng, account = self.rng, deal.account
        minute = rng.randint(9 * 60 + 30, 17 * 60 + 30)
        at = datetime.combine(self.days[day], time(minute // 60, minute % 60), ZONE).astimezone(UTC)
        self.activities += 1
        self.note(day, "activities", "activity", "create", {
            "_key": f"activity:{self.activities}", "subject": rng.choice(subjects), "type": kind, "account": Ref(account.key),
            "opportunity": Ref(deal.key), "contact": Ref(rng.choice(account.contacts)), "at": at.isoformat(),
            "minutes": 0 if result == "no_answer" else rng.choice((10, 15, 30, 45, 60, 90)), "result": result,
            "content": rng.choice(TEXTS[account.language]["notes"]) if result == "effective" else None,
            "owner": Ref(f"user:{account.owner}"),
        })  # fmt: skip

    def move(self, deal: Deal, day: int, target: str, slot: str) -> None:
        """Writes one move with the fields that the target stage requires."""
        row: Row = {"_key": deal.key, "stage": target}
        if slot in REASONS:
            row["_reason"] = self.rng.choice(REASONS[slot])
        for part in FILLS[slot]:
            row |= part(self, deal, self.days[day])
        if target == "solution" and not deal.lined:
            self.enter_lines(deal, day)
        self.note(day, slot, "opportunity", "update", row)
        if target == "won" and not deal.account.customer:
            deal.account.customer = True
            later = self.on(day, "customers")
            if later < len(self.days):
                self.note(later, "customers", "account", "update", {"_key": deal.account.key, "type": "customer"})
        if target == "negotiation" and self.rng.random() < 0.3:
            self.give_task(deal, self.on(day + 1, "tasks"))

    def enter_lines(self, deal: Deal, day: int) -> None:
        deal.lined = True
        for number, (product, quantity, price, discount) in enumerate(deal.lines):
            self.note(day, "lines", "opportunity_line", "create", {
                "_key": f"opportunity_line:{deal.key.split(':')[1]}.{number}", "opportunity": Ref(deal.key),
                "product": Ref(f"product:{product}"), "quantity": quantity, "price": float(price),
                "discount": float(discount), "owner": Ref(f"user:{deal.account.owner}"),
            })  # fmt: skip

    def give_task(self, deal: Deal, day: int) -> None:
        if day >= len(self.days) or deal.tasked:
            return
        deal.tasked = True
        key = f"task:{deal.key.split(':')[1]}"
        english = deal.account.language == "en"
        self.note(day, "tasks", "task", "create", {
            "_key": key, "subject": "Check the contract terms" if english else "核对合同条款", "account": Ref(deal.account.key),
            "opportunity": Ref(deal.key), "due_on": (self.days[day] + timedelta(days=7)).isoformat(), "priority": "normal",
            "owner": Ref(f"user:{deal.account.owner}"),
        })  # fmt: skip
        done = self.on(day + 1, "tasks_done")
        if done < len(self.days) and self.rng.random() < 0.85:
            row = {"_key": key, "status": "done", "done_on": self.days[done].isoformat()}
            self.note(done, "tasks_done", "task", "update", row)


def line_amount(product: int, quantity: int, price: Decimal, discount: Decimal) -> Decimal:
    """The amount of a line as the pack declares it."""
    return (quantity * price * (1 - discount)).quantize(CENT, ROUND_HALF_UP)


def _planned(s: Story, d: Deal, day: date) -> Row:
    if d.planned <= day:
        d.planned = day + timedelta(days=s.rng.randint(15, 45))
    step = s.rng.choice(TEXTS[d.account.language]["next"])
    return {"planned_close": d.planned.isoformat(), "next_step": step,
            "next_step_date": (day + timedelta(days=s.rng.randint(3, 10))).isoformat()}  # fmt: skip


def _need(s: Story, d: Deal, day: date) -> Row:
    budget = max(1_000, round(float(d.total) * s.rng.uniform(0.9, 1.4), -3))
    return {"pain": s.rng.choice(TEXTS[d.account.language]["pain"]), "budget": budget,
            "product_line": Ref(f"line:{PRODUCTS[d.lines[0][0]][2]}")}  # fmt: skip


def _decision(s: Story, d: Deal, day: date) -> Row:
    text = TEXTS[d.account.language]
    return {"decision_process": s.rng.choice(text["decision"]), "competitor": s.rng.choice(text["rival"])}


def _offer(s: Story, d: Deal, day: date) -> Row:
    terms = s.rng.choice(("prepaid", "thirty_seventy", "net_30", "net_60", "instalments"))
    return {
        "amount": float(d.total),
        "solution": s.rng.choice(TEXTS[d.account.language]["solution"]),
        "payment_terms": terms,
    }


def _quote(s: Story, d: Deal, day: date) -> Row:
    sent = day - timedelta(days=1)
    return {"quote_sent_on": sent.isoformat(), "quote_valid_until": (sent + timedelta(days=30)).isoformat()}


def _contract(s: Story, d: Deal, day: date) -> Row:
    number = f"HT-{day.year}-{int(d.key.split(':')[1]):05d}"
    return {"budget_confirmed": True, "actual_close": day.isoformat(), "contract_number": number,
            "contract_signed_on": day.isoformat()}  # fmt: skip


def _loss(s: Story, d: Deal, day: date) -> Row:
    reason = s.rng.choices(list(LOSS_REASONS), list(LOSS_REASONS.values()))[0]
    return {
        "actual_close": day.isoformat(),
        "loss_reason": reason,
        "loss_note": s.rng.choice(TEXTS[d.account.language]["lost"]),
    }


def _reopen(s: Story, d: Deal, day: date) -> Row:
    d.planned = day + timedelta(days=60)
    return {"actual_close": None, "loss_reason": None, "planned_close": d.planned.isoformat()}


FILLS = {
    "needs": (_need, _planned), "solution": (_decision, _planned), "skip": (_need, _decision, _planned),
    "proposal": (_offer, _planned), "negotiation": (_quote, _planned), "won": (_contract,), "lost": (_loss,),
    "back": (_planned,), "reopen": (_reopen,),
}  # fmt: skip
"""What each kind of move writes beside the stage."""


def wave(number: int) -> int:
    """Rank of a user: 0 director, 1 sales operations, 2 manager, 3 seller."""
    return 3 if number >= MANAGERS.stop else 2 if number >= MANAGERS.start else min(number, 1)


def team_of(number: int) -> int:
    """The team of a user."""
    return 0 if number < MANAGERS.start else 1 + (number - MANAGERS.start) % len(MANAGERS)


def logins() -> list[tuple[str, str, str]]:
    """Login (the user's email), role and key of a seller, of that seller's manager and of sales operations."""
    seller = MANAGERS.stop
    return [
        ("rep@huachuang.example", "sales_rep", f"user:{seller}"),
        ("manager@huachuang.example", "sales_manager", f"user:{MANAGERS.start + team_of(seller) - 1}"),
        ("ops@huachuang.example", "sales_admin", "user:1"),
    ]


def story(seed: int, today: date, *, scale: float = 1.0) -> Iterator[Step]:
    """The steps from about eighteen months before `today` until the last working day before it.

    `scale` multiplies the number of accounts and opportunities; the organisation stays as it is.
    """
    writer = Story(random.Random(seed), today, scale)
    rng, last = writer.rng, len(writer.days) - 1
    writer.organisation()
    accounts, deals = (max(len(TEAMS), round(ACCOUNTS * scale)), max(1, round(OPPORTUNITIES * scale)))
    early = max(1, accounts * 6 // 10)
    births = sorted([0] * early + [rng.randrange(10, last - 10, 10) for _ in range(accounts - early)])
    # Business grows over the months and swells towards the end of a quarter.
    weights = [(1 + n / last) * (1.35 if day.month % 3 == 0 else 1.0) for n, day in enumerate(writer.days)]
    starts = sorted(rng.choices(range(last + 1), weights, k=deals))
    known = 0
    for number, day in enumerate(starts):
        while known < accounts and births[known] <= day:
            writer.open_account(births[known], known)
            known += 1
        writer.open_deal(day, number)
    for number in range(known, accounts):
        writer.open_account(births[number], number)
    yield from writer.steps()
