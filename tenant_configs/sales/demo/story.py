"""The demonstration story of the pack `sales`: eighteen months of a hardware seller, from lead to cash, told in steps.

`story(seed, today)` gives the same steps for the same arguments (and version of Faker). Steps come in time order.
Each is one set-based write: all rows of a step have the same fields; rows of a create carry `_key`, by which later
rows refer to them (`Ref`); a move between stages is an update with the stage, and with `_reason` and `_done` (tasks)
where the process asks for them. Nothing is written that the declared criteria of the process would refuse at that moment.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_left
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
OPPORTUNITIES = 4_000
LEADS = 1_200
"""Leads that did not become a deal; those that did are made with their deals."""
PEOPLE = 60
STAFF = ("presales", "presales", "finance", "service", "service", "marketing")
"""Who works beside the sellers: users from the number `PEOPLE` on."""
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
RIVALS, CAMPAIGNS, PLACES = CATALOGUE["rivals"], CATALOGUE["campaigns"], CATALOGUE["places"]
"""Competitors; name and cost of the campaign that each source has every quarter; province and position of each city."""
TEXTS, REASONS, LOSS_REASONS = CATALOGUE["texts"], CATALOGUE["reasons"], CATALOGUE["loss_reasons"]
MANAGERS = range(3, 3 + len(TEAMS) - 1)
"""Users 0 to 2 are the director and sales operations, then comes one manager a sales team, then the sellers."""

STAGES = ("qualify", "needs", "solution", "proposal", "negotiation")
LOSS = {"qualify": 0.24, "needs": 0.19, "solution": 0.16, "proposal": 0.16, "negotiation": 0.11}
DWELL = {"qualify": (1, 12, 4), "needs": (2, 20, 8), "solution": (2, 20, 9), "proposal": (2, 15, 6),
         "negotiation": (2, 22, 8)}  # fmt: skip
"""Working days in each stage: least, most, most frequent."""
CHATTER = {"qualify": 0.3, "needs": 0.5, "solution": 0.5, "proposal": 0.7, "negotiation": 0.8}
"""Chance of one more activity in each stage, beside those that the process asks for."""

SLOTS = {
    "leads": (9, 0), "lead_talk": (9, 20), "lead_work": (9, 30), "lead_end": (9, 40), "lead_qualified": (9, 50),
    "lead_converted": (10, 0), "orders": (10, 10), "order_lines": (10, 15), "order_confirmed": (10, 20),
    "receivables": (10, 25), "order_closed": (10, 30), "cases": (11, 0), "case_taken": (11, 30), "payments": (15, 0),
    "payment_confirmed": (15, 20), "delivered": (16, 0), "invoices": (16, 10), "invoice_issued": (16, 20),
    "case_solved": (16, 30), "case_rated": (16, 40), "quote_approved": (16, 50), "quote_sent": (16, 55),
    "quote_accepted": (17, 0), "contracts": (17, 5), "visits": (17, 42), "contacted": (17, 56), "quote_back": (17, 47),
    "contract_agreed": (18, 16), "contract_signed": (18, 17), "quotes": (18, 11), "quote_lines": (18, 12),
    "quote_submitted": (18, 13), "quote_free": (18, 14), "quoted": (18, 15), "splits": (18, 18), "renewed": (18, 21),
    "quote_rejected": (18, 24), "renewal_lost": (18, 26),
    "accounts": (8, 30), "contacts": (8, 40), "open": (9, 10), "activities": (17, 40), "lines": (17, 45),
    "back": (17, 50), "needs": (17, 55), "solution": (18, 0), "skip": (18, 5), "proposal": (18, 10),
    "negotiation": (18, 15), "won": (18, 20), "lost": (18, 25), "reopen": (18, 30), "customers": (18, 40),
    "tasks": (18, 50), "tasks_done": (18, 55),
}  # fmt: skip
WEEKDAYS = {
    "leads": (0,), "lead_work": (1,), "lead_end": (4,), "open": (1, 3), "visits": (4,), "contacted": (0,), "needs": (0,),
    "back": (0,), "solution": (1,), "skip": (1,), "proposal": (2,), "quoted": (3,), "negotiation": (3,), "reopen": (2,),
    "won": (4,), "renewed": (4,), "lost": (4,), "renewal_lost": (4,), "customers": (4,), "tasks": (0,), "tasks_done": (3,),
    "orders": (0,), "delivered": (3,), "payments": (4,), "order_closed": (0,), "cases": (1,), "case_solved": (3,),
}  # fmt: skip
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
    name: str
    place: dict[str, float]
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
    rival: int | None
    terms: str
    lined: bool = False
    tasked: bool = False
    reopened: bool = False
    quotes: int = 0

    @property
    def number(self) -> str:
        return self.key.split(":")[1]


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
    leads: int = 0

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
        for number in range(PEOPLE + len(STAFF)):
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
        self.market(start)

    def market(self, start: int) -> None:
        """What stands around the deals: prices, rivals, campaigns, territories, pools, visits, knowledge."""
        def note(object_: str, row: Row, order: int = 9) -> None:
            self.note(start, "accounts", object_, "create", row, order)

        first = self.days[0]
        note("pricebook", {"_key": "pricebook:0", "name": "标准价目表", "currency": "CNY", "valid_from": first.isoformat()})
        for number, (_, _, _, price, cost) in enumerate(PRODUCTS):
            note("pricebook_entry", {"_key": f"pricebook_entry:{number}", "pricebook": Ref("pricebook:0"),
                 "product": Ref(f"product:{number}"), "price": price, "floor_price": round((price + cost) / 2)}, 10)  # fmt: skip
        for number, (name, strong, weak, answer) in enumerate(RIVALS):
            note("competitor", {"_key": f"competitor:{number}", "name": name, "strengths": strong, "weaknesses": weak,
                 "response": answer})  # fmt: skip
        for quarter in quarters(first, self.today):
            for source, (name, cost) in CAMPAIGNS.items():
                spent = round(cost * self.rng.uniform(0.7, 1.05), -2)
                note("campaign", {"_key": f"campaign:{source}.{quarter}", "name": f"{quarter.year} 年第 {quarter.month // 3 + 1} 季度{name}",
                     "type": source, "starts_on": quarter.isoformat(), "ends_on": (quarter + timedelta(days=80)).isoformat(),
                     "budget": cost, "actual_cost": spent})  # fmt: skip
            last = following(quarter) - timedelta(days=1)
            note("fiscal_period", {"_key": f"fiscal_period:{quarter}", "name": f"{quarter.year}Q{quarter.month // 3 + 1}", "grain": "quarter",
                 "starts_on": quarter.isoformat(), "ends_on": last.isoformat()})  # fmt: skip
        for number, (code, name, region, city) in enumerate(TEAMS):
            if not region:
                continue
            note("territory", {"_key": f"territory:{number}", "code": code, "name": name.removesuffix("部"),
                 "provinces": [PLACES[city][0]], "industries": list(INDUSTRIES)})  # fmt: skip
            note("territory_member", {"_key": f"territory_member:{number}", "territory": Ref(f"territory:{number}"),
                 "user": Ref(f"user:{PEOPLE + number % 2}"), "valid_from": first.isoformat()}, 10)  # fmt: skip
            note("lead_pool", {"_key": f"lead_pool:{number}", "name": f"{name}公海", "region": region,
                 "manager": Ref(f"user:{MANAGERS.start + number - 1}")})  # fmt: skip
        for number in range(MANAGERS.stop, PEOPLE):
            note("lead_pool_member", {"_key": f"lead_pool_member:{number}", "pool": Ref(f"lead_pool:{team_of(number)}"),
                 "user": Ref(f"user:{number}")}, 10)  # fmt: skip
        for number, (name, actions, radius) in enumerate(CATALOGUE["visit_types"]):
            note("visit_type", {"_key": f"visit_type:{number}", "name": name, "actions": actions, "radius": radius})
        for number, (title, body, tags, stages, line) in enumerate(CATALOGUE["articles"]):
            key = f"kb_article:{number}"
            note("kb_article", {"_key": key, "title": title, "body": body, "tags": tags, "stages": stages,
                 "product_line": Ref(f"line:{line}") if line else None, "owner": Ref(f"user:{staff('service')[0]}")})  # fmt: skip
            self.note(start, "contacts", "kb_article", "update", {"_key": key, "status": "published"})
        for number, (title, stage, objection, text) in enumerate(CATALOGUE["talk_tracks"]):
            uses = self.rng.randint(20, 90)
            note("talk_track", {"_key": f"talk_track:{number}", "title": title, "stage": stage, "objection": objection, "text": text,
                 "uses": uses, "wins": self.rng.randint(5, uses // 2)})  # fmt: skip

    def person(self, number: int) -> Row:
        english = number % 10 == 9
        title = ("销售总监", "销售运营", "销售经理", "客户经理")[wave(number)]
        if number >= PEOPLE:
            title = {"presales": "售前顾问", "finance": "应收会计", "service": "客服工程师", "marketing": "市场专员"}[STAFF[number - PEOPLE]]
        above = (None, Ref("user:0"), Ref("user:0"), Ref(f"user:{team_of(number) - 1 + MANAGERS.start}"))[wave(number)]
        above = Ref("user:0") if number >= PEOPLE else above
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
        province, latitude, longitude = PLACES[city]
        place = {"latitude": round(latitude + rng.uniform(-0.1, 0.1), 6), "longitude": round(longitude + rng.uniform(-0.1, 0.1), 6)}
        account = Account(f"account:{number}", owner, str(region), self.pick(INDUSTRIES), size, level, language,
                          name.removesuffix("有限公司")[:24], name, place, [], rng.random() < 0.2)  # fmt: skip
        revenue = round(rng.uniform(0.5, 4) * {"micro": 8e6, "small": 6e7, "medium": 5e8, "large": 4e9}[size], -4)
        self.note(day, "accounts", "account", "create", {
            "_key": account.key, "name": name, "type": "customer" if account.customer else "prospect",
            "industry": account.industry, "region": region, "province": province, "city": city,
            "territory": Ref(f"territory:{team_of(owner)}"), "tax_number": f"9{rng.randrange(10**16):016d}X",
            "location": place,
            "size": size, "level": level,
            "annual_revenue": revenue, "credit_limit": 60_000_000 if level == "a" and rng.random() < 0.5 else None,
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
        led = rng.random() < 0.2
        account = rng.choices(self.accounts, [{"a": 5, "b": 3, "c": 2}[a.level] for a in self.accounts])[0]
        type_ = self.pick(TYPES) if account.customer and not led else "new"
        source = self.pick(SOURCES)
        skill = 0.8 + (account.owner * 37 % 11) / 25
        risk = INDUSTRIES[account.industry][1] * SOURCES[source][1] * TYPES[type_][1] * skill
        lines = self.basket(account)
        total = sum((line_amount(*line) for line in lines), Decimal(0))
        deal = Deal(f"opportunity:{number}", account, type_, risk, lines, total,
                    self.days[day] + timedelta(days=rng.randint(40, 120)), rng.choice([None, *range(len(RIVALS))]),
                    rng.choice(("prepaid", "thirty_seventy", "net_30", "net_60", "instalments")))  # fmt: skip
        guess = max(1_000, round(float(total) * rng.uniform(0.7, 1.3), -3))
        self.note(day, "open", "opportunity", "create", {
            "_key": deal.key, "name": f"{account.short} {PRODUCTS[lines[0][0]][1]}", "account": Ref(account.key),
            "contact": Ref(account.contacts[0]), "type": type_, "source": source,
            "campaign": self.campaign(source, day), "amount": guess,
            "planned_close": deal.planned.isoformat(), "owner": Ref(f"user:{account.owner}"),
        })  # fmt: skip
        self.note(day, "open", "opportunity_contact", "create", {
            "_key": f"opportunity_contact:{number}", "opportunity": Ref(deal.key), "contact": Ref(account.contacts[0]),
            "attitude": rng.choice(("supports", "supports", "neutral", "opposes")), "owner": Ref(f"user:{account.owner}"),
        }, 1)  # fmt: skip
        if led and day > 8:
            self.became(deal, day, source)
        if type_ == "renew":
            self.renew(deal, day)
        else:
            self.walk(deal, day, "qualify")

    def campaign(self, source: str, day: int) -> Ref | None:
        quarter = next(q for q in quarters(self.days[0], self.today) if self.days[day] < following(q))
        return Ref(f"campaign:{source}.{quarter}") if source in CAMPAIGNS else None

    # -- leads

    def lead(self, day: int, owner: int, row: Row, source: str) -> str:
        """A new lead of a seller; its key."""
        key = f"lead:{self.leads}"
        self.leads += 1
        _, _, region, city = TEAMS[team_of(owner)]
        self.note(day, "leads", "lead", "create", {
            "_key": key, **row, "mobile": self.mobile(), "source": source, "campaign": self.campaign(source, day),
            "region": region, "province": PLACES[city][0], "city": city, "pool": Ref(f"lead_pool:{team_of(owner)}"),
            "owner": Ref(f"user:{owner}"),
        })  # fmt: skip
        return key

    def speak(self, day: int, key: str, owner: int, language: str, result: str) -> None:
        """An activity about a lead."""
        text = TEXTS[language]
        self.activities += 1
        self.note(day, "lead_talk", "activity", "create", {
            "_key": f"activity:{self.activities}", "subject": self.rng.choice(text["call"]), "type": self.rng.choice(("call", "wechat")),
            "lead": Ref(key), "at": self.at(day, "leads").isoformat(), "minutes": 5 if result == "no_answer" else 20,
            "result": result, "content": self.rng.choice(text["notes"]) if result == "effective" else None,
            "owner": Ref(f"user:{owner}"),
        })  # fmt: skip

    def became(self, deal: Deal, day: int, source: str) -> None:
        """The lead that a deal was made of."""
        rng, account = self.rng, deal.account
        born = self.on(max(0, day - 8), "leads")
        person = self.zh.name() if account.language == "zh" else self.en.name()
        key = self.lead(born, account.owner, {"name": person, "company": account.name, "industry": account.industry}, source)
        self.speak(day - 1, key, account.owner, account.language, "effective")
        self.note(day - 1, "lead_work", "lead", "update", {"_key": key, "status": "working"}, 1)
        self.note(day, "lead_qualified", "lead", "update", {
            "_key": key, "status": "qualified", "need": rng.choice(TEXTS[account.language]["pain"]),
            "budget": max(1_000, round(float(deal.total), -3)), "purchase_on": deal.planned.isoformat(),
        })  # fmt: skip
        self.note(day, "lead_converted", "lead", "update", {
            "_key": key, "status": "converted", "converted_account": Ref(account.key),
            "converted_contact": Ref(account.contacts[0]), "converted_opportunity": Ref(deal.key),
        })  # fmt: skip

    def open_lead(self, born: int) -> None:
        """A lead that no deal came of: fresh, worked on, put off, given back or not worth it."""
        rng = self.rng
        day, owner = self.on(born, "leads"), rng.randrange(MANAGERS.stop, PEOPLE)
        language = "en" if rng.random() < 0.12 else "zh"
        if day >= len(self.days):
            return
        person, company = (self.en.name(), self.en.company()) if language == "en" else (self.zh.name(), self.zh.company())
        key = self.lead(day, owner, {"name": person, "company": company, "industry": self.pick(INDUSTRIES)}, self.pick(SOURCES))
        work = self.on(day + 1, "lead_work")
        if work >= len(self.days) or rng.random() < 0.03:
            return
        self.speak(work, key, owner, language, rng.choices(("effective", "no_answer"), (3, 2))[0])
        self.note(work, "lead_work", "lead", "update", {"_key": key, "status": "working"}, 1)
        end = self.on(work + rng.randint(2, 40), "lead_end")
        kind = rng.choices(("disqualified", "nurturing", "recycled"), (60, 25, 15))[0]
        if end >= len(self.days):
            return
        row: Row = {"_key": key, "status": kind}
        if kind == "disqualified":
            row["disqualify_reason"] = rng.choice(("no_need", "no_budget", "unreachable", "duplicate", "competitor", "not_served"))
        else:
            row["_reason"] = rng.choice(("no_time", "no_answer")) if kind == "recycled" else rng.choice(TEXTS[language]["lost"])
        self.note(end, "lead_end", "lead", "update", row, ("disqualified", "nurturing", "recycled").index(kind))

    # -- renewals

    def renew(self, deal: Deal, day: int) -> None:
        """Leads a renewal through its process: due, contacted, quoted, and won or lost."""
        rng = self.rng
        contacted = self.on(day + rng.randint(2, 12), "contacted")
        quoted = self.on(contacted + rng.randint(2, 15), "quoted")
        lost = rng.random() < min(0.5, 0.35 * deal.risk)
        end = self.on(quoted + rng.randint(2, 15), "renewal_lost" if lost else "renewed")
        self.log(deal, rng.randint(day, min(contacted, len(self.days) - 1)), "call", "effective", TEXTS[deal.account.language]["call"])
        if contacted < len(self.days):
            self.move(deal, contacted, "contacted", "contacted")
        if quoted >= len(self.days):
            return
        self.enter_lines(deal, contacted)
        self.offer(deal, quoted - 1, quoted, end)
        self.move(deal, quoted, "quoted", "quoted")
        if end < len(self.days):
            if lost:
                self.answer(deal, end, "rejected")
                self.move(deal, end, "lost", "renewal_lost")
            else:
                self.agree(deal, quoted + 1, end)
                self.move(deal, end, "won", "renewed")
                self.fulfil(deal, end)

    # -- quotes and contracts

    def offer(self, deal: Deal, day: int, sent: int, end: int) -> None:
        """A quote of all lines: written on one day, approved and sent on the next; valid until the deal goes on."""
        key = f"quote:{deal.number}.{deal.quotes}"
        owner = Ref(f"user:{deal.account.owner}")
        until = max(self.days[day] + timedelta(days=31), self.days[min(end, len(self.days) - 1)] + timedelta(days=10))
        self.note(day, "quotes", "quote", "create", {
            "_key": key, "opportunity": Ref(deal.key), "revision": deal.quotes + 1, "pricebook": Ref("pricebook:0"),
            "valid_until": until.isoformat(), "payment_terms": deal.terms, "owner": owner,
        })  # fmt: skip
        for number, (product, quantity, price, discount) in enumerate(deal.lines):
            self.note(day, "quote_lines", "quote_line", "create", {
                "_key": f"quote_line:{deal.number}.{deal.quotes}.{number}", "quote": Ref(key), "product": Ref(f"product:{product}"),
                "quantity": quantity, "price": float(price), "discount": float(discount), "owner": owner,
            })  # fmt: skip
        deal.quotes += 1
        if approval_level(deal) > 0:
            self.note(day, "quote_submitted", "quote", "update", {"_key": key, "status": "in_approval"})
        if sent >= len(self.days):
            return
        slot = "quote_approved" if approval_level(deal) > 0 else "quote_free"
        self.note(sent if slot == "quote_approved" else day, slot, "quote", "update", {"_key": key, "status": "approved"})
        self.note(sent, "quote_sent", "quote", "update",
                  {"_key": key, "status": "sent", "sent_on": self.days[sent].isoformat()})  # fmt: skip

    def answer(self, deal: Deal, day: int, status: str, slot: str = "quote_rejected") -> None:
        """The customer's answer to the last quote."""
        row = {"_key": f"quote:{deal.number}.{deal.quotes - 1}", "status": status, "answered_on": self.days[day].isoformat()}
        if status == "rejected":
            row["_reason"] = self.rng.choice(TEXTS[deal.account.language]["risk"])
        self.note(day, slot, "quote", "update", row)

    def agree(self, deal: Deal, day: int, signed: int) -> None:
        """The quote is accepted and the contract drafted; signed on a later day, or the same."""
        if day >= len(self.days):
            return
        self.answer(deal, day, "accepted", "quote_accepted")
        key = f"contract:{deal.number}"
        self.note(day, "contracts", "contract", "create", {
            "_key": key, "opportunity": Ref(deal.key), "account": Ref(deal.account.key), "amount": float(deal.total),
            "payment_terms": deal.terms, "customer_number": f"CG-{self.days[day].year}-{int(deal.number):05d}",
            "owner": Ref(f"user:{deal.account.owner}"),
        })  # fmt: skip
        if signed < len(self.days):
            first = self.days[signed]
            self.note(signed, "contract_agreed", "contract", "update", {"_key": key, "status": "agreed"})
            self.note(signed, "contract_signed", "contract", "update", {
                "_key": key, "status": "signed", "signed_on": first.isoformat(), "starts_on": first.isoformat(),
                "ends_on": (first + timedelta(days=364)).isoformat(),
            })  # fmt: skip

    def share(self, deal: Deal, day: int) -> None:
        """Credit for a won deal: some are shared with a colleague, some have presales beside."""
        rows = [(deal.account.owner, "revenue", 1.0)]
        if self.rng.random() < 0.3:
            colleague = self.rng.randrange(MANAGERS.stop, PEOPLE)
            rows = rows if colleague == rows[0][0] else [(rows[0][0], "revenue", 0.7), (colleague, "revenue", 0.3)]
        if self.rng.random() < 0.3:
            rows.append((PEOPLE + team_of(deal.account.owner) % 2, "overlay", 0.2))
        for number, (payee, kind, share) in enumerate(rows):
            self.note(day, "splits", "opportunity_split", "create", {
                "_key": f"opportunity_split:{deal.number}.{number}", "opportunity": Ref(deal.key), "payee": Ref(f"user:{payee}"),
                "type": kind, "share": share, "owner": Ref(f"user:{deal.account.owner}"),
            })  # fmt: skip

    # -- what comes after the sale

    def fulfil(self, deal: Deal, won: int) -> None:
        """Order, delivery, invoice and payments, and now and then a case."""
        rng, last, owner = self.rng, len(self.days), Ref(f"user:{deal.account.owner}")
        day = self.on(won + 1, "orders")
        if day >= last:
            return
        key, ordered, books = f"sales_order:{deal.number}", self.days[day], Ref(f"user:{staff('finance')[0]}")
        self.note(day, "orders", "sales_order", "create", {
            "_key": key, "account": Ref(deal.account.key), "opportunity": Ref(deal.key), "contract": Ref(f"contract:{deal.number}"),
            "order_date": ordered.isoformat(), "payment_terms": deal.terms, "deliver_by": (ordered + timedelta(days=40)).isoformat(),
            "owner": owner,
        })  # fmt: skip
        for number, (product, quantity, price, discount) in enumerate(deal.lines):
            self.note(day, "order_lines", "order_line", "create", {
                "_key": f"order_line:{deal.number}.{number}", "sales_order": Ref(key), "product": Ref(f"product:{product}"),
                "quantity": quantity, "price": float(price), "discount": float(discount), "owner": owner,
            })  # fmt: skip
        self.note(day, "order_confirmed", "sales_order", "update", {"_key": key, "status": "confirmed"})
        paid = 0
        for part, (wait, amount) in enumerate(instalments(deal), 1):
            due = ordered + timedelta(days=wait)
            plan = f"receivable_plan:{deal.number}.{part}"
            self.note(day, "receivables", "receivable_plan", "create", {
                "_key": plan, "sales_order": Ref(key), "part": part, "due_on": due.isoformat(), "amount": float(amount), "owner": owner,
            })  # fmt: skip
            came = self.on(self.index(due + timedelta(days=round(rng.triangular(-5, 50, 2)))), "payments")
            paid = max(paid, last if rng.random() < 0.05 else came)
            if paid < last:
                payment = f"payment:{deal.number}.{part}"
                self.note(came, "payments", "payment", "create", {
                    "_key": payment, "sales_order": Ref(key), "account": Ref(deal.account.key), "plan": Ref(plan),
                    "paid_on": self.days[came].isoformat(), "amount": float(amount),
                    "method": rng.choice(("transfer", "transfer", "transfer", "draft")),
                    "reference": f"{rng.randrange(10**12):012d}", "owner": owner,
                })  # fmt: skip
                self.note(came, "payment_confirmed", "payment", "update", {"_key": payment, "status": "confirmed", "confirmed_by": books})
        delivered = self.on(day + rng.randint(5, 30), "delivered")
        if delivered >= last:
            return
        self.note(delivered, "delivered", "sales_order", "update",
                  {"_key": key, "status": "delivered", "delivered_on": self.days[delivered].isoformat()})  # fmt: skip
        invoice = f"invoice:{deal.number}"
        self.note(delivered, "invoices", "invoice", "create", {
            "_key": invoice, "sales_order": Ref(key), "kind": "special", "tax_number": f"9{int(deal.number):016d}X",
            "amount": float(deal.total), "owner": owner,
        })  # fmt: skip
        self.note(delivered, "invoice_issued", "invoice", "update", {
            "_key": invoice, "status": "issued", "invoice_number": f"25{int(deal.number):010d}",
            "issued_on": self.days[delivered].isoformat(),
        })  # fmt: skip
        closed = self.on(max(paid, delivered) + 1, "order_closed")
        if closed < last:
            self.note(closed, "order_closed", "sales_order", "update", {"_key": key, "status": "closed"})
        if rng.random() < 0.35:
            self.ask(deal, self.on(delivered + rng.randint(1, 60), "cases"))

    def ask(self, deal: Deal, day: int) -> None:
        """A case of a customer, from the question to the rating."""
        rng, text = self.rng, TEXTS[deal.account.language]
        if day >= len(self.days):
            return
        key, agent = f"service_case:{deal.number}", Ref(f"user:{rng.choice(staff('service'))}")
        self.note(day, "cases", "service_case", "create", {
            "_key": key, "subject": rng.choice(text["case"]), "account": Ref(deal.account.key), "contact": Ref(rng.choice(deal.account.contacts)),
            "sales_order": Ref(f"sales_order:{deal.number}"), "product": Ref(f"product:{deal.lines[0][0]}"),
            "channel": rng.choice(("phone", "mail", "wechat", "website")),
            "priority": rng.choices(("p1", "p2", "p3", "p4"), (1, 3, 10, 6))[0], "owner": agent,
        })  # fmt: skip
        taken = self.at(day, "case_taken").isoformat()
        self.note(day, "case_taken", "service_case", "update",
                  {"_key": key, "status": "in_progress", "agent": agent, "first_response_at": taken})  # fmt: skip
        solved = self.on(day + rng.choice((0, 0, 0, 5)), "case_solved")
        if solved < len(self.days):
            self.note(solved, "case_solved", "service_case", "update", {
                "_key": key, "status": "solved", "solution": rng.choice(text["fix"]),
                "solved_at": self.at(solved, "case_solved").isoformat(),
            })  # fmt: skip
            if rng.random() < 0.6:
                stars = rng.choices((1, 2, 3, 4, 5), (1, 2, 5, 12, 14))[0]
                self.note(solved, "case_rated", "service_case", "update", {"_key": key, "csat": stars})

    def index(self, day: date) -> int:
        """The first working day from a date on, maybe beyond the end of the story."""
        return bisect_left(self.days, day)

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
            if stage == "qualify" and target == "needs" and deal.type == "expand" and rng.random() < 0.2:
                slot, target = "skip", "solution"
            if stage == "proposal" and target == "negotiation" and rng.random() < 0.05:
                slot, target = "back", "solution"
            leave = self.on(day + max(1, stays), slot)
            self.talk(deal, stage, day, min(leave, len(self.days) - 1, day + 25))
            if stage == "proposal":
                self.offer(deal, day, day + 1, leave)
            if stage == "negotiation" and target == "won":
                self.agree(deal, day + 1, leave)
            if leave < len(self.days) and (slot == "back" or (lost and stage in ("proposal", "negotiation"))):
                self.answer(deal, leave, "rejected", "quote_back" if slot == "back" else "quote_rejected")
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
        if stage == "needs":
            self.log(deal, self.rng.randint(first, last), self.rng.choice(("visit", "meeting")), "effective", text["visit"])
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
        if kind == "visit" and rng.random() < 0.6 and self.on(day, "visits") < len(self.days):
            self.visit(deal, day, at, rng.choice(subjects))

    def visit(self, deal: Deal, day: int, at: datetime, subject: str) -> None:
        """A visit as it was reported at the end of the week; a few missed the customer."""
        rng, account = self.rng, deal.account
        met = rng.random() < 0.9
        place = {part: round(value + rng.uniform(-0.002, 0.002), 6) for part, value in account.place.items()}
        self.note(self.on(day, "visits"), "visits", "visit", "create", {
            "_key": f"visit:{self.activities}", "subject": subject, "account": Ref(account.key), "contact": Ref(rng.choice(account.contacts)),
            "opportunity": Ref(deal.key), "type": Ref(f"visit_type:{rng.randrange(len(CATALOGUE['visit_types']))}"),
            "planned_at": at.isoformat(), "checkin_at": at.isoformat(), "checkin": place,
            "checkout_at": (at + timedelta(minutes=rng.randint(15, 90))).isoformat() if met else None,
            "note": rng.choice(TEXTS[account.language]["notes"]) if met else None,
            "next_step": rng.choice(TEXTS[account.language]["next"]) if met else None,
            "exception": None if met else "absent", "owner": Ref(f"user:{account.owner}"),
        })  # fmt: skip

    def move(self, deal: Deal, day: int, target: str, slot: str) -> None:
        """Writes one move with the fields that the target stage requires."""
        row: Row = {"_key": deal.key, "stage": target}
        if slot in REASONS:
            row["_reason"] = self.rng.choice(REASONS[slot])
        if slot in ("needs", "skip"):
            row["_done"] = ("duplicates_checked",)
        for part in FILLS[slot]:
            row |= part(self, deal, self.days[day])
        if target == "solution" and not deal.lined:
            self.enter_lines(deal, day)
        self.note(day, slot, "opportunity", "update", row)
        if target == "won" and slot == "won":
            self.share(deal, day)
            self.fulfil(deal, day)
        if target == "won" and not deal.account.customer:
            deal.account.customer = True
            later = self.on(day, "customers")
            if later < len(self.days):
                self.note(later, "customers", "account", "update", {"_key": deal.account.key, "type": "customer"})
        if target == "negotiation" and self.rng.random() < 0.3:
            self.give_task(deal, self.on(day + 1, "tasks"))

    def enter_lines(self, deal: Deal, day: int) -> None:
        if day >= len(self.days):
            return
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


