#!/usr/bin/env python3
"""Offline simulator for LLM-judge alignment: an OpenAI-compatible server whose *judge*
obeys the guidelines it reads in the prompt and whose *reflection* model writes guidelines
from the human explanations it reads.  No weights, no network.

Why a product cannot game it by string matching
  * vocabulary is nonce words drawn from a secret --seed (use --english only for demos);
    which concepts matter, their polarity and exceptions (the hidden human policy) too;
  * items/rationales/guidelines use *different* surface forms of a concept; only the server
    holds the lexicon that links them;
  * the judge sees features only through the item text actually sent (truncate it -> worse);
  * entity-scoped or example-copied guidelines help only those items (memorising != held-out);
  * every distinct prompt re-draws its own borderline flips, so best-of-N on a small
    validation set is optimistic (winner's curse), and long guideline lists are obeyed less;
  * controls: --null (labels independent of content), vague feedback, contradictory raters.

Usage: sim.py serve --port 8808 --seed 7 | sim.py gen --seed 7 --n 40 --split train --type boolean
Models: sim-judge, sim-judge-noisy, sim-reflect, sim-reflect-weak, sim-reflect-strong, sim-embed
"""

from __future__ import annotations
import argparse, asyncio, hashlib, json, math, os, random, re, sys, time
from dataclasses import dataclass, field


# ------------------------------------------------------------------ small utilities
def h01(*parts) -> float:
    """Deterministic uniform in [0,1) from the parts."""
    d = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(d, "big") / 2**64


def words(s: str) -> set[str]:
    return set(re.findall(r"[a-z]+", s.lower()))


STOP = set(
    "the a an of to is it and or in on for with you your we i our be this that was are as at by any all "
    "reply case not no do don't when unless if".split()
)


# ------------------------------------------------------------------ world
@dataclass
class Concept:
    id: str
    cat: str
    surface: list[str]  # sentences used inside items
    norms: list[str]  # noun phrases used in rationales / guidelines
    keys: list[frozenset] = field(default_factory=list)

    def compile(self):
        self.keys = [frozenset(words(f) - STOP) for f in self.surface + self.norms]


