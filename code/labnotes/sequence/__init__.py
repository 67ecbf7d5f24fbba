"""Networks that read a sequence step by step, and searches through the sequences they propose."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "attending": ["AttentionDecoder", "AttentionSeq2Seq", "BidirectionalEncoder"],
    "by_hand": ["GRUByHand"],
    "characters": ["CharLSTM"],
    "clipping": ["clip_by_norm", "clip_by_value"],
    "ibm": ["IBMModel1"],
    "ngram": ["NGram"],
    "recurrent": ["GRU", "LSTM", "RNN", "gru_step", "lstm_step", "rnn_step"],
    "sampling": ["sampling_distribution"],
    "search": ["Hypothesis", "batched_beam_search", "beam_search", "exhaustive", "gnmt_penalty",
               "greedy", "power_penalty", "viterbi"],
    "seq2seq": ["Decoder", "Encoder", "Seq2Seq", "masked_cross_entropy"],
    "tagging": ["Tagger", "reverse_padded", "word_features"],
})  # fmt: skip