def _rival(s: Story, d: Deal, day: date) -> Row:
    return {"competitor": None if d.rival is None else Ref(f"competitor:{d.rival}"), "no_competitor": d.rival is None}


def _decision(s: Story, d: Deal, day: date) -> Row:
    text = TEXTS[d.account.language]
    return {"decision_process": s.rng.choice(text["decision"]), **_rival(s, d, day)}


def _offer(s: Story, d: Deal, day: date) -> Row:
    return {
        "amount": float(d.total),
        "solution": s.rng.choice(TEXTS[d.account.language]["solution"]),
        "payment_terms": d.terms,
    }


def _terms(s: Story, d: Deal, day: date) -> Row:
    return {"amount": float(d.total), "payment_terms": d.terms}


def _contract(s: Story, d: Deal, day: date) -> Row:
    return {"budget_confirmed": True, "actual_close": day.isoformat(),
            "close_plan": s.rng.choice(TEXTS[d.account.language]["plan"])}  # fmt: skip


def _renewed(s: Story, d: Deal, day: date) -> Row:
    return {"actual_close": day.isoformat()}


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
    "proposal": (_offer, _planned), "negotiation": (_planned,), "won": (_contract,), "lost": (_loss, _rival),
    "contacted": (_planned,), "quoted": (_terms, _planned), "renewed": (_renewed,), "renewal_lost": (_loss,),
    "back": (_planned,), "reopen": (_reopen,),
}  # fmt: skip
"""What each kind of move writes beside the stage."""