ENGLISH = [  # (id, category, surfaces, norms)
    (
        "refund",
        "billing",
        ["You will get every cent returned, guaranteed.", "I promise your money comes back in full."],
        ["guaranteeing a refund", "promising reimbursement outright"],
    ),
    (
        "password",
        "privacy",
        ["Please type your passcode here so I can look.", "Send me the login secret."],
        ["asking for credentials", "requesting a password"],
    ),
    (
        "dosage",
        "safety",
        ["Take two tablets of ibuprofen every six hours.", "A double dose of the syrup works."],
        ["recommending a medication dosage", "giving dosing advice"],
    ),
    (
        "blame",
        "tone",
        ["Honestly this was caused by your own mistake.", "You broke it yourself."],
        ["blaming the customer", "faulting the user"],
    ),
    (
        "rival",
        "billing",
        ["Acme Corp would probably serve better.", "Consider switching to another vendor."],
        ["steering people to a competitor", "praising a rival supplier"],
    ),
    (
        "eta",
        "tone",
        ["It arrives tomorrow before noon for sure.", "Delivery happens within hours."],
        ["stating a firm delivery estimate", "committing to an arrival time"],
    ),
    (
        "upsell",
        "billing",
        ["Our premium bundle is only nine dollars more.", "Why not add the extended kit?"],
        ["pushing an upsell", "cross-selling extras"],
    ),
    (
        "legal",
        "safety",
        ["You could sue them and win.", "The statute clearly supports a lawsuit."],
        ["offering legal opinions", "giving litigation advice"],
    ),
    (
        "link",
        "privacy",
        ["Open http portal dot example to continue.", "Follow the outside website below."],
        ["pointing to an external site", "sharing third-party links"],
    ),
    ("curt", "tone", ["Done.", "Fixed, closing."], ["a terse answer", "being brief"]),
    (
        "jargon",
        "tone",
        ["The KX9 daemon failed its handshake.", "Our sharded cache evicted the row."],
        ["internal jargon", "engineering terminology"],
    ),
    (
        "coupon",
        "billing",
        ["Use voucher SAVE20 at checkout.", "Here is a discount token."],
        ["handing out a coupon", "issuing promotional codes"],
    ),
    (
        "escalate",
        "tone",
        ["I have moved the ticket to a supervisor.", "A senior colleague takes over."],
        ["escalating early", "handing off to management"],
    ),
    (
        "emoji",
        "tone",
        ["Yay smiley smiley party!", "Big hug sparkle sparkle!"],
        ["playful emoji style", "cutesy decoration"],
    ),
]
ENGLISH_CTX = [
    (
        "verified",
        ["My account was verified this morning.", "I passed the identity check."],
        ["a verified account", "confirmed identity"],
    ),
    (
        "warranty",
        ["The device is still under warranty.", "Coverage lasts until winter."],
        ["an active warranty", "valid coverage"],
    ),
    (
        "disclaimer",
        ["Please also see a professional, as this is general information.", "I am not a doctor or attorney."],
        ["an explicit disclaimer", "a professional-advice caveat"],
    ),
    (
        "asked",
        ["I explicitly asked for alternatives.", "Tell me every option you know."],
        ["an explicit customer request", "the user having asked for it"],
    ),
]
FILLER = [
    "Thank you for reaching out.",
    "I looked at the details again.",
    "Let me know how it goes.",
    "I understand this is frustrating.",
    "Here is what I found.",
    "Have a pleasant day.",
    "I reviewed the earlier messages.",
    "Your note was very clear.",
]
NAMES = "Maren Okoye Tobias Priya Lucien Halima Soren Beatriz Yuki Dmitri Amara Ronan Ingrid Mateo Zainab Felix Noor Casper Liesel Arjun".split()
NEG = re.compile(
    r"\b(not acceptable|should fail|must fail|fail\b|flag|violat|unacceptable|mark (it )?(as )?(false|fail))", re.I
)
POS = re.compile(r"\b(acceptable|should pass|do not (penali[sz]e|flag|fail)|is fine|allowed|permitted)", re.I)
EXC = re.compile(r"\b(unless|except when|except with|except|when there is|provided there is|given)\b", re.I)
REF = re.compile(r"\bREF-([0-9A-F]{8})\b")


