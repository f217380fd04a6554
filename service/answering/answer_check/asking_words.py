"""Words that serve to ask and say nothing about what is asked: their absence from a text tells nothing."""

import re

_BEGINNINGS = """
    what which who whom whose when where why how is are was were do does did can could should would
    will has have had in on at by for of to from according name list give tell define describe
    explain state identify find show please is there are according during after before since under
    with year date kind type sort
"""
ENGLISH = frozenset(_BEGINNINGS.split())
"""A question begins with these, or with a name."""

_WANTED = """
    year date day month centuri decad time person peopl citi countri place state name kind type sort
    number amount percentag percent word term thing reason way exampl purpos mani much long far old
    known call consid use made make becom happen occur step procedur list take get give go come
    describ refer mean whi titl role someth
"""
ASKED_FOR = frozenset(_WANTED.split())
"""Content words, as they are compared, that name what is wanted and need not stand beside it."""

COUNTED = frozenset({"year", "month", "week", "day", "hour", "person", "peopl", "time"})
"""Those that say what is counted, if a number is asked for."""

_CHINESE = """
    担任 任职 出任 成立 建立 创建 创立 创办 设立 位于 属于 出生 诞生 去世 逝世 死亡 毕业 就读 参加
    加入 获得 得到 取得 赢得 夺得 荣获 发行 出版 发表 推出 上映 播出 首播 制作 导演 主演 饰演 扮演
    编剧 作者 作家 撰写 编写 主要 特点 特征 特色 原因 理由 结果 影响 作用 目的 内容 方式 方法 组成
    构成 包括 包含 分为 称为 称作 叫做 叫作 名字 名称 别名 英文名 中文名 外号 绰号 开始 结束 完成
    开放 开通 通车 启用 建成 落成 修建 建造 建于 建设 负责 管理 经营 拥有 具有 举行 举办 主办 承办
    发生 出现 发现 发明 提出 认为 表示 说明 代表 来自 来源 起源 源于 源自 使用 利用 用于 用来 进行
    采用 通过 成为 变成 改为 改名 更名 命名 得名 由来 关系 联系 区别 不同 相同 类型 种类 性质 身份
    职位 职务 职业 工作 国家 城市 地区 地方 省份 时间 日期 年份 年代 时期 时候 数量 人数 面积 人口
    长度 高度 宽度 重量 大小 公司 组织 机构 单位 部门 学校 大学 人物 主角 角色 作品 专辑 歌曲 电影
    电视剧 节目 游戏 小说 书籍 比赛 奖项 冠军 成绩 排名 第一 首次 最早 最大 最高 最多 目前 现在 当时
    当年 后来 最后 最终 首先 其中 其他 以及 可以 能够 需要 应该 必须 分布 生活 生长 栖息 食物 主食
    颜色 形状 外形 大约 大概 左右 左手 平均 总共 一共 总计 共有 所有 全部 部分 哪些 多少 方面 领域
    情况 条件 问题 事件 事情 活动 行动 战争 战役 历史 文化 传统 意义 价值 地位 评价 程度 水平 标准
    规定 要求 措施 政策 计划 项目 系统 技术 产品 设备 工具 材料 受到 遭到 遭受 遭遇 导致 造成 引起
    由于 因此 所以 因为 为了 根据 按照 关于 对于 具体 详细 简单 介绍 描述 解释 回答 请问 哪位 谁的
    叫什 又名 又称 又叫 还叫 俗称 简称 全称 本名 原名 真名 享年 终年 年龄 岁数 几岁 籍贯 故乡 父亲
    母亲 儿子 女儿 妻子 丈夫 兄弟 姐妹 队伍 球队 球员 教练 总部 首都 省会 所在 所在地 地点 地址 位置
    哪国 国籍 民族 语言 宗教 信仰 首任 现任 前任 历任 开设 开办 创作 创造 改编 翻译 出演 演出 演唱
    发售 销售 售价 价格 费用 收入 票房 播放 放送 连载 播映 收录 收藏 保存 保护 分成 多长 多久 多大
    多高 多远 多重 原来 曾经 曾任 曾在 曾是
"""
ASIDE = (
    "又还叫称为是名个些年月日号时里中上下所让给用做作当任到来去过着得地"
    "并且而但只才再很更最能可该此每各某第位次种座的了在有和与于曾间后前"
)
"""Characters that count for nothing at the ends of what is missing."""

CHINESE = re.compile("|".join(sorted(set(_CHINESE.split()), key=lambda word: (-len(word), word))))
