"""CAP 1.2 messages for tests, written by us: good ones, and ones that are wrong in one thing."""

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NS = 'xmlns="urn:oasis:names:tc:emergency:cap:1.2"'
SENDER = "zhzx@county.gov.cn"

ENVELOPE = {
    "identifier": "JQ-1",
    "sender": SENDER,
    "sent": "2026-11-22T03:00:00+08:00",
    "status": "Actual",
    "msgType": "Alert",
    "source": None,
    "scope": "Restricted",
    "restriction": "保安",
    "addresses": None,
    "code": "profile:jbl-1",
    "note": None,
    "references": None,
    "incidents": None,
}
INFO = {
    "language": "zh-CN",
    "category": "Security",
    "event": "打架斗殴",
    "responseType": "Execute",
    "urgency": "Immediate",
    "severity": "Moderate",
    "certainty": "Observed",
    "audience": None,
    "eventCode": "<valueName>JQ</valueName><value>fight</value>",
    "effective": None,
    "onset": None,
    "expires": None,
    "senderName": None,
    "headline": "两人持械",
    "description": "建设银行门口",
    "instruction": None,
    "web": None,
    "contact": None,
    "parameter": None,
    "resource": None,
}
AREA = "<areaDesc>东街</areaDesc>"
SQUARE = "29.10,119.65 29.10,119.66 29.11,119.66 29.11,119.65 29.10,119.65"


def elements(values):
    """Elements in their order; a list stands several times, None not at all."""
    found = []
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                found.append(f"<{name}>{one}</{name}>")
    return "".join(found)


def info(area=AREA, **changes):
    """One info; ``area`` is what stands in its area, a list makes several, None none."""
    areas = area if isinstance(area, list) else [area]
    inside = "".join(f"<area>{a}</area>" for a in areas if a is not None)
    return f"<info>{elements(INFO | changes)}{inside}</info>"


def cap(*infos, tail="", head=HEAD, attributes=NS, **changes):
    """A whole message as bytes."""
    body = elements(ENVELOPE | changes) + "".join(infos or [info()]) + tail
    return f"{head}<alert {attributes}>{body}</alert>".encode()


def reference(identifier="JQ-1", sent="2026-11-22T03:00:00+08:00"):
    return f"{SENDER},{identifier},{sent}"


def update(*infos, identifier="JQ-2", references=None, **changes):
    return cap(*infos, identifier=identifier, msgType="Update",
               references=references or reference(), **changes)  # fmt: skip


def cancel(identifier="JQ-9", references=None, **changes):
    body = elements(ENVELOPE | {"identifier": identifier, "msgType": "Cancel",
                                "references": references or reference()} | changes)  # fmt: skip
    return f"{HEAD}<alert {NS}>{body}</alert>".encode()


def pair(name, value):
    return f"<valueName>{name}</valueName><value>{value}</value>"


_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 7))
BOMB = f'<!DOCTYPE alert [<!ENTITY l0 "ha">{_LAUGHS}]>'
EXTERNAL = '<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>'

