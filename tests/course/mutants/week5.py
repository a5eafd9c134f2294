"""Typical wrong solutions of week 5."""

MUTANTS = [
    ("masked_softmax", "np.where(mask, scores, -np.inf)", "scores * mask"),
    ("masked_softmax", "np.where(mask, scores, -np.inf)", "np.where(mask, scores, -1000.0)"),
    ("masked_softmax", "np.exp(allowed - allowed.max(axis=-1, keepdims=True))", "np.exp(allowed)"),
    (
        "masked_softmax",
        "allowed - allowed.max(axis=-1, keepdims=True)",
        "allowed - scores.max(axis=-1, keepdims=True)",
    ),
    ("masked_softmax", "allowed - allowed.max(axis=-1, keepdims=True)", "allowed - allowed.max()"),
    (
        "masked_softmax",
        "return raised / raised.sum(axis=-1, keepdims=True)",
        "part = np.exp(scores - scores.max(-1, keepdims=True)); return part / part.sum(-1, keepdims=True) * mask",
    ),
    ("attend_additive", "np.tanh(keys + query[:, None, :]) @ score", "(keys + query[:, None, :]) @ score"),
    ("attend_additive", "weights[:, :, None] * features", "weights[:, :, None] * keys"),
    ("attend_additive", "masked_softmax(energy, mask)", "masked_softmax(energy, np.ones_like(mask))"),
    (
        "attend_additive",
        "weights = masked_softmax(energy, mask)",
        "weights = np.exp(energy) * mask; weights = weights / weights.sum(1, keepdims=True)",
    ),
    (
        "attend_additive",
        "np.tanh(keys + query[:, None, :]) @ score",
        "np.tanh(keys) @ score + query @ score[:, None]",
    ),
    (
        "attend_additive",
        "return (weights[:, :, None] * features).sum(axis=1), weights",
        "return weights, (weights[:, :, None] * features).sum(axis=1)",
    ),
    ("attend_dot_product", " / np.sqrt(query.shape[-1])\n    mask", "\n    mask"),
    ("attend_dot_product", "/ np.sqrt(query.shape[-1])\n    mask", "/ query.shape[-1]\n    mask"),
    ("attend_dot_product", "np.tril(mask)", "np.tril(mask, -1)"),
    (
        "attend_dot_product",
        "weights = masked_softmax(scores, mask)",
        "weights = masked_softmax(np.where(mask, scores, -100), mask | True)",
    ),
    (
        "attend_dot_product",
        "weights = masked_softmax(scores, mask)\n    return weights @ value",
        "weights = masked_softmax(scores, mask | True) * mask\n"
        "    weights = weights / weights.sum(1, keepdims=True)\n    return weights @ value",
    ),
    (
        "attend_dot_product",
        "weights = masked_softmax(scores, mask)\n    return weights @ value",
        "weights = masked_softmax(scores.T, mask.T).T\n    return weights @ value",
    ),
    (
        "attend_dot_product",
        "weights = masked_softmax(scores, mask)\n    return weights @ value",
        "weights = masked_softmax(scores, np.ones_like(mask)) * mask\n    return weights @ value",
    ),
    (
        "attention_gradient",
        "(weights * grad_weights).sum(axis=1, keepdims=True)",
        "(weights * grad_weights).sum(axis=0, keepdims=True)",
    ),
    (
        "attention_gradient",
        "weights * (grad_weights - (weights * grad_weights).sum(axis=1, keepdims=True))",
        "weights * (1 - weights) * grad_weights",
    ),
    ("attention_gradient", "grad_scores @ key * scale", "grad_scores @ key"),
    (
        "attention_gradient",
        "grad_scores.T @ query * scale, weights.T @ grad_averages",
        "grad_scores.T @ query, weights.T @ grad_averages",
    ),
    ("attention_gradient", "weights.T @ grad_averages", "weights @ grad_averages"),
    (
        "attend_multi_head",
        ".reshape(regions, 3, heads, width // heads).transpose(1, 2, 0, 3)",
        ".reshape(3, heads, regions, width // heads)",
    ),
    (
        "attend_multi_head",
        "attend_dot_product(*(part[head] for part in parts))",
        "attend_dot_product(parts[0][head] / np.sqrt(heads), parts[1][head], parts[2][head])",
    ),
    ("attend_multi_head", "return mixed @ merge", "return mixed"),
    (
        "attend_multi_head",
        'raise ValueError(f"feature_dim={width} is no multiple of heads={heads}")',
        "heads = 1",
    ),
    ("attend_multi_head", "*(part[head] for part in parts)", "*(parts[i][head] for i in (1, 0, 2))"),
    (
        "translate_greedily",
        "        if token == end:\n            break\n        written.append(token)",
        "        written.append(token)\n        if token == end:\n            break",
    ),
    ("translate_greedily", "token, written = start, []", "token, written = start, [start]"),
    ("translate_greedily", "scores, state = step(token, state)", "scores, _ = step(token, state)"),
    ("translate_greedily", "scores, state = step(token, state)", "scores, state = step(start, state)"),
    ("translate_greedily", "len(written) < limit", "len(written) <= limit"),
    ("translate_greedily", "written.append(token)", "written += [token] if token != start else []"),
    ("translate_greedily", "len(written) < limit", "token != end and len(written) < limit"),
    ("translate_greedily", "written.append(token)", "written.append(float(token))"),
]