def approval_level(deal: Deal) -> int:
    """Whether a quote of all lines needs nobody's word (0) or somebody's (1), by discount, total and margin."""
    listed = sum(PRODUCTS[product][3] * quantity for product, quantity, _, _ in deal.lines)
    cost = sum(PRODUCTS[product][4] * quantity for product, quantity, _, _ in deal.lines)
    total = float(deal.total)
    return int(1 - total / listed > 0.1 or total >= 100_000 or (total - cost) / total < 0.15)


def instalments(deal: Deal) -> list[tuple[int, Decimal]]:
    """Days after the order and amount of each part that is to be paid, by the terms."""
    total = deal.total
    part = (total * Decimal("0.3")).quantize(CENT, ROUND_HALF_UP)
    third = (total / 3).quantize(CENT, ROUND_HALF_UP)
    return {"prepaid": [(7, total)], "net_30": [(30, total)], "net_60": [(60, total)],
            "thirty_seventy": [(7, part), (60, total - part)],
            "instalments": [(30, third), (60, third), (90, total - 2 * third)]}[deal.terms]  # fmt: skip


def quarters(first: date, last: date) -> list[date]:
    """The first days of the quarters that a time touches."""
    day, found = date(first.year, (first.month - 1) // 3 * 3 + 1, 1), []
    while day <= last:
        found.append(day)
        day = following(day)
    return found


def following(quarter: date) -> date:
    """The first day of the next quarter."""
    return date(quarter.year + quarter.month // 10, quarter.month % 12 + 3 if quarter.month < 10 else 1, 1)


def staff(kind: str) -> list[int]:
    """The users who do this work beside the sellers."""
    return [PEOPLE + place for place, name in enumerate(STAFF) if name == kind]


def wave(number: int) -> int:
    """Rank of a user: 0 director, 1 sales operations, 2 manager, 3 seller."""
    return 3 if number >= MANAGERS.stop else 2 if number >= MANAGERS.start else min(number, 1)


def team_of(number: int) -> int:
    """The team of a user."""
    return 0 if number < MANAGERS.start or number >= PEOPLE else 1 + (number - MANAGERS.start) % len(MANAGERS)


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
    starts = sorted(writer.on(day, "open") for day in rng.choices(range(last + 1), weights, k=deals))
    starts = [min(day, last) for day in starts]
    known = 0
    for number, day in enumerate(starts):
        while known < accounts and births[known] <= day:
            writer.open_account(births[known], known)
            known += 1
        writer.open_deal(day, number)
    for number in range(known, accounts):
        writer.open_account(births[number], number)
    for day in sorted(rng.choices(range(last), k=round(LEADS * scale))):
        writer.open_lead(day)
    yield from writer.steps()
