"""Sentences in a clinician's words, labelled by hand: what is in brackets is an abnormality that the person has or may have.

Written for this test and read by a person, not by the linker: some of the phrases are names of the Human Phenotype Ontology, some are
only how people say it. Brackets never nest.
"""

import re

SENTENCES = """\
The child has [seizures], a [large head] and was found to have [low muscle tone].
She was born with a [cleft palate] and [bilateral hearing loss].
Examination showed [short stature], [hypertelorism] and a [high forehead].
He developed [ataxia] in his twenties, followed by [dysarthria].
An MRI revealed [agenesis of the corpus callosum].
Her brother suffers from [muscle weakness] and [easy fatigability].
At birth the infant had [respiratory distress] and [hypoglycemia].
The patient complained of [headache], [vomiting] and [blurred vision].
Laboratory tests were notable for [anemia] and [thrombocytopenia].
There was marked [hepatomegaly], and the spleen was enlarged.
Her skin was dry, with [hyperkeratosis] of the palms.
The echocardiogram demonstrated a [ventricular septal defect].
He has [intellectual disability] and does not speak.
Progressive [scoliosis] required surgery at the age of twelve.
Since childhood she has had recurrent [otitis media].
The boy walked late and shows [global developmental delay].
[Nystagmus] and [photophobia] were noted by the ophthalmologist.
Both sisters had [cataracts] before school age.
The newborn presented with [jaundice] and poor feeding.
Biopsy confirmed [hepatic fibrosis].
The family reports episodes of [loss of consciousness] and [muscle cramps].
His fingers are long, consistent with [arachnodactyly].
She has had [diarrhea] and [weight loss] for three months.
Physical examination revealed [micrognathia] and [low-set ears].
Ultrasound showed [polycystic kidney dysplasia] on the left side.
He was referred because of [tremor] and [rigidity].
[Alopecia] began in infancy and never improved.
The girl has [strabismus], [ptosis] and [myopia].
Blood pressure was high; [hypertension] has been treated since 2010.
Two cousins have [deafness] and [retinitis pigmentosa].
The patient has [fever], [cough] and [dyspnea].
Radiographs showed [osteopenia] and several [fractures].
He came for a routine visit and had nothing to report.
The pharmacy opens at nine, and the appointment was moved to Friday.
Please send the invoice for the last two visits to the insurance.
"""


def tagged() -> list[tuple[list[str], list[str]]]:
    """Return each sentence as words and marks, and their tags."""
    found = []
    for text, spans in labelled():
        words = list(re.finditer(r"\w+|[^\w\s]", text))
        tags = ["O"] * len(words)
        for start, end in spans:
            inside = [index for index, word in enumerate(words) if start <= word.start() < end]
            for place, index in enumerate(inside):
                tags[index] = "I-abnormality" if place else "B-abnormality"
        found.append(([word[0] for word in words], tags))
    return found


def labelled() -> list[tuple[str, set[tuple[int, int]]]]:
    """Return each sentence without brackets, and the spans they stood around."""
    found = []
    for line in SENTENCES.splitlines():
        spans, text = set(), ""
        for piece in re.split(r"(\[[^\]]*\])", line):
            bare = piece.strip("[]") if piece.startswith("[") else piece
            if bare is not piece:
                spans.add((len(text), len(text) + len(bare)))
            text += bare
        found.append((text, spans))
    return found
