"""English words of assertion status. Data only: `assertion` gives them their meaning.

Phrases are compared by words without case; `'s` of a possessive is dropped. Must not: look at text.
"""

from typing import Final

from llmos.knowledge.linking.lexicon import Direction, Lexicon, Reach, Rule, Status

__all__ = ["ENGLISH"]

_GROUPS: Final = {
    # A child is not here: "my son has a fever" is what a parent writes about the patient. `his son` is, below.
    "kin": """mother|father|mom|mum|dad|mommy|daddy|parent|parents|brother|brothers|sister|sisters|sibling|siblings|aunt|uncle|cousin
        cousins|grandmother|grandfather|grandma|grandpa|granny|grandparent|grandparents|wife|husband|spouse|partner|girlfriend
        boyfriend|twin|nephew|niece|relative|relatives|his son|her son|his daughter|her daughter|his child|her child""",
    "says": """says|said|reports|reported|states|stated|tells|told|notes|noted|notices|noticed|describes|described|thinks|thought
        believes|saw|observed|found|confirms|confirmed|brought|complains|worries|explains|mentions|mentioned|is the historian""",
    "whose": "his|her|my|their|the|a|an|our|your",
    "not": """not|n't|isn't|aren't|wasn't|weren't|doesn't|don't|didn't|hasn't|haven't|hadn't|won't|can't|cannot|couldn't|wouldn't
        never|does not|do not|did not|has not|have not|had not|is not|are not|was not|were not""",
    "be": "is|are|was|were|has been|have been|had been|be|being",
    "period": "year|years|month|months|decade|decades",
    "early": "child|baby|newborn|neonate|infant|toddler|teenager|boy|girl|student",
}

_NEGATED: Final = (
    Rule(
        Status.Negated,
        Direction.Forward,
        Reach.List,
        """no|not|without|non|free of|free from|absence of|lack of|absent|lacks|lacked|neither|nor|never|none of|{not}|{not} have
        {not} had|{not} got|never had|never has|no longer|no longer has|no longer have|no more|no evidence of|no evidence for
        no sign of|no signs of|no history of|no known|no prior|no previous|no recent|no past history of|no known history of
        no known exposure to|no complaints of|no longer any|nothing to suggest|no suggestion of|no suspicion of|no symptoms of
        no indication of|failed to reveal|fails to reveal|fails to show|failed to show|rules out|ruled out|excludes|excluded|exclude
        no risk of|can't say i have|cannot say i have|unremarkable for|instead of|rather than|clear of""",
    ),
    Rule(
        Status.Negated,
        Direction.Forward,
        Reach.Sentence,
        "deny|denies|denied|denying|{kin} denies|{kin} denied|negative for|negative for any",
    ),
    Rule(
        Status.Negated,
        Direction.Backward,
        Reach.List,
        """{be} ruled out|ruled out|{be} excluded|{be} absent|absent|denied|{be} denied|{be} negative|negative|test negative
        {be} not $|considered excluded|never occurred|has never occurred|did not occur|has not occurred|never happened
        {be} not present|{be} not seen|{be} not noted|{be} not observed|{be} not found|{be} not there|not present|not seen|not found
        not observed|not detected|not demonstrated|not identified|unlikely|{be} unlikely|{be} very unlikely|isn't present
        wasn't present|was never present|weren't present|wasn't seen|wasn't found|isn't there""",
    ),
    Rule(Status.Negated, Direction.Backward, Reach.Adjacent, "none|: no $|: no ,|-|(-)|: -"),
    Rule(
        Status.Negated,
        Direction.Backward,
        Reach.Sentence,
        ": none|: negative|: absent|: denied|: not seen|: not observed|: not found|are all denied|were all denied|all negative|all absent",
    ),
)

_HYPOTHETICAL: Final = (
    Rule(
        Status.Hypothetical,
        Direction.Forward,
        Reach.Sentence,
        """if|unless|in case of|in the event of|^ should|should you|should any|should the|should he|should she|should it|should there
        should this|whether|differential diagnosis|differential|ddx|differential includes|watch for|watched for|watched closely for
        watch out for|look out for|monitor for|monitoring for|evaluate for|evaluation for|evaluated for|assess for|check for|look for
        screen for|screening for|screened for|work up for|workup for|to test for|will test for|rule out|to rule out|r/o|to exclude
        side effects include|adverse effects include|side effects are|warns of|warn of|warned about|warns about|return for
        come back for|return to the emergency room for|return to the emergency department for|return to the er for|prn for
        as needed for|call for|possible|possibly|probable|probably|presumed|suspected|suspect|suspicion of|suspicious for
        suspicion for|suggestive of|looks like|look like|sounds like|considered|may not be|might not be|questionable|equivocal
        concern for|concerned for|concern about|worried about|worry about|afraid of|anxious about|fear of|fears|fear|might be|may be
        could be|can be|might have|may have|could have|may cause|can cause|could cause|might cause|may lead to|can lead to
        could lead to|may develop|might develop|could develop|may occur|likely|{kin} thinks i have|{kin} thinks he has
        {kin} thinks she has|^ do you have|^ do you|^ do i have|^ have you|^ did you have|^ has he|^ has she|^ does he have
        ^ does she have|^ is there|^ are there|^ could|^ could this be|could this be|could it be|can it be|is it|is this|^ any
        cannot rule out|can't rule out|can not rule out|cannot exclude|can't exclude|not ruled out|vs|versus""",
    ),
    Rule(
        Status.Hypothetical,
        Direction.Forward,
        Reach.List,
        """may|might|could|would|chance of|chances of|likelihood of|probability of|odds of|protect against|protects against
        protects from|risk of|risk for|at risk for|at risk of|risk factors for|prevent|prevents|preventing|prevention of|to prevent
        to avoid|prophylaxis for|prophylaxis of|protection against|vaccination against|vaccine against|immunized against|^ when
        whenever|predisposes to|predisposition to|signs of|symptoms of|warning signs of""",
    ),
    Rule(
        Status.Hypothetical,
        Direction.Backward,
        Reach.Clause,
        """cannot be excluded|cannot be ruled out|can't be excluded|can't be ruled out|not excluded|not ruled out
        has not been ruled out|is suspected|suspected|if needed|if necessary|remains a possibility|is a possibility|remains possible
        cannot be confirmed|is possible|is likely|is probable|possible|may occur|can occur|might occur|should be considered
        is considered|prophylaxis|vaccine|vaccination|screening|risk""",
    ),
)

