"""Chinese words of assertion status, in simplified characters. Data only: `assertion` gives them their meaning.

Text is compared after folding, so traditional characters need no words of their own. Must not: look at text.
"""

from typing import Final

from llmos.knowledge.linking.lexicon import Direction, Lexicon, Reach, Rule, Status

__all__ = ["CHINESE"]

_GROUPS: Final = {
    # 儿子, 女儿, 孩子, 宝宝 are not here: parents write about their child as the patient.
    "kin": """父亲|母亲|爸爸|妈妈|爸|妈|父母|双亲|爷爷|奶奶|外公|外婆|姥姥|姥爷|祖父|祖母|外祖父|外祖母|哥哥|弟弟|姐姐|妹妹|兄弟|姐妹
        其弟|其兄|其姐|其妹|丈夫|妻子|老公|老婆|爱人|配偶|叔叔|伯父|舅舅|姑姑|姨妈|阿姨|婆婆|公公|岳父|岳母|阿嬷|阿公|姑妈|大伯|舅妈
        姨|兄长|堂哥|堂弟|堂姐|堂妹|表哥|表弟|表姐|表妹|亲属|亲戚|近亲|家属""",
    "says": "诉|代诉|述|代述|说|发现|觉得|反映|告知|表示|称|认为|陪同|诉其|发现其",
}

_NEGATED: Final = (
    Rule(
        Status.Negated,
        Direction.Forward,
        Reach.Clause,
        """无|没|没有|没得|没得过|没有得过|从没|从未|从来没有|从未有|从未有过|未|未见|未见明显|未闻及|未及|未发现|未触及|未扪及|未诉
        不诉|未出现|未再出现|未再发|未发生|未患|不伴|不伴有|不是|不像|不像是|不存在|也没有|也无|均无|已无|并无|尚无|目前无|现无
        没有出现|没有证据提示|无证据提示|不支持|不符合|已排除|可排除|可以排除|排除""",
    ),
    Rule(Status.Negated, Direction.Forward, Reach.Sentence, "否认|均否认|否认有|否认患有"),
    Rule(Status.Negated, Direction.Forward, Reach.Adjacent, "不|不再|已经不|已不|不会"),
    Rule(
        Status.Negated,
        Direction.Backward,
        Reach.Clause,
        "未再出现|不再出现|没再出现|未再发作|不再发作|没再发作|可能性小|可能性不大|可能性低|基本排除|未见|未引出|未触及|未闻及|可以排除|已排除|已经排除|被排除|可排除|检测阴性|检查阴性|检测为阴性|阴性|征象未见",
    ),
    Rule(Status.Negated, Direction.Backward, Reach.Sentence, "均否认|均无|均阴性|均未见|均为阴性"),
    Rule(Status.Negated, Direction.Backward, Reach.Adjacent, "除外|不明显|消失|已消失|(-)|-|病史:无$|史:无$|:无$|:无,"),
)

_HYPOTHETICAL: Final = (
    Rule(
        Status.Hypothetical,
        Direction.Forward,
        Reach.Sentence,
        """如|如果|如出现|如有|如果有|若|若有|若出现|一旦|一旦出现|假如|倘若|万一|要是|鉴别诊断|副作用包括|不良反应包括|筛查|排查|警惕
        预防|以防|防止|避免""",
    ),
    Rule(
        Status.Hypothetical,
        Direction.Forward,
        Reach.Clause,
        """可能|可能是|可能有|疑似|疑|怀疑|可疑|考虑|考虑为|待排|待排除|不能排除|不排除|不能除外|尚不能除外|尚不能排除|需除外|以排除
        需排除|有无|有没有|是否|是否有|是否存在|是不是|会不会|会不会是|能不能|注意有无|观察有无|注意观察|观察是否有|担心|害怕|怕|怕是
        怕自己|看起来像|像|像是|好像|好像是|提示可能|除外|倾向|可引起|可导致|会引起|会导致|可能出现|可能引起|必要时|无论|不管|除非
        评估|发生|似乎""",
    ),
    Rule(Status.Hypothetical, Direction.Forward, Reach.Adjacent, "当|注意|应注意|需注意"),
    Rule(
        Status.Hypothetical,
        Direction.Backward,
        Reach.Clause,
        "请马上|请立即|请及时|请通知|应立即|应及时|需立即|有可能|仍有可能|不除外|不能除外|不能排除|不排除|待排|待排除|风险|的风险|可能性大|可能性",
    ),
    Rule(Status.Hypothetical, Direction.Backward, Reach.Adjacent, "吗|？|可能|时请|时应|时立即|时口服|时服用|时服|时用|的可能"),
)

