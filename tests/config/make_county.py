# rows are read as rows
"""Writes config/examples/county.yaml and county_g7.geojson: a county on the seeds' figures.

3 zones, 7 grids, 5 routes, 2 posts, 10 teams, 280 people, four crews on three shifts, two
managers and a station for each grid, 4 channels. Names are invented. Run from the project's root:
``python tests/config/make_county.py``.
"""

import json
import math
import random
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
CENTRE = (29.1050, 119.6480)  # latitude, longitude
GRIDS = [
    # id, name, zone, channel, words in an address that mean it
    ("g1", "鼓楼网格", "core", "c1", "鼓楼广场, 步行街, 县医院"),
    ("g2", "东街网格", "core", "c1", "东街, 建设银行, 第一小学"),
    ("g3", "北门网格", "crowded", "c2", "北门, 汽车站, 农贸市场"),
    ("g4", "西河网格", "crowded", "c2", "西河, 体育馆, 万和商场"),
    ("g5", "南城网格", "crowded", "c3", "南城, 第二中学, 影剧院"),
    ("g6", "火车站网格", "general", "c3", "火车站, 物流园"),
    ("g7", "工业园网格", "general", "c4", "工业园, 化工路, 收费站"),
]
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严赖覃洪武莫孔"
GIVEN = [
    "伟",
    "强",
    "磊",
    "军",
    "勇",
    "杰",
    "涛",
    "超",
    "明",
    "刚",
    "平",
    "辉",
    "鹏",
    "华",
    "飞",
    "波",
    "斌",
    "宇",
    "浩",
    "凯",
    "建国",
    "建华",
    "志强",
    "志明",
    "国强",
    "海涛",
    "文斌",
    "晓东",
    "春生",
    "永福",
    "德胜",
    "家兴",
    "水根",
    "金宝",
    "玉林",
    "长青",
    "小龙",
    "大海",
    "少华",
    "成刚",
    "丽",
    "敏",
    "静",
    "艳",
    "娟",
    "芳",
    "秀英",
    "桂兰",
    "春梅",
    "玉兰",
    "小红",
    "海燕",
    "雪梅",
    "红霞",
    "晓燕",
    "文静",
]
GUARD_BODIES = ["dongmen", "anda", "wanhe"]


def names(count, rng):
    made = {}
    while len(made) < count:
        made[rng.choice(SURNAMES) + rng.choice(GIVEN)] = None
    return list(made)


def vertex(bearing_deg, metres):
    north = metres * math.cos(math.radians(bearing_deg)) / 111_195
    east = metres * math.sin(math.radians(bearing_deg)) / 111_195
    return (
        round(CENTRE[0] + north, 5),
        round(CENTRE[1] + east / math.cos(math.radians(CENTRE[0])), 5),
    )


def polygons(rng):
    """The old town in the middle, six grids around it; streets bend, borders are shared."""
    inner = [vertex(60 * k + rng.uniform(-9, 9), rng.uniform(520, 760)) for k in range(6)]
    bend = [vertex(60 * k + rng.uniform(-6, 6), rng.uniform(1000, 1300)) for k in range(6)]
    outer = [vertex(60 * k + rng.uniform(-9, 9), rng.uniform(1700, 2300)) for k in range(6)]
    far = [
        [
            vertex(60 * k + step + rng.uniform(-5, 5), rng.uniform(1700, 2500))
            for step in (20, 40)
        ]
        for k in range(6)
    ]
    around = []
    for k in range(6):
        n = (k + 1) % 6
        around.append([inner[k], bend[k], outer[k], *far[k], outer[n], bend[n], inner[n]])
    return [inner, *around]


def neighbours(index):
    if index == 0:
        return [id_ for id_, *_ in GRIDS[1:]]
    left, right = (index - 2) % 6 + 1, index % 6 + 1
    return [GRIDS[0][0], *sorted([GRIDS[left][0], GRIDS[right][0]])]


def middle(points):
    lat = sum(lat for lat, _ in points) / len(points)
    return round(lat, 5), round(sum(lon for _, lon in points) / len(points), 5)


def flow(points):
    return "[" + ", ".join(f"[{lat:.5f}, {lon:.5f}]" for lat, lon in points) + "]"


