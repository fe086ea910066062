"""The shipped models' zoo: the worlds that they know, and how each was built, trained and scored.

worlds   what is drawn and said, with one right answer to every question
media    the course's own pictures, clips and videos (make media)
vision   tiny-qwen2-vl     reader   tiny-reader     audio   tiny-qwen2-audio, tiny-whisper     omni   tiny-omni
         each: model (configuration, tokenizer, processor), batches, train, evaluate
scores   python -m mmkit.zoo.scores: held-out questions -> scores.json
"""
