"""Writes a labelled corpus for `cargo xtask bench redaction`.

generate.py SEED FOLDER SOURCES SIZE: one JSON object a line, {"text", "labels":
[[first byte, end byte, entity]], "of"}, in FOLDER/corpus.jsonl, and the secrets
that the server is to know in FOLDER/known.json. SOURCES is a folder of source
code, whose texts are negatives; SIZE is `whole` or `smoke`.

What is a positive and how it is written is decided here, without a look at the
rules that are measured. Of the sources, lines with addresses of e-mail are left
out: they are personal data, and real.
"""

import base64
import binascii
import json
import random
import re
import sys
import urllib.parse
from pathlib import Path

from faker import Faker

from formats import HEX, Maker, URL

SIZES = {"whole": (40, 40, 250, 24 << 20), "smoke": (6, 6, 30, 1 << 20)}

# What a token stands in: nothing that names it.
AROUND = [
    "{}", "got {} from upstream", "https://host.lan/p?x={}&y=1", '{{"v":"{}","n":1}}', "('{}',)", "one\n{}\ntwo",
    "a\\n{}\\nb", "\x1b[31m{}\x1b[0m", "{}, and more", "<{}>", "x={};", "\t- {}",
]

PERSONAL = {
    "pesel": ["PESEL: {}", "{}", "pacjent {} przyjęty", '{{"pesel":"{}"}}', "Kowalska;{};Gdańsk"],
    "nip": ["NIP: {}", "NIP {}", '{{"nip":"{}"}}', "VAT PL{}", "nabywca, NIP: {}, Łódź"],
    "regon": ["REGON: {}", "REGON {}", '{{"regon":"{}"}}'],
    "iban": ["{}", "przelew na {}", '{{"iban":"{}"}}', "konto: {}."],
    "card": ["{}", "karta {}", '{{"card":"{}"}}', "paid by {} today", "card number: {}"],
    "email": ["{}", "<{}>", "write to {}.", '{{"email":"{}"}}', "user {} logged in", "mailto:{}"],
    "phone": ["tel. {}", "telefon: {}", "phone {}", '{{"phone":"{}"}}', "call {} now"],
    "phone_international": ["{}", "from {} today", "<{}>", "{};next"],
    "polish_id_card": ["dowód osobisty {}", "nr dowodu: {}", "ID card {}"],
    "us_ssn": ["SSN: {}", "{}", '{{"ssn":"{}"}}'],
}


