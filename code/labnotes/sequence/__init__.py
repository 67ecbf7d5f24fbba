"""Networks that read a sequence step by step, and searches through the sequences they propose."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "clipping": ["clip_by_norm", "clip_by_value"],
    "ngram": ["NGram"],
    "recurrent": ["GRU", "LSTM", "RNN", "gru_step", "lstm_step", "rnn_step"],
    "sampling": ["sampling_distribution"],
    "search": ["Hypothesis", "beam_search", "viterbi"],
    "tagging": ["Tagger", "reverse_padded", "word_features"],
})  # fmt: skip
