"""Words that say what is done with a thing, when, or how much of it, but not which thing: that two facts share one
means nothing. A large store has them in too many facts to link any; a small one does not. Words that are names of
things as well ("the supply", "a release") are none of them.
"""

from memoria.tokens import encoded, tokens

_ENGLISH = (
    "accept add agree apply arrange ask assign attend become begin belong bring build buy care carry choose"
    " collect come complete connect consist contain continue create decide deliver depend describe develop discuss"
    " ensure enter exist expect fail feel fill finish follow found gave get give go grow handle happen help hold"
    " improve include increase involve join keep know lead learn leave live look lose maintain make manage mean"
    " meet mention mix near need operate prefer prepare produce provide pull push put receive reduce remain remove"
    " replace require responsible run say see send serve several since start stop take tell think try update use"
    " want wear work write good great large last late long low main new next old small usual day week month year"
    " hour minute today yesterday tomorrow morning evening night daily weekly monthly yearly monday tuesday"
    " wednesday thursday friday saturday sunday january february march april june july august september october"
    " november december spring summer autumn winter one two three four five six seven eight nine ten hundred"
    " thousand percent people person everybody everyone"
)
_CHINESE = (
    "负责 使用 采用 选用 用于 需要 进行 提供 包括 包含 存在 管理 维护"
    " 处理 修改 调整 增加 减少 提高 降低 开始 完成 结束 停止 决定 准备"
    " 发现 确认 通知 保证 保持 继续 改为 换成 改成 放在 位于 属于 目前"
    " 现在 最近 今天 昨天 明天 上周 本周 下周 上月 本月 每天 每周 每月"
    " 每年 今年 去年 明年 早上 晚上 上午 下午 周一 周二 周三 周四 周五"
    " 周六 周日 星期 小时 分钟 公司 团队 部门 大家 员工 主管 经理 组长"
    " 班长 队长 主任 科长 老师 同事 客户 可能 已经 可以 必须 应该 因为"
    " 所以 但是 如果 以及 或者 通过 之后 之前 以后 以前 同时 其中 一些"
    " 一个 一次 所有 全部 统一 主要 一般 通常 平均 左右 以上 以下 至少"
    " 最多"
)
COMMONPLACE = frozenset(map(encoded, [*tokens(_ENGLISH), *_CHINESE.split()]))
"""As search text spells them."""