def encodings(secret, rng):
    """The ways in which a secret may be written: a name, the text, and which part of
    it is the secret, where there is more."""
    raw = secret.encode()
    pad = lambda n: bytes(rng.randrange(33, 126) for _ in range(n))
    part = lambda first, length, bits: (first * 8 // bits, -(-(first + length) * 8 // bits))
    escaped = "".join(f"\\u{ord(c):04x}" for c in secret)
    yield "plain", secret
    for n in range(3):
        span = part(n, len(raw), 6)
        yield f"base64+{n}", base64.b64encode(pad(n) + raw + pad(rng.randrange(3))).decode(), span
        yield f"base64url+{n}", base64.urlsafe_b64encode(pad(n) + raw).decode().rstrip("="), span
    yield "base32", base64.b32encode(raw).decode(), part(0, len(raw), 5)
    yield "hex", binascii.hexlify(raw).decode()
    yield "HEX", binascii.hexlify(raw).decode().upper()
    yield "percent", urllib.parse.quote(secret, safe="")
    yield "percent all", "".join(f"%{b:02X}" for b in raw)
    yield "json", json.dumps(secret)[1:-1]
    yield "json twice", json.dumps(json.dumps(secret)[1:-1])[1:-1]
    yield "unicode", escaped
    yield "x", "".join(f"\\x{b:02x}" for b in raw)
    yield "html", "".join(f"&#{ord(c)};" for c in secret)
    yield "shell", re.sub(r"([^A-Za-z0-9])", r"\\\1", secret)
    first, end = part(2, len(raw), 6)
    yield "base64 twice", base64.b64encode(base64.b64encode(pad(2) + raw)).decode(), part(first, end - first, 6)
    yield "lines", "\n".join(secret[i:i + 9] for i in range(0, len(secret), 9))
    yield "basic", base64.b64encode(b"user:" + raw).decode(), part(5, len(raw), 6)


class Corpus:
    def __init__(self, out):
        self.out = out

    def add(self, of, template, value="", entity=None, part=None):
        before, after = template.split("{}", 1) if entity else (template, "")
        tidy = (lambda s: s.replace("{{", "{").replace("}}", "}")) if entity else (lambda s: s)
        before, after = tidy(before), tidy(after)
        start = len(before.encode())
        first, end = part or (0, len(value.encode()))
        labels = [[start + first, start + end, entity]] if entity else []
        line = json.dumps({"text": before + value + after, "labels": labels, "of": of}, ensure_ascii=False)
        self.out.write(line + "\n")


def known_secrets(maker, count):
    odd = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"\\"
    secrets = [maker.some(URL, maker.rng.randrange(32, 65)) for _ in range(count)]
    secrets += [maker.some(HEX, 64) for _ in range(count // 2)]
    secrets += [maker.some(URL + odd, maker.rng.randrange(12, 48)) for _ in range(count // 2)]
    return [secret.strip() for secret in secrets]


def personal(pl, en, rng):
    groups = lambda digits, sizes, by: by.join(digits[sum(sizes[:i]):sum(sizes[:i + 1])] for i in range(len(sizes)))
    nip = pl.nip()
    iban = pl.iban()
    card = en.credit_card_number(card_type=rng.choice(["visa16", "mastercard", "amex", "discover", "jcb16"]))
    mobile = rng.choice(["50", "51", "53", "60", "66", "69", "72", "78", "88"]) + "".join(rng.choices("0123456789", k=7))
    # Neither begins with 0 or 1 in North America.
    area, exchange = (rng.choice("23456789") + en.numerify("##") for _ in range(2))
    yield "pesel", pl.pesel()
    yield "nip", rng.choice([nip, nip, groups(nip, [3, 3, 2, 2], "-"), groups(nip, [3, 2, 2, 3], "-")])
    yield "regon", rng.choice([pl.regon, pl.local_regon])()
    yield "iban", rng.choice([iban, groups(iban, [4] * 7, " "), en.iban()])
    yield "card", card if len(card) != 16 else rng.choice([card, groups(card, [4] * 4, " "), groups(card, [4] * 4, "-")])
    yield "email", rng.choice([pl.email, en.email, pl.company_email, en.free_email])()
    yield "phone", rng.choice([groups(mobile, [3, 3, 3], " "), groups(mobile, [3, 3, 3], "-"), mobile, en.phone_number()])
    yield "phone_international", rng.choice([
        "+48" + mobile, "+48 " + groups(mobile, [3, 3, 3], " "), "0048 " + groups(mobile, [3, 3, 3], " "), f"+1-{area}-{exchange}-{en.numerify('####')}",
        f"({area}) {exchange}-{en.numerify('####')}", f"{area}-{exchange}-{en.numerify('####')}", pl.numerify("+44 20 #### ####"), pl.numerify("+49 30 ######"),
    ])
    yield "polish_id_card", pl.identity_card_number()
    yield "us_ssn", en.ssn()


def made_negatives(maker, pl, en):
    rng = maker.rng
    yield maker.uuid()
    yield maker.some(HEX, rng.choice([7, 12, 32, 40, 64, 128]))
    yield "sha256:" + maker.some(HEX, 64)
    yield "sha512-" + base64.b64encode(rng.randbytes(64)).decode()
    yield str(rng.randrange(1_500_000_000, 1_900_000_000))
    yield str(rng.randrange(1_500_000_000_000, 1_900_000_000_000))
    yield str(rng.randrange(1_500_000_000_000_000_000, 1_900_000_000_000_000_000))
    yield en.iso8601() + "Z"
    yield f"{en.ipv4()}:{rng.randrange(1, 65536)} {en.ipv6()}"
    yield f"v{rng.randrange(9)}.{rng.randrange(99)}.{rng.randrange(999)}"
    yield str(rng.random())
    yield f"duration_us={rng.randrange(10**6)} bytes={rng.randrange(10**9)} id={rng.randrange(10**10)}"
    yield f'{{"agent":"{en.user_name()}","tool":"core.{en.word()}","generation":{rng.randrange(999)},"duration_us":{rng.randrange(10**6)}}}'
    yield f"{pl.name()}, {pl.street_address()}, {pl.postcode()} {pl.city()}"
    yield en.paragraph()
    yield pl.date() + " " + pl.time()
    yield f"request {rng.randrange(10**9)} of session {maker.uuid()} took {rng.randrange(999)} ms"


ADDRESS = re.compile(r"[\w.+%'-]@[\w-]+\.\w")


def source_negatives(sources, rng, size):
    kinds = {".rs", ".md", ".toml", ".lock", ".json", ".yml", ".yaml", ".txt", ".c", ".h", ".sh", ".py"}
    files = sorted(path for path in Path(sources).rglob("*") if path.suffix in kinds and path.is_file())
    rng.shuffle(files)
    total = 0
    for path in files:
        if total > size:
            return
        text = path.read_text(errors="ignore")[:200_000]
        kept = "\n".join(line for line in text.split("\n") if not ADDRESS.search(line))
        total += len(kept)
        for at in range(0, len(kept), 4000):
            yield kept[at:at + 4000]


def main():
    seed, folder, sources, size = sys.argv[1:]
    each, secrets, people, negatives = SIZES[size]
    rng = random.Random(int(seed))
    maker = Maker(rng)
    pl, en = Faker("pl_PL"), Faker("en_US")
    pl.seed_instance(int(seed))
    en.seed_instance(int(seed))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    known = known_secrets(maker, secrets)
    (folder / "known.json").write_text(json.dumps(known))
    with open(folder / "corpus.jsonl", "w", encoding="utf-8") as out:
        corpus = Corpus(out)
        for secret in known:
            for name, encoded, *part in encodings(secret, rng):
                corpus.add(f"known: {name}", rng.choice(AROUND), encoded, "known_secret", *part)
        for rule in maker.token(None):
            for _ in range(each):
                corpus.add("format", rng.choice(AROUND), maker.token(rule), rule)
        for _ in range(people):
            for entity, value in personal(pl, en, rng):
                corpus.add("personal", rng.choice(PERSONAL[entity]), value, entity)
            for text in made_negatives(maker, pl, en):
                corpus.add("made", text)
        for text in source_negatives(sources, rng, negatives):
            corpus.add("sources", text)


main()