HEAD = """\
# A county: 3 zones, 7 grids, 5 routes, 2 posts, 10 teams, 280 people, 4 channels.
# 一个县城:3 个巡防区、7 个网格、5 条必巡线、2 个驻点、10 支队伍、280 人、4 个信道,四班三运转。
# 姓名与编号均为虚构。Names and numbers are invented. 键的说明见 config/README.md。

site:
  id: donghe
  name: 东河县巡防网
  language: zh_CN
  timezone: Asia/Shanghai
  datum: GCJ-02
  number_style: radio             # 幺两拐勾洞
  state_dir: state
  licence: {holder: 东河县公安局, number: 粤01-2026-0001, expires: "2029-12-31"}

command_centre:
  name: 指挥中心
  http:
    listen: 127.0.0.1:8080
    tokens:
      - id: centre
        sha256: 70a78c8cc3fcfb8f6d0b11eb5ea7e84b1a0f6fd0f4b1a2b7d7b8a4b2b4fd4b5a
        scopes: ["alert:write", "alert:cancel", "order:write", "event:read"]
        expires: "2027-12-31"
      - id: wall
        sha256: 1f3870be274f6c49b3e31a0c6728957f1f3870be274f6c49b3e31a0c6728957f
        scopes: ["event:read"]
    body_limit_kb: 64
    alerts_per_s: 10
  mqtt:
    host: 127.0.0.1
    port: 1883
    client_id: gridcall-donghe
    username: gridcall
    password: {file: secrets/mqtt_password}
    keepalive_s: 15
    heartbeat_s: 10

channels:
"""

CHANNELS = """\
  {id}:
    name: {name}
    licence: {{frequency_mhz: {mhz}, number: 粤01-2026-0001-0{n}}}
    control: {{url: "rfc2217://127.0.0.1:700{n}", ptt: rts, squelch: cts}}
    audio: {{url: "rtp://127.0.0.1:710{n}?local_port=720{n}&codec=l16"}}
    tx_delay_ms: 300
    time_out_s: 60
    busy_wait_s: [10, 60, 300]
    ani: {{kind: dtmf, digits: 5, position: start}}
"""

CHATS = """
chats:
  work:
    driver: telegram
    token: {file: secrets/telegram_token}
    callback_key: {file: secrets/callback_key}
    groups:
"""

TAIL = """
roster:
  shifts:
    day: {from: "08:00", to: "16:00"}
    evening: {from: "16:00", to: "00:00"}
    night: {from: "00:00", to: "08:00"}
  crews: [A, B, C, D]
  cycle:
    start: "2026-01-01"
    days: [day, evening, "off", night]   # 夜班 00:00 开始,算它那一天:中班后休一天 · a night is of the day it begins on
  holidays:
    - {date: "2027-02-05", name: 除夕, crews: {day: [A, C], evening: [D], night: [B]}}
    - {date: "2027-02-06", name: 春节, crews: {day: [B, D], evening: [A], night: [C]}}
  exceptions:
    - {person: p002, from: "2026-11-20T08:00", to: "2026-11-23T08:00", duty: "off", reason: 病假}
    - {person: p044, from: "2026-11-21T08:00", to: "2026-11-21T16:00", duty: "on", reason: 替班}

response:
  acknowledge_s: [30, 60, 60]
  arrive_min: [1, 3, 5]
  warn_percent: [50, 80]
  ladder: [repeat, ring_1, ring_2, second_manager, first_manager]
  rung_s: [30, 60, 60]
  station_acknowledge_s: 60
  expire_min: [10, 30, 60]
  clock_skew_s: 30

policy:
  verbs: [前往, 报告, 观察, 劝导, 警戒, 疏散, 救助, 协助]
  open_radio: true

retention:
  recordings_days: 90
  journal_years: 3
  media_days: 90
  positions_days: 30
"""


def channels():
    rows = [("c1", "一号信道", 409.7500), ("c2", "二号信道", 409.7625),
            ("c3", "三号信道", 409.7750), ("c4", "四号信道", 409.7875)]  # fmt: skip
    return "".join(
        CHANNELS.format(id=id_, name=name, mhz=f"{mhz:.4f}", n=n)
        for n, (id_, name, mhz) in enumerate(rows, start=1)
    )


