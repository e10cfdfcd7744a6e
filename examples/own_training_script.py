"""A sentence-transformers training script, made cross-lingual by a store, a collator and a loss of lingualign.

Run it with ``python examples/own_training_script.py [STUDENT]``: a hub id or folder, else a new static model.
"""

import sys

from datasets import DatasetDict, load_dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers import SentenceTransformerTrainingArguments as TrainingArguments

from lingualign.embedding import load_model
from lingualign.evaluation import BitextEvaluator
from lingualign.losses import SoftContrastiveLoss
from lingualign.pairs import read_source
from lingualign.samples import EVERYDAY
from lingualign.student import static_student
from lingualign.teacher import TeacherCollator, TeacherStore

# One data set a language pair, so that each batch is of one pair; the side the teacher understands comes first.
rows = load_dataset("csv", data_files=str(EVERYDAY / "train.tsv"), delimiter="\t", split="train")
pairs = DatasetDict({f"en-{other}": rows.select_columns(["en", other]) for other in ("fr", "ja", "ko", "ru")})
if sys.argv[1:]:
    student, rate = SentenceTransformer(sys.argv[1]), 3e-5
else:
    student, rate = static_student(load_model("minilm"), rows.to_dict(), anchor="en"), 2e-2

store = TeacherStore.for_model("teacher-vectors", "minilm")
store.add(rows["en"])  # each sentence is embedded once, for this run and all later ones
collator = TeacherCollator(preprocess_fn=student.preprocess, store=store)
loss = SoftContrastiveLoss(student, temperature=0.1)

evaluator = BitextEvaluator(read_source(EVERYDAY / "test.tsv")[0][0].table)
print(f"accuracy before: {evaluator(student)['accuracy']:.3f}")
args = TrainingArguments("my-model", num_train_epochs=8, per_device_train_batch_size=64, learning_rate=rate)
SentenceTransformerTrainer(student, args, pairs, loss=loss, data_collator=collator).train()
print(f"accuracy after: {evaluator(student)['accuracy']:.3f}")
