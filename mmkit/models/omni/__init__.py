"""Omni: pictures and clips in one prompt; an architecture of our own for transformers and for vLLM.

    configuration   the numbers of a model
    processing      text, pictures, clips -> token ids, pixel values, log-mels
    towers          encoders of pictures and clips, plain torch, shared by the next two
    modeling        the model in transformers
    vllm_model      the model in vLLM, with what vLLM must know of its processing
    realtime        the same model on vLLM's /v1/realtime: live speech
    plugin          tells both libraries that the model exists
    example         a random model in a folder, small enough for tests
    parity          proof that both sides say the same

It imports only transformers, torch and, where vLLM runs, vLLM.
"""