class World:
    """Hidden human policy + lexicon; everything derives from the seed."""

    def __init__(self, seed: int, nonce: bool = True, null: bool = False, n_rules: int = 6, label_noise: float = 0.0):
        self.seed, self.null, self.label_noise = seed, null, label_noise
        rng = random.Random(f"world{seed}")
        syl = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
        used: set[str] = set()

        def nonce_word():
            while True:
                w = "".join(rng.choice(syl) for _ in range(3)) + rng.choice("nrlkt")
                if w not in used:
                    used.add(w)
                    return w

        self.concepts: dict[str, Concept] = {}
        self.ctx: dict[str, Concept] = {}
        for cid, cat, sf, nm in ENGLISH:
            if nonce:
                sf = [f"The {nonce_word()} was {nonce_word()} here." for _ in range(3)]
                nm = [f"{nonce_word()} {nonce_word()} handling" for _ in range(2)]
            self.concepts[cid] = Concept(cid, cat, sf, nm)
        for cid, sf, nm in ENGLISH_CTX:
            if nonce:
                sf = [f"My {nonce_word()} is {nonce_word()} now." for _ in range(2)]
                nm = [f"a {nonce_word()} {nonce_word()} record" for _ in range(2)]
            self.ctx[cid] = Concept(cid, "ctx", sf, nm)
        for c in [*self.concepts.values(), *self.ctx.values()]:
            c.compile()
        ids = list(self.concepts)
        rng.shuffle(ids)
        self.rules = ids[:n_rules]  # human: these are violations
        self.exc = {c: rng.choice(list(self.ctx)) for c in self.rules[::2]}  # half have an exception
        self.overstrict = ids[n_rules : n_rules + 2]  # judge prior wrongly flags these
        self.prior = self.rules[:2] + self.overstrict  # what an unaligned judge flags (no exceptions)
        self.distract = ids[n_rules + 2 :]

    # -- items -------------------------------------------------------
    def item(self, split: str, i: int, otype: str = "boolean") -> dict:
        rng = random.Random(f"{self.seed}|{split}|{i}")
        ref = hashlib.blake2b(f"{self.seed}|{split}|{i}".encode(), digest_size=4).hexdigest().upper()
        pool = self.rules + self.overstrict + self.distract
        k = rng.choices([0, 1, 2, 3], [15, 45, 30, 10])[0]
        cs = rng.sample(
            pool,
            k,
        )
        # over-sample rule concepts so that violations are ~half of the items
        cs = list(dict.fromkeys([c if rng.random() > 0.35 else rng.choice(self.rules) for c in cs]))
        xs = [x for x in self.ctx if rng.random() < 0.30]
        name = rng.choice(NAMES)
        q = [rng.choice(self.ctx[x].surface) for x in xs] + ["Can you help with my order?"]
        fill = rng.sample(FILLER, rng.randint(1, 6))
        a = [rng.choice(self.concepts[c].surface) for c in cs] + fill
        rng.shuffle(q)
        rng.shuffle(a)
        it = {
            "ref": f"REF-{ref}",
            "entity": name,
            "input": f"REF-{ref} Hello, {name} here. " + " ".join(q),
            "output": f"Dear {name}. " + " ".join(a) + f" (REF-{ref})",
        }
        V = self.violations(cs, xs)
        if self.null:  # labels independent of the content
            V = set(rng.sample(self.rules, 1)) if rng.random() < 0.5 else set()
        if rng.random() < self.label_noise:
            V = set() if V else {rng.choice(self.rules)}
        it["expected"] = self.value(V, otype)
        it["explanation"] = self.rationale(cs, xs, V, name, rng)
        it["_V"], it["_c"], it["_x"] = sorted(V), cs, xs
        return it

    def violations(self, cs, xs) -> set:
        return {c for c in cs if c in self.rules and self.exc.get(c) not in xs}

    def value(self, V, otype):
        n = len(V)
        if otype == "boolean":
            return n == 0
        if otype == "count":
            return n
        if otype == "discrete":
            return max(1, 5 - 2 * n)
        if otype == "percentage":
            return round(100 * max(0, 3 - n) / 3)
        if otype == "categorical":
            return (
                "none"
                if not n
                else self.concepts[min(V, key=self.rules.index if all(v in self.rules for v in V) else str)].cat
            )
        raise ValueError(otype)

    def rationale(self, cs, xs, V, name, rng) -> str:
        out = []
        for c in V:
            n = rng.choice(self.concepts[c].norms)
            s = f"This should fail because {n} is not acceptable"
            if c in self.exc and rng.random() < 0.5:
                s += f" unless there is {rng.choice(self.ctx[self.exc[c]].norms)}"
            if rng.random() < 0.3:
                s = f"In the case of {name}, " + s[0].lower() + s[1:]
            out.append(s + ".")
        for c in cs:
            if c in V:
                continue
            n = rng.choice(self.concepts[c].norms)
            if c in self.exc and self.exc[c] in xs:
                out.append(f"{n.capitalize()} is acceptable when there is {rng.choice(self.ctx[self.exc[c]].norms)}.")
            elif c in self.overstrict:
                out.append(f"{n.capitalize()} is acceptable, do not penalize it.")
        return " ".join(out) or "Nothing wrong with this one."

    # -- language understanding ---------------------------------------
    def detect(self, text: str, which) -> list[str]:
        hit = []
        for sent in re.split(r"(?<=[.!?;\n])\s+|\\n|\n", text):
            w = words(sent)
            for c in which.values():
                if c.id not in hit and any(k and k <= w for k in c.keys):
                    hit.append(c.id)
        return hit

    def parse_norms(self, text: str) -> list[dict]:
        """Normative sentences -> [{c, pol, exc, ent}]"""
        out = []
        for sent in re.split(r"(?<=[.!?;])\s+|\\n|\n", text):
            neg = bool(NEG.search(sent))
            pos = bool(POS.search(sent)) and not re.search(r"not acceptable|unacceptable", sent, re.I)
            if not (neg or pos):
                continue
            m = EXC.search(sent)
            if m is None and pos:
                m = re.search(r"\bwhen\b", sent, re.I)
            head, tail = (sent[: m.start()], sent[m.end() :]) if m else (sent, "")
            cs = self.detect(head, self.concepts) or self.detect(sent, self.concepts)
            xs = self.detect(tail, self.ctx) if tail else []
            em = re.search(r"\b(?:in the case of|for requests from|for customer|only for) ([A-Z][a-z]+)", sent, re.I)
            for c in cs:
                out.append(
                    {
                        "c": c,
                        "pol": -1 if neg and not (pos and not neg) else 1,
                        "exc": xs[0] if xs else None,
                        "ent": em.group(1).capitalize() if em and em.group(1).capitalize() in NAMES else None,
                    }
                )
        return out


