"""Names in Chinese: organisations, places, people, teams, and what something is also called.

Chinese writes no blanks, so a name ends where a character stands that is in no name, or begins where one is known.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from memoria.entities.things import CONCEPT, LOCATION, ORGANIZATION, PERSON
from memoria.entities.written import Spotted, without


def _of_names(names: str) -> re.Pattern[str]:
    """A pattern of names; places where none begins are passed over at once."""
    first = "".join(sorted({name[0] for name in names.split("|")}))
    return re.compile(f"(?=[{first}])(?:{names})")


_CHARACTER = "\u3400-\u9fff"
_ANY = re.compile(f"[{_CHARACTER}]")
# Characters that bind a sentence and are in few names.
_BINDING = frozenset(
    "的了在是我你您他她它们和与跟或及把被让给从到去来于由向为也都就很再又还要会能可将这那哪其此每各某该本家个位些"
    "有没不叫说找问请用做住见过着吗呢吧啊"
)

_ORGANIZATIONS = (
    "阿里云|阿里巴巴|腾讯云|腾讯|字节跳动|百度|华为云|华为|京东|美团|网易|拼多多|微信|支付宝|淘宝|抖音|钉钉|飞书"
    "|微软|谷歌|亚马逊|英伟达|携程|中国移动|中国电信|中国联通"
)
_KNOWN_ORGANIZATION = _of_names(_ORGANIZATIONS)
_KIND_OF_ORGANIZATION = _of_names(
    "大学|学院|有限公司|公司|集团|银行|医院|研究院|研究所|科技(?!公司|集团|大学|有限|园)|基金会|出版社|协会|委员会|法院"
    "|中学|小学|幼儿园|博物馆|图书馆|事务所|俱乐部"
)
_LONGEST_ORGANIZATION = 12
# Kinds of them, and what one does with them, before the word.
_NO_NAMES = frozenset(
    "互联网 软件 上市 保险 商业 私人 跨国 外贸 科技 大型 小型 附近 当地 本地 国有 民营 物流 快递 一所"
    " 一间 所有 很多 许多 今天 昨天 明天 综合 牙科 宠物 高新 高等 重点 地方 客户 房产 合作".split()
)
_DEEDS = (
    "加入|参观|访问|考上|就读|离开|进入|收购|成立|创办|管理|投资|拜访|联系|服务|任职|入职|供职|毕业|属于|今天|昨天"
    "|明天|目前|现在|已经|正在|关于"
)
_DEED = re.compile(f"^(?:{_DEEDS})+")

_PLACES = _of_names(
    "北京|上海|天津(?<![今明昨每当]天津)|重庆(?!祝)|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南"
    "|广东|海南|四川|贵州|云南|陕西|甘肃|青海|内蒙古|广西|西藏|宁夏|新疆|香港|澳门|台湾|台北|广州|深圳|杭州|南京|苏州"
    "|武汉|成都(?<![变构形完造现]成都)|西安(?<![东]西安)(?!装|排|全)|长沙(?!发)|郑州|合肥|福州|厦门|青岛|济南|大连(?!接|续|通|环)"
    "|沈阳|哈尔滨|长春|石家庄|太原(?!始|因|来|本)|兰州|银川|西宁|拉萨|乌鲁木齐|呼和浩特|南宁|桂林|昆明|大理(?!石|由|论|解|想)"
    "|丽江|贵阳|海口|三亚|宁波|无锡|常州|温州|佛山|东莞|珠海|浦东新区|浦东|海淀区|海淀|中关村|陆家嘴"
    "|中国|美国|日本(?<![今明昨生每次当近]日本)|德国|法国|英国|韩国|俄罗斯|印度|新加坡|加拿大|澳大利亚|意大利|西班牙"
    "|巴黎|伦敦|纽约|东京|柏林|首尔|曼谷|硅谷|旧金山|洛杉矶"
)
_SMALL_TOWN = re.compile(
    f"([{_CHARACTER}]{{2}})(?<![城超上股都夜门菜大])(?:市(?![场民区值长面])|县(?![长城令]))"
)

# Surnames that are rarely words; with one or two more characters and a telling neighbour they make a name.
_SURNAMES = (
    "王李张刘陈杨黄赵吴徐孙朱胡郭林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶苏魏吕丁沈姚卢姜崔钟谭陆汪范廖贾夏韦付邹孟熊秦"
    "邱尹薛闫雷侯陶黎龚邵戴莫孔汤郝"
)
_TWO_SURNAMES = "欧阳|司马|上官|诸葛|司徒|皇甫|尉迟|慕容|令狐|东方(?!的|人|文|航)"
_AFTER_NAME = (
    "是在的说把和与或跟同负提设参做正将会要想去来从已也都上，。：:,()（） \n"
    "担主管带喜使用认建反表住维发最写读买吃看听教画唱"
)
_BEFORE_NAME = "的由和与、，。：:,@\\s（(是找问让给跟请约见叫"
_PERSON = re.compile(
    rf"(?=[{_SURNAMES}欧司上诸皇尉慕令东])(?:^|(?<=[{_BEFORE_NAME}])|(?<=同事|朋友|经理|同学|老师|老板|医生|客户|女儿|儿子))"
    rf"((?:{_TWO_SURNAMES})[{_CHARACTER}]{{1,2}}?|[{_SURNAMES}][{_CHARACTER}]{{1,2}}?)(?=[{_AFTER_NAME}]|$)"
)
_TITLED = re.compile(
    rf"(?:{_TWO_SURNAMES}|[{_SURNAMES}])(?:老师|经理|医生|教授|先生|女士|主任|律师|师傅|同学|阿姨|叔叔"
    "|总(?![是结理体部数共之会要算])|工(?![作程具资厂人会业期]))"
)
# Words that begin like a name.
_NO_PEOPLE = frozenset(
    "王国 王者 王子 李子 张开 张贴 刘海 陈列 陈旧 杨树 黄金 黄色 黄油 黄瓜 吴语 孙子 孙女 朱红 胡子"
    " 胡说 林业 林木 罗列 罗马 谢谢 宋体 唐诗 唐朝 许多 许可 许久 韩国 韩语 曾经 曾是 曾在 董事 肖像"
    " 余下 余额 余地 杜绝 叶子 叶片 苏打 苏州 丁香 沈阳 钟头 钟表 陆地 陆续 夏天 夏季 付款 付费 付出"
    " 熊猫 秦朝 雷达 雷雨 雷电 陶瓷 陶器 黎明 戴上 莫名 莫非 汤圆 汤勺 范围 范例 田地 田野 梁柱 徐徐"
    " 姜汤 蒋介 孔洞 卢布 贾人 汪汪 侯车 邓小".split()
)

_TEAM = re.compile(
    rf"(?:(?<![{_CHARACTER}])|(?<=[是在由对责的]))([{_CHARACTER}]{{2,3}}?)(?:团队|小组|组|部门|平台)(?!件)"
)
_ALIAS = re.compile("又叫|又称|也叫|也称为?|简称为?|俗称|别名是?|昵称是?")
_LONGEST_ALIAS = 8


def is_in(text: str) -> bool:
    return _ANY.search(text) is not None


def organizations_and_places(text: str) -> tuple[list[Spotted], str]:
    """Those that are known, those that say what they are; and the text without them."""
    kinds: list[Spotted] = []
    for match in _KIND_OF_ORGANIZATION.finditer(text):
        start = _name_before(text, match.start(), _LONGEST_ORGANIZATION)
        name = text[start : match.start()]
        if (deed := _DEED.match(name)) is not None:
            start += deed.end()
        if match.start() - start >= 2 and text[start : match.start()] not in _NO_NAMES:
            kinds.append((ORGANIZATION, start, match.end(), None))
    found = [each for each, behind in pairwise([*kinds, None]) if each and not _is_within(each, behind)]
    text = without(text, found)
    known: list[Spotted] = [(ORGANIZATION, *m.span(), None) for m in _KNOWN_ORGANIZATION.finditer(text)]
    text = without(text, known)
    places: list[Spotted] = [(LOCATION, *match.span(), None) for match in _PLACES.finditer(text)]
    text = without(text, places)
    towns: list[Spotted] = [
        (LOCATION, *match.span(1), None)
        for match in _SMALL_TOWN.finditer(text)
        if _BINDING.isdisjoint(match.group(1))
    ]
    return found + known + places + towns, without(text, towns)


def _is_within(each: Spotted, behind: Spotted | None) -> bool:
    return behind is not None and behind[1] <= each[1]


def _name_before(text: str, end: int, most: int) -> int:
    """Where the characters begin that may be a name and stand before a place."""
    start = end
    while start > max(0, end - most) and _is_of_name(text[start - 1]):
        start -= 1
    return start


def _is_of_name(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" and character not in _BINDING


def people_and_teams(text: str) -> Iterator[Spotted]:
    for match in _TITLED.finditer(text):
        yield PERSON, *match.span(), None
    for match in _PERSON.finditer(text):
        if match.group(1)[:2] not in _NO_PEOPLE:
            yield PERSON, *match.span(1), None
    for match in _TEAM.finditer(text):
        start, end = match.span(1)
        while start < end and text[start] in _BINDING:
            start += 1
        if end - start > 1:
            yield CONCEPT, start, end, None


def aliases(text: str) -> Iterator[Spotted]:
    """番茄又叫西红柿: both of them."""
    for match in _ALIAS.finditer(text):
        end = match.end()
        while end < min(len(text), match.end() + _LONGEST_ALIAS) and _is_of_name(text[end]):
            end += 1
        if end == match.end() and not text[end : end + 2].strip().isascii():
            continue
        start = _name_before(text, match.start(), _LONGEST_ALIAS)
        if match.start() - start > 1 and (end > match.end() or text[end : end + 2].strip()):
            yield CONCEPT, start, match.start(), None
        if end - match.end() > 1:
            yield CONCEPT, match.end(), end, None