_OTHER: Final = (
    Rule(
        Status.Other,
        Direction.Forward,
        Reach.Sentence,
        """{kin}|family history|family history of|family medical history|fh|fhx|no family history of|nobody in my family|in my family
        family members|family member|runs in the family|friend|friend of mine|friend of his|friend of hers|friends|colleague|coworker
        neighbor|neighbour|roommate|classmate|boss|donor|contact with|exposure to|exposed to|my dog|my cat|the dog|the cat|his dog
        her dog""",
    ),
    Rule(
        Status.Other,
        Direction.Backward,
        Reach.Clause,
        "in {kin}|in {whose} {kin}|on {whose} {kin} side|runs in the family|in the family|in my family|in the donor",
    ),
)

_PAST: Final = (
    Rule(
        Status.Past,
        Direction.Forward,
        Reach.List,
        """history of|past history of|remote history of|history significant for|h/o|hx of|previously|previous|prior|former|formerly
        remote|used to|used to have|used to get|in @|back in|when he had|when she had|when i had|in high school|in his twenties
        in her twenties|in my twenties|in his thirties|in her thirties|in his teens|in her teens|in my teens|at the age of #|at age #
        status post|s/p|resolved|recovered from|outgrew|outgrown|got over|in the past|once had|had been treated for|was treated for
        cured of|after a bout of|quit after|# {period} ago|last year|last winter|last summer|last spring|last autumn|years ago
        as a {early}|as an infant|in childhood|in infancy|in college|in his youth|in her youth|in my youth|in adolescence
        when i was a {early}""",
    ),
    Rule(Status.Past, Direction.Forward, Reach.Adjacent, "childhood|infantile"),
    Rule(
        Status.Past,
        Direction.Forward,
        Reach.Sentence,
        "pmh|pmhx|past medical history|past medical history of|past surgical history|medical history",
    ),
    Rule(
        Status.Past,
        Direction.Backward,
        Reach.Clause,
        """resolved|has resolved|have resolved|{be} resolved|in @|until @|back in|last month|cleared up|cleared|healed|has healed
        successfully treated|outgrown|in high school|in his twenties|in her twenties|in my twenties|in his teens|in her teens
        went away|gone away|has subsided|subsided|{be} cured|{be} gone|disappeared|{be} removed|# {period} ago|{period} ago|last year
        last winter|last summer|as a {early}|as an infant|in childhood|in infancy|in college|at age|at age #|at the age of
        at the age of #|until the age of|until age|during adolescence|during childhood|in adolescence|when i was a {early}|in the past
        in his youth|in her youth|in remission|now in remission""",
    ),
)

_PRESENT: Final = (
    Rule(
        Status.Present,
        Direction.Forward,
        Reach.Adjacent,
        """what is|what is a|what is an|what are|what causes|what helps against|define|definition of|meaning of|onset of|known
        diagnosed with|diagnosed as""",
    ),
)

ENGLISH: Final = Lexicon(
    groups=_GROUPS,
    rules=(*_NEGATED, *_HYPOTHETICAL, *_OTHER, *_PAST, *_PRESENT),
    pseudo="""gram negative|is it normal that|not only|not just|not merely|no response|no response of|no response to|could not|since @
        no change in|no change of|no increase in|no decrease in|no improvement in|no improvement of|no relief of|no relief from
        no cause for|no cause of|no doubt|no doubt about|no doubt that|no treatment|no cure|without treatment|without help|no help
        not help|{not} help|{not} relieve|{not} improve|{not} sure why|{not} because|no wonder|{not} go away|no idea|no matter
        not sleeping|history of present illness|history of the present illness|history and|# {period} history of|{period} history of
        week history of|weeks history of|day history of|days history of|long history of|when did|when was|nothing helps|not well
        not well controlled|{kin} {says}|{kin} who {says}|according to {whose} {kin}|{kin} {be} worried|{kin} {be} concerned|{kin} and
        negative pressure|risk free|signs of life|prior to|previous to|free text|last night|last week""",
    terminators=(
        (
            """but|however|although|though|yet|except|except for|apart from|aside from|besides|whereas|nevertheless|otherwise|still
            instead|other than""",
            (Status.Negated, Status.Past, Status.Other, Status.Hypothetical),
        ),
        (
            """has|had|reports|reported|complains|presents|presented|presenting|admits|shows|showed|because|because of|due to|for
            despite|against|now has|now|i have|i feel|positive for|with|up to|remains|until|since|found|and was|and has|and is|but""",
            (Status.Negated,),
        ),
        (
            """patient|the patient|he|she|i|i have|i feel|i now have|child|the child|boy|girl|baby|infant|his own|her own|my own
            himself|herself|myself|mine|my son|my daughter|my child|my baby""",
            (Status.Other,),
        ),
        ("because|because of|due to|despite|and now|now|found", (Status.Hypothetical,)),
        (
            """now|currently|today|at present|presents|presented|presenting|has|started|began|since|developed|no|without|denies|onset
            still|diagnosed|and now|is now|born""",
            (Status.Past,),
        ),
    ),
)