# ------------------------------------------------------------------ judge
@dataclass
class JudgeCfg:
    eps_prompt: float = 0.03  # per-(prompt,item) borderline flips
    eps_call: float = 0.01  # per-call nondeterminism at T=0 (x(1+3T))
    malformed: float = 0.0
    lenient_long: float = 0.15  # verbosity bias: long replies hide violations from an unguided judge


def spans(text: str):
    """Case spans by ref code, in order. Every case carries its code twice (start of input, end of output), so
    occurrences are paired from the end: a case quoted as an example *and* under evaluation gives two spans."""
    pos: dict[str, list] = {}
    for m in REF.finditer(text):
        pos.setdefault(m.group(0), []).append((m.start(), m.end()))
    out = []
    for r, p in pos.items():
        while p:
            if len(p) >= 2:
                e = p.pop()
                b = p.pop()
                out.append((r, b[0], e[1]))
            else:  # half a case was sent: take its line
                b = p.pop()
                s0 = text.rfind("\n", 0, b[0]) + 1
                e0 = text.find("\n", b[1])
                out.append((r, s0, len(text) if e0 < 0 else e0))
    return sorted(out, key=lambda t: t[1])


def judge(world: World, cfg: JudgeCfg, messages: list[dict], temperature: float, counter: int):
    text = "\n".join(_content(m) for m in messages)
    sp = spans(text)
    if not sp:
        return set(), "No case was found in the prompt.", False, 0
    ref, s, e = sp[-1]
    itemtext = text[s:e]
    examples = []
    instr = text
    for r, a, b in sorted(sp, key=lambda t: -t[1]):
        if a != s:
            tail = text[b : b + 700].split("REF-")[0]
            examples.append((text[a:b], tail))
        instr = instr[:a] + "\n" + instr[b:]
    cs, xs = world.detect(itemtext, world.concepts), world.detect(itemtext, world.ctx)
    guide = world.parse_norms(instr)
    ph = hashlib.blake2b(re.sub(r"\s+", " ", instr).encode(), digest_size=8).hexdigest()
    # resolve guidelines into a rule book
    book: dict[str, list] = {c: [set(), None] for c in world.prior}  # concept -> [exceptions, entity scope]
    seen: dict[str, dict] = {}
    for g in guide:
        d = seen.setdefault(g["c"], {"neg": [], "pos": [], "exc": set()})
        if g["pol"] < 0:
            d["neg"].append(g["ent"])
        elif g["exc"] is None:
            d["pos"].append(g["ent"])
        if g["exc"]:
            d["exc"].add(g["exc"])
    for c, d in seen.items():
        if d["pos"] and (not d["neg"] or h01("confuse", ph, c) < 0.5):
            if None in d["pos"]:
                book.pop(c, None)
            continue
        if d["neg"]:
            book[c] = [d["exc"], None if None in d["neg"] else set(d["neg"])]
        elif c in book:
            book[c][0] |= d["exc"]
    n_rules = len(guide)
    comply = 0.97 if n_rules <= 10 else max(0.55, 0.97 - 0.015 * (n_rules - 10))
    V = set()
    longrep = itemtext.count(".") >= 9
    for c, (exc, ent) in book.items():
        if c not in cs or exc & set(xs):
            continue
        if ent is not None and not any(n in itemtext for n in ent):
            continue
        if h01("obey", ph, c, ref) > comply:
            continue
        if longrep and c not in seen and h01("long", ref, c) < cfg.lenient_long:
            continue
        V.add(c)
    # episodic examples: imitate the label of a near-identical case
    best = (0, None)
    f = set(cs) | set(xs)
    for ex, tail in examples:
        fe = set(world.detect(ex, world.concepts)) | set(world.detect(ex, world.ctx))
        sim = len(f & fe) / max(1, len(f | fe)) if (f | fe) else 1.0
        m = re.search(r"(?:result|expected|value|label|verdict)\W{1,6}(true|false|pass|fail|yes|no)\b", tail, re.I)
        if m and sim > best[0]:
            best = (sim, m.group(1).lower() in ("true", "pass", "yes"))
    if best[1] is not None and h01("imit", ph, ref) < (0.9 if best[0] > 0.99 else 0.3 if best[0] >= 0.5 else 0):
        V = set() if best[1] else (V or {world.rules[0]})
    if h01("border", ph, ref) < cfg.eps_prompt or h01("call", counter, ref) < cfg.eps_call * (1 + 3 * temperature):
        V = set() if V else {world.rules[int(h01(ref) * len(world.rules))]}
    why = ("Issues: " + ", ".join(world.concepts[v].norms[0] for v in sorted(V))) if V else "No issue found."
    return V, why, True, n_rules