_OTHER: Final = (
    Rule(
        Status.Other,
        Direction.Forward,
        Reach.Sentence,
        """{kin}|{kin}的孩子|{kin}家孩子|{kin}的儿子|{kin}的女儿|家族史|家族中|家族|家里没有人|家里有人|家人|家中|同事|室友|同学|朋友
        邻居|邻居家|邻居家孩子|邻居的孩子|别人家孩子|供者|供体|密切接触者|接触者|我家狗|我家猫|狗|无家族|否认家族""",
    ),
    Rule(Status.Other, Direction.Backward, Reach.Clause, "家族史|家族遗传史"),
)

_PAST: Final = (
    Rule(
        Status.Past,
        Direction.Forward,
        Reach.Clause,
        """既往|既往有|既往患|曾|曾有|曾患|曾因|曾经|曾经有|曾经得过|以前|以前得过|以前有|之前|过去|小时候|儿时|幼时|年轻时|儿童期
        青年时|去年|前年|得过|患过|有过|#年前|@年|曾于|当年|高中时|上学时|大学时|#多年前|多年前|数年前|既往史|上个月|上月""",
    ),
    Rule(
        Status.Past,
        Direction.Backward,
        Reach.Clause,
        "已治愈|已痊愈|治愈|痊愈|已退|已消退|已消失|已恢复|已经好了|好了|已愈|史|病史|术后|术后#年|手术史|手术后|后遗症|后遗症期",
    ),
)

_PRESENT: Final = (Rule(Status.Present, Direction.Forward, Reach.Adjacent, "什么是|请问|什么叫|何为|何谓"),)

CHINESE: Final = Lexicon(
    groups=_GROUPS,
    rules=(*_NEGATED, *_HYPOTHETICAL, *_OTHER, *_PAST, *_PRESENT),
    pseudo="""@年起|@年开始|自@年|@年来|无明显诱因|无诱因|无法|无论如何|无力|无效|无缓解|无好转|没有好转|没有减轻|没有缓解|没有改善
        没有办法|没办法|没有效果|没睡|没吃|没有退烧|没有食欲|没有胃口|没有精神|未缓解|未好转|未减轻|未消退|未改善|未治疗|未用药|未服药
        未吃|未愈|不仅|不但|不断|不明原因|不能|不适|不规则|不规律|不慎|不同|不久|不止|不足|无不适|无痰|如下|如此|例如|如常|如厕|诸如
        比如|现病史|病史#年|史#年|病史#余年|史#余年|既往体健|既往健康|既往身体健康|考虑到|{kin}{says}|患者{kin}{says}|母乳|父母陪同
        发生率|当地|当时|当天|当日|不清楚|过敏史""",
    terminators=(
        ("但|但是|却|然而|不过|而是|而|除了|以外", (Status.Negated, Status.Past, Status.Other, Status.Hypothetical)),
        ("有|伴|伴有|承认|因|因为|由于|出现|仍|仍有|还|还有|偶有|就是|只是|合并|以及有|可见|阳性", (Status.Negated,)),
        ("患者|病人|患儿|本人|我|自己|孩子", (Status.Other,)),
        ("现|现在|目前|今日|今天|今|本次|此次|近来|近日|又|成年后|后来|确诊|开始|起病|主诉|现无|目前无", (Status.Past,)),
        ("现|目前", (Status.Hypothetical,)),
    ),
)