# What is read: name → message. The numbers are those of the trial of other libraries.
GOOD = {
    "two categories in one info": cap(info(category=["Security", "Rescue"])),
    "padded words": cap(info(category="\n  Security\n ", urgency=" Immediate ")),
    "several languages": cap(info(language="en-US", headline="Two armed"), info()),
    "a signature": cap(tail='<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><x/></Signature>'),
    "a comment and an instruction to viewers": cap(head=HEAD + "<?xml-stylesheet href='a'?><!-- a -->"),
    "a hint where the schema is": cap(attributes=NS + (
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"')),
    "a prefix": cap().replace(b"<", b"<c:").replace(b"<c:/", b"</c:").replace(b"<c:?", b"<?")
                .replace(b"<c:alert xmlns=", b"<c:alert xmlns:c="),
    "an update": update(),
    "a cancel without info": cancel(),
    "private with addresses": cap(scope="Private", restriction=None, addresses='保安 "东门 保安"'),
    "all times": cap(info(effective="2026-11-22T03:00:00+08:00", onset="2026-11-22T03:00:00+08:00",
                          expires="2026-11-22T05:00:00+08:00")),
    "an effective that is a few seconds ahead, as clocks are": cap(info(effective="2026-11-22T03:00:20+08:00")),
    "a time in UTC as the standard writes it": cap(sent="2026-11-21T19:00:00-00:00"),
    "a resource": cap(info(resource="<resourceDesc>照片</resourceDesc><mimeType>image/jpeg</mimeType>"
                                    "<size>1200</size><uri>http://10.0.0.1/a.jpg</uri>")),
    "a polygon and a circle": cap(info(AREA + f"<polygon>{SQUARE}</polygon><circle>29.1,119.6 0.5</circle>")),
    "altitude and ceiling": cap(info(AREA + "<altitude>10</altitude><ceiling>20.5</ceiling>")),
    "empty words that are optional": cap(note="", incidents=""),
}  # fmt: skip

# What is refused: name → message, the element named, a word of the reason.
WRONG = {
    "msgType is missing": (cap(msgType=None), "msgType", "missing"),
    "severity is High": (cap(info(severity="High")), "info.severity", "one of"),
    "very likely, of CAP 1.0": (cap(info(certainty="Very Likely")), "info.certainty", "one of"),
    "sent with Z": (cap(sent="2026-11-22T03:00:00Z"), "sent", "never Z"),
    "sent without zone": (cap(sent="2026-11-22T03:00:00"), "sent", "offset"),
    "sent with a comma for the sign": (cap(sent="2026-11-22T03:00:00,08:00"), "sent", "offset"),
    "sent on no day": (cap(sent="2026-02-30T03:00:00+08:00"), "sent", "no date"),
    "sent in no hour": (cap(sent="2026-11-22T25:00:00+08:00"), "sent", "no date"),
    "sent long ago": (cap(sent="1980-11-22T03:00:00+08:00"), "sent", "outside"),
    "update without references": (cap(msgType="Update"), "references", "missing"),
    "cancel without references": (cap(msgType="Cancel"), "references", "missing"),
    "ack without references": (cap(msgType="Ack"), "references", "missing"),
    "garbage references": (update(references="JQ-1 and others"), "references", "sender,id"),
    "reference without a time": (update(references=f"{SENDER},JQ-1,today"), "references", "offset"),
    "reference to itself": (update(references=reference("JQ-2")), "references", "very message"),
    "alert with references": (cap(references=reference("JQ-0")), "references", "Update"),
    "open polygon": (cap(info(AREA + f"<polygon>{SQUARE.rsplit(' ', 1)[0]}</polygon>")), "info.area.polygon", "not closed"),
    "polygon of three": (cap(info(AREA + "<polygon>29,119 29,120 29,119</polygon>")), "info.area.polygon", "four"),
    "longitude 920": (cap(info(AREA + f"<polygon>{SQUARE.replace('119.66', '920')}</polygon>")), "info.area.polygon", "longitude"),
    "a polygon that crosses itself": (cap(info(AREA + "<polygon>29,119 29.1,119.1 29.1,119 29,119.1 29,119</polygon>")), "info.area.polygon", "crosses itself"),
    "a polygon without area": (cap(info(AREA + "<polygon>29,119 29,119 29,119 29,119</polygon>")), "info.area.polygon", "area"),
    "a circle without radius": (cap(info(AREA + "<circle>29.1,119.6</circle>")), "info.area.circle", "like"),
    "a circle of a negative radius": (cap(info(AREA + "<circle>29.1,119.6 -1</circle>")), "info.area.circle", "like"),
    "figures that are none": (cap(info(AREA + "<circle>NaN,1e9 1</circle>")), "info.area.circle", "pair"),
    "private without addresses": (cap(scope="Private", restriction=None), "addresses", "missing"),
    "restricted without restriction": (cap(restriction=None), "restriction", "missing"),
    "public": (cap(scope="Public", restriction=None), "scope", "public"),
    "a draft": (cap(status="Draft"), "status", "draft"),
    "identifier with a space": (cap(identifier="JQ 1"), "identifier", "spaces"),
    "identifier with a comma": (cap(identifier="JQ,1"), "identifier", "commas"),
    "a sender nobody knows": (cap(sender="somebody"), "sender", "senders"),
    "elements out of order": (cap().replace(b"<status>Actual</status>", b"").replace(b"<scope>", b"<status>Actual</status><scope>"), "status", "order"),
    "two identifiers": (cap(identifier=["a", "b"]), "identifier", "2 times"),
    "no category": (cap(info(category=None)), "info.category", "missing"),
    "an unknown element": (cap(tail="<extra/>"), "extra", "known"),
    "an attribute": (cap(attributes=NS + ' id="1"'), "alert", "attributes"),
    "loose text": (cap(tail="hello"), "alert", "loose"),
    "no info": (cap(tail="").replace(info().encode(), b""), "info", "missing"),
    "all clear in an alert": (cap(info(responseType="AllClear")), "info.responseType", "Cancel"),
    "expires before sent": (cap(info(expires="2026-11-22T02:00:00+08:00")), "info.expires", "after"),
    "expires in a month": (cap(info(expires="2026-12-22T02:00:00+08:00")), "info.expires", "days"),
    "effective tomorrow": (cap(info(effective="2026-11-23T02:00:00+08:00")), "info.effective", "ahead"),
    "effective in a minute": (cap(info(effective="2026-11-22T03:01:00+08:00")), "info.effective", "ahead"),
    "effective tomorrow, in the second language": (
        cap(info(), info(language="en-US", effective="2026-11-23T02:00:00+08:00")), "info.effective", "ahead"),
    "a cancel that is to take effect tomorrow": (
        cap(info(effective="2026-11-23T02:00:00+08:00"), identifier="JQ-9", msgType="Cancel",
            references=reference()), "info.effective", "ahead"),
    "an update that is all clear tomorrow": (
        update(info(responseType="AllClear", effective="2026-11-23T02:00:00+08:00")), "info.effective", "ahead"),
    "expires before it takes effect": (
        cap(info(effective="2026-11-22T03:00:20+08:00", expires="2026-11-22T03:00:10+08:00")),
        "info.expires", "after effective"),
    "level 7": (cap(info(parameter=pair("level", "7"))), "info.parameter", "1 to 3"),
    "ceiling without altitude": (cap(info(AREA + "<ceiling>20</ceiling>")), "info.area.ceiling", "altitude"),
    "text that turns the line": (cap(info(headline="a\u202eb")), "info.headline", "U+202E"),
    "an empty event": (cap(info(event=" ")), "info.event", "empty"),
    "CAP 1.1": (cap().replace(b"cap:1.2", b"cap:1.1"), "alert", "reads"),
    "an external entity": (cap(head=HEAD + EXTERNAL, identifier="&x;"), "body", "DOCTYPE"),
    "a million entities": (cap(head=HEAD + BOMB, note="&l6;"), "body", "DOCTYPE"),
    "an empty document type": (cap(head=HEAD + "<!DOCTYPE alert>"), "body", "DOCTYPE"),
    "UTF-16": (cap().decode().replace("UTF-8", "UTF-16").encode("utf-16"), "body", "UTF-8"),
    **{
        f"an entity in {wide} without a mark": (
            cap(head="", attributes=NS + ' q="&l6;"', sender="x@y", note="x").replace(
                b"<alert", BOMB.encode() + b"<alert", 1
            ).decode("ascii", "ignore").encode(wide),
            "body", "NUL",
        )
        for wide in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
    },
    "GBK, declared": (cap().decode().replace("UTF-8", "GBK").encode("gbk"), "body", "GBK"),
    "GBK, not declared": (cap().decode().encode("gbk"), "body", "UTF-8"),
    "not XML": (b"<alert", "body", "XML"),
    "HTML": (b"<html><body>hello</body></html>", "alert", "reads"),
    "nothing": (b"", "body", "XML"),
    "a megabyte": (cap(note="x" * 1_000_000), "body", "limit"),
    "ten thousand elements": (cap(code=["x"] * 9000), "body", "elements"),
}  # fmt: skip