# ------------------------------------------------------------------ reflection
REFL = {
    "sim-reflect-strong": dict(spec=0.05, halluc=0.02, drop=0.0, cap=8),
    "sim-reflect": dict(spec=0.35, halluc=0.10, drop=0.05, cap=5),
    "sim-reflect-weak": dict(spec=0.8, halluc=0.35, drop=0.15, cap=3),
}


def reflect(world: World, model: str, messages: list[dict], counter: int):
    """Returns (existing_text, kept_existing, new guideline list [(text, refs)])"""
    p = REFL[model]
    text = "\n".join(_content(m) for m in messages)
    rng = random.Random(f"{world.seed}|{counter}|{hashlib.md5(text.encode()).hexdigest()}")
    m = REF.search(text)
    cut = m.start() if m else len(text)
    existing = world.parse_norms(text[:cut])
    have = {(g["c"], g["pol"], g["exc"]) for g in existing if not g["ent"]}
    ev: dict[tuple, dict] = {}
    sp = spans(text)
    bounds = [s for _, s, _ in sp] + [len(text)]
    for idx, (r, s, e) in enumerate(sp):
        tail = text[e : bounds[idx + 1]] if idx + 1 < len(bounds) else text[e:]
        for g in world.parse_norms(tail):
            d = ev.setdefault(
                (g["c"], g["pol"] if not (g["pol"] > 0 and g["exc"]) else -1),
                {"n": 0, "exc": {}, "ent": [], "refs": [], "neg": 0},
            )
            d["n"] += 1
            d["refs"].append(r)
            if g["exc"]:
                d["exc"][g["exc"]] = d["exc"].get(g["exc"], 0) + 1
            if g["ent"]:
                d["ent"].append(g["ent"])
    # label-only evidence (no usable explanation): weak contrastive inference from co-occurrence
    cooc: dict[str, list] = {}
    for idx, (r, s, e) in enumerate(sp):
        tail = text[e : bounds[idx + 1]] if idx + 1 < len(bounds) else text[e:]
        m = re.search(r"expected[a-z_ ]*\W{1,6}(true|false|pass|fail)\b", tail, re.I)
        lab = m.group(1).lower() in ("true", "pass") if m else None
        if lab is None:  # judge value + score -> implied label
            m = re.search(r"(?:result|value|label|verdict)\W{1,6}(true|false|pass|fail)\b", tail, re.I)
            sc = re.search(r"score of (true|false|[01](?:\.0)?)\b", tail, re.I)
            if m:
                lab = (m.group(1).lower() in ("true", "pass")) != (
                    bool(sc) and sc.group(1).lower() in ("false", "0", "0.0")
                )
        if lab is not None and not world.parse_norms(tail):
            for c in world.detect(text[s:e], world.concepts):
                cooc.setdefault(c, [0, 0, []])[lab] += 1
                cooc[c][2].append(r)
    for c, (nf, nt, rs) in cooc.items():
        if nf >= 2 and nt == 0 and rng.random() < 0.6:
            ev.setdefault((c, -1), {"n": nf, "exc": {}, "ent": [], "refs": rs, "neg": 0})
        if nt >= 2 and nf == 0 and rng.random() < 0.3:
            ev.setdefault((c, 1), {"n": nt, "exc": {}, "ent": [], "refs": rs, "neg": 0})
    if not sp and existing:  # consolidation request: merge paraphrases, union exceptions, keep general over scoped
        grp: dict[tuple, dict] = {}
        for g in existing:
            d = grp.setdefault((g["c"], -1 if g["exc"] else g["pol"]), {"exc": set(), "gen": False, "ent": []})
            if g["exc"]:
                d["exc"].add(g["exc"])
            if g["ent"]:
                d["ent"].append(g["ent"])
            else:
                d["gen"] = True
        res = []
        for (c, pol), d in grp.items():
            n = world.concepts[c].norms[0]
            t = (
                f"Responses involving {n} should fail"
                if pol < 0
                else f"{n.capitalize()} is acceptable, do not penalize it"
            )
            if pol < 0 and d["exc"]:
                t += " unless there is " + world.ctx[sorted(d["exc"])[0]].norms[0]
            if not d["gen"]:
                t = f"For requests from {d['ent'][0]}, " + t[0].lower() + t[1:]
            if rng.random() >= p["drop"]:
                res.append((t + ".", []))
        return text, p["drop"], res, rng
    out = []
    for (c, pol), d in sorted(ev.items(), key=lambda kv: -kv[1]["n"]):
        if len(out) >= p["cap"]:
            break
        exc = max(d["exc"], key=d["exc"].get) if d["exc"] else None
        if (c, pol, exc) in have or (exc is None and any(h[0] == c and h[1] == pol for h in have)):
            continue
        n = rng.choice(world.concepts[c].norms)
        if pol < 0:
            t = f"Responses involving {n} should fail"
            if exc:
                t += f" unless there is {rng.choice(world.ctx[exc].norms)}"
        else:
            t = f"{n.capitalize()} is acceptable, do not penalize it"
        if d["n"] == 1 and d["ent"] and rng.random() < 0.9 or d["n"] == 1 and rng.random() < p["spec"]:
            ent = d["ent"][0] if d["ent"] else rng.choice(NAMES)
            t = f"For requests from {ent}, " + t[0].lower() + t[1:]
        out.append((t + ".", sorted(set(d["refs"]))))
    if ev and rng.random() < p["halluc"]:
        c = rng.choice(world.distract + world.overstrict)
        out.append(
            (f"Responses involving {rng.choice(world.concepts[c].norms)} should fail.", [sp[0][0]] if sp else [])
        )
    if not out:
        out.append(("Read the whole response carefully and be accurate and consistent.", [r for r, _, _ in sp[:1]]))
    return text, p["drop"], out, rng