def chats():
    groups = "".join(
        f'      {id_}: "-100320010{n:03d}"\n' for n, (id_, *_) in enumerate(GRIDS, 1)
    )
    return CHATS + groups + '      duty: "-100320010100"\n'


def grids(shapes):
    text = "\nzones:\n"
    text += "  core: {name: 重点核心区, grade: 1}\n"
    text += "  crowded: {name: 人员密集区, grade: 2}\n  general: {name: 一般区, grade: 3}\n\ngrids:\n"
    for index, (id_, name, zone, channel, aliases) in enumerate(GRIDS):
        border = f"    polygon: {flow(shapes[index])}\n"
        if id_ == "g7":
            border = "    polygon_file: county_g7.geojson\n"
        text += (
            f"  {id_}:\n    name: {name}\n    zone: {zone}\n"
            f'    codes: ["330702{index + 1:03d}"]\n    aliases: [{aliases}]\n{border}'
            f"    neighbours: [{', '.join(neighbours(index))}]\n"
            f"    first_manager: p_leader_{id_}\n    second_manager: p_head_{id_}\n"
            f"    station: p_station_{id_}\n    channel: {channel}\n    chat: work/{id_}\n"
        )
    return text


def places(shapes):
    bank, toll = middle(shapes[1][:3] + shapes[1][-2:]), middle(shapes[6])
    text = "\nposts:\n"
    text += f"  bank: {{name: 建设银行驻点, grid: g2, at: [{bank[0]}, {bank[1]}], aliases: [建行]}}\n"
    text += f"  toll: {{name: 收费站驻点, grid: g7, at: [{toll[0]}, {toll[1]}], aliases: [高速路口]}}\n"
    text += "\nroutes:\n"
    for n, (name, through) in enumerate(
        [("东街必巡线", (0, 1, 2)), ("北门必巡线", (0, 2, 3)), ("西河必巡线", (0, 3, 4)),
         ("南城必巡线", (0, 5)), ("园区必巡线", (6, 1))], start=1
    ):  # fmt: skip
        ids = ", ".join(GRIDS[k][0] for k in through)
        points = flow([middle(shapes[k]) for k in through])
        text += f"  r{n}: {{name: {name}, grids: [{ids}], points: {points}}}\n"
    text += "\norganisations:\n  dongmen: {name: 东门保安公司}\n  anda: {name: 安达保安公司}\n"
    return text + "  wanhe: {name: 万和物业公司}\n  police: {name: 东河县公安局}\n"


def people(rng):
    text, taken = "\npeople:\n", iter(names(273, rng))
    for id_, name, *_ in GRIDS:
        short = name.removesuffix("网格")
        text += (
            f"  p_leader_{id_}: {{name: {next(taken)}, role: manager, organisation: police}}\n"
        )
        text += (
            f"  p_head_{id_}: {{name: {next(taken)}, role: manager, organisation: police}}\n"
        )
        text += f"  p_station_{id_}: {{name: {short}派出所值班, role: station, organisation: police}}\n"
    for n in range(1, 260):
        grid = GRIDS[(n - 1) % 7][0]
        crew = "ABCD"[(n - 1) // 7 % 4]
        post = {"g2": ", post: bank", "g7": ", post: toll"}.get(grid, "") if n <= 56 else ""
        text += (
            f"  p{n:03d}: {{name: {next(taken)}, organisation: {GUARD_BODIES[n % 3]}, "
            f'guard_code: "{n:03d}", radio_id: "{10000 + n}", crew: {crew}, grids: [{grid}], '
            f"team: t{(n - 1) % 10 + 1:02d}{post}}}\n"
        )
    return text


def geojson(points):
    ring = [[lon, lat] for lat, lon in [*points, points[0]]]
    feature = {
        "type": "Feature",
        "properties": {"name": "工业园网格"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    return json.dumps(feature, ensure_ascii=False, indent=1) + "\n"


def make():
    """Return the text of county.yaml and of county_g7.geojson."""
    rng = random.Random(7)
    shapes = polygons(rng)
    text = HEAD + channels() + chats() + grids(shapes) + places(shapes) + people(rng) + TAIL
    return text, geojson(shapes[6])


if __name__ == "__main__":
    for path, text in zip(("county.yaml", "county_g7.geojson"), make(), strict=True):
        (EXAMPLES / path).write_text(text, encoding="utf-8")