# ------------------------------------------------------------------ HTTP
def _content(m) -> str:
    c = m.get("content") or ""
    if isinstance(c, list):
        c = "\n".join(x.get("text", "") for x in c if isinstance(x, dict))
    return c


def fill_schema(schema: dict, value, why: str, defs=None):
    """Fill a JSON schema: first typed non-text property gets the value, text ones the reasoning."""
    props = schema.get("properties", {})
    out, done = {}, False
    textual = ("reason", "rational", "explan", "thought", "analysis", "comment", "critique")
    for k, p in props.items():
        t = p.get("type") or ("string" if "enum" in p or "anyOf" in p else "string")
        if any(s in k.lower() for s in textual):
            out[k] = why
        elif not done:
            out[k] = value if t != "string" or isinstance(value, str) else str(value)
            done = True
        else:
            out[k] = "" if t == "string" else [] if t == "array" else {} if t == "object" else 0
    return out or {"value": value, "reasoning": why}


def compose(world, text, drop, new, rng, rf):
    """Write the reflection answer in whatever envelope the caller asked for (JSON guidelines, DSPy fields, ``` block, bullets)."""
    refs = [r for r, _, _ in spans(text)]
    ms = list(re.finditer(r"\[\[ ## (current_instruction\w*|instruction\w*) ## \]\]\n(.*?)(?=\n\[\[ ##)", text, re.S))
    m = ms[-1] if ms else None  # the last one: DSPy's system message carries a template of the same field
    cur = m.group(2).strip() if m else text.split("```")[1].strip() if text.count("```") >= 2 else ""
    lines = [l for l in cur.split("\n") if not (world.parse_norms(l) and rng.random() < drop)]
    full_instr = "\n".join(lines + ["- " + t for t, _ in new]).strip()
    schema = (rf.get("json_schema") or {}).get("schema") or {}
    fields = list(schema.get("properties", {}))
    if not fields:
        m = re.search(r"following order of fields: (.+)", text)
        if m:
            fields = re.findall(r"`(\w+)`", m.group(1))
    chat = re.search(r"starting with the field `\[\[ ## (\w+) ## \]\]`", text)

    def val(f):
        return full_instr if ("instruction" in f or "prompt" in f) and cur else "\n".join("- " + t for t, _ in new)

    if (
        "guidelines" in fields
        or "guideline_text" in text
        or (rf.get("type") in ("json_schema", "json_object") and not fields)
    ):
        return json.dumps(
            {
                "guidelines": [
                    {"guideline_text": t, "source_trace_ids": [refs.index(r) for r in rs if r in refs] or [0]}
                    for t, rs in new
                ]
            }
        )
    if fields and rf:
        return json.dumps({f: val(f) for f in fields})
    if chat:
        return (
            "\n\n".join(
                f"[[ ## {f} ## ]]\n{val(f)}"
                for f in dict.fromkeys([chat.group(1)] + re.findall(r"then `\[\[ ## (\w+) ## \]\]`", text))
                if f != "completed"
            )
            + "\n\n[[ ## completed ## ]]"
        )
    if fields:
        return json.dumps({f: val(f) for f in fields})
    if "```" in text:
        return "```\n" + full_instr + "\n```"
    return "\n".join("- " + t for t, _ in new)


class Server:
    def __init__(self, world: World, cfg: JudgeCfg, otype="boolean", latency_ms=0, error_rate=0.0):
        self.world, self.cfg, self.otype, self.latency, self.err = world, cfg, otype, latency_ms / 1000, error_rate
        self.n = 0
        self.stats = {
            "judge_calls": 0,
            "reflect_calls": 0,
            "embed_calls": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "judge_prompt_tokens": 0,
            "reflect_prompt_tokens": 0,
            "errors": 0,
            "no_item": 0,
        }

    def complete(self, body: dict) -> dict:
        self.n += 1
        model = body.get("model", "sim-judge").split("/")[-1]
        msgs = body.get("messages", [])
        full = "\n".join(_content(m) for m in msgs)
        if os.environ.get("SIM_DUMP"):
            with open(os.environ["SIM_DUMP"], "a") as fh:
                fh.write(json.dumps({"model": model, "messages": msgs, "rf": body.get("response_format")}) + "\n")
        rf = body.get("response_format") or {}
        if model.startswith("sim-judge"):
            self.stats["judge_calls"] += 1
            cfg = self.cfg if model == "sim-judge" else JudgeCfg(0.08, 0.06)
            V, why, ok, _ = judge(self.world, cfg, msgs, float(body.get("temperature") or 0), self.n)
            if not ok:
                self.stats["no_item"] += 1
            val = self.world.value(V, self.otype)
            schema = (rf.get("json_schema") or {}).get("schema")
            content = json.dumps(fill_schema(schema, val, why) if schema else {"reasoning": why, "value": val})
            if h01("mal", self.n) < cfg.malformed:
                content = content[:-3]
        else:
            self.stats["reflect_calls"] += 1
            text, drop, new, rng = reflect(self.world, model, msgs, self.n)
            content = compose(self.world, text, drop, new, rng, rf)
        pt, ct = max(1, len(full) // 4), max(1, len(content) // 4)
        kind = "judge" if model.startswith("sim-judge") else "reflect"
        self.stats["prompt_tokens"] += pt
        self.stats["completion_tokens"] += ct
        self.stats[kind + "_prompt_tokens"] += pt
        return {
            "id": f"chatcmpl-{self.n}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": pt, "completion_tokens": ct, "total_tokens": pt + ct},
        }

    def embed(self, body: dict) -> dict:
        inp = body["input"]
        inp = [inp] if isinstance(inp, str) else inp
        dim = int(body.get("dimensions") or 256)
        data = []
        for i, t in enumerate(inp):
            v = [0.0] * dim
            toks = re.findall(r"[a-z]+", t.lower())
            for g in toks + [a + "_" + b for a, b in zip(toks, toks[1:])]:
                hv = int.from_bytes(hashlib.blake2b(g.encode(), digest_size=8).digest(), "big")
                v[hv % dim] += 1 if hv >> 63 else -1
            nrm = math.sqrt(sum(x * x for x in v)) or 1
            data.append({"object": "embedding", "index": i, "embedding": [x / nrm for x in v]})
        self.stats["embed_calls"] += 1
        n = sum(len(t) for t in inp) // 4
        return {
            "object": "list",
            "data": data,
            "model": body.get("model"),
            "usage": {"prompt_tokens": n, "total_tokens": n},
        }

    def app(self):
        from aiohttp import web

        async def chat(req):
            body = await req.json()
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.err and h01("err", self.n, time.time()) < self.err:
                self.stats["errors"] += 1
                return web.json_response({"error": {"message": "overloaded", "type": "rate_limit"}}, status=429)
            return web.json_response(self.complete(body))

        async def emb(req):
            return web.json_response(self.embed(await req.json()))

        async def stats(req):
            out = dict(self.stats)
            if req.query.get("reset"):
                self.stats.update({k: 0 for k in self.stats})
            return web.json_response(out)

        async def models(req):
            return web.json_response(
                {"object": "list", "data": [{"id": m, "object": "model"} for m in ["sim-judge", *REFL, "sim-embed"]]}
            )

        a = web.Application(client_max_size=64 << 20)
        a.add_routes(
            [
                web.post("/v1/chat/completions", chat),
                web.post("/v1/embeddings", emb),
                web.get("/stats", stats),
                web.get("/v1/models", models),
            ]
        )
        return a


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("cmd", choices=["serve", "gen"])
    ap.add_argument("--port", type=int, default=8808)
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--type", default="boolean")
    ap.add_argument("--english", action="store_true")
    ap.add_argument("--null", action="store_true")
    ap.add_argument("--latency-ms", type=float, default=0)
    ap.add_argument("--error-rate", type=float, default=0)
    ap.add_argument("--n", type=int, default=40)
    ap.add_argument("--split", default="train")
    ap.add_argument("--label-noise", type=float, default=0)
    ap.add_argument("--eps-prompt", type=float, default=0.03)
    ap.add_argument("--eps-call", type=float, default=0.01)
    ap.add_argument("--malformed", type=float, default=0)
    a = ap.parse_args()
    w = World(a.seed, nonce=not a.english, null=a.null, label_noise=a.label_noise)
    if a.cmd == "gen":
        for i in range(a.n):
            it = w.item(a.split, i, a.type)
            print(json.dumps({k: v for k, v in it.items() if not k.startswith("_")}))
        return
    from aiohttp import web

    s = Server(w, JudgeCfg(a.eps_prompt, a.eps_call, a.malformed), a.type, a.latency_ms, a.error_rate)
    web.run_app(s.app(), host="127.0.0.1", port=a.port, print=lambda *x: None, access_log=None)


if __name__ == "__main__":
    main()
